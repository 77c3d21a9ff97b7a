"""Batch norms that neither fold into weights nor into neurons: a gain per neuron."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import UsageError
from neuro_deploy.graph import BatchNorm, Graph, Node, Scale
from neuro_deploy.numerics.powers import powers_of_two

MAX_TERMS = 16
"""Of a sum of signed powers of two: by then it is the gain, to the bits that a weight has."""


@dataclass(frozen=True)
class NormToScale:
    """``y = g x + o`` with ``g = gamma / sqrt(var + eps)``, ``o = beta - g mean``, per position along the norm's axis.

    On spikes, g is one synapse's weight. On a sum that goes on to another sum (the Mixer's per-token norm before its
    residual) g is a true multiplication; terms: None for that, or K, which makes g the sum of K signed powers of two.

    Requires: nothing. Ensures: no batch norm is left. With terms, g changes by at most a third for K = 1,
    and by half as much again for each further K.
    """

    terms: int | None = None

    name = "norm-to-scale"

    def __post_init__(self) -> None:
        if self.terms is not None and not 1 <= self.terms <= MAX_TERMS:
            raise UsageError(f"{self.terms} powers of two; 1 to {MAX_TERMS} are wanted")

    def __call__(self, graph: Graph) -> Graph:
        """The graph with scales in place of batch norms."""
        return replace(graph, nodes=tuple(self._node(node, graph) for node in graph.nodes))

    def _node(self, node: Node, graph: Graph) -> Node:
        norm = node.operator
        if not isinstance(norm, BatchNorm):
            return node
        terms = None if is_spikes(graph, node.inputs[0]) else self.terms
        gain: npt.NDArray[np.float64] = norm.gain if terms is None else powers_of_two(norm.gain, terms).sum(axis=0)
        return replace(node, operator=Scale(norm.axis, gain, norm.offset, terms))


def is_spikes(graph: Graph, name: str) -> bool:
    """Whether a node's value is what neurons or the input send, alone or side by side."""
    from neuro_deploy.graph import LIF, Concat, Input

    node = graph.node(name)
    if isinstance(node.operator, Concat):
        return all(is_spikes(graph, source) for source in node.inputs)
    return isinstance(node.operator, LIF | Input)
