"""LIF neurons that do what others do already."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_deploy.graph import LIF, Concat, Graph
from neuro_deploy.graph.shapes import shapes


@dataclass(frozen=True)
class Alias:
    """Channels start to stop - 1 of a LIF node's spikes."""

    name: str
    start: int
    stop: int


def duplicates(graph: Graph) -> dict[str, Alias]:
    """LIF node -> the channels of another one whose spikes are its own: same input, same parameters.

    The patch cell's inner neurons are such: their states are also parts of the concatenated state, whose neurons
    come after.
    """
    known = shapes(graph)
    neurons = {node.inputs[0]: node for node in reversed(graph.nodes) if isinstance(node.operator, LIF)}
    covered: dict[str, Alias] = {}
    for whole in (node for node in graph.nodes if isinstance(node.operator, Concat) and node.name in neurons):
        start = 0
        for part in whole.inputs:
            covered[part] = Alias(neurons[whole.name].name, start, start + known[part][0])
            start = covered[part].stop
    found = {}
    for node in graph.nodes:
        alias = covered.get(node.inputs[0]) if isinstance(node.operator, LIF) else None
        if alias and graph.node(alias.name).operator == node.operator:
            found[node.name] = alias
    return found
