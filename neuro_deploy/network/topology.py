"""What float and fixed networks share: names that are unique, references that exist, an order without cycles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Protocol

from neuro_deploy.errors import UnsupportedError
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


def check_timesteps(timesteps: int) -> None:
    """Check a number of timesteps.

    Raises:
        UnsupportedError: no whole number, or out of range.
    """
    if isinstance(timesteps, bool) or not isinstance(timesteps, int) or not 1 <= timesteps <= MAX_TIMESTEPS:
        raise UnsupportedError(f"timesteps is {timesteps!r}; a whole number from 1 to {MAX_TIMESTEPS:,} is wanted")


def check_topology(populations: Sequence[Named], projections: Sequence[Linked]) -> None:
    """Check that a network is feed-forward and that its populations stand in execution order.

    Raises:
        UnsupportedError: no populations, double names, dangling projections, cycles, or populations out of order.
    """
    if not populations:
        raise UnsupportedError("a network without populations")
    for name, count in Counter(population.name for population in populations).items():
        if count > 1:
            raise UnsupportedError(f"{count} populations are named so, one is allowed", where=name)
    place = {population.name: index for index, population in enumerate(populations)}
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(place, ()))
    for projection in projections:
        for end in (projection.source, projection.target):
            if end not in place:
                raise UnsupportedError("a projection names this population, which does not exist", where=end)
        sorter.add(projection.target, projection.source)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise UnsupportedError(f"projections form a cycle ({cycle}); only feed-forward networks run") from error
    for projection in projections:
        if place[projection.source] > place[projection.target]:
            raise UnsupportedError(f"comes before {projection.source!r}, which feeds it", where=projection.target)


def depths(populations: Sequence[Named], projections: Sequence[Linked]) -> dict[str, int]:
    """Longest path, in projections, from a population that nothing feeds; populations are in execution order."""
    depth = {population.name: 0 for population in populations}
    for population in populations:
        for projection in projections:
            if projection.target == population.name:
                depth[population.name] = max(depth[population.name], depth[projection.source] + 1)
    return depth
