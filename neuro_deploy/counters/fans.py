"""What a spike of each neuron costs on each core of a mapping: worked out once, then counting is a product.

``fans`` keeps it for as long as the network and the mapping live. From the second counting of a small network on, all
of it is one table of neurons and cores.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse

from neuro_deploy.counters.effective import Cores, Counter, all_act, effective, with_channels
from neuro_deploy.counters.powers import only_shifts
from neuro_deploy.mapping import Core, Mapping
from neuro_deploy.mapping.cost import Format, words_per_axon
from neuro_deploy.mapping.reach import Reach, by_source, reaches
from neuro_deploy.mapping.sharing import kernel_words, outputs_on, stored_once
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.network.bounds import largest_spike
from neuro_deploy.network.fan_out import Axons, Counts, axons, inside
from neuro_deploy.network.groups import Groups, groups_of
from neuro_deploy.numerics.registers import IntArray

LINEAR = ("spikes_out", "axon_events", "synops", "synops_effective", "multiplied", "memory_reads")
"""What a spike adds to."""
TABLE = 2**22
"""Numbers that a table may have: neurons times cores times kinds."""
AT_ONCE = 1024
"""Networks of no more neurons have a table from the first counting on."""

Spikes = Dict[str, IntArray]
"""population -> (T, neurons)"""


@dataclass(frozen=True, eq=False)
class _Onto:
    """One projection onto the cores of its target. synapses, words: (cores, groups), of each spike of a neuron."""

    source: str
    groups: Groups
    synapses: scipy.sparse.csr_array
    words: scipy.sparse.csr_array
    effective: Counter | None
    multiplies: bool


@dataclass(frozen=True, eq=False)
class _Target:
    """A population: its cores, which rows of a mapping they are, and what leads to them."""

    name: str
    rows: slice
    cores: Cores
    onto: tuple[_Onto, ...]
    reached: tuple[tuple[str, Groups, scipy.sparse.csr_array], ...]


class Fans:
    """Of one network on one mapping."""

    def __init__(self, network: FixedNetwork, mapping: Mapping) -> None:
        self.names = [population.name for population in network.populations]
        self.neurons = [population.neurons for population in network.populations]
        self.rows = len(mapping.cores)
        self.sizes = np.array([core.neurons for core in mapping.cores], np.int64)
        self.targets = [_target(network, mapping, p.name) for p in network.computed if p.name in mapping.rows]
        self._table: scipy.sparse.csr_array | None = None
        self._calls = 0

    def count(self, spikes: Spikes) -> dict[str, IntArray]:
        """name of ``LINEAR`` -> (cores, T), int64."""
        self._calls += 1
        if self._table is None and self._small() and (self._calls > 1 or sum(self.neurons) <= AT_ONCE):
            self._table = self._made()
        if self._table is None:
            return self._each(spikes)
        every = np.concatenate([spikes[name] for name in self.names], axis=1).T
        counted = (self._table @ every).reshape(len(LINEAR), self.rows, -1)
        return dict(zip(LINEAR, counted, strict=True))

    def _small(self) -> bool:
        return sum(self.neurons) * self.rows * len(LINEAR) <= TABLE

    def _made(self) -> scipy.sparse.csr_array:
        """What one spike of each neuron adds: (kinds * cores, neurons), int64. Sparse: no waiting for threads."""
        first = dict(zip(self.names, np.cumsum([0, *self.neurons]).tolist(), strict=False))
        table = np.zeros((sum(self.neurons), len(LINEAR), self.rows), np.int64)
        added = dict(zip(LINEAR, table.transpose(1, 0, 2), strict=True))
        for target in self.targets:
            neurons, numbers = target.cores.neurons()
            added["spikes_out"][first[target.name] + neurons, target.rows.start + numbers] = 1
            for source, groups, matrix in target.reached:
                added["axon_events"][_slice(first[source], groups), target.rows] += _spread(matrix, groups)
            for onto in target.onto:
                here = _slice(first[onto.source], onto.groups), target.rows
                stored = _spread(onto.synapses, onto.groups)
                acts = stored if onto.effective is None else self._probed(onto)
                added["synops"][here] += stored
                added["memory_reads"][here] += _spread(onto.words, onto.groups)
                added["synops_effective"][here] += acts
                if onto.multiplies:
                    added["multiplied"][here] += acts
        return scipy.sparse.csr_array(table.reshape(len(table), -1).T)

    def _probed(self, onto: _Onto) -> Counts:
        """Effective synapses of one spike of each neuron of the groups: (neurons, cores)."""
        groups, size = onto.groups, self.neurons[self.names.index(onto.source)]
        spikes = np.eye(groups.stop - groups.start, size, groups.start, np.int64)
        return onto.effective(spikes) if onto.effective else spikes

    def _each(self, spikes: Spikes) -> dict[str, IntArray]:
        """The same population by population."""
        steps = len(next(iter(spikes.values())))
        counted = {what: np.zeros((self.rows, steps), np.int64) for what in LINEAR}
        summed: dict[tuple[str, Groups], IntArray] = {}

        def arriving(source: str, groups: Groups) -> IntArray:
            key = source, groups
            if key not in summed:
                summed[key] = np.ascontiguousarray(groups.sums(spikes[source]).T)
            return summed[key]

        for target in self.targets:
            groups = target.cores.by_position()
            summed_up = None if groups is None else arriving(target.name, groups).T
            counted["spikes_out"][target.rows] = target.cores.sums(spikes[target.name], summed_up).T
            for source, groups, matrix in target.reached:
                counted["axon_events"][target.rows] += matrix @ arriving(source, groups)
            for onto in target.onto:
                given = arriving(onto.source, onto.groups)
                stored = onto.synapses @ given
                acts = stored if onto.effective is None else onto.effective(spikes[onto.source]).T
                counted["synops"][target.rows] += stored
                counted["memory_reads"][target.rows] += onto.words @ given
                counted["synops_effective"][target.rows] += acts
                if onto.multiplies:
                    counted["multiplied"][target.rows] += acts
        return counted


def _slice(first: int, groups: Groups) -> slice:
    return slice(first + groups.start, first + groups.stop)


def _spread(matrix: scipy.sparse.csr_array, groups: Groups) -> Counts:
    """(neurons of the groups, cores): of each neuron what its group has."""
    spread: Counts = matrix.toarray().T[groups.index()]
    return spread


_KEPT: WeakKeyDictionary[FixedNetwork, WeakKeyDictionary[Mapping, Fans]] = WeakKeyDictionary()


def fans(network: FixedNetwork, mapping: Mapping) -> Fans:
    """Those of this network on this mapping, made once."""
    kept = _KEPT.setdefault(network, WeakKeyDictionary())
    if mapping not in kept:
        kept[mapping] = Fans(network, mapping)
    return kept[mapping]


def _target(network: FixedNetwork, mapping: Mapping, name: str) -> _Target:
    held = mapping.of(name)
    rows = slice(mapping.rows[name][0], mapping.rows[name][-1] + 1)
    cores = _cores(held, network.population(name).shape)
    neurons, numbers = cores.neurons()
    projections = network.inputs_of(name)
    onto = tuple(_onto(network, mapping, projection, cores) for projection in projections)
    reached = tuple(
        (source, reach.groups, _ones(reach, cores.count))
        for source, some in by_source(projections).items()
        for reach in reaches(some, neurons, numbers)
    )
    return _Target(name, rows, cores, onto, reached)


def _cores(held: tuple[Core, ...], shape: tuple[int, ...]) -> Cores:
    return Cores(shape, held[0].order, np.array([held[0].start, *(core.stop for core in held)], np.int64))


def _ones(reach: Reach, cores: int) -> scipy.sparse.csr_array:
    return _sparse(reach.core, reach.group, np.ones_like(reach.core), (cores, reach.groups.count))


def _sparse(row: Counts, column: Counts, values: Counts, shape: tuple[int, int]) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array((values, (row, column)), shape=shape, dtype=np.int64)


def _onto(network: FixedNetwork, mapping: Mapping, projection: FixedProjection, cores: Cores) -> _Onto:
    neurons, numbers = cores.neurons()
    groups = groups_of(projection.geometry)
    found = axons(projection.geometry, projection.weight.shape, neurons, numbers)
    shape = (cores.count, groups.count)
    return _Onto(
        projection.source,
        groups,
        _sparse(found.core, found.group, found.synapses, shape),
        _sparse(*_reads(mapping, projection, found, neurons, numbers), shape),
        None if all_act(projection) else effective(projection, cores),
        _multiplies(network, projection),
    )


def _reads(
    mapping: Mapping, projection: FixedProjection, found: Axons, neurons: Counts, numbers: Counts
) -> tuple[Counts, Counts, Counts]:
    """(core, group, words of synaptic memory that a spike of the group's neurons fetches there).

    Of a kernel that is stored once: a whole list for every position that the spike reaches on the core.
    """
    form, geometry = Format(mapping.profile, mapping.shared, mapping.weight_bits), projection.geometry
    delayed = projection.max_delay > 0
    if not (mapping.shared and stored_once(geometry, projection.weight.shape)):
        return found.core, found.group, words_per_axon(form, found.synapses, delayed=delayed)
    offset, numbers = inside(geometry, neurons, numbers)
    count = int(numbers.max(initial=-1)) + 1
    bits = form.bits("sharing.bits")
    if delayed:
        bits += form.bits("synapse.bits_with_delay") - form.bits("synapse.bits")
    listed = kernel_words(1, outputs_on(geometry, offset, numbers, count), bits, form.profile.whole("core.word_bits"))
    if geometry.kind != "conv2d":
        return found.core, found.group, listed[found.core]
    places = int(np.prod(geometry.target_window[1:]))
    here = np.unique(numbers * places + offset % places)
    number, place = np.divmod(here, places)
    once = axons(with_channels(geometry, 1), (1, *projection.weight.shape[1:]), place, number)
    return once.core, once.group, once.synapses * listed[once.core]


def _multiplies(network: FixedNetwork, projection: FixedProjection) -> bool:
    kind = network.population(projection.source).kind
    if kind == "lif" or (kind == "relay" and only_shifts(projection)):
        return False
    return largest_spike(network, projection.source) > 1
