"""Which cores the spikes of a population go to: a spike is sent once to each core that has a synapse for it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from neuro_deploy.mapping.types import Mapping
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.network.fan_out import Counts, axons, members, placement
from neuro_deploy.network.groups import Groups, groups_of, single
from neuro_deploy.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class Reach:
    """Groups of source neurons and the cores of one target population that their spikes go to, each pair once.

    core: (entries,), numbered from the target's first core. group: (entries,).
    """

    groups: Groups
    core: Counts
    group: Counts

    def matrix(self, cores: int) -> scipy.sparse.csr_array:
        """1 where a group reaches a core: (cores, groups), float64."""
        ones = np.ones(len(self.core))
        return scipy.sparse.csr_array((ones, (self.core, self.group)), shape=(cores, self.groups.count))


def neurons_of(network: FixedNetwork, mapping: Mapping, population: str) -> tuple[Counts, Counts]:
    """(neurons of a population as arrays number them, the core of each from the population's first core)."""
    cores = mapping.of(population)
    placed = placement(network.population(population).shape, cores[0].order)
    neurons = np.concatenate([placed[core.start : core.stop] for core in cores])
    return neurons, np.repeat(np.arange(len(cores), dtype=np.int64), [core.neurons for core in cores])


def core_of(network: FixedNetwork, mapping: Mapping, population: str) -> Counts:
    """The core of each neuron, from the population's first core: (neurons,), int64."""
    neurons, cores = neurons_of(network, mapping, population)
    of = np.zeros(network.population(population).neurons, np.int64)
    of[neurons] = cores
    return of


def reaches(projections: Sequence[FixedProjection], neurons: Counts, cores: Counts) -> list[Reach]:
    """Of projections that all lead from one population to another one. neurons, cores: of that other one."""
    found: dict[Groups, list[Counts]] = {}
    for projection in projections:
        axon = axons(projection.geometry, projection.weight.shape, neurons, cores)
        found.setdefault(groups_of(projection.geometry), []).append(axon.core * axon.groups + axon.group)
    pairs = {groups: _distinct(keys) for groups, keys in found.items()}
    if not _disjoint(list(pairs)):
        return [_explicit(projections, pairs)]
    return [Reach(groups, *np.divmod(keys, groups.count)) for groups, keys in pairs.items()]


def _explicit(projections: Sequence[FixedProjection], pairs: dict[Groups, Counts]) -> Reach:
    """Where the same neurons are grouped in different ways: every neuron on its own."""
    size = int(np.prod(projections[0].geometry.source))
    listed = {groups_of(projection.geometry): members(projection.geometry) for projection in projections}
    each = []
    for groups, keys in pairs.items():
        core, group = np.divmod(keys, groups.count)
        each.append((core[:, None] * size + listed[groups][group]).reshape(-1))
    return Reach(single(size), *np.divmod(_distinct(each), size))


def _distinct(keys: Sequence[Counts]) -> Counts:
    """Sorted, each once. Sorting is far faster here than numpy's hashing."""
    if len(keys) == 1:
        return keys[0]
    found = np.sort(np.concatenate(keys))
    new = np.ones(len(found), bool)
    new[1:] = found[1:] != found[:-1]
    return found[new]


def _disjoint(groups: Sequence[Groups]) -> bool:
    """Whether no source neuron is in two of them."""
    windows = sorted((each.start, each.stop) for each in groups)
    return all(stop <= start for (_, stop), (start, _) in itertools.pairwise(windows))


def by_source(projections: Sequence[FixedProjection]) -> dict[str, list[FixedProjection]]:
    """Projections by the population that they come from."""
    grouped: dict[str, list[FixedProjection]] = {}
    for projection in projections:
        grouped.setdefault(projection.source, []).append(projection)
    return grouped


@dataclass(frozen=True, eq=False)
class Traffic:
    """Messages from core to core: source, target: (pairs,), as ``mapping.cores`` counts them; messages: (pairs, T).

    A pair can be there more than once, for different neurons of its source.
    """

    source: Counts
    target: Counts
    messages: Counts


def traffic(
    network: FixedNetwork,
    mapping: Mapping,
    counts: dict[str, Counts] | None = None,
    *,
    progress: Progress = silent,
) -> Traffic:
    """Spikes that each core sends to each other core. What comes from the host is left out: it has no place.

    counts: population -> (T, neurons) spikes; None: every neuron spikes once, T is 1.
    """
    sources, targets, messages = [], [], []
    placed = {p.name: neurons_of(network, mapping, p.name) for p in network.computed}
    homes = {p.name: core_of(network, mapping, p.name) for p in network.computed}
    sent: dict[tuple[str, Groups], scipy.sparse.csr_array] = {}
    for place, target in enumerate(network.computed):
        progress("counting messages", place, len(network.computed))
        for source, projections in by_source(network.inputs_of(target.name)).items():
            if source not in homes:
                continue
            for reach in reaches(projections, *placed[target.name]):
                given = None if counts is None else counts[source]
                if (source, reach.groups) not in sent:
                    sent[source, reach.groups] = _sent(reach.groups, homes[source], given)
                to, steps = reach.matrix(len(mapping.of(target.name))), 1 if given is None else len(given)
                rows, columns, values = _between(sent[source, reach.groups], to, steps)
                sources.append(rows + mapping.rows[source][0])
                targets.append(columns + mapping.rows[target.name][0])
                messages.append(values)
    progress("counting messages", len(network.computed), len(network.computed))
    if not sources:
        return Traffic(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 1), np.int64))
    return Traffic(np.concatenate(sources), np.concatenate(targets), np.concatenate(messages))


def _sent(groups: Groups, home: Counts, counts: Counts | None) -> scipy.sparse.csr_array:
    """Spikes of each core's neurons by timestep and group: (T * cores, groups)."""
    cores, index = int(home.max()) + 1, groups.index()
    keys = home[groups.start : groups.stop] * groups.count + index
    rows = [None] if counts is None else list(counts[:, groups.start : groups.stop])
    tables = [np.bincount(keys, row, minlength=cores * groups.count).reshape(cores, -1) for row in rows]
    return scipy.sparse.vstack([scipy.sparse.csr_array(table) for table in tables], format="csr")


def _between(sent: scipy.sparse.csr_array, to: scipy.sparse.csr_array, steps: int) -> tuple[Counts, Counts, Counts]:
    """(source core, target core, messages (pairs, T)) of all pairs that send anything."""
    found = (sent @ to.T).tocoo()
    cores = sent.shape[0] // steps
    step, row = np.divmod(found.row.astype(np.int64), cores)
    keys, place = np.unique(row * to.shape[0] + found.col, return_inverse=True)
    values = np.zeros((len(keys), steps), np.int64)
    values[place, step] = np.rint(found.data).astype(np.int64)
    return *np.divmod(keys, to.shape[0]), values
