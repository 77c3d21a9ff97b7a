"""What quantization did to each population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neuro_deploy.errors import RangeError
from neuro_deploy.network import FixedProjection, Projection
from neuro_deploy.passes.fixing import Fixed
from neuro_deploy.passes.intake import Intake
from neuro_deploy.passes.scale import Scale

STATES = "24-bit states"
HINTS = {
    STATES: "many inputs of full range meet in a neuron: --input bias, or train with fewer input levels",
    "bias": "biases are large beside the weights, as with inputs of many levels: --input bias, or fewer levels",
}
READOUT_HINT = "a readout adds up what it gets in all timesteps: fewer --timesteps"
MIN_WEIGHT_BITS = 4
"""Below this, a conversion is refused rather than left without weights."""


@dataclass(frozen=True)
class QuantizedPopulation:
    """What quantization did to a population.

    scale: k. weight_bits: bits that the largest weight fills, None where nothing but relays or the host feeds it.
    weight_error: largest rounding of a weight, in percent of the largest weight. threshold: one for all neurons, or
    [lowest, highest]. worst_u, worst_v: proven largest magnitudes, of 2^23. relays: scales of the relays that feed it,
    relative to its own. detached: neurons of so small a gain that their synapses are left out.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def check_resolution(intake: Intake, scale: Scale, fixed: Fixed) -> None:
    """Weights that a limit shrinks to nothing would make a network that computes something else."""
    bits = _weight_bits(intake, fixed)
    if bits is not None and bits < MIN_WEIGHT_BITS:
        sums_up = intake.population.kind == "readout" and scale.limited_by == STATES
        hint = HINTS.get(scale.limited_by, "check the source's biases, batch norms and thresholds")
        raise RangeError(
            f"the limit of {scale.limited_by} leaves weights of {bits:.1f} bits; at least {MIN_WEIGHT_BITS} are wanted",
            where=intake.population.name,
            hint=READOUT_HINT if sums_up else hint,
        )


def _weight_bits(intake: Intake, fixed: Fixed) -> float | None:
    """Bits that the largest weight fills; None without weights that could."""
    if intake.current is not None or not any(np.any(p.weight) for p in intake.synapses):
        return None
    largest = max(float(np.abs(p.weight).max()) for p in fixed.projections[: len(intake.synapses)])
    return round(float(1 + np.log2(largest / 2)), 2) if largest else 0.0


def report_of(intake: Intake, scale: Scale, fixed: Fixed, scales: Mapping[str, float]) -> QuantizedPopulation:
    """The report on a population. scales: of what relays send."""
    bits = _weight_bits(intake, fixed)
    threshold = fixed.population.threshold
    lowest, highest = int(threshold.min()), int(threshold.max())
    return QuantizedPopulation(
        name=intake.population.name,
        scale=float(scale.k),
        limited_by=scale.limited_by,
        weight_bits=bits,
        weight_error=None if bits is None else _weight_error(intake.synapses, fixed.projections, scale.k),
        threshold=None if intake.population.kind != "lif" else lowest if lowest == highest else [lowest, highest],
        v_decay=int(fixed.population.v_decay),
        worst_u=fixed.bounds.u,
        worst_v=fixed.bounds.v,
        relays={p.source: scales[p.source] / scale.k for p in intake.relayed},
        detached=fixed.detached,
    )


def _weight_error(synapses: Sequence[Projection], fixed: Sequence[FixedProjection], k: float) -> float:
    """The largest rounding, in percent of the largest weight."""
    pairs = list(zip(synapses, fixed, strict=False))
    largest = max(float(np.abs(p.weight).max()) for p, _ in pairs)
    error = max(float(np.abs(whole.weight * 2.0**whole.weight_exp - k * p.weight).max()) for p, whole in pairs)
    return round(100 * error / (k * largest), 3)
