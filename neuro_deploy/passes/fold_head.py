"""A mean over space, and the norm before it, into the dense layer after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.graph import Axial, BatchNorm, Conv2d, Dense, Graph, Mean, Node
from neuro_deploy.graph.shapes import shapes
from neuro_deploy.passes.fold_batch_norm import without


@dataclass(frozen=True)
class FoldHead:
    """``W mean_p(g s_p + o) + b = sum_p (W diag(g) / P) s_p + (W o + b)``: spikes meet weights, and nothing else.

    g, o: of a batch norm per channel before the mean, if there is one. P: positions of height and width.

    Requires: every Mean feeds one Dense and nothing else.
    Ensures: no Mean is left; the Dense reads (channels, height, width), flattened: W' of (out, channels * P).
    """

    name = "fold-head"

    def __call__(self, graph: Graph) -> Graph:
        """The graph without means.

        Raises:
            UnsupportedError: a mean that something else than one dense layer reads.
        """
        known = shapes(graph)
        merged: dict[str, str] = {}
        changed: dict[str, Dense | Conv2d | Axial] = {}
        for node in graph.nodes:
            if not isinstance(node.operator, Mean):
                continue
            readers = graph.readers(node.name)
            if len(readers) != 1 or not isinstance(readers[0].operator, Dense):
                raise UnsupportedError("a mean over space folds only into one dense layer", where=node.name)
            source, norm = _before(graph, node)
            if norm is not None:
                merged[norm.name] = source
            merged[node.name] = source
            positions = int(np.prod(known[source][1:], dtype=np.int64))
            changed[readers[0].name] = _folded(readers[0].operator, norm, positions)
        return without(graph, merged, changed)


def _before(graph: Graph, node: Node) -> tuple[str, Node | None]:
    """(what the mean is taken of, the batch norm per channel on the way that only the mean reads)."""
    source = graph.node(node.inputs[0])
    norm = source.operator
    if isinstance(norm, BatchNorm) and norm.axis == "channel" and len(graph.readers(source.name)) == 1:
        return source.inputs[0], source
    return source.name, None


def _folded(dense: Dense, norm: Node | None, positions: int) -> Dense:
    weight, bias = dense.weight, dense.bias
    if norm is not None and isinstance(norm.operator, BatchNorm):
        bias = bias + weight @ norm.operator.offset
        weight = weight * norm.operator.gain
    return replace(dense, weight=np.repeat(weight / positions, positions, axis=1), bias=bias)
