"""What each core did, from spike counts and the mapping alone: no second simulation.

    spikes_out(core)       = spikes of the neurons on it
    axon_events(core)      = spikes of every source neuron with a stored synapse on it
    synops(core)           = sum over those spikes of the synapses stored for them on this core
    synops_effective(core) = the same, synapses of weight 0 left out, and rows whose sign is 0
    neuron_updates(core)   = neurons * timesteps * samples

A graded spike, a relay's too, is one event whatever its payload; a payload of 0 is no event. A delayed synapse is
counted when its spike is delivered: weights are fetched then, and wait as sums. All counts are sums over the samples.

Effective synapses touched on a core are those touched of its neurons, so the matrix of 0 and 1, applied to the spike
counts as an engine applies the weights to spikes, gives every core's synops without unrolling a matrix. Stored ones
follow from the mapping's axons.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuro_deploy.counters.powers import only_shifts
from neuro_deploy.engines import RunResult
from neuro_deploy.mapping import Core, Mapping
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.network.bounds import largest_spike
from neuro_deploy.network.fan_out import Grouping, axons, dense_fan_out, grouping, members, placement
from neuro_deploy.numerics.registers import FLOAT32_EXACT, IntArray

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
    """Of synops_effective, those where a weight met a payload of more than one bit: multiply-accumulates. Shifts of a
    relay's payload (see ``only_shifts``) are none."""

    def total(self, what: str) -> int:
        """The sum over cores and timesteps."""
        return int(getattr(self, what).sum())


def count(network: FixedNetwork, result: RunResult, mapping: Mapping) -> Counts:
    """Count what a run did on each core of a mapping."""
    arrays = {what: np.zeros((len(mapping.cores), result.timesteps), np.int64) for what in (*COUNTED, "multiplied")}
    for population in network.computed:
        rows = mapping.rows.get(population.name, [])
        if rows:
            counted = _Cores([mapping.cores[row] for row in rows], population.shape).count(network, result)
            for what, values in counted.items():
                arrays[what][rows] = values
    return Counts(**arrays)


def acting(projection: FixedProjection, arriving: IntArray) -> IntArray:
    """Effective synapses that spikes touch at each target neuron of the window: (T, targets of the window), int64.

    arriving: (T, source neurons).
    """
    geometry = projection.geometry
    reach = int(arriving.max(initial=0)) * geometry.fan_in(projection.weight.shape)
    sums = geometry.apply(projection.weight != 0, arriving, np.float32 if reach < FLOAT32_EXACT else np.float64)
    if projection.sign is not None:
        sums = sums * (projection.sign != 0)
    return np.rint(sums).astype(np.int64)


