"""Populations that feed later channels of themselves, cut into parts that do not.

The Mixer's patch cell is such a population: its second third of channels is fed by its first, its third by its second,
within one timestep. In a network it stands whole, under the name of its source; engines run the separated network,
which is feed-forward, and ``gathered`` puts the parts' results together again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np
import scipy.sparse

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network.geometry import Geometry, Window
from neuro_deploy.network.topology import check_feed_forward, check_places, in_order

PER_NEURON = ("bias", "threshold", "u_decay", "v_decay", "v_threshold")
SEPARATOR = "#"
"""Part i of population p is named ``p#i``. No name in a network that must be cut holds such a sign."""


class AnyNetwork(Protocol):
    """A float or a fixed network."""

    @property
    def populations(self) -> tuple[Any, ...]: ...
    @property
    def projections(self) -> tuple[Any, ...]: ...
    @property
    def encoding(self) -> Any: ...


N = TypeVar("N", bound=AnyNetwork)


def check_order(network: AnyNetwork) -> None:
    """Check that a network, once separated, is feed-forward, and that it is in execution order but for what is cut.

    Raises:
        UnsupportedError: as ``separate``; or populations out of order.
    """
    if not _cuts(network):
        check_feed_forward(network.populations, network.projections)
        return
    separate(network)
    circles = _circles(network)
    check_places(network.populations, [p for p in network.projections if circles[p.source] != circles[p.target]])


def separate(network: N) -> N:
    """The network without cycles between populations: those on one are cut where their windows of channels end.

    Ensures: no neuron and no synapse is added or lost; populations stand in execution order.

    Raises:
        UnsupportedError: cycles that remain, names that are kept for parts, or input into what is cut.
    """
    cuts = _cuts(network)
    if not cuts:
        return network
    _check_whole(network, cuts)
    populations = [part for population in network.populations for part in _parts(population, cuts)]
    projections = [
        piece
        for projection in network.projections
        for half in _cut_side(projection, "source", cuts.get(projection.source))
        for piece in _cut_side(half, "target", cuts.get(projection.target))
    ]
    ordered = _in_order(populations, projections)
    check_feed_forward(ordered, projections)
    return replace(network, populations=tuple(ordered), projections=tuple(projections))  # type: ignore[type-var]


def gathered(network: AnyNetwork, arrays: Mapping[str, Any], axis: int) -> dict[str, Any]:
    """Arrays of a separated network's populations, put together by the populations of the network.

    axis: that of the channels (of the neurons, in arrays of flat populations).
    """
    return {name: whole([arrays[part] for part in parts], axis) for name, parts in parts_of(network, arrays).items()}


