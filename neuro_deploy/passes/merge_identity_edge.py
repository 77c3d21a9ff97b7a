"""Two convolutions of the same spikes that are added become one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from neuro_deploy.graph import Add, Conv2d, Graph, Node
from neuro_deploy.passes.fold_batch_norm import without


@dataclass(frozen=True)
class MergeIdentityEdge:
    """``W3 * x + W1 * x = (W3 + W1) * x``, biases likewise: the patch cell's identity edge costs no synapse.

    Requires: batch norms are folded. Ensures: no Add reads two convolutions of one value, of one kernel, stride and
    padding, of which one feeds nothing else; that one takes the other's weights too. The other stays for its readers.
    """

    name = "merge-identity-edge"

    def __call__(self, graph: Graph) -> Graph:
        """The graph with such edges merged."""
        while (found := _next(graph)) is not None:
            graph = _merged(graph, *found)
        return graph


def _next(graph: Graph) -> tuple[Node, Node, Node] | None:
    """(an Add, a convolution that only it reads, and reads once, another one that merges), if there are such."""
    for node in graph.nodes:
        inputs = [graph.node(name) for name in node.inputs] if isinstance(node.operator, Add) else []
        for own in inputs:
            for other in inputs:
                alone = node.inputs.count(own.name) == len(graph.readers(own.name)) == 1
                if own is not other and _mergeable(own, other) and alone:
                    return node, own, other
    return None


def _merged(graph: Graph, node: Node, own: Node, other: Node) -> Graph:
    """own takes the weights of other, of which node then adds one less."""
    mine, theirs = own.operator, other.operator
    assert isinstance(mine, Conv2d) and isinstance(theirs, Conv2d)  # noqa: PT018, S101  (_mergeable says so)
    whole = replace(mine, weight=mine.weight + theirs.weight, bias=mine.bias + theirs.bias)
    kept = list(node.inputs)
    kept.remove(other.name)
    nodes = tuple(replace(each, inputs=tuple(kept)) if each is node else each for each in graph.nodes)
    return without(replace(graph, nodes=nodes), {}, {own.name: whole})


def _mergeable(one: Node, two: Node) -> bool:
    a, b = one.operator, two.operator
    return (
        isinstance(a, Conv2d)
        and isinstance(b, Conv2d)
        and one.inputs == two.inputs
        and a.weight.shape == b.weight.shape
        and (a.stride, a.padding) == (b.stride, b.padding)
    )
