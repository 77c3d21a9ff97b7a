"""Nodes and the graph they form."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.graph.operators import Operator


@dataclass(frozen=True)
class Node:
    """An operator, its name in the source, and the names of the nodes that feed it."""

    name: str
    operator: Operator
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Nodes in execution order; ``timesteps`` as the source was trained.

    Raises:
        UnsupportedError: two nodes of one name, or a node fed by one that does not come before it.
    """

    nodes: tuple[Node, ...]
    timesteps: int

    def __post_init__(self) -> None:
        for name, count in Counter(node.name for node in self.nodes).items():
            if count > 1:
                raise UnsupportedError(f"{count} nodes are named so, one is allowed", where=name)
        seen: set[str] = set()
        for node in self.nodes:
            for source in node.inputs:
                if source not in seen:
                    raise UnsupportedError(f"is fed by {source!r}, which does not come before it", where=node.name)
            seen.add(node.name)

    def node(self, name: str) -> Node:
        """The node of that name."""
        return self._by_name[name]

    def readers(self, name: str) -> tuple[Node, ...]:
        """The nodes fed by that node."""
        return self._readers.get(name, ())

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def _readers(self) -> dict[str, tuple[Node, ...]]:
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                found.setdefault(source, []).append(node)
        return {source: tuple(nodes) for source, nodes in found.items()}