def whole(parts: Sequence[Any], axis: int) -> Any:
    """A population's array, of those of its parts in order."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)


def parts_of(network: AnyNetwork, names: Iterable[str]) -> dict[str, list[str]]:
    """population -> those of its parts that are among the names, in order; itself where it is not cut."""
    uncut = {population.name for population in network.populations}
    some: dict[str, list[str]] = {}
    for name in names:
        some.setdefault(name if name in uncut else name.rpartition(SEPARATOR)[0], []).append(name)
    order = [population.name for population in network.populations if population.name in some]
    return {name: sorted(some[name], key=_number) if len(some[name]) > 1 else some[name] for name in order}


def _number(part: str) -> int:
    return int(part.rpartition(SEPARATOR)[2])


def _check_whole(network: AnyNetwork, cuts: Mapping[str, list[int]]) -> None:
    """Check that the parts of what is cut can be named, and that no samples enter it."""
    for population in network.populations:
        if SEPARATOR in population.name:
            raise UnsupportedError(
                f"holds {SEPARATOR!r}, which marks the parts of populations that feed their own later channels",
                where=population.name,
                hint="give it another name",
            )
    by_bias = network.encoding.mode == "bias"
    entry = network.encoding.population if by_bias else network.populations[0].name
    if entry in cuts:
        what = "input by bias" if by_bias else "input"
        raise UnsupportedError(
            f"{what} into a population that feeds its own later channels is not supported",
            where=entry,
            hint="let samples enter an input population, which feeds it",
        )


def _cuts(network: AnyNetwork) -> dict[str, list[int]]:
    """population -> where its channels are cut, from 0 to their number: at all ends of windows on its circle."""
    if in_order(network.populations, network.projections):
        return {}
    circles = _circles(network)
    ends: dict[int, set[int]] = {}
    for projection in network.projections:
        if circles[projection.source] == circles[projection.target]:
            geometry: Geometry = projection.geometry
            here = ends.setdefault(circles[projection.source], set())
            here.update(geometry.source_channels or (), geometry.target_channels or ())
    cuts = {}
    for population in network.populations:
        channels = population.shape[0]
        inner = {end for end in ends.get(circles[population.name], ()) if 0 < end < channels}
        if inner:
            cuts[population.name] = [0, *sorted(inner), channels]
    return cuts


def _circles(network: AnyNetwork) -> dict[str, int]:
    """population -> number of its circle: of all that it feeds and that feed it, over however many projections."""
    place = {population.name: index for index, population in enumerate(network.populations)}
    rows = [place[p.source] for p in network.projections]
    columns = [place[p.target] for p in network.projections]
    graph = scipy.sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(place), len(place)))
    _, component = scipy.sparse.csgraph.connected_components(graph, connection="strong")
    return {name: int(component[index]) for name, index in place.items()}


def _parts(population: Any, cuts: Mapping[str, list[int]]) -> list[Any]:
    if population.name not in cuts:
        return [population]
    parts = []
    for index, window in enumerate(itertools.pairwise(cuts[population.name])):
        neurons = Geometry("dense", population.shape, (1,), source_channels=window).sources
        own = {
            name: getattr(population, name)[neurons]
            for name in PER_NEURON
            if np.ndim(getattr(population, name, 0)) == 1
        }
        shape = Geometry.window(population.shape, window)
        parts.append(replace(population, name=f"{population.name}{SEPARATOR}{index}", shape=shape, **own))
    return parts


def _cut_side(projection: Any, side: str, cuts: list[int] | None) -> list[Any]:
    """The projection cut where one of its ends is; its geometry then speaks of the parts."""
    if cuts is None:
        return [projection]
    geometry: Geometry = projection.geometry
    shape, window = getattr(geometry, side), getattr(geometry, f"{side}_channels")
    if shape[0] != cuts[-1]:
        raise UnsupportedError(f"sees a population flat that must be cut: {geometry.describe()}", where=projection.name)
    start, stop = window or (0, shape[0])
    pieces = []
    for index, (low, high) in enumerate(itertools.pairwise(cuts)):
        first, last = max(low, start), min(high, stop)
        if first < last:
            name = f"{getattr(projection, side)}{SEPARATOR}{index}"
            pieces.append(_piece(projection, side, name, (first - start, last - start), (low, high)))
    return pieces


def _piece(projection: Any, side: str, name: str, taken: Window, part: Window) -> Any:
    """The synapses of some channels of the window at one end, which lie in one part of the population.

    taken: counted from the window's start. part: where the part lies in its population.
    """
    geometry: Geometry = projection.geometry
    shape, window = getattr(geometry, side), getattr(geometry, f"{side}_channels")
    start = window[0] if window else 0
    ends: dict[str, Any] = {
        side: Geometry.window(shape, part),
        f"{side}_channels": (taken[0] + start - part[0], taken[1] + start - part[0]),
    }
    if geometry.coupled:  # the other end shrinks with it
        other = "target" if side == "source" else "source"
        theirs = getattr(geometry, f"{other}_channels")
        offset = theirs[0] if theirs else 0
        ends[f"{other}_channels"] = (taken[0] + offset, taken[1] + offset)
    changes: dict[str, Any] = {side: name, "geometry": replace(geometry, **ends)}
    neurons = _neurons_of(getattr(geometry, f"{side}_window"), taken)
    if geometry.kind == "dense":
        for field in ("weight", "delay"):
            array = np.asarray(getattr(projection, field, 0))
            if array.ndim == 2:
                changes[field] = array[neurons] if side == "target" else array[:, neurons]
    elif geometry.kind == "conv2d" or geometry.axis == "channel":
        chosen = slice(*taken)
        changes["weight"] = projection.weight[chosen] if side == "target" else projection.weight[:, chosen]
    elif geometry.kind == "one-to-one" and projection.weight.ndim:
        changes["weight"] = projection.weight[neurons]
    if projection.sign is not None and (side == "target" or geometry.coupled):
        changes["sign"] = projection.sign[_neurons_of(geometry.target_window, taken)]
    return replace(projection, **changes)


def _neurons_of(window: tuple[int, ...], taken: Window) -> slice:
    return Geometry("dense", window, (1,), source_channels=taken).sources


def _in_order(populations: list[Any], projections: list[Any]) -> list[Any]:
    """Populations in execution order, of those that are ready always the first; those on a cycle come last."""
    place = {population.name: index for index, population in enumerate(populations)}
    feeding: list[set[int]] = [set() for _ in populations]
    readers: list[set[int]] = [set() for _ in populations]
    for projection in projections:
        source, target = place[projection.source], place[projection.target]
        feeding[target].add(source)
        readers[source].add(target)
    ready = [index for index, sources in enumerate(feeding) if not sources]
    ordered = []
    while ready:
        done = heapq.heappop(ready)
        ordered.append(done)
        for reader in readers[done]:
            feeding[reader].remove(done)
            if not feeding[reader]:
                heapq.heappush(ready, reader)
    left = (index for index, sources in enumerate(feeding) if sources)
    return [populations[index] for index in (*ordered, *left)]
