"""FixedNetwork -> NetX graph, as docs/netx_format.md specifies it. Needs neither torch nor lava-dl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError
from neuro_deploy.network import FixedNetwork, FixedPopulation, FixedProjection, check_ranges
from neuro_deploy.netx import graph_schema as schema
from neuro_deploy.netx.graph_rules import (
    check_convolution,
    check_roles,
    check_storable,
    population_path,
    projection_path,
)
from neuro_deploy.netx.image import written
from neuro_deploy.netx.meta import meta_text, write_meta
from neuro_deploy.netx.schema import MAX_CHUNK_BYTES

_PACKED_FROM = 4_096
"""Bytes from which on a dataset is packed; below, a chunk's bookkeeping is larger than what is saved."""
_GZIP_LEVEL = 1
"""Trained weights shrink as much as at level 9, at a third of the time."""


def write_graph(network: FixedNetwork, path: str | Path) -> None:
    """Write any fixed network, whole or not at all.

    Raises:
        UnsupportedError: names, shapes, kinds or meta that the format has no place for.
        RangeError: weights that are not even, a readout that could spike, a relay beyond 24 bits.
        FileError: the file cannot be written.
    """
    check_storable(network)
    check_roles(network)
    for index, projection in enumerate(network.projections):
        where = f"{projection_path(index)}/weight"
        check_convolution(projection.geometry, projection.weight.shape, where)
        _check(projection.weight, schema.WEIGHTS[projection.geometry.kind], f"{where} ({projection.name})")
    check_ranges(network)
    meta_text(network)
    with written(path) as file:
        file.attrs["format"] = schema.FORMAT
        file.attrs["version"] = schema.VERSION
        file.create_group(schema.PROJECTIONS)
        for index, population in enumerate(network.populations):
            _write_population(file.create_group(population_path(population.name)), population, index)
        for index, projection in enumerate(network.projections):
            _write_projection(file.create_group(projection_path(index)), projection, network)
        write_meta(network, file)


def _check(values: npt.NDArray[Any], field: schema.GraphField, where: str) -> None:
    """The register's own check, without its copy in 64 bits."""
    register = field.register
    low, high = int(values.min()), int(values.max())
    if low < register.low or high > register.high or (register.step == 2 and np.any(values & 1)):
        raise RangeError(f"{register.name} spans {low} to {high}, allowed: {register.describe()}", where=where)


def _put(group: h5py.Group, field: schema.GraphField, value: npt.ArrayLike) -> None:
    """Write numbers in the field's dtype; nothing where an absent field means the same."""
    if np.ndim(value) <= 1 and np.array_equal(value, np.asarray(field.default)) and not field.required:
        return
    array = np.asarray(value, dtype=field.dtype)
    if array.nbytes < _PACKED_FROM:
        group.create_dataset(field.path, data=array)
        return
    chunks = _chunks(array.shape, array.itemsize)
    group.create_dataset(
        field.path, data=array, chunks=chunks, compression="gzip", compression_opts=_GZIP_LEVEL, shuffle=True
    )


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """As many whole rows as MAX_CHUNK_BYTES hold; parts of one row where it is longer."""
    left, chunks = MAX_CHUNK_BYTES // itemsize, []
    for size in reversed(shape):
        taken = min(size, max(left, 1))
        chunks.append(taken)
        left //= taken
    return tuple(reversed(chunks))


def _put_text(group: h5py.Group, field: schema.GraphField, value: str) -> None:
    """Write a text as lava-dl writes ``type``: one string of fixed length."""
    data = value.encode()
    group.create_dataset(field.path, (1,), h5py.string_dtype("utf-8", len(data)), [data])


def _write_population(group: h5py.Group, population: FixedPopulation, index: int) -> None:
    _put_text(group, schema.TYPE, population.kind)
    _put(group, schema.INDEX, index)
    _put(group, schema.SHAPE, population.shape)
    if population.kind == "input":
        return
    bias = population.bias
    uniform = bias[0] if np.all(bias == bias[0]) else bias
    _put(group, schema.RELAY_BIASES if population.kind == "relay" else schema.BIASES, uniform)
    if population.kind == "relay":
        return
    _put_text(group, schema.NEURON_TYPE, "CUBA")
    _put(group, schema.U_DECAY, population.u_decay)
    _put(group, schema.V_DECAY, population.v_decay)
    if population.kind == "lif":
        _put(group, schema.V_THRESHOLD, population.threshold)
    else:
        _put(group, schema.SILENT, schema.SILENT.register.high)


def _write_projection(group: h5py.Group, projection: FixedProjection, network: FixedNetwork) -> None:
    geometry = projection.geometry
    _put_text(group, schema.SYNAPSES, geometry.kind)
    _put_text(group, schema.SOURCE, projection.source)
    _put_text(group, schema.TARGET, projection.target)
    _put(group, schema.WEIGHTS[geometry.kind], projection.weight)
    _put(group, schema.WEIGHT_EXP, projection.weight_exp)
    _put(group, schema.DELAYS if geometry.kind == "dense" else schema.DELAY_OF_ALL, projection.delay)
    if projection.sign is not None:
        _put(group, schema.SIGNS, projection.sign)
    if geometry.axis:
        _put_text(group, schema.AXIS, geometry.axis)
    _put(group, schema.STRIDE, geometry.stride)
    _put(group, schema.PADDING, geometry.padding)
    for field, window in (
        (schema.SOURCE_CHANNELS, geometry.source_channels),
        (schema.TARGET_CHANNELS, geometry.target_channels),
    ):
        if window:
            _put(group, field, window)
    for field, shape, end in (
        (schema.SOURCE_SHAPE, geometry.source, projection.source),
        (schema.TARGET_SHAPE, geometry.target, projection.target),
    ):
        if shape != network.population(end).shape:
            _put(group, field, shape)
