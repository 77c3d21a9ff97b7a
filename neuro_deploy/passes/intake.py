"""What feeds a population, before it is quantized."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import Network, Population, Projection
from neuro_deploy.numerics.powers import is_power_of_two
from neuro_deploy.passes.levels import FloatArray


@dataclass(frozen=True, eq=False)
class Intake:
    """What a population gets. synapses: from spikes and the input, whose scaling is folded in. relayed: from relays.

    current: the largest current that the host puts into the bias; None where spikes come in.
    """

    population: Population
    synapses: tuple[Projection, ...]
    relayed: tuple[Projection, ...]
    bias: FloatArray
    current: float | None = None


def by_bias(network: Network, population: Population) -> Intake:
    """The first layer, which the host computes."""
    entry, projections = network.populations[0].name, network.inputs_of(population.name)
    if population.kind != "lif":
        raise UnsupportedError(
            f"is fed by the input itself; input by bias needs {_hidden(population)}",
            where=population.name,
            hint="--input graded, for a profile whose spikes carry a payload (loihi2)",
        )
    alone = len(projections) == 1 and sum(p.source == entry for p in network.projections) == 1
    if not alone or projections[0].geometry.kind != "dense" or projections[0].sign is not None:
        raise UnsupportedError(
            "is fed by the input and more, or through shared weights; input by bias needs one dense layer there",
            where=population.name,
            hint="--input graded",
        )
    current = network.encoding.largest_image(projections[0].weight, population.bias)
    return Intake(population, projections, (), population.bias, current)


def _hidden(population: Population) -> str:
    return "a hidden layer" if population.kind == "readout" else "a layer of LIF neurons there, with --input graded"


def is_chain(network: Network) -> bool:
    """Whether each population feeds the next one by dense synapses, and nothing else."""
    steps = [(before.name, after.name) for before, after in pairwise(network.populations)]
    geometries = [p.geometry for p in network.projections]
    plain = all(g.kind == "dense" and not (g.source_channels or g.target_channels) for g in geometries)
    return plain and steps == [(p.source, p.target) for p in network.projections]


def shifts(projection: Projection) -> bool:
    """Whether behind a relay these synapses only shift."""
    return bool(np.all(is_power_of_two(projection.weight)))


def is_unit(projection: Projection) -> bool:
    """Whether these synapses pass a value on as it is."""
    return projection.geometry.kind == "one-to-one" and bool(np.all(projection.weight == 1.0))
