"""What each core did, from spike counts and the mapping alone: no second simulation.

    spikes_out(core)       = spikes of the neurons on it
    axon_events(core)      = spikes of every source neuron with a stored synapse on it
    synops(core)           = sum over those spikes of the synapses stored for them on this core
    synops_effective(core) = the same, synapses of weight 0 left out
    neuron_updates(core)   = neurons * timesteps * samples

A graded spike is one event whatever its payload; a payload of 0 is no event. A delayed synapse is counted when its
spike is delivered: weights are fetched then, and wait as sums. All counts are sums over the samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuro_deploy.engines import RunResult
from neuro_deploy.mapping import Core, Mapping
from neuro_deploy.network import FixedNetwork
from neuro_deploy.network.bounds import largest_spike
from neuro_deploy.numerics.registers import IntArray

COUNTED = ("spikes_out", "axon_events", "synops", "synops_effective", "neuron_updates")


@dataclass(frozen=True, eq=False)
class Counts:
    """Per core and timestep. Each array: (cores, T), int64, in the order of ``mapping.cores``."""

    spikes_out: IntArray
    axon_events: IntArray
    synops: IntArray
    synops_effective: IntArray
    neuron_updates: IntArray
    multiplied: IntArray
    """Of synops_effective, those where a weight met a payload of more than one bit: multiply-accumulates."""

    def total(self, what: str) -> int:
        """The sum over cores and timesteps."""
        return int(getattr(self, what).sum())


def count(network: FixedNetwork, result: RunResult, mapping: Mapping) -> Counts:
    """Count what a run did on each core of a mapping."""
    rows = [_count_core(network, result, core) for core in mapping.cores]
    arrays = {what: np.stack([row[what] for row in rows]) for what in rows[0]}
    return Counts(**arrays)


def _count_core(network: FixedNetwork, result: RunResult, core: Core) -> dict[str, IntArray]:
    steps = result.timesteps
    zeros = np.zeros(steps, np.int64)
    row = {what: zeros.copy() for what in (*COUNTED, "multiplied")}
    row["spikes_out"] = result.counts[core.population][:, core.start : core.stop].sum(axis=1)
    row["neuron_updates"] = np.full(steps, core.neurons * result.samples, np.int64)
    sources = set()
    for projection in network.inputs_of(core.population):
        arriving = result.counts[projection.source]
        here = projection.weight[core.start : core.stop]
        effective = arriving @ np.count_nonzero(here, axis=0)
        row["synops"] += arriving.sum(axis=1) * len(here)
        row["synops_effective"] += effective
        if largest_spike(network, projection.source) > 1:
            row["multiplied"] += effective
        sources.add(projection.source)
    for source in sources:
        row["axon_events"] += result.counts[source].sum(axis=1)
    return row
