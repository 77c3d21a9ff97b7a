"""Operators into populations and projections."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.graph import LIF, Dense, Graph, Input, Node, Readout
from neuro_deploy.network import GradedEncoding, Network, Population, Projection


@dataclass(frozen=True)
class Lower:
    """Each Input, LIF and Readout becomes a population of its name, each Dense a projection and its target's bias.

    Requires: batch norms are folded; every LIF and Readout is fed by one Dense, every Dense by an Input or a LIF.
    Ensures: the float Network computes what the graph computes; nothing is skipped.
    """

    name = "lower"

    def __call__(self, graph: Graph) -> Network:
        """The float network.

        Raises:
            UnsupportedError: an operator that has no place here.
        """
        populations: list[Population] = []
        projections: list[Projection] = []
        encoding: GradedEncoding | None = None
        for node in graph.nodes:
            if isinstance(node.operator, Input):
                if encoding is not None:
                    raise UnsupportedError("a second input; one is allowed", where=node.name)
                entry = node.operator
                encoding = GradedEncoding(entry.shape, entry.scale, entry.low, entry.levels)
                shape = entry.shape if len(entry.shape) == 3 else (math.prod(entry.shape),)
                populations.append(Population(node.name, "input", shape, np.zeros(math.prod(shape))))
            elif isinstance(node.operator, LIF | Readout):
                source, dense = _dense_before(graph, node)
                populations.append(_population(node, dense))
                projections.append(Projection(source, node.name, dense.weight))
            elif not isinstance(node.operator, Dense):
                raise UnsupportedError(f"{type(node.operator).__name__} is not lowered", where=node.name)
        if encoding is None:
            raise UnsupportedError("the graph has no input")
        return Network(tuple(populations), tuple(projections), graph.timesteps, encoding)


def _dense_before(graph: Graph, node: Node) -> tuple[str, Dense]:
    """(name of the population that feeds the Dense before this node, the Dense)."""
    before = graph.node(node.inputs[0]) if len(node.inputs) == 1 else None
    if before is None or not isinstance(before.operator, Dense):
        raise UnsupportedError("must be fed by one dense layer", where=node.name)
    if len(before.inputs) != 1 or not isinstance(graph.node(before.inputs[0]).operator, Input | LIF):
        raise UnsupportedError("must be fed by one input or LIF", where=before.name)
    return before.inputs[0], before.operator


def _population(node: Node, dense: Dense) -> Population:
    shape = (len(dense.bias),)
    if isinstance(node.operator, LIF):
        return Population(node.name, "lif", shape, dense.bias, node.operator.tau, node.operator.v_threshold)
    return Population(node.name, "readout", shape, dense.bias)
