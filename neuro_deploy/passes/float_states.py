"""What every population of a float Network gets and sends, in float64, one population after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import DataError
from neuro_deploy.network import Network, Population, Projection
from neuro_deploy.passes.levels import FloatArray


class FloatState(NamedTuple):
    """z: synaptic input and bias, (samples, T or 1, neurons); 1 where it stays. sent: spikes of LIF neurons, else z."""

    population: Population
    z: FloatArray
    sent: FloatArray


def in_steps(values: npt.NDArray[Any], timesteps: int) -> npt.NDArray[Any]:
    """Samples, (samples, features) or (samples, T, features), as (samples, T or 1, features).

    Raises:
        DataError: samples of another T.
    """
    if values.ndim == 3 and values.shape[1] != timesteps:
        raise DataError(f"samples have {values.shape[1]} timesteps, the network runs {timesteps}")
    return values if values.ndim == 3 else values[:, None]


def float_states(network: Network, sequence: FloatArray) -> Iterator[FloatState]:
    """Run samples in model units; gives every computed population of ``network.separated``, in execution order.

    sequence: (samples, T or 1, features). One timestep of a LIF neuron: ``u += (z - u) / tau``, spike where
    ``u >= v_threshold``, then ``u = 0`` there; z = sum of M @ s over the projections, plus bias. Others send z.
    """
    parts = network.separated
    sent: dict[str, FloatArray] = {parts.populations[0].name: sequence}
    for population in parts.populations[1:]:
        z = np.broadcast_to(population.bias, (len(sequence), 1, population.neurons))
        for projection in parts.inputs_of(population.name):
            z = z + synaptic_input(projection, sent[projection.source])
        if population.kind == "lif":
            whole = np.broadcast_to(z, (len(sequence), network.timesteps, population.neurons))
            sent[population.name] = fired(population, whole)
        else:
            sent[population.name] = z
        yield FloatState(population, z, sent[population.name])


def synaptic_input(projection: Projection, spikes: FloatArray) -> FloatArray:
    """z through one projection. spikes: (samples, T or 1, sources). Returns (samples, T or 1, targets)."""
    z = np.zeros((*spikes.shape[:2], math.prod(projection.geometry.target)))
    sums = projection.geometry.apply(projection.weight, spikes)
    z[..., projection.geometry.targets] = sums if projection.sign is None else sums * projection.sign
    return z


def fired(population: Population, z: FloatArray) -> FloatArray:
    """Spikes of LIF neurons, 0 or 1. z: (samples, T, neurons); the spikes too."""
    spikes = np.zeros(z.shape)
    u = np.zeros_like(z[:, 0])
    for t in range(z.shape[1]):
        u = u + (z[:, t] - u) / population.tau
        spikes[:, t] = u >= population.v_threshold
        u = np.where(spikes[:, t] > 0, 0.0, u)
    return spikes
