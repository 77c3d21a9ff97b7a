"""Values of a graph as what populations send: channels of theirs, or weighted sums of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from neuro_deploy.graph import Axial, Conv2d, Dense, Scale
from neuro_deploy.graph.operators import Axis, FloatArray
from neuro_deploy.graph.shapes import Shape
from neuro_deploy.network import Geometry, Projection, SynapseKind
from neuro_deploy.numerics.powers import powers_of_two


@dataclass(frozen=True)
class Piece:
    """Channels start to stop - 1 of a population of that shape (neurons, where it has one axis)."""

    name: str
    shape: Shape
    start: int
    stop: int

    @property
    def window(self) -> Shape:
        """Shape of these channels."""
        return (self.stop - self.start, *self.shape[1:])


@dataclass(frozen=True, eq=False)
class Term:
    """Synapses from a piece to the channels of a value from start on, as many as window (their shape) says."""

    source: Piece
    kind: SynapseKind
    weight: FloatArray
    window: Shape
    start: int = 0
    axis: Axis | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    def projection(self, target: str, shape: Shape, sign: FloatArray | None) -> Projection:
        """This term as synapses into a population. sign: None, or a factor per neuron: (*shape)."""
        stop = self.start + self.window[0]
        piece = self.source
        geometry = Geometry(
            self.kind,
            piece.shape,
            shape,
            axis=self.axis,
            stride=self.stride,
            padding=self.padding,
            source_channels=(piece.start, piece.stop),
            target_channels=(self.start, stop),
        )
        if sign is None:
            return Projection(piece.name, target, self.weight, geometry)
        own = sign[self.start : stop].reshape(-1)
        if self.kind == "one-to-one":
            return Projection(piece.name, target, self.weight * own, geometry)
        return Projection(piece.name, target, self.weight, geometry, own.astype(np.int8))


@dataclass(frozen=True, eq=False)
class Sum:
    """A value that is no spikes: terms and a bias, which broadcasts to the value's shape."""

    terms: tuple[Term, ...]
    bias: FloatArray


def sent(pieces: Sequence[Piece]) -> Sum:
    """What pieces send, behind one another, as a sum: each neuron by one synapse of weight 1."""
    starts = accumulate((piece.window[0] for piece in pieces), initial=0)
    terms = (
        Term(piece, "one-to-one", np.asarray(1.0), piece.window, start)
        for piece, start in zip(pieces, starts, strict=False)
    )
    return Sum(tuple(terms), np.zeros([1] * len(pieces[0].shape)))


def weighted(operator: Dense | Conv2d | Axial, pieces: Sequence[Piece], shape: Shape) -> Sum:
    """Weights over pieces behind one another. shape: of the result."""
    bias = along(operator.bias, operator.axis if isinstance(operator, Axial) else "channel", shape)
    if isinstance(operator, Axial) and operator.axis != "channel":
        starts = accumulate((piece.window[0] for piece in pieces), initial=0)
        shared = (
            Term(piece, "axial", operator.weight, (piece.window[0], *shape[1:]), start, operator.axis)
            for piece, start in zip(pieces, starts, strict=False)
        )
        return Sum(tuple(shared), bias)
    flat = isinstance(operator, Dense)
    sizes = (math.prod(piece.window) if flat else piece.window[0] for piece in pieces)
    columns = pairwise(accumulate(sizes, initial=0))
    terms = (
        _over(operator, piece, operator.weight[:, first:last], shape)
        for piece, (first, last) in zip(pieces, columns, strict=True)
    )
    return Sum(tuple(terms), bias)


def _over(operator: Dense | Conv2d | Axial, piece: Piece, weight: FloatArray, shape: Shape) -> Term:
    if isinstance(operator, Conv2d):
        return Term(piece, "conv2d", weight, shape, stride=operator.stride, padding=operator.padding)
    if isinstance(operator, Axial):
        return Term(piece, "axial", weight, shape, axis=operator.axis)
    return Term(piece, "dense", weight, shape)


def scaled(operator: Scale, value: Sum, shape: Shape) -> Sum:
    """A gain on what pieces send: value's terms are one-to-one, of weight 1."""
    gains = [operator.gain] if operator.terms is None else powers_of_two(operator.gain, operator.terms)
    whole = [np.broadcast_to(along(gain, operator.axis, shape), shape) for gain in gains]
    terms = (
        replace(term, weight=gain[term.start : term.start + term.window[0]].reshape(-1))
        for term in value.terms
        for gain in whole
    )
    return Sum(tuple(terms), along(operator.offset, operator.axis, shape))


def added(values: Sequence[Sum]) -> Sum:
    """The sum of values of one shape."""
    bias = sum((value.bias for value in values[1:]), values[0].bias)
    return Sum(tuple(term for value in values for term in value.terms), bias)


def joined(values: Sequence[Sum], shapes: Sequence[Shape]) -> Sum:
    """Values of these shapes behind one another, along the channels."""
    starts = accumulate((shape[0] for shape in shapes), initial=0)
    terms = (
        replace(term, start=term.start + start)
        for value, start in zip(values, starts, strict=False)
        for term in value.terms
    )
    biases = [np.broadcast_to(value.bias, shape) for value, shape in zip(values, shapes, strict=True)]
    return Sum(tuple(terms), np.concatenate(biases))


def along(values: npt.NDArray[np.float64], axis: Axis, shape: Shape) -> FloatArray:
    """One number per position along an axis, as an array that broadcasts to a value's shape."""
    if len(shape) == 1:
        return values
    places = {"channel": (-1, 1, 1), "height": (1, -1, 1), "width": (1, 1, -1), "space": (1, *shape[1:])}
    return values.reshape(places[axis])
