"""Populations that feed later channels of themselves, cut into parts that do not.

The Mixer's patch cell is such a population: its second third of channels is fed by its first, its third by its second,
within one timestep. In a network it stands whole, under the name of its source; engines run the separated network,
which is feed-forward, and ``gathered`` puts the parts' results together again.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np
import scipy.sparse

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network.geometry import Geometry, Window
from neuro_deploy.network.topology import check_feed_forward

PER_NEURON = ("bias", "threshold", "u_decay", "v_decay", "v_threshold")
SEPARATOR = "#"
"""Part i of population p is named ``p#i``. Names of a source hold no such sign."""


class AnyNetwork(Protocol):
    """A float or a fixed network."""

    @property
    def populations(self) -> tuple[Any, ...]: ...
    @property
    def projections(self) -> tuple[Any, ...]: ...


N = TypeVar("N", bound=AnyNetwork)


def check_order(network: AnyNetwork) -> None:
    """Check that a network, once separated, is feed-forward and in execution order.

    Raises:
        UnsupportedError: cycles that no cut between channels opens, or populations out of order.
    """
    if _cuts(network):
        separate(network)  # itself such a network, which is checked when it is made
    else:
        check_feed_forward(network.populations, network.projections)


def separate(network: N) -> N:
    """The network without cycles between populations: those on one are cut where their windows of channels end.

    Ensures: no neuron and no synapse is added or lost; populations stand in execution order.

    Raises:
        UnsupportedError: cycles that remain.
    """
    cuts = _cuts(network)
    if not cuts:
        return network
    populations = [part for population in network.populations for part in _parts(population, cuts)]
    projections = [
        piece
        for projection in network.projections
        for half in _cut_side(projection, "source", cuts.get(projection.source))
        for piece in _cut_side(half, "target", cuts.get(projection.target))
    ]
    ordered = _in_order(populations, projections)
    return replace(network, populations=tuple(ordered), projections=tuple(projections))  # type: ignore[type-var]


def gathered(network: AnyNetwork, arrays: Mapping[str, Any], axis: int) -> dict[str, Any]:
    """Arrays of a separated network's populations, put together by the populations of the network.

    axis: that of the channels (of the neurons, in arrays of flat populations).
    """
    whole: dict[str, list[Any]] = {}
    for name, array in arrays.items():
        whole.setdefault(name.rpartition(SEPARATOR)[0] or name, []).append((name, array))
    order = [population.name for population in network.populations if population.name in whole]
    return {
        name: whole[name][0][1]
        if len(whole[name]) == 1
        else np.concatenate([array for _, array in sorted(whole[name], key=lambda item: _number(item[0]))], axis=axis)
        for name in order
    }


def _number(part: str) -> int:
    return int(part.rpartition(SEPARATOR)[2])


def _cuts(network: AnyNetwork) -> dict[str, list[int]]:
    """population on a cycle -> where its channels are cut, from 0 to their number."""
    place = {population.name: index for index, population in enumerate(network.populations)}
    if all(place[p.source] < place[p.target] for p in network.projections):
        return {}
    size = len(place)
    rows = [place[p.source] for p in network.projections]
    columns = [place[p.target] for p in network.projections]
    graph = scipy.sparse.csr_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(size, size))
    _, component = scipy.sparse.csgraph.connected_components(graph, connection="strong")
    inside = [p for p in network.projections if component[place[p.source]] == component[place[p.target]]]
    edges: dict[int, set[int]] = {}
    for projection in inside:
        geometry = projection.geometry
        here = edges.setdefault(int(component[place[projection.source]]), set())
        for shape, window in (
            (geometry.source, geometry.source_channels),
            (geometry.target, geometry.target_channels),
        ):
            here.update(window or (0, shape[0]))
    cuts = {}
    for population in network.populations:
        here = edges.get(int(component[place[population.name]]), set())
        if here:
            if max(here) > population.shape[0]:
                raise UnsupportedError(
                    "is on a cycle with populations of other channels; only feed-forward networks run",
                    where=population.name,
                )
            cuts[population.name] = sorted(here | {0, population.shape[0]})
    return cuts


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
    rows = _neurons_of(geometry.target_window, taken)
    columns = _neurons_of(geometry.source_window, taken)
    if geometry.kind == "dense":
        for field in ("weight", "delay"):
            array = np.asarray(getattr(projection, field, 0))
            if array.ndim == 2:
                changes[field] = array[rows] if side == "target" else array[:, columns]
    elif geometry.kind == "conv2d" or geometry.axis == "channel":
        chosen = slice(*taken)
        changes["weight"] = projection.weight[chosen] if side == "target" else projection.weight[:, chosen]
    elif geometry.kind == "one-to-one" and projection.weight.ndim:
        changes["weight"] = projection.weight[rows]
    if projection.sign is not None and (side == "target" or geometry.coupled):
        changes["sign"] = projection.sign[rows]
    return replace(projection, **changes)


def _neurons_of(window: tuple[int, ...], taken: Window) -> slice:
    return Geometry("dense", window, (1,), source_channels=taken).sources


def _in_order(populations: list[Any], projections: list[Any]) -> list[Any]:
    """Populations in execution order, else as they stood; those on a cycle that remains come last, to be refused."""
    waiting, ordered = list(populations), list[Any]()
    done: set[str] = set()
    feeding: dict[str, set[str]] = {population.name: set() for population in populations}
    for projection in projections:
        feeding[projection.target].add(projection.source)
    while waiting:
        ready = next((p for p in waiting if feeding[p.name] <= done), None)
        if ready is None:
            return [*ordered, *waiting]
        waiting.remove(ready)
        done.add(ready.name)
        ordered.append(ready)
    return ordered
