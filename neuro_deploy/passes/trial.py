"""One population of integers, run on samples: what the neurons do that are about to be chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neuro_deploy.network import FixedPopulation, FixedProjection
from neuro_deploy.numerics.cuba import cuba_step, decayed
from neuro_deploy.numerics.registers import ACTIVATION_SHIFT, FLOAT32_EXACT, IntArray
from neuro_deploy.passes.levels import FloatArray


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of it. sent: (samples, T, neurons): spikes of LIF neurons, a relay's values, a readout's input.

    u, v: largest magnitudes, v before the reset; lost: what truncation took off v per timestep, a mean of each neuron.
    """

    sent: IntArray
    u: int
    v: int
    lost: FloatArray


def synaptic_sums(
    neurons: int, projections: Sequence[FixedProjection], sent: Mapping[str, IntArray], largest: int
) -> IntArray:
    """a_in of a population: (samples, T or 1, neurons), int64. largest: of any partial sum, by interval analysis.

    sent: of every source, (samples, T or 1, neurons). Exact as long as largest stays below 2^53.
    """
    dtype = np.float32 if largest < FLOAT32_EXACT else np.float64
    samples = len(next(iter(sent.values())))
    total = np.zeros((samples, 1, neurons), np.int64)
    for projection in projections:
        sums = projection.geometry.apply(projection.weight, sent[projection.source], dtype)
        whole = projection.shift(sums.astype(np.int64))
        part = np.zeros((*whole.shape[:2], neurons), np.int64)
        part[..., projection.geometry.targets] = whole if projection.sign is None else whole * projection.sign
        total = total + part
    return total


def tried(population: FixedPopulation, a_in: IntArray, host: IntArray | None, timesteps: int) -> Outcome:
    """Run a population from its synaptic input. host: mantissas that data add to the bias, (samples, neurons)."""
    if population.kind == "relay":
        sent = a_in + population.bias
        top = int(np.abs(sent).max())
        return Outcome(sent, top, top, np.zeros(population.neurons))
    bias = population.shifted_bias if host is None else population.shifted_bias + (host << ACTIVATION_SHIFT)
    a_in = np.broadcast_to(a_in, (len(a_in), timesteps, population.neurons))
    if population.kind == "readout":
        return _read(population, a_in, bias)
    u = v = np.zeros((len(a_in), population.neurons), np.int64)
    spikes = np.zeros(a_in.shape, np.int64)
    top_u = top_v = 0
    lost = np.zeros(population.neurons)
    parameters = {"u_decay": population.u_decay, "v_decay": population.v_decay, "threshold": population.threshold}
    for t in range(timesteps):
        kept = decayed(v, population.v_decay)
        lost += (v * (1 - population.v_decay / 4096) - kept).mean(axis=0) / timesteps
        u, after, fires = cuba_step(u, v, a_in[:, t], bias=bias, **parameters)
        before = kept + u + bias
        top_u, top_v = max(top_u, int(np.abs(u).max())), max(top_v, int(np.abs(before).max()))
        v, spikes[:, t] = after, fires
    return Outcome(spikes, top_u, top_v, lost)


def _read(population: FixedPopulation, a_in: IntArray, bias: IntArray) -> Outcome:
    current = a_in << ACTIVATION_SHIFT
    voltage = np.cumsum(current + bias, axis=1)
    values = a_in + population.bias
    return Outcome(values, int(np.abs(current).max()), int(np.abs(voltage).max()), np.zeros(population.neurons))
