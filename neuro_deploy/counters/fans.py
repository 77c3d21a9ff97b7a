"""What a spike of each neuron costs on each core of a mapping: worked out once, then counting is a product.

``fans`` keeps it for as long as the network and the mapping live. Spikes are summed over neurons that reach the same
cores, and one matrix says what each such sum costs; only effective synapses ask which neuron it was. From the second
counting of a small network on, all of it is one table of neurons and cores.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse

from neuro_deploy.counters.effective import Cores, Counter, all_act, effective, with_channels
from neuro_deploy.counters.powers import only_shifts
from neuro_deploy.counters.sums import group_sums
from neuro_deploy.errors import UsageError
from neuro_deploy.mapping import Core, Mapping
from neuro_deploy.mapping.cost import Format, words_per_axon
from neuro_deploy.mapping.reach import Reach, by_source, reaches
from neuro_deploy.mapping.sharing import kernel_words, outputs_on, stored_once
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.network.bounds import largest_spike
from neuro_deploy.network.fan_out import Axons, Counts, axons, inside
from neuro_deploy.network.groups import Groups, groups_of
from neuro_deploy.numerics.registers import IntArray

STORED = ("spikes_out", "axon_events", "synops", "memory_reads")
"""What a spike adds to, whatever the weights are."""
ACTING = ("synops_effective", "multiplied")
"""What it adds to where weights are not 0."""
LINEAR = (*STORED, *ACTING)
"""What a spike adds to."""
TABLE = 2**22
"""Numbers that a table may have: neurons times cores times kinds."""
AT_ONCE = 1024
"""Networks of no more neurons have a table from the first counting on."""
QUICK = 2**18
"""Additions of the table, over all timesteps, that take no longer than going through the populations."""
FEW = 2**12
"""Costs of groups whose product takes no longer than scipy to find out which product it is."""

Kinds = tuple[str, ...]
Spikes = Dict[str, Any]
"""population -> (T, *shape), whole numbers"""


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


def over_time(spikes: Spikes) -> Spikes:
    """The same, summed over the timesteps: population -> (1, *shape)."""
    return {name: _over_time(array) for name, array in spikes.items()}


def _over_time(array: IntArray) -> IntArray:
    narrow = array.dtype == np.uint8 and len(array) <= 256
    summed: IntArray = np.add.reduce(array, axis=0, keepdims=True, dtype=np.uint16 if narrow else np.int64)
    return summed


@dataclass(frozen=True, eq=False)
class _Table:
    """What a spike of each neuron adds: by neuron where weights matter, else by those neurons that add the same.

    by_neuron: kinds -> (groups, then ``ACTING`` * cores if they are among them; neurons), a group's row 1 at its
    neurons. by_group: (``STORED`` * cores, groups). Sparse, or few: no waiting for threads.
    """

    by_neuron: Dict[Kinds, scipy.sparse.csr_array]
    by_group: scipy.sparse.csr_array | IntArray

    @classmethod
    def of(cls, table: Counts) -> _Table:
        """table: (neurons, ``LINEAR``, cores), int64."""
        flat = table.reshape(len(table), -1)
        first = len(STORED) * table.shape[2]
        found: dict[bytes, int] = {}
        group = np.array([found.setdefault(row.tobytes(), len(found)) for row in flat[:, :first]])
        groups = flat[np.unique(group, return_index=True)[1], :first]
        neurons = np.arange(len(flat))
        member = _sparse(group, neurons, np.ones_like(neurons), (len(groups), len(flat)))
        every = scipy.sparse.vstack([member, scipy.sparse.csr_array(flat[:, first:].T)], format="csr")
        costs = np.ascontiguousarray(groups.T)
        return cls({STORED: member, LINEAR: every}, costs if costs.size <= FEW else scipy.sparse.csr_array(costs))

    def additions(self, kinds: Kinds) -> int:
        """Of one timestep."""
        return int(self.by_neuron[kinds].nnz + self.by_group.size)

    def count(self, spikes: IntArray, kinds: Kinds) -> dict[str, IntArray]:
        """name of kinds -> (cores, T), int64. spikes: (T, neurons)."""
        groups = self.by_group.shape[1]
        every = self.by_neuron[kinds] @ spikes.T
        steps, stored = len(spikes), self.by_group @ every[:groups]
        counted = dict(zip(STORED, stored.reshape(len(STORED), -1, steps), strict=True))
        if kinds is LINEAR:
            counted.update(zip(ACTING, every[groups:].reshape(len(ACTING), -1, steps), strict=True))
        return counted


class Fans:
    """Of one network on one mapping."""

    def __init__(self, network: FixedNetwork, mapping: Mapping) -> None:
        self.names = [population.name for population in network.populations]
        self.neurons = [population.neurons for population in network.populations]
        self.rows = len(mapping.cores)
        self.sizes = np.array([core.neurons for core in mapping.cores], np.int64)
        _check(network, mapping)
        self.targets = [_target(network, mapping, p.name) for p in network.computed if p.name in mapping.rows]
        self._sums, costs = _joint(self.targets, self.rows)
        self._costs = _for_kinds(costs)
        self._table: _Table | None = None
        self._calls = 0

    def count(self, spikes: Spikes, *, stored: bool = False, total: bool = False) -> dict[str, IntArray]:
        """name of ``LINEAR`` -> (cores, T), int64. stored: only those of ``STORED``. total: summed over T, as one."""
        self._calls += 1
        if self._table is None and self._small() and (self._calls > 1 or sum(self.neurons) <= AT_ONCE):
            self._table = self._made()
        steps = len(next(iter(spikes.values())))
        kinds = STORED if stored else LINEAR
        if self._table is None or self._table.additions(kinds) * (1 if total else steps) > QUICK:
            return self._each(over_time(spikes) if total else spikes, kinds)
        every = np.concatenate([spikes[name].reshape(steps, -1) for name in self.names], axis=1)
        return self._table.count(_over_time(every) if total else every, kinds)

    def _small(self) -> bool:
        return sum(self.neurons) * self.rows * len(LINEAR) <= TABLE

    def _made(self) -> _Table:
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
        return _Table.of(table)

    def _probed(self, onto: _Onto) -> Counts:
        """Effective synapses of one spike of each neuron of the groups: (neurons, cores)."""
        groups, size = onto.groups, self.neurons[self.names.index(onto.source)]
        spikes = np.eye(groups.stop - groups.start, size, groups.start, np.int64)
        return onto.effective(spikes) if onto.effective else spikes

    def _each(self, spikes: Spikes, kinds: Kinds = LINEAR) -> dict[str, IntArray]:
        """The same population by population."""
        summed = {(source, groups): group_sums(groups, spikes[source]) for source, groups in self._sums}
        every = np.concatenate(list(summed.values()), axis=1).T
        known = (self._costs[kinds] @ every).reshape(len(kinds), self.rows, -1)
        counted = dict(zip(kinds, known, strict=True))
        flat = _Flat(spikes)
        for target in self.targets:
            groups = target.cores.by_position()
            by_position = None if groups is None else summed.get((target.name, groups))
            counted["spikes_out"][target.rows] = target.cores.sums(spikes[target.name], by_position).T
            for onto in target.onto if kinds is LINEAR else ():
                if onto.effective is not None:
                    acts = onto.effective(flat[onto.source]).T
                    counted["synops_effective"][target.rows] += acts
                    if onto.multiplies:
                        counted["multiplied"][target.rows] += acts
        return counted


def _check(network: FixedNetwork, mapping: Mapping) -> None:
    """Check that a mapping is this network's."""
    sizes = {population.name: population.neurons for population in network.computed}
    for name in mapping.rows:
        if sum(core.neurons for core in mapping.of(name)) != sizes.get(name):
            hint = "nd.map(network, profile) makes this one's"
            raise UsageError(f"the mapping is of another network: {name!r} is not the same", hint=hint)


