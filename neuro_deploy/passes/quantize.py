"""Float Network -> FixedNetwork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from neuro_deploy.errors import RangeError, UnsupportedError, UsageError
from neuro_deploy.network import (
    BiasEncoding,
    Bounds,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    GradedEncoding,
    Network,
    Population,
    population_bounds,
)
from neuro_deploy.numerics.registers import DECAY_UNITY, NEVER, STATE_LIMIT, THRESHOLD, THRESHOLD_SHIFT
from neuro_deploy.passes.scale import (
    FloatArray,
    QuantizedPopulation,
    Scale,
    at_most,
    largest_scale,
    whole_bias,
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
MIN_WEIGHT_BITS = 4
"""Below this, a conversion is refused rather than left without weights."""


@dataclass(frozen=True)
class Quantize:
    """8-bit even weights, 17-bit thresholds, 13-bit biases, one scale per population (equations: scale.py).

    The input's scaling is folded into the first layer: with x = low + scale * q, W x + b = (scale W) q + (b + W low).
    input "graded": q enters as graded spikes. input "bias": the host computes W x + b, which enters as bias.

    Requires: a chain; every population but the input is fed by one projection; tau divides 4096.
    Ensures: every number fits its register; for inputs within range u never wraps and v is never clipped but where it
    spikes (interval analysis); a readout's v stays below the largest threshold, so that hardware never makes it spike.
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
            UnsupportedError: not a chain, or a decay that 12 bits do not hold.
        """
        entry = network.populations[0]
        fixed = FixedNetwork(
            (FixedPopulation(entry.name, "input", entry.shape),), (), network.timesteps, network.encoding
        )
        reports = []
        for population in network.populations[1:]:
            fixed, report = _extended(fixed, self._layer(network, population))
            reports.append(report)
        return fixed, tuple(reports)

    def _layer(self, network: Network, population: Population) -> _Layer:
        """A population and its only projection, with the input's scaling folded in."""
        projections = network.inputs_of(population.name)
        if len(projections) != 1:
            raise UnsupportedError(f"is fed by {len(projections)} projections, one is wanted", where=population.name)
        source, weight, bias = projections[0].source, projections[0].weight, population.bias
        if source != network.populations[0].name:
            return _Layer(population, source, weight, bias, None)
        encoding = network.encoding
        if self.input == "bias" and population.kind != "lif":
            raise UnsupportedError(
                "is fed by the input itself; input by bias needs a hidden layer", where=population.name
            )
        if self.input == "bias":
            return _Layer(population, source, weight, bias, encoding.largest_image(weight, bias))
        return _Layer(population, source, weight * encoding.scale, bias + weight.sum(axis=1) * encoding.low, None)


@dataclass(frozen=True, eq=False)
class _Layer:
    """current: the largest current that the host puts into the bias; None where spikes come in."""

    population: Population
    source: str
    weight: FloatArray
    bias: FloatArray
    current: float | None


def _extended(fixed: FixedNetwork, layer: _Layer) -> tuple[FixedNetwork, QuantizedPopulation]:
    """The network with one more population, at the largest scale that keeps its states within 24 bits."""
    synaptic = layer.weight if layer.current is None else np.zeros((1, 0))
    scale = largest_scale(layer.population, synaptic, layer.bias, layer.current or 0.0)
    while True:
        longer = _with_layer(fixed, layer, scale)
        bounds = population_bounds(longer, longer.output)
        excess = _excess(longer.output, bounds)
        if excess <= 1:
            report = _report(layer, scale, longer, bounds)
            if layer.current is None and np.any(layer.weight):
                _check_resolution(report)
            return longer, report
        scale = at_most(layer.population, scale.k / (excess * SHRINK), STATES)


def _check_resolution(report: QuantizedPopulation) -> None:
    """Weights that a limit shrinks to nothing would make a network that computes something else."""
    if report.weight_bits < MIN_WEIGHT_BITS:
        raise RangeError(
            f"the limit of {report.limited_by} leaves weights of {report.weight_bits:.1f} bits; "
            f"at least {MIN_WEIGHT_BITS} are wanted",
            where=report.name,
            hint=HINTS.get(report.limited_by, "check the source's biases, batch norms and thresholds"),
        )


def _with_layer(fixed: FixedNetwork, layer: _Layer, scale: Scale) -> FixedNetwork:
    if layer.current is not None:
        population = _population(layer, scale, np.zeros(len(layer.bias)))
        host = BiasEncoding(
            population.name, fixed.encoding.shape, scale.k * layer.weight, scale.k * layer.bias, _graded(fixed)
        )
        return FixedNetwork((population,), (), fixed.timesteps, host)
    population = _population(layer, scale, layer.bias)
    projection = FixedProjection(layer.source, population.name, whole_weights(layer.weight, scale.k))
    populations, projections = (*fixed.populations, population), (*fixed.projections, projection)
    return FixedNetwork(populations, projections, fixed.timesteps, fixed.encoding)


def _graded(fixed: FixedNetwork) -> GradedEncoding | None:
    return fixed.encoding if isinstance(fixed.encoding, GradedEncoding) else None


def _population(layer: _Layer, scale: Scale, bias: FloatArray) -> FixedPopulation:
    source = layer.population
    lif = source.kind == "lif"
    decay = DECAY_UNITY / source.tau if lif else 0.0
    if decay != round(decay):
        raise UnsupportedError(
            f"tau {source.tau:g} needs a decay of {decay:g} parts of {DECAY_UNITY}, whole numbers are allowed",
            where=source.name,
            hint="tau 1, 2, 4, ... are exact",
        )
    return FixedPopulation(
        source.name,
        source.kind,
        source.shape,
        whole_bias(bias, scale.k),
        np.asarray(NEVER if scale.threshold is None else scale.threshold),
        v_decay=np.asarray(int(decay)),
    )


def _excess(population: FixedPopulation, bounds: Bounds) -> float:
    """How many times too far u or v can go; at most 1 is proven to be safe.

    A LIF neuron's v that is clipped at the top spikes and is reset, as the float neuron is: only its lowest v counts.
    """
    u_excess = bounds.u / (STATE_LIMIT - 1)
    if population.kind == "readout":
        return max(u_excess, bounds.v / (THRESHOLD.high << THRESHOLD_SHIFT))
    return max(u_excess, bounds.v_low / (STATE_LIMIT - 1))


def _report(layer: _Layer, scale: Scale, fixed: FixedNetwork, bounds: Bounds) -> QuantizedPopulation:
    largest = error = 0.0
    if layer.current is None and np.any(layer.weight):
        whole = fixed.projections[-1].weight
        largest = float(np.abs(whole).max())
        error = float(np.abs(whole - scale.k * layer.weight).max() / (scale.k * np.abs(layer.weight).max()))
    return QuantizedPopulation(
        name=layer.population.name,
        scale=float(scale.k),
        limited_by=scale.limited_by,
        weight_bits=round(float(1 + np.log2(largest / 2)), 2) if largest else 0.0,
        weight_error=round(100 * error, 3),
        threshold=scale.threshold,
        v_decay=int(fixed.output.v_decay),
        worst_u=bounds.u,
        worst_v=bounds.v,
    )
