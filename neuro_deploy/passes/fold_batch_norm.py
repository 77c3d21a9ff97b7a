"""Batch norm into the weights before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.graph import Axial, BatchNorm, Conv2d, Dense, Graph, Node, Operator


@dataclass(frozen=True)
class FoldBatchNorm:
    """``W' = g W``, ``b' = g (b - mean) + beta`` with ``g = gamma / sqrt(var + eps)``, per output of the weights.

    Requires: the weights feed nothing but the batch norm, and their outputs lie along the batch norm's axis: outputs of
    dense layers, channels of convolutions, the axis of axial layers. A shared weight has one g for all its positions.
    Ensures: such batch norms are gone; every other node is as before, and reads the weights where it read the norm.
    Batch norms along another axis stay: ``NormIntoNeuron`` and ``NormToScale`` take them.
    """

    name = "fold-batch-norm"

    def __call__(self, graph: Graph) -> Graph:
        """The graph without the batch norms that fold.

        Raises:
            UnsupportedError: a batch norm of another width than the weights before it.
        """
        folded: dict[str, Dense | Conv2d | Axial] = {}
        merged: dict[str, str] = {}
        for node in graph.nodes:
            source = graph.node(node.inputs[0]) if isinstance(node.operator, BatchNorm) else node
            weights, norm = source.operator, node.operator
            if (
                isinstance(norm, BatchNorm)
                and isinstance(weights, Dense | Conv2d | Axial)
                and output_axis(weights) == norm.axis
                and len(graph.readers(source.name)) == 1
            ):
                folded[source.name] = _folded(weights, norm, node)
                merged[node.name] = source.name
        return without(graph, merged, folded)


def output_axis(weights: Dense | Conv2d | Axial) -> str:
    """The axis along which these weights' outputs lie."""
    return weights.axis if isinstance(weights, Axial) else "channel"


def without(graph: Graph, merged: Mapping[str, str], changed: Mapping[str, Operator]) -> Graph:
    """The graph without merged nodes, whose readers read what they are merged into; some operators changed."""
    nodes = [
        replace(
            node,
            operator=changed.get(node.name, node.operator),
            inputs=tuple(merged.get(source, source) for source in node.inputs),
        )
        for node in graph.nodes
        if node.name not in merged
    ]
    return replace(graph, nodes=tuple(nodes))


def _folded(weights: Dense | Conv2d | Axial, norm: BatchNorm, node: Node) -> Dense | Conv2d | Axial:
    if norm.gamma.shape != weights.bias.shape:
        raise UnsupportedError(
            f"a batch norm of width {norm.gamma.size} after weights of {weights.bias.size} outputs", where=node.name
        )
    gain = norm.gain.reshape(-1, *[1] * (weights.weight.ndim - 1))
    return replace(weights, weight=gain * weights.weight, bias=np.asarray(norm.gain * weights.bias + norm.offset))