def _for_kinds(matrix: scipy.sparse.csr_array) -> dict[Kinds, scipy.sparse.csr_array]:
    """Of all kinds, and of those of ``STORED``. matrix: (kinds * cores, anything)."""
    return {LINEAR: matrix, STORED: matrix[: matrix.shape[0] // len(LINEAR) * len(STORED)]}


class _Flat(dict[str, IntArray]):
    """population -> (T, neurons), int64; made when it is asked for."""

    def __init__(self, spikes: Spikes) -> None:
        super().__init__()
        self._spikes = spikes

    def __missing__(self, name: str) -> IntArray:
        array = self._spikes[name]
        self[name] = array.reshape(len(array), -1).astype(np.int64)
        return self[name]


def _joint(targets: list[_Target], rows: int) -> tuple[list[tuple[str, Groups]], scipy.sparse.csr_array]:
    """(all groups, what a spike of each adds: (kinds * cores, groups)); but for what effective synapses add."""
    first: dict[tuple[str, Groups], int] = {}
    places: list[tuple[Counts, Counts, Counts]] = []

    def add(what: str, target: _Target, source: str, groups: Groups, matrix: scipy.sparse.csr_array) -> None:
        if (source, groups) not in first:
            first[source, groups] = sum(known.count for _, known in first)
        found, row = matrix.tocoo(), LINEAR.index(what) * rows + target.rows.start
        places.append((row + found.row, first[source, groups] + found.col.astype(np.int64), found.data))

    for target in targets:
        for source, groups, matrix in target.reached:
            add("axon_events", target, source, groups, matrix)
        for onto in target.onto:
            add("synops", target, onto.source, onto.groups, onto.synapses)
            add("memory_reads", target, onto.source, onto.groups, onto.words)
            acting = ACTING[: 1 + onto.multiplies] if onto.effective is None else ()
            for what in acting:
                add(what, target, onto.source, onto.groups, onto.synapses)
    row, column, values = (np.concatenate(each) for each in zip(*places, strict=True))
    return list(first), _sparse(row, column, values, (len(LINEAR) * rows, sum(groups.count for _, groups in first)))


def _slice(first: int, groups: Groups) -> slice:
    return slice(first + groups.start, first + groups.stop)


def _spread(matrix: scipy.sparse.csr_array, groups: Groups) -> Counts:
    """(neurons of the groups, cores): of each neuron what its group has."""
    spread: Counts = matrix.toarray().T[groups.index()]
    return spread


_KEPT: WeakKeyDictionary[FixedNetwork, WeakKeyDictionary[Mapping, Fans]] = WeakKeyDictionary()


def fans(network: FixedNetwork, mapping: Mapping) -> Fans:
    """Those of this network on this mapping, made once."""
    try:
        return _KEPT[network][mapping]
    except KeyError:
        return _KEPT.setdefault(network, WeakKeyDictionary()).setdefault(mapping, Fans(network, mapping))


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
