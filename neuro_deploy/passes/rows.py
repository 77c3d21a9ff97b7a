"""Scales per output channel: which neurons share a row of weights, and factors of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neuro_deploy.network import FixedProjection, Geometry, Population, Projection
from neuro_deploy.numerics.registers import IntArray
from neuro_deploy.passes.levels import FloatArray

_WHOLE = slice(None)
_PLACES: dict[str, Any] = {
    "channel": (_WHOLE, 0, 0),
    "height": (0, _WHOLE, 0),
    "width": (0, 0, _WHOLE),
    "space": (0, _WHOLE, _WHOLE),
}


def row_axis(geometry: Geometry) -> str:
    """The axis of the target along which rows of the weights lie: "neuron" where each neuron has a row of its own."""
    if geometry.kind in ("dense", "one-to-one"):
        return "neuron"
    return geometry.axis or "channel"


def rows_of(projection: Projection) -> FloatArray:
    """The weights by rows, (rows, weights of each); one weight for all is a row for every neuron of the window."""
    weight = projection.weight
    if projection.geometry.kind == "one-to-one":
        return np.broadcast_to(weight, math.prod(projection.geometry.target_window))[:, None]
    return weight.reshape(len(weight), -1)


def groups(population: Population, synapses: Sequence[Projection]) -> IntArray | None:
    """The number of the row group of each neuron, (neurons,): neurons of one group have one scale.

    None where projections lie along different axes, so that rows have no factor of their own.
    """
    axes = {row_axis(p.geometry) for p in synapses}
    if len(axes) != 1:
        return None
    (axis,) = axes
    if axis == "neuron":
        return np.arange(population.neurons)
    channels, height, width = np.indices(population.shape)
    number = {"channel": channels, "height": height, "width": width, "space": height * population.shape[2] + width}
    found: IntArray = number[axis].reshape(-1)
    return found


def per_row(projection: Projection | FixedProjection, each: FloatArray) -> FloatArray:
    """Factors of neurons as factors of the rows of a projection's weights: broadcasts against them.

    each: (neurons of the target population,), alike within a group.
    """
    geometry = projection.geometry
    here = each[geometry.targets]
    if row_axis(geometry) == "neuron":
        return here[:, None] if geometry.kind == "dense" else here
    rows = here.reshape(geometry.target_window)[_PLACES[row_axis(geometry)]].reshape(-1)
    spread: FloatArray = rows.reshape(-1, *[1] * (projection.weight.ndim - 1))
    return spread


def per_neuron(projection: Projection, rows: FloatArray, neurons: int, fill: float) -> FloatArray:
    """Numbers of rows as numbers of the target population's neurons: (neurons,). fill: where no row leads.

    rows: (rows of the weights,).
    """
    geometry = projection.geometry
    found = np.full(neurons, fill)
    if row_axis(geometry) == "neuron":
        found[geometry.targets] = rows
        return found
    shape = geometry.target_window
    sizes = {
        "channel": (-1, 1, 1),
        "height": (1, -1, 1),
        "width": (1, 1, -1),
        "space": (1, *shape[1:]),
    }
    found[geometry.targets] = np.broadcast_to(rows.reshape(sizes[row_axis(geometry)]), shape).reshape(-1)
    return found
