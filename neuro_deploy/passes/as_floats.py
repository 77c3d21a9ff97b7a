"""FixedNetwork -> float Network: real numbers that give the same spikes but for truncation, to quantize anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import (
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    GradedEncoding,
    Network,
    Population,
    Projection,
)
from neuro_deploy.numerics.registers import DECAY_UNITY
from neuro_deploy.passes.scale import UNIT


@dataclass(frozen=True)
class AsFloats:
    """Weights ``w 2^e``, tau ``4096 / vDecay``, thresholds ``(64 vThMant + 1) / (64 tau)``: k = 1 everywhere.

    Requires: no delays, no synaptic current, a voltage that decays, a readout that does not; samples in known units.
    Ensures: the float network spikes where the integers do, as long as nothing is truncated, wrapped or clipped.
    """

    name = "as-floats"

    def __call__(self, network: FixedNetwork) -> Network:
        """The float network.

        Raises:
            UnsupportedError: what a float network has no place for.
        """
        encoding, entry = network.encoding, network.entry
        populations = [_population(p) for p in network.populations]
        projections = [_projection(p) for p in network.projections]
        if isinstance(encoding, BiasEncoding):
            if encoding.integers is None or encoding.weight.ndim != 2:
                raise _unsupported(entry, "takes its input as bias in units that the file does not tell")
            host = np.asarray(encoding.offset) + network.population(entry).bias
            populations = [
                Population("input", "input", encoding.shape, np.zeros(encoding.weight.shape[1])),
                *(_with_bias(p, host) if p.name == entry else p for p in populations),
            ]
            projections = [Projection("input", entry, encoding.weight), *projections]
            encoding = encoding.integers
        elif isinstance(encoding, GradedEncoding):
            populations, projections = _in_units(populations, projections, encoding)
        if not isinstance(encoding, GradedEncoding):
            encoding = GradedEncoding(encoding.shape, levels=1)
        return Network(tuple(populations), tuple(projections), network.timesteps, encoding)


def _population(fixed: FixedPopulation) -> Population:
    bias = np.asarray(fixed.bias, np.float64)
    if fixed.kind != "lif":
        if fixed.kind == "readout" and np.any(fixed.v_decay):
            raise _unsupported(fixed.name, "is a readout that decays")
        return Population(fixed.name, fixed.kind, fixed.shape, bias)
    if fixed.v_decay.ndim or not fixed.v_decay or np.any(fixed.u_decay != DECAY_UNITY):
        raise _unsupported(fixed.name, "has a current that decays, or a voltage that does not, or not all alike")
    tau = DECAY_UNITY / int(fixed.v_decay)
    threshold = (UNIT * fixed.threshold.astype(np.float64) + 1) / (UNIT * tau)
    return Population(fixed.name, "lif", fixed.shape, bias, tau, threshold if threshold.ndim else float(threshold))


def _projection(fixed: FixedProjection) -> Projection:
    if fixed.max_delay:
        raise _unsupported(fixed.name, "has delays")
    weight = fixed.weight.astype(np.float64) * 2.0**fixed.weight_exp
    sign = None if fixed.sign is None else np.asarray(fixed.sign, np.int8)
    return Projection(fixed.source, fixed.target, weight, fixed.geometry, sign)


def _in_units(
    populations: list[Population], projections: list[Projection], encoding: GradedEncoding
) -> tuple[list[Population], list[Projection]]:
    """The first layer in the units of samples, x = low + scale q: W q + b = (W / scale) x + b - W low / scale."""
    entry, made = populations[0].name, {p.name: p for p in populations}
    changed = []
    for each in projections:
        projection = each
        if each.source == entry:
            projection = replace(each, weight=each.weight / encoding.scale)
            low = each.geometry.apply(projection.weight, encoding.low)
            bias = made[each.target].bias.copy()
            bias[each.geometry.targets] -= low if each.sign is None else low * each.sign
            made[each.target] = _with_bias(made[each.target], bias)
        changed.append(projection)
    return list(made.values()), changed


def _with_bias(population: Population, bias: np.ndarray) -> Population:
    return Population(population.name, population.kind, population.shape, bias, population.tau, population.v_threshold)


def _unsupported(where: str, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what}, which cannot be fine-tuned", where=where, hint="fine-tune the checkpoint that it was converted from"
    )
