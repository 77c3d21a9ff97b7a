"""What quantization did to each population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neuro_deploy.errors import RangeError
from neuro_deploy.passes.calibrate import Try
from neuro_deploy.passes.fixing import Fixed, Synapses, excess
from neuro_deploy.passes.intake import Intake
from neuro_deploy.passes.levels import FloatArray, Levels
from neuro_deploy.passes.rows import per_row
from neuro_deploy.passes.scale import Scale

STATES = "24-bit states"
HINTS = {
    STATES: "many inputs of full range meet in a neuron: --input bias, --calibrate, or train with fewer input levels",
    "bias": "biases are large beside the weights, as with inputs of many levels: --input bias, or fewer levels",
}
READOUT_HINT = "a readout adds up what it gets in all timesteps: fewer --timesteps"
MIN_WEIGHT_BITS = 4
"""Below this, a conversion is refused rather than left without weights; of fewer bits, all but one must be left."""


@dataclass(frozen=True)
class QuantizedPopulation:
    """What quantization did to a population.

    scale: k; scales: its [lowest, highest] where channels have their own. weight_bits: bits that the largest weight
    fills, None where nothing but relays or the host feeds it. bits, exponents: of the weights from each source; several
    projections from one source have the most bits and the largest exponent of them. clipped: share of weights that lay
    beyond their levels. weight_error: largest rounding of a weight that was not clipped, in percent of the largest
    weight. threshold: one for all neurons, or [lowest, highest]. worst_u, worst_v: largest magnitudes that interval
    analysis allows, of 2^23; covered_by: "proof" where they stay below it, "calibration" where only samples say that
    states do. seen_u, seen_v: largest magnitudes on the calibration samples, None without. relays: scales of the relays
    that feed it, relative to its own. detached: neurons of so small a gain that their synapses are left out.
    """

    name: str
    scale: float
    limited_by: str
    weight_bits: float | None
    weight_error: float | None
    threshold: int | list[int] | None
    v_decay: int
    worst_u: int
    worst_v: int
    relays: dict[str, float]
    detached: int
    scales: list[float] | None = None
    bits: dict[str, int] | None = None
    exponents: dict[str, int] | None = None
    clipped: float | None = None
    covered_by: str = "proof"
    seen_u: int | None = None
    seen_v: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def check_resolution(intake: Intake, scale: Scale, fixed: Fixed, levels: Sequence[Levels]) -> None:
    """Weights that a limit shrinks to nothing would make a network that computes something else."""
    filled = _weight_bits(intake, fixed)
    if filled is None:
        return
    wanted = min(MIN_WEIGHT_BITS, max(max(of.bits for of in levels) - 1, 0.5))
    if filled < wanted:
        sums_up = intake.population.kind == "readout" and scale.limited_by == STATES
        hint = HINTS.get(scale.limited_by, "check the source's biases, batch norms and thresholds")
        raise RangeError(
            f"the limit of {scale.limited_by} leaves weights of {filled:.1f} bits; at least {wanted:g} are wanted",
            where=intake.population.name,
            hint=READOUT_HINT if sums_up else hint,
        )


def _weight_bits(intake: Intake, fixed: Fixed) -> float | None:
    """Bits that the largest weight fills; None without weights that could."""
    if intake.current is not None or not any(np.any(p.weight) for p in intake.synapses):
        return None
    largest = max(_filled(each) for each in fixed.synapses[: len(intake.synapses)])
    return round(float(1 + np.log2(largest)), 2) if largest else 0.0


def _filled(each: Synapses) -> float:
    return float(np.abs(each.fixed.weight).max()) / each.levels.step


def report_of(intake: Intake, found: Try, scales: Mapping[str, float]) -> QuantizedPopulation:
    """The report on a population. scales: of what relays send."""
    scale, fixed = found.scale, found.fixed
    filled = _weight_bits(intake, fixed)
    threshold = fixed.population.threshold
    lowest, highest = int(threshold.min()), int(threshold.max())
    learned = [each for each in fixed.synapses if each.learned]
    size = sum(each.wanted.size for each in learned)
    return QuantizedPopulation(
        name=intake.population.name,
        scale=float(scale.k),
        limited_by=scale.limited_by,
        weight_bits=filled,
        weight_error=None if filled is None else _weight_error(learned, scale),
        threshold=None if intake.population.kind != "lif" else lowest if lowest == highest else [lowest, highest],
        v_decay=int(fixed.population.v_decay),
        worst_u=fixed.bounds.u,
        worst_v=fixed.bounds.v,
        relays={p.source: scales[p.source] / scale.k for p in intake.relayed},
        detached=fixed.detached,
        scales=None if scale.each is None else [float(scale.each.min()), float(scale.each.max())],
        bits=_by_source(learned, [each.levels.bits for each in learned]),
        exponents=_by_source(fixed.synapses, [each.fixed.weight_exp for each in fixed.synapses]),
        clipped=sum(each.levels.clipped(each.wanted) for each in learned) / size if size else None,
        covered_by="proof" if excess(fixed.population, fixed.bounds) <= 1 else "calibration",
        seen_u=None if found.outcome is None else found.outcome.u,
        seen_v=None if found.outcome is None else found.outcome.v,
    )


def _by_source(synapses: Sequence[Synapses], numbers: Sequence[int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each, number in zip(synapses, numbers, strict=True):
        found[each.fixed.source] = max(number, found.get(each.fixed.source, number))
    return found


def _weight_error(learned: Sequence[Synapses], scale: Scale) -> float:
    """The largest rounding of weights within their levels, in percent of the largest weight, in the source's unit."""
    largest = error = 0.0
    for each in learned:
        unit = 2.0**each.fixed.weight_exp / (scale.k if scale.each is None else _rows(each, scale.each))
        off = np.abs(each.fixed.weight - each.wanted)
        inside = np.where(off <= each.levels.step / 2 + 1e-9, off, 0.0) * unit
        largest, error = max(largest, float((np.abs(each.wanted) * unit).max())), max(error, float(inside.max()))
    return round(100 * error / largest, 3) if largest else 0.0


def _rows(each: Synapses, scales: FloatArray) -> FloatArray:
    return per_row(each.fixed, scales)
