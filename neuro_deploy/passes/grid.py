"""Scales that relays tie together: one grid, k = base * 2^n (see quantize.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from neuro_deploy.network import Network, Population, Projection
from neuro_deploy.numerics.registers import WEIGHT
from neuro_deploy.passes.intake import Intake, is_unit, shifts
from neuro_deploy.passes.scale import Scale, on_threshold, on_thresholds

SPARED = 64.0
"""What is left of the largest weight, at least, of a relay whose gains are small: 6 bits."""


def _largest(projections: Sequence[Projection]) -> float:
    """The largest magnitude of a weight; tiny where there is none."""
    return max((float(np.abs(p.weight).max()) for p in projections), default=0.0) or float(np.finfo(np.float64).tiny)


@dataclass
class Grid:
    """What is known of the scales of relays so far. scales: of what they send. base: of the first one on the grid."""

    network: Network
    scales: dict[str, float] = field(default_factory=dict)
    base: float | None = None

    def __post_init__(self) -> None:
        projections = self.network.projections
        self.graded = {p.name for p in self.network.populations if p.kind == "relay"}
        self.on_grid = {p.source for p in projections if p.source in self.graded and shifts(p)}

    def take(self, population: Population, k: float) -> None:
        """Keep the scale that a population got."""
        if population.kind == "relay":
            self.scales[population.name] = k
        if self.base is None and population.name in self.on_grid:
            self.base = k

    def shifted(self, intake: Intake) -> bool:
        """Whether relays feed this population through shifts, so that its scale is theirs."""
        return any(shifts(p) for p in intake.relayed)

    def resolved(self, intake: Intake, scale: Scale) -> Scale:
        """No finer than the relays, where they say what there is to resolve; no finer than gains behind it can use."""
        useful = max(self.useful(intake.population), SPARED / _largest(intake.synapses))
        if useful < scale.k:
            return Scale(useful, "the gains behind it")
        if not self.shifted(intake) and (intake.synapses or not intake.relayed):
            return scale
        most = max(self.scales[p.source] for p in intake.relayed if shifts(p) or not self.shifted(intake))
        return Scale(most, "relays") if most < scale.k else scale

    def useful(self, population: Population) -> float:
        """The largest scale of a relay that gains behind it make use of: their weights would vanish behind larger ones.

        A gain g into neurons of scale k': 2 g k' leaves their unit resolved. k' is at most that of another relay that
        feeds them, or what their own weights allow.
        """
        behind = [p for p in self.network.projections if p.source == population.name and not is_unit(p)]
        if population.kind != "relay":
            return np.inf
        limits = [np.inf]
        for target in {p.target for p in behind}:
            beside = self.network.inputs_of(target)
            known = [self.scales[p.source] for p in beside if p.source in self.scales and shifts(p)]
            own = [float(np.abs(p.weight).max()) for p in beside if p.source not in self.graded]
            known += [WEIGHT.high / max(own)] if any(own) and not known else []
            gain = max(float(np.abs(p.weight).max()) for p in behind if p.target == target)
            limits += [2 * gain * max(known)] if known and gain > 0 else []
        return min(limits)

    def grounded(self, intake: Intake, scale: Scale) -> Scale:
        """The largest scale up to this one that the population may have: on the grid, or on a whole threshold."""
        population = intake.population
        on_grid = population.name in self.on_grid or self.shifted(intake)
        if on_grid and self.base is not None:
            steps = np.floor(np.log2(scale.k / self.base) + 1e-9)
            return Scale(self.base * float(np.exp2(steps)), scale.limited_by)
        if population.kind == "lif" and np.ndim(population.v_threshold) == 0:
            firing = population.tau * float(population.v_threshold)
            each = None if scale.each is None else on_thresholds(scale.each, firing)
            k = on_threshold(scale.k, firing) if each is None else float(each.min())
            return Scale(k, scale.limited_by, each)
        if scale.each is not None:
            return scale
        return Scale(on_threshold(scale.k, self.firing), scale.limited_by) if on_grid else scale

    @property
    def firing(self) -> float:
        """Threshold of the first neurons that a relay feeds, times tau: where the grid's base puts it is exact."""
        for projection in self.network.projections:
            target = self.network.population(projection.target)
            if projection.source in self.on_grid and target.kind == "lif" and np.ndim(target.v_threshold) == 0:
                return target.tau * float(target.v_threshold)
        return 1.0
