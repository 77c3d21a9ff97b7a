"""Operators into populations and projections."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from neuro_deploy.errors import UnsupportedError, UsageError
from neuro_deploy.graph import LIF, Add, Axial, Concat, Conv2d, Dense, Graph, Input, Node, Readout, Scale
from neuro_deploy.graph.operators import FloatArray
from neuro_deploy.graph.shapes import Shape, shapes
from neuro_deploy.network import GradedEncoding, Kind, Network, Population, Projection
from neuro_deploy.passes.duplicates import duplicates
from neuro_deploy.passes.terms import Piece, Sum, added, along, joined, scaled, sent, weighted

Skip = Literal["relay", "recompute"]


@dataclass(frozen=True)
class Lower:
    """Each Input, LIF and Readout becomes a population of its name; all that lies between becomes projections and bias.

    A sum that several neurons need (a residual) is sent on by a relay of its node's name, one-to-one (skip "relay"), or
    its synapses are repeated for each of them (skip "recompute"). A sum that is scaled is always sent by a relay. LIF
    neurons that do what channels of others do already are left out: these channels are read instead.

    Requires: no batch norm and no mean is left; weights read what neurons or the input send.
    Ensures: the float Network computes what the graph computes; nothing is skipped.
    """

    skip: Skip = "relay"

    name = "lower"

    def __post_init__(self) -> None:
        if self.skip not in get_args(Skip):
            raise UsageError(f"no skip {self.skip!r}; {' or '.join(get_args(Skip))} is wanted")

    def __call__(self, graph: Graph) -> Network:
        """The float network.

        Raises:
            UnsupportedError: an operator that has no place here.
        """
        inputs = [node for node in graph.nodes if isinstance(node.operator, Input)]
        if len(inputs) != 1:
            raise UnsupportedError(f"the graph has {len(inputs)} inputs, one is wanted")
        made = _Lowering(graph, self.skip)
        for node in graph.nodes:
            made.add(node)
        entry = inputs[0].operator
        assert isinstance(entry, Input)  # noqa: S101  (chosen so, above)
        encoding = GradedEncoding(entry.shape, entry.scale, entry.low, entry.levels, entry.first)
        return Network(tuple(made.populations), tuple(made.projections), graph.timesteps, encoding)


class _Lowering:
    """Takes nodes in execution order. pieces: of values that are spikes, or sent by a relay. sums: of all others."""

    def __init__(self, graph: Graph, skip: Skip) -> None:
        self.graph = graph
        self.skip = skip
        self.shapes = shapes(graph)
        self.aliases = duplicates(graph)
        readers = [node for node in graph.nodes if node.name not in self.aliases]
        self.readers = Counter(source for node in readers for source in node.inputs)
        self.pieces: dict[str, tuple[Piece, ...]] = {}
        self.sums: dict[str, Sum] = {}
        self.relays: dict[str, Sum] = {}
        self.populations: list[Population] = []
        self.projections: list[Projection] = []

    def add(self, node: Node) -> None:
        operator, shape = node.operator, self.shapes[node.name]
        if node.name in self.aliases:
            alias = self.aliases[node.name]
            self.pieces[node.name] = (Piece(alias.name, self.shapes[alias.name], alias.start, alias.stop),)
        elif isinstance(operator, Input):
            self.populations.append(Population(node.name, "input", shape, np.zeros(int(np.prod(shape)))))
            self.pieces[node.name] = (Piece(node.name, shape, 0, shape[0]),)
        elif isinstance(operator, LIF):
            self.neurons(node, operator)
        elif isinstance(operator, Readout):
            self.population(node.name, "readout", self.value(node.inputs[0]))
        elif isinstance(operator, Concat) and all(name in self.pieces for name in node.inputs):
            self.pieces[node.name] = tuple(piece for name in node.inputs for piece in self.pieces[name])
        elif self.readers[node.name]:
            self.sums[node.name] = self.sum(node)
            if self.skip == "relay" and self.readers[node.name] > 1:
                self.sums[node.name] = self.relay(node.name)

    def value(self, name: str) -> Sum:
        """Any value as a sum."""
        return self.sums[name] if name in self.sums else sent(self.pieces[name])

    def sum(self, node: Node) -> Sum:
        """What a node that is no neuron computes."""
        operator = node.operator
        if isinstance(operator, Dense | Conv2d | Axial):
            if node.inputs[0] not in self.pieces:
                raise UnsupportedError(
                    "has weights over a sum; only spikes and the input meet weights", where=node.name
                )
            return weighted(operator, self.pieces[node.inputs[0]], self.shapes[node.name])
        if isinstance(operator, Add):
            return added([self.value(name) for name in node.inputs])
        if isinstance(operator, Concat):
            return joined([self.value(name) for name in node.inputs], [self.shapes[name] for name in node.inputs])
        if isinstance(operator, Scale):
            source = node.inputs[0]
            value = sent(self.pieces[source]) if source in self.pieces else self.relay(source)
            return scaled(operator, value, self.shapes[node.name])
        raise UnsupportedError(f"{type(operator).__name__} is not lowered", where=node.name)

    def relay(self, name: str) -> Sum:
        """A sum as a relay sends it: the relay is made the first time."""
        if name not in self.relays:
            shape = self.shapes[name]
            self.population(name, "relay", self.sums[name])
            self.relays[name] = sent([Piece(name, shape, 0, shape[0])])
        return self.relays[name]

    def neurons(self, node: Node, operator: LIF) -> None:
        shape, axis = self.shapes[node.name], operator.axis

        def spread(values: FloatArray | None) -> FloatArray | None:
            return None if values is None or axis is None else np.broadcast_to(along(values, axis, shape), shape)

        threshold = operator.v_threshold
        if axis is not None and np.ndim(threshold):
            threshold = np.broadcast_to(along(np.asarray(threshold), axis, shape), shape).reshape(-1)
        value, sign, offset = self.value(node.inputs[0]), spread(operator.sign), spread(operator.offset)
        self.population(node.name, "lif", value, sign, offset, tau=operator.tau, v_threshold=threshold)
        self.pieces[node.name] = (Piece(node.name, shape, 0, shape[0]),)

    def population(
        self,
        name: str,
        kind: Kind,
        value: Sum,
        sign: FloatArray | None = None,
        offset: FloatArray | None = None,
        **neuron: float | FloatArray,
    ) -> None:
        """A population whose synaptic input is a value times sign, and bias the value's times sign, plus offset."""
        shape: Shape = self.shapes[name]
        bias = value.bias if sign is None else value.bias * sign
        bias = np.broadcast_to(bias if offset is None else bias + offset, shape).reshape(-1)
        self.populations.append(Population(name, kind, shape, bias, **neuron))  # type: ignore[arg-type]
        self.projections += [term.projection(name, shape, sign) for term in value.terms]
