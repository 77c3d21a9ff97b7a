"""Float Network -> FixedNetwork."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError, UnsupportedError, UsageError
from neuro_deploy.network import (
    BiasEncoding,
    Bounds,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Network,
    Population,
    Projection,
    population_bounds,
    reach,
    sent_by_relay,
)
from neuro_deploy.network.bounds import Sent
from neuro_deploy.numerics.powers import is_power_of_two
from neuro_deploy.numerics.registers import (
    BIAS,
    BIAS_EXPONENT,
    DECAY_UNITY,
    RELAY,
    STATE_LIMIT,
    THRESHOLD,
    THRESHOLD_SHIFT,
    WEIGHT_EXPONENT,
)
from neuro_deploy.passes.gains import whole_gains
from neuro_deploy.passes.scale import (
    FloatArray,
    QuantizedPopulation,
    Scale,
    largest_scale,
    on_threshold,
    own_units,
    whole_bias,
    whole_threshold,
    whole_weights,
)

InputMode = Literal["graded", "bias"]
STATES = "24-bit states"
HINTS = {
    STATES: "many inputs of full range meet in a neuron: --input bias, or train with fewer input levels",
    "bias": "biases are large beside the weights, as with inputs of many levels: --input bias, or fewer levels",
}
SHRINK = 1.0001
"""A little more than needed, so that rounding does not undo it."""
LEFT_OUT = 0.5
"""Below this factor a neuron is nearer to the truth without its synapses."""
MIN_WEIGHT_BITS = 4
"""Below this, a conversion is refused rather than left without weights."""


@dataclass(frozen=True)
class Quantize:
    """8-bit even weights, 17-bit thresholds, 13-bit biases, one scale k per population (equations: scale.py).

    The input's scaling is folded into the first layer: with x = low + scale * q, W x + b = (scale W) q + (b + W low).
    input "graded": q enters as graded spikes. input "bias": the host computes W x + b, which enters as bias.

    A relay sends k times its value. Relays whose value is passed on as it is, or times powers of two, stand on one
    grid of scales with the populations that they feed: k = base * 2^n, so that their synapses only shift. base is the
    first such relay's. A shift to the left is exact; one to the right rounds down what the relay sends. Such
    populations take k from their relays. In a chain of dense layers all weight exponents are 0, as stock files want it;
    elsewhere they make every projection fill its 8 bits, whatever limits k (joined layers along the channels together).

    Requires: tau divides 4096. Input by bias: one dense layer of LIF neurons behind the input.
    Ensures: every number fits its register; for inputs within range u never wraps and v is never clipped but where it
    spikes (interval analysis); a readout's v stays below the largest threshold, so that hardware never makes it spike;
    a relay's values stay within 24 bits.
    """

    input: InputMode = "graded"

    name = "quantize"

    def __post_init__(self) -> None:
        if self.input not in get_args(InputMode):
            raise UsageError(f"no input {self.input!r}; {' or '.join(get_args(InputMode))} is wanted")

    def __call__(self, network: Network) -> tuple[FixedNetwork, tuple[QuantizedPopulation, ...]]:
        """The fixed network, and what was done to each population.

        Raises:
            RangeError: numbers that do not fit however they are scaled.
            UnsupportedError: a decay that 12 bits do not hold, or an input that does not enter as bias.
        """
        made = _Quantizing(network, self.input)
        for population in network.populations:
            made.add(population)
        fixed = FixedNetwork(
            tuple(made.populations), tuple(made.projections), network.timesteps, made.host or network.encoding
        )
        return fixed, tuple(made.reports)


@dataclass(frozen=True, eq=False)
class _Intake:
    """What a population gets. synapses: from spikes and the input, whose scaling is folded in. relayed: from relays.

    current: the largest current that the host puts into the bias; None where spikes come in.
    """

    population: Population
    synapses: tuple[Projection, ...]
    relayed: tuple[Projection, ...]
    bias: FloatArray
    current: float | None = None


@dataclass(frozen=True, eq=False)
class _Fixed:
    """A population at some scale, its projections, and how far its states go. detached: neurons without synapses."""

    population: FixedPopulation
    projections: tuple[FixedProjection, ...]
    bounds: Bounds
    detached: int


class _Quantizing:
    """Takes populations in order. scales: of what relays send. sent: the values that populations can send."""

    def __init__(self, network: Network, mode: InputMode) -> None:
        self.network = network
        self.mode = mode
        self.populations: list[FixedPopulation] = []
        self.projections: list[FixedProjection] = []
        self.reports: list[QuantizedPopulation] = []
        self.host: BiasEncoding | None = None
        self.base: float | None = None
        self.scales: dict[str, float] = {}
        self.sent: dict[str, Sent] = {p.name: (0, 1) for p in network.populations if p.kind == "lif"}
        self.chain = _is_chain(network)
        self.graded = {p.name for p in network.populations if p.kind == "relay"}
        self.on_grid = {p.source for p in network.projections if p.source in self.graded and _shifts(p)}

    def add(self, population: Population) -> None:
        """Quantize a population and what feeds it.

        Raises:
            RangeError: it does not fit.
        """
        if population.kind == "input":
            if self.mode == "graded":
                self.populations.append(FixedPopulation(population.name, "input", population.shape))
            self.sent[population.name] = (self.network.encoding.first, self.network.encoding.levels)
            return
        intake = self.intake(population)
        scale, fixed = self.fitted(intake)
        if intake.current is not None:
            encoding, synapses = self.network.encoding, intake.synapses[0]
            self.host = BiasEncoding(
                population.name, encoding.shape, scale.k * synapses.weight, scale.k * intake.bias, encoding
            )
        if population.kind == "relay":
            self.scales[population.name] = scale.k
            self.sent[population.name] = sent_by_relay(
                fixed.population, reach(fixed.population, fixed.projections, self.sent)
            )
        self.populations.append(fixed.population)
        self.projections += fixed.projections
        self.reports.append(_report(intake, scale, fixed, self.scales))

    def intake(self, population: Population) -> _Intake:
        projections = self.network.inputs_of(population.name)
        entry = self.network.populations[0].name
        driven = [p for p in projections if p.source == entry]
        relayed = tuple(p for p in projections if p.source in self.graded)
        if driven and self.mode == "bias":
            return _by_bias(self.network, population)
        unknown = [p.source for p in relayed if p.source not in self.scales]
        if unknown:
            raise UnsupportedError(
                f"is fed by the relay {unknown[0]}, which does not come before it", where=population.name
            )
        bias = population.bias.copy()
        for projection in driven:
            low = projection.geometry.apply(projection.weight, self.network.encoding.low)
            bias[projection.geometry.targets] += low if projection.sign is None else low * projection.sign
        synapses = (
            replace(p, weight=p.weight * self.network.encoding.scale) if p.source == entry else p
            for p in projections
            if p.source not in self.graded
        )
        return _Intake(population, tuple(synapses), relayed, bias)

    def fitted(self, intake: _Intake) -> tuple[Scale, _Fixed]:
        """The largest scale that keeps states within 24 bits, and the population at it."""
        synapses = intake.synapses if intake.current is None else ()
        exponent = WEIGHT_EXPONENT.high if self.shifted(intake) else 0
        scale = largest_scale(
            intake.population, synapses, intake.bias, intake.current or 0.0, exponent, symmetric=not self.chain
        )
        scale = self.grounded(intake, self.resolved(intake, scale))
        while True:
            fixed = self.at(intake, scale)
            excess = _excess(fixed.population, fixed.bounds)
            if excess <= 1:
                break
            scale = self.grounded(intake, Scale(scale.k / (excess * SHRINK), STATES))
        if self.base is None and intake.population.name in self.on_grid:
            self.base = scale.k
        _check_resolution(intake, scale, fixed)
        return scale, fixed

    def shifted(self, intake: _Intake) -> bool:
        """Whether relays feed this population through shifts, so that its scale is theirs."""
        return any(_shifts(p) for p in intake.relayed)

    def resolved(self, intake: _Intake, scale: Scale) -> Scale:
        """No finer than the relays, where they say what there is to resolve."""
        if not self.shifted(intake) and (intake.synapses or not intake.relayed):
            return scale
        most = max(self.scales[p.source] for p in intake.relayed if _shifts(p) or not self.shifted(intake))
        return Scale(most, "relays") if most < scale.k else scale

    def grounded(self, intake: _Intake, scale: Scale) -> Scale:
        """The largest scale up to this one that the population may have: on the grid, or on a whole threshold."""
        population = intake.population
        on_grid = population.name in self.on_grid or self.shifted(intake)
        if on_grid and self.base is not None:
            steps = np.floor(np.log2(scale.k / self.base) + 1e-9)
            return Scale(self.base * float(np.exp2(steps)), scale.limited_by)
        if population.kind == "lif" and np.ndim(population.v_threshold) == 0:
            return Scale(on_threshold(scale.k, population.tau * float(population.v_threshold)), scale.limited_by)
        return Scale(on_threshold(scale.k, self.firing), scale.limited_by) if on_grid else scale

    @property
    def firing(self) -> float:
        """Threshold of the first neurons that a relay feeds, times tau: where the grid's base puts it is exact."""
        for projection in self.network.projections:
            target = self.network.population(projection.target)
            if projection.source in self.on_grid and target.kind == "lif" and np.ndim(target.v_threshold) == 0:
                return target.tau * float(target.v_threshold)
        return 1.0

    def at(self, intake: _Intake, scale: Scale) -> _Fixed:
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
        largest = None if self.chain else _largest_of_kind(synapses)
        projections = [_fixed(_without(p, detached), k, largest) for p in synapses]
        projections += [_fixed(p, k / self.scales[p.source], {}) for p in intake.relayed]
        host = 0 if intake.current is None else min(math.ceil(k * intake.current) + 1, BIAS.high) << BIAS_EXPONENT
        reached = reach(population, projections, self.sent)
        bounds = population_bounds(population, reached, self.network.timesteps, host)
        return _Fixed(population, tuple(projections), bounds, int(np.count_nonzero(detached)))


