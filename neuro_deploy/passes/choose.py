"""Which of the candidates of a population is taken: the one whose spikes are nearest to those of the float network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from neuro_deploy.errors import RangeError
from neuro_deploy.passes.calibrate import CLIPS, Try, attempt, corrected
from neuro_deploy.passes.compensate import compensated
from neuro_deploy.passes.fixing import Fixed
from neuro_deploy.passes.intake import Intake
from neuro_deploy.passes.refine import Around, refined
from neuro_deploy.passes.scale import Scale, has_own_units


@dataclass(frozen=True, eq=False)
class Choosing:
    """One population and its candidates.

    fitted: the population with its weights clipped so far, and whether channels have scales of their own. proven: a
    candidate with the bounds of what changed in it; None where they no longer hold. chain: whether exponents are 0.
    """

    around: Around
    intake: Intake
    fitted: Callable[[float, bool], tuple[Scale, Fixed]]
    proven: Callable[[Try], Try | None]
    chain: bool

    def best(self, own: bool) -> Try:
        """The best of the candidates, its weights rounded such that they make up for one another, and by spikes."""
        best = min(self.candidates(own), key=lambda found: found.error)
        nearest, scale = best.fixed, best.scale
        rounded = compensated(nearest, self.around.sent)
        if rounded is not None:
            best = min([best, *self.tried(scale, rounded)], key=lambda found: found.error)
        if self.intake.current is not None or self.intake.population.kind == "readout":
            return best
        return refined(self.around, self.intake.population, best, nearest, lambda fixed: self.again(scale, fixed))

    def candidates(self, own: bool) -> Iterator[Try]:
        """The population without clipping first, then with more and more; each also with corrected biases."""
        clips = CLIPS if self.intake.synapses and self.intake.current is None else CLIPS[:1]
        seen: set[tuple[float, tuple[int, ...]]] = set()
        for clip in clips:
            try:
                scale, fixed = self.fitted(clip, own)
            except RangeError:
                if clip == 1.0:
                    raise
                continue
            key = (scale.k, tuple(p.weight_exp for p in fixed.projections))
            if clip > 1.0 and key in seen and self.chain is False:
                continue
            seen.add(key)
            yield from self.tried(scale, fixed)

    def tried(self, scale: Scale, fixed: Fixed) -> Iterator[Try]:
        """A population at a scale, and with corrected biases; as far as its states are as sure as they were."""
        found = self.again(scale, fixed)
        if found is not None:
            yield found
            if self.intake.current is None and not has_own_units(self.intake.synapses):
                yield self.proven(corrected(self.around.calibration, self.intake, found)) or found

    def again(self, scale: Scale, fixed: Fixed) -> Try | None:
        """A population at a scale, as it is."""
        held = self.proven(Try(scale, fixed))
        if held is None:
            return None
        return attempt(self.around.calibration, self.intake, scale, held.fixed, dict(self.around.sent))
