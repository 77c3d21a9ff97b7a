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
        changed: dict[str, Conv2d] = {}
        nodes = []
        for node in graph.nodes:
            pair = _pair(graph, node) if isinstance(node.operator, Add) else None
            if pair is None:
                nodes.append(node)
                continue
            own, other = pair
            kept = tuple(name for name in node.inputs if name != other.name)
            mine, theirs = own.operator, other.operator
            assert isinstance(mine, Conv2d) and isinstance(theirs, Conv2d)  # noqa: PT018, S101  (_pair says so)
            changed[own.name] = replace(mine, weight=mine.weight + theirs.weight, bias=mine.bias + theirs.bias)
            nodes.append(replace(node, inputs=kept))
        return without(replace(graph, nodes=tuple(nodes)), {}, {**changed})


def _pair(graph: Graph, node: Node) -> tuple[Node, Node] | None:
    """(the convolution that only this Add reads, the other one), if there are two that merge."""
    for own in map(graph.node, node.inputs):
        for other in map(graph.node, node.inputs):
            if own is not other and _mergeable(own, other) and len(graph.readers(own.name)) == 1:
                return own, other
    return None


def _mergeable(one: Node, two: Node) -> bool:
    a, b = one.operator, two.operator
    return (
        isinstance(a, Conv2d)
        and isinstance(b, Conv2d)
        and one.inputs == two.inputs
        and a.weight.shape == b.weight.shape
        and (a.stride, a.padding) == (b.stride, b.padding)
    )
