"""A population at some scale: its integers, and how far its states go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import (
    Bounds,
    FixedPopulation,
    FixedProjection,
    Population,
    Projection,
    population_bounds,
    reach,
)
from neuro_deploy.network.bounds import Sent
from neuro_deploy.numerics.registers import (
    BIAS,
    BIAS_EXPONENT,
    DECAY_UNITY,
    RELAY,
    STATE_LIMIT,
    THRESHOLD,
    THRESHOLD_SHIFT,
)
from neuro_deploy.passes.gains import whole_gains
from neuro_deploy.passes.intake import Intake
from neuro_deploy.passes.scale import Scale, own_units, whole_bias, whole_threshold, whole_weights

LEFT_OUT = 0.5
"""Below this factor a neuron is nearer to the truth without its synapses."""


@dataclass(frozen=True, eq=False)
class Fixed:
    """A population at some scale, its projections, and how far its states go. detached: neurons without synapses."""

    population: FixedPopulation
    projections: tuple[FixedProjection, ...]
    bounds: Bounds
    detached: int


def fixed_at(
    intake: Intake, scale: Scale, relays: Mapping[str, float], sent: Mapping[str, Sent], timesteps: int, *, chain: bool
) -> Fixed:
    """The population at a scale. relays: scales of the relays that feed it. sent: values that its sources can send.

    chain: all weight exponents are 0.

    Raises:
        RangeError: no threshold is left, or gains that no weight exponent reaches. UnsupportedError: a broken decay.
    """
    source, k = intake.population, scale.k
    synapses = () if intake.current is not None else intake.synapses
    unit = own_units(source, synapses, intake.bias, k)
    population = FixedPopulation(
        source.name,
        source.kind,
        source.shape,
        whole_bias(source, unit * intake.bias if intake.current is None else np.zeros_like(intake.bias), k),
        whole_threshold(source, scale, unit),
        v_decay=np.asarray(_decay(source)),
    )
    detached = unit < LEFT_OUT
    largest = None if chain else _largest_of_kind(synapses)
    projections = [_fixed(_without(p, detached), k, largest) for p in synapses]
    projections += _behind_relays(intake, k, relays)
    host = 0 if intake.current is None else min(math.ceil(k * intake.current) + 1, BIAS.high) << BIAS_EXPONENT
    reached = reach(population, projections, sent)
    bounds = population_bounds(population, reached, timesteps, host)
    return Fixed(population, tuple(projections), bounds, int(np.count_nonzero(detached)))


def _behind_relays(intake: Intake, k: float, relays: Mapping[str, float]) -> list[FixedProjection]:
    """Synapses from relays. Of a gain's several powers of two, those too small to have a weight are left out."""
    fixed = [_fixed(p, k / relays[p.source], {}) for p in intake.relayed]
    some = {p.source for p in fixed if np.any(p.weight)}
    return [p for p in fixed if np.any(p.weight) or p.source not in some]


def _without(projection: Projection, detached: npt.NDArray[np.bool_]) -> Projection:
    """The projection without its synapses on detached neurons: (neurons of the population,)."""
    if projection.sign is None or not np.any(detached):
        return projection
    return replace(projection, sign=np.where(detached[projection.geometry.targets], np.int8(0), projection.sign))


def _kind(projection: Projection) -> tuple[object, ...]:
    geometry = projection.geometry
    return geometry.kind, geometry.axis, geometry.target_channels


def _largest_of_kind(synapses: Sequence[Projection]) -> dict[tuple[object, ...], float]:
    """The largest weight of projections along the channels into the same neurons: a joined layer has one exponent."""
    largest: dict[tuple[object, ...], float] = {}
    for projection in synapses:
        if projection.geometry.axis == "channel":
            top = float(np.abs(projection.weight).max())
            largest[_kind(projection)] = max(top, largest.get(_kind(projection), 0.0))
    return largest


def _fixed(projection: Projection, k: float, largest: dict[tuple[object, ...], float] | None) -> FixedProjection:
    """Synapses of weight k times the projection's, with the exponent that makes them fill the register.

    largest: weights that are to fit too, by kind of projection. None: exponent 0.
    """
    if largest is not None:
        weight, exponent = whole_gains(projection, k, largest.get(_kind(projection), 0.0))
    else:
        weight, exponent = whole_weights(projection.weight, k), 0
    return FixedProjection(
        projection.source, projection.target, weight, exponent, geometry=projection.geometry, sign=projection.sign
    )


def _decay(population: Population) -> int:
    decay = DECAY_UNITY / population.tau if population.kind == "lif" else 0.0
    if decay != round(decay):
        raise UnsupportedError(
            f"tau {population.tau:g} needs a decay of {decay:g} parts of {DECAY_UNITY}, whole numbers are allowed",
            where=population.name,
            hint="tau 1, 2, 4, ... are exact",
        )
    return int(decay)


def excess(population: FixedPopulation, bounds: Bounds) -> float:
    """How many times too far u or v can go; at most 1 is proven to be safe.

    A LIF neuron's v that is clipped at the top spikes and is reset, as the float neuron is: only its lowest v counts.
    """
    if population.kind == "relay":
        return bounds.v / RELAY.high
    u_excess = bounds.u / (STATE_LIMIT - 1)
    if population.kind == "readout":
        return max(u_excess, bounds.v / (THRESHOLD.high << THRESHOLD_SHIFT))
    return max(u_excess, bounds.v_low / (STATE_LIMIT - 1))
