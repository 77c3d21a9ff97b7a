"""Batch norm that scales each neuron into that neuron: its threshold, bias and sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.graph import LIF, Axial, BatchNorm, Conv2d, Dense, Graph, Node
from neuro_deploy.passes.fold_batch_norm import without


@dataclass(frozen=True)
class NormIntoNeuron:
    """A LIF neuron fed by ``g z + o``, with v = u / |g|, is one fed by ``sgn(g) z + o / |g|`` of threshold V_th / |g|.

    ``v += (sgn(g) z + o / |g| - v) / tau``, spike where ``v >= V_th / |g|``, then v = 0; the reset to 0 makes it exact.
    Where g = 0, z has no effect: sign 0, input o, threshold V_th. (The Mixer's batch
    norm per token after the first layer of its channel block.)

    Requires: a batch norm whose only reader is a LIF neuron, fed by weights that feed nothing else.
    Ensures: such batch norms are gone; the weights are as before and stay shared.
    """

    name = "norm-into-neuron"

    def __call__(self, graph: Graph) -> Graph:
        """The graph without the batch norms that go into neurons.

        Raises:
            UnsupportedError: a neuron that has such parameters already.
        """
        merged: dict[str, str] = {}
        neurons: dict[str, LIF] = {}
        for node in graph.nodes:
            readers = graph.readers(node.name)
            if not isinstance(node.operator, BatchNorm) or [type(r.operator) for r in readers] != [LIF]:
                continue
            source = graph.node(node.inputs[0])
            if isinstance(source.operator, Dense | Conv2d | Axial) and len(graph.readers(source.name)) == 1:
                merged[node.name] = source.name
                neurons[readers[0].name] = _scaled(readers[0], node.operator)
        return without(graph, merged, neurons)


def _scaled(node: Node, norm: BatchNorm) -> LIF:
    neuron = node.operator
    if not isinstance(neuron, LIF) or neuron.axis is not None:
        raise UnsupportedError("has parameters of its own beside the batch norm", where=node.name)
    size = np.abs(norm.gain)
    unit = np.where(size > 0, size, 1.0)
    return LIF(
        neuron.tau,
        neuron.v_threshold / unit,
        axis=norm.axis,
        sign=np.sign(norm.gain),
        offset=norm.offset / unit,
    )
