"""What float and fixed networks share: names that are unique, references that exist, an order without cycles."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Protocol, TypeVar

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network.geometry import Geometry
from neuro_deploy.numerics.registers import MAX_TIMESTEPS


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


class Linked(Protocol):
    """Anything with a source and a target."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...


class Shaped(Named, Protocol):
    """A population."""

    @property
    def shape(self) -> tuple[int, ...]: ...


class Placed(Linked, Protocol):
    """A projection."""

    @property
    def geometry(self) -> Geometry: ...


def check_timesteps(timesteps: int) -> None:
    """Check a number of timesteps.

    Raises:
        UnsupportedError: no whole number, or out of range.
    """
    if isinstance(timesteps, bool) or not isinstance(timesteps, int) or not 1 <= timesteps <= MAX_TIMESTEPS:
        raise UnsupportedError(f"timesteps is {timesteps!r}; a whole number from 1 to {MAX_TIMESTEPS:,} is wanted")


def check_topology(populations: Sequence[Named], projections: Sequence[Linked]) -> None:
    """Check that names are unique and that every projection's ends exist.

    Raises:
        UnsupportedError: no populations, double names, or dangling projections.
    """
    if not populations:
        raise UnsupportedError("a network without populations")
    for name, count in Counter(population.name for population in populations).items():
        if count > 1:
            raise UnsupportedError(f"{count} populations are named so, one is allowed", where=name)
    names = {population.name for population in populations}
    for projection in projections:
        for end in (projection.source, projection.target):
            if end not in names:
                raise UnsupportedError("a projection names this population, which does not exist", where=end)


def check_feed_forward(populations: Sequence[Named], projections: Sequence[Linked]) -> None:
    """Check that there are no cycles, and that populations stand in execution order.

    Raises:
        UnsupportedError: a cycle, or a population that comes before one that feeds it.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter({population.name: () for population in populations})
    for projection in projections:
        sorter.add(projection.target, projection.source)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise UnsupportedError(f"projections form a cycle ({cycle}); only feed-forward networks run") from error
    check_places(populations, projections)


def check_places(populations: Sequence[Named], projections: Sequence[Linked]) -> None:
    """Check that no population comes before one that feeds it.

    Raises:
        UnsupportedError: one does.
    """
    place = {population.name: index for index, population in enumerate(populations)}
    for projection in projections:
        if place[projection.source] > place[projection.target]:
            raise UnsupportedError(f"comes before {projection.source!r}, which feeds it", where=projection.target)


def in_order(populations: Sequence[Named], projections: Sequence[Linked]) -> bool:
    """Whether every population comes after all that feed it."""
    place = {population.name: index for index, population in enumerate(populations)}
    return all(place[projection.source] < place[projection.target] for projection in projections)


def check_geometry(populations: Sequence[Shaped], projections: Sequence[Placed]) -> None:
    """Check that every projection fits the populations that it leads from and to; dense synapses see them flat.

    Raises:
        UnsupportedError: it does not.
    """
    shapes = {population.name: population.shape for population in populations}
    for projection in projections:
        geometry = projection.geometry
        for end, said in ((projection.source, geometry.source), (projection.target, geometry.target)):
            flat = geometry.kind == "dense" and math.prod(said) == math.prod(shapes[end])
            if said != shapes[end] and not flat:
                raise UnsupportedError(
                    f"is made for a population of shape {said}, {end} has {shapes[end]}",
                    where=f"{projection.source} -> {projection.target}",
                )


P = TypeVar("P", bound=Linked)


def grouped_by_target(populations: Sequence[Named], projections: Sequence[P]) -> dict[str, tuple[P, ...]]:
    """name -> the projections into that population, in order."""
    groups: dict[str, list[P]] = {population.name: [] for population in populations}
    for projection in projections:
        groups[projection.target].append(projection)
    return {name: tuple(group) for name, group in groups.items()}


def depths(populations: Sequence[Named], projections: Sequence[Linked]) -> dict[str, int]:
    """Longest path, in projections, from a population that nothing feeds; populations are in execution order."""
    depth = {population.name: 0 for population in populations}
    for name, group in grouped_by_target(populations, projections).items():
        depth[name] = max((depth[projection.source] + 1 for projection in group), default=0)
    return depth