def _without(projection: Projection, detached: npt.NDArray[np.bool_]) -> Projection:
    """The projection without its synapses on detached neurons: (neurons of the population,)."""
    if projection.sign is None or not np.any(detached):
        return projection
    return replace(projection, sign=np.where(detached[projection.geometry.targets], np.int8(0), projection.sign))


def _is_chain(network: Network) -> bool:
    """Whether each population feeds the next one by dense synapses, and nothing else."""
    steps = [(before.name, after.name) for before, after in pairwise(network.populations)]
    geometries = [p.geometry for p in network.projections]
    plain = all(g.kind == "dense" and not (g.source_channels or g.target_channels) for g in geometries)
    return plain and steps == [(p.source, p.target) for p in network.projections]


def _shifts(projection: Projection) -> bool:
    return bool(np.all(is_power_of_two(projection.weight)))


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


def _by_bias(network: Network, population: Population) -> _Intake:
    """The first layer, which the host computes."""
    entry, projections = network.populations[0].name, network.inputs_of(population.name)
    if population.kind != "lif":
        raise UnsupportedError(
            f"is fed by the input itself; input by bias needs {_hidden(population)}", where=population.name
        )
    alone = len(projections) == 1 and sum(p.source == entry for p in network.projections) == 1
    if not alone or projections[0].geometry.kind != "dense" or projections[0].sign is not None:
        raise UnsupportedError(
            "is fed by the input and more, or through shared weights; input by bias needs one dense layer there",
            where=population.name,
            hint="--input graded",
        )
    current = network.encoding.largest_image(projections[0].weight, population.bias)
    return _Intake(population, projections, (), population.bias, current)


