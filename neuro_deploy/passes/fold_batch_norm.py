"""Batch norm into the weights before it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.graph import BatchNorm, Dense, Graph, Node


@dataclass(frozen=True)
class FoldBatchNorm:
    """``W' = g W``, ``b' = g (b - mean) + beta`` with ``g = gamma / sqrt(var + eps)``, per output neuron.

    Requires: every BatchNorm is fed by one Dense that feeds nothing else.
    Ensures: no BatchNorm is left; every other node is as before, and reads the Dense where it read the BatchNorm.
    """

    name = "fold-batch-norm"

    def __call__(self, graph: Graph) -> Graph:
        """The graph without batch norms.

        Raises:
            UnsupportedError: a BatchNorm that does not follow a Dense of its own.
        """
        folded: dict[str, Dense] = {}
        merged: dict[str, str] = {}
        for node in graph.nodes:
            if isinstance(node.operator, BatchNorm):
                source = graph.node(node.inputs[0])
                if not isinstance(source.operator, Dense) or len(graph.readers(source.name)) != 1:
                    raise UnsupportedError(
                        "a batch norm folds only into a dense layer that nothing else reads", where=node.name
                    )
                folded[source.name] = _folded(source.operator, node)
                merged[node.name] = source.name
        nodes = [
            replace(
                node,
                operator=folded.get(node.name, node.operator),
                inputs=tuple(merged.get(source, source) for source in node.inputs),
            )
            for node in graph.nodes
            if node.name not in merged
        ]
        return replace(graph, nodes=tuple(nodes))


def _folded(dense: Dense, node: Node) -> Dense:
    norm = node.operator
    if not isinstance(norm, BatchNorm) or norm.gamma.shape != dense.bias.shape:
        raise UnsupportedError("a batch norm of another width than its dense layer", where=node.name)
    gain = norm.gamma / np.sqrt(norm.var + norm.eps)
    return Dense(gain[:, None] * dense.weight, gain * (dense.bias - norm.mean) + norm.beta)