class _Cores:
    """The cores of one population."""

    def __init__(self, cores: Sequence[Core], shape: tuple[int, ...]) -> None:
        self.population, self.sizes = cores[0].population, np.array([core.neurons for core in cores])
        self.placed = placement(shape, cores[0].order)
        self.starts = np.array([core.start for core in cores])
        self.stops = np.array([core.stop for core in cores])
        self.neurons = np.concatenate([self.placed[core.start : core.stop] for core in cores])
        self.cores = np.repeat(np.arange(len(cores), dtype=np.int64), self.sizes)

    def count(self, network: FixedNetwork, result: RunResult) -> dict[str, IntArray]:
        """name -> (cores of the population, T)."""
        steps = result.timesteps
        counted = {what: np.zeros((len(self.sizes), steps), np.int64) for what in (*COUNTED, "multiplied")}
        counted["spikes_out"] = self._sums(result.counts[self.population])
        counted["neuron_updates"] += self.sizes[:, None] * result.samples
        for projection in network.inputs_of(self.population):
            effective = self._effective(projection, result.counts[projection.source])
            counted["synops_effective"] += effective
            if _multiplies(network, projection):
                counted["multiplied"] += effective
        for source, projections in _by_source(network.inputs_of(self.population)).items():
            synops, events = self._stored(projections, result.counts[source])
            counted["synops"] += synops
            counted["axon_events"] += events
        return counted

    def _effective(self, projection: FixedProjection, arriving: IntArray) -> IntArray:
        if projection.geometry.kind == "dense":
            fan_out = dense_fan_out(projection, self.neurons, self.cores, len(self.sizes))
            return fan_out @ arriving[:, projection.geometry.sources].T
        onto = np.zeros((len(arriving), len(self.placed)), np.int64)
        onto[:, projection.geometry.targets] = acting(projection, arriving)
        return self._sums(onto)

    def _sums(self, values: IntArray) -> IntArray:
        """Sums over each core's neurons: (cores, T). values: (T, neurons)."""
        up_to = np.zeros((len(values), values.shape[1] + 1), np.int64)
        np.cumsum(values[:, self.placed], axis=1, out=up_to[:, 1:])
        sums: IntArray = (up_to[:, self.stops] - up_to[:, self.starts]).T
        return sums

    def _stored(self, projections: Sequence[FixedProjection], arriving: IntArray) -> tuple[IntArray, IntArray]:
        """(stored synops, axon events) of each core: (cores, T) each.

        A source neuron that several projections join to a core sends it one spike. projections: all from one source,
        whose counts arriving holds: (T, source neurons).
        """
        synops = np.zeros((len(self.sizes), len(arriving)), np.int64)
        reached: dict[Grouping, list[IntArray]] = {}
        sources: dict[Grouping, IntArray] = {}
        spikes: dict[Grouping, IntArray] = {}
        for projection in projections:
            key = grouping(projection.geometry)
            if key not in sources:
                sources[key] = members(projection.geometry)
                spikes[key] = arriving[:, sources[key]].sum(axis=2)
            axon = axons(projection.geometry, projection.weight.shape, self.neurons, self.cores)
            synops += self._delivered(axon.core, spikes[key], axon.group, axon.synapses)
            reached.setdefault(key, []).append(axon.core * axon.groups + axon.group)
        pairs = {key: np.divmod(_distinct(np.concatenate(found)), len(sources[key])) for key, found in reached.items()}
        if _disjoint(list(pairs)):
            parts = [self._delivered(core, spikes[key], group) for key, (core, group) in pairs.items()]
            return synops, np.sum(parts, axis=0)
        size = arriving.shape[1]
        each = [(core[:, None] * size + sources[key][group]).reshape(-1) for key, (core, group) in pairs.items()]
        core, source = np.divmod(_distinct(np.concatenate(each)), size)
        return synops, self._delivered(core, arriving, source)

    def _delivered(self, core: IntArray, values: IntArray, column: IntArray, factor: IntArray | int = 1) -> IntArray:
        """Sums of values[:, column] * factor over the entries of each core: (cores, T)."""
        sums = [np.bincount(core, row[column] * factor, minlength=len(self.sizes)) for row in values]
        return np.stack(sums, axis=1).astype(np.int64)


def _distinct(keys: IntArray) -> IntArray:
    """Sorted, each once. Sorting is far faster here than numpy's hashing."""
    keys = np.sort(keys)
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    return keys[new]


def _disjoint(groupings: Sequence[Grouping]) -> bool:
    """Whether no source neuron is in two of them."""
    windows = sorted((start, stop) for start, stop, _ in groupings)
    return all(stop <= start for (_, stop), (start, _) in itertools.pairwise(windows))


def _by_source(projections: Sequence[FixedProjection]) -> dict[str, list[FixedProjection]]:
    grouped: dict[str, list[FixedProjection]] = {}
    for projection in projections:
        grouped.setdefault(projection.source, []).append(projection)
    return grouped


def _multiplies(network: FixedNetwork, projection: FixedProjection) -> bool:
    kind = network.population(projection.source).kind
    if kind == "lif" or (kind == "relay" and only_shifts(projection)):
        return False
    return largest_spike(network, projection.source) > 1