def _hidden(population: Population) -> str:
    return "a hidden layer" if population.kind == "readout" else "a layer of LIF neurons there, with --input graded"


def _decay(population: Population) -> int:
    decay = DECAY_UNITY / population.tau if population.kind == "lif" else 0.0
    if decay != round(decay):
        raise UnsupportedError(
            f"tau {population.tau:g} needs a decay of {decay:g} parts of {DECAY_UNITY}, whole numbers are allowed",
            where=population.name,
            hint="tau 1, 2, 4, ... are exact",
        )
    return int(decay)


def _excess(population: FixedPopulation, bounds: Bounds) -> float:
    """How many times too far u or v can go; at most 1 is proven to be safe.

    A LIF neuron's v that is clipped at the top spikes and is reset, as the float neuron is: only its lowest v counts.
    """
    if population.kind == "relay":
        return bounds.v / RELAY.high
    u_excess = bounds.u / (STATE_LIMIT - 1)
    if population.kind == "readout":
        return max(u_excess, bounds.v / (THRESHOLD.high << THRESHOLD_SHIFT))
    return max(u_excess, bounds.v_low / (STATE_LIMIT - 1))


def _check_resolution(intake: _Intake, scale: Scale, fixed: _Fixed) -> None:
    """Weights that a limit shrinks to nothing would make a network that computes something else."""
    bits = _weight_bits(intake, fixed)
    if bits is not None and bits < MIN_WEIGHT_BITS:
        raise RangeError(
            f"the limit of {scale.limited_by} leaves weights of {bits:.1f} bits; at least {MIN_WEIGHT_BITS} are wanted",
            where=intake.population.name,
            hint=HINTS.get(scale.limited_by, "check the source's biases, batch norms and thresholds"),
        )


def _weight_bits(intake: _Intake, fixed: _Fixed) -> float | None:
    """Bits that the largest weight fills; None without weights that could."""
    if intake.current is not None or not any(np.any(p.weight) for p in intake.synapses):
        return None
    largest = max(float(np.abs(p.weight).max()) for p in fixed.projections[: len(intake.synapses)])
    return round(float(1 + np.log2(largest / 2)), 2) if largest else 0.0


def _report(intake: _Intake, scale: Scale, fixed: _Fixed, scales: dict[str, float]) -> QuantizedPopulation:
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
