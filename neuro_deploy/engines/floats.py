"""Runs a float Network in float64: what the source computes, as populations and projections."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.base import Counts, RunResult
from neuro_deploy.network import Network, gathered
from neuro_deploy.passes.float_states import float_states, in_steps

FloatArray = npt.NDArray[np.float64]


def run_floats(network: Network, x: npt.ArrayLike, *, record_spikes: bool = False) -> RunResult:
    """Run samples in model units through a float network.

    x: (samples, features) as the source takes it, shown at every timestep, or (samples, T, features).
    One timestep of a LIF neuron:
    ``u += (z - u) / tau``, spike where ``u >= v_threshold``, then ``u = 0`` there; z = sum of M @ s over the
    projections, plus bias. A relay sends z.
    outputs: (samples, classes) float64, z of the readout averaged over the timesteps.
    """
    samples = np.asarray(x, np.float64)
    sequence = in_steps(samples, network.timesteps)
    parts = network.separated
    spikes: dict[str, FloatArray] = {}
    outputs: FloatArray = np.zeros((len(samples), 0))
    for population, z, sent in float_states(network, sequence):
        if population.kind == "readout":
            outputs = np.broadcast_to(z, (len(samples), network.timesteps, population.neurons)).mean(axis=1)
        elif population.kind == "lif":
            spikes[population.name] = sent
    shaped = {
        p.name: spikes[p.name].astype(np.uint8).reshape(-1, network.timesteps, *p.shape)
        for p in parts.populations
        if p.kind == "lif"
    }
    fired = gathered(network, shaped, axis=2)
    return RunResult(
        engine="float64",
        samples=len(samples),
        timesteps=network.timesteps,
        outputs=outputs,
        counts=Counts({name: partial(np.asarray, s.sum(axis=0, dtype=np.int64)) for name, s in fired.items()}),
        spikes=fired if record_spikes else {},
    )
