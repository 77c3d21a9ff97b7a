"""Runs a float Network in float64: what the source computes, as populations and projections."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.base import RunResult
from neuro_deploy.errors import DataError
from neuro_deploy.network import Network, Population

FloatArray = npt.NDArray[np.float64]


def run_floats(network: Network, x: npt.ArrayLike, *, record_spikes: bool = False) -> RunResult:
    """Run samples in model units through a float network.

    x: (samples, features) as the source takes it, shown at every timestep, or (samples, T, features).
    One timestep of a LIF neuron:
    ``u += (z - u) / tau``, spike where ``u >= v_threshold``, then ``u = 0`` there; z = sum of weight @ s, plus bias.
    outputs: (samples, classes) float64, z of the readout averaged over the timesteps.
    """
    samples = np.asarray(x, np.float64)
    if samples.ndim == 3 and samples.shape[1] != network.timesteps:
        raise DataError(f"samples have {samples.shape[1]} timesteps, the network runs {network.timesteps}")
    sequence = samples if samples.ndim == 3 else samples[:, None]
    spikes: dict[str, FloatArray] = {network.populations[0].name: sequence}
    outputs: FloatArray = np.zeros((len(samples), 0))
    for population in network.populations[1:]:
        z = population.bias + sum(spikes[p.source] @ p.weight.T for p in network.inputs_of(population.name))
        z = np.broadcast_to(z, (len(samples), network.timesteps, population.neurons))
        if population.kind == "readout":
            outputs = z.mean(axis=1)
        else:
            spikes[population.name] = _lif(population, z)
    fired = {p.name: spikes[p.name] for p in network.populations if p.kind == "lif"}
    kept = {n: s.astype(np.uint8).reshape(*s.shape[:2], *network.population(n).shape) for n, s in fired.items()}
    return RunResult(
        engine="float64",
        samples=len(samples),
        timesteps=network.timesteps,
        outputs=outputs,
        counts={name: array.sum(axis=0).astype(np.int64) for name, array in fired.items()},
        spikes=kept if record_spikes else {},
    )


def _lif(population: Population, z: FloatArray) -> FloatArray:
    spikes = np.zeros(z.shape)
    u = np.zeros_like(z[:, 0])
    for t in range(z.shape[1]):
        u = u + (z[:, t] - u) / population.tau
        spikes[:, t] = u >= population.v_threshold
        u = np.where(spikes[:, t] > 0, 0.0, u)
    return spikes
