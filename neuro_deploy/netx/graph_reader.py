"""NetX graph -> FixedNetwork. Nothing in the file is trusted: every refusal names the file and the HDF5 path."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from neuro_deploy.errors import FormatError, RangeError, UnsupportedError
from neuro_deploy.network import (
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Geometry,
    check_ranges,
)
from neuro_deploy.netx import graph_schema as schema
from neuro_deploy.netx.graph_fields import check_fields, optional, text, values
from neuro_deploy.netx.graph_rules import (
    check_circles,
    check_convolution,
    check_roles,
    population_path,
    projection_path,
)
from neuro_deploy.netx.hostile import SafeFile
from neuro_deploy.netx.meta import Meta, read_meta
from neuro_deploy.netx.schema import META_DOCUMENT
from neuro_deploy.numerics.registers import MAX_NEURONS


def read_graph(file: SafeFile, timesteps: int | None = None) -> FixedNetwork:
    """Read a NetX graph. timesteps: overrides what the file says.

    Raises:
        FormatError: broken, of another version, or beyond the registers.
        RangeError: the readout could spike within the timesteps that were asked for.
    """
    _check_header(file)
    meta = read_meta(file)
    if meta is None:
        raise FormatError("is missing", where=file.where(META_DOCUMENT))
    shapes = {name: _shape(file, name) for name in _population_names(file)}
    populations = tuple(_read_population(file, name, shape) for name, shape in shapes.items())
    projections = tuple(_read_projection(file, path, shapes) for path in _projection_paths(file))
    _check_meta(file, meta, populations)
    with _naming(file, set(shapes)):
        check_circles(tuple(shapes), projections)
        network = FixedNetwork(populations, projections, timesteps or meta.timesteps, meta.encoding, meta.document)
        check_roles(network)
    try:
        check_ranges(network)
    except RangeError as error:
        if timesteps and timesteps > meta.timesteps:
            raise
        raise FormatError(error.what, where=file.where(population_path(error.where or "")), hint=error.hint) from error
    return network


def _check_header(file: SafeFile) -> None:
    for name, wanted in (("format", schema.FORMAT), ("version", schema.VERSION)):
        found = file.attribute(name)
        if found != wanted:
            raise FormatError(f"is {found!r}, this tool reads {wanted!r}", where=file.where(f"@{name}"))
    for name in file.names("", limit=schema.MAX_NAMES):
        if name not in schema.ROOT:
            raise FormatError(f"{name!r} is no part of a NetX graph", where=file.where(""))


@contextmanager
def _naming(file: SafeFile, populations: set[str]) -> Iterator[None]:
    """Give what the network's own checks refuse the file's name and the HDF5 path."""
    try:
        yield
    except (UnsupportedError, RangeError) as error:
        where = error.where or ""
        if where in populations:
            raise FormatError(error.what, where=file.where(population_path(where))) from error
        if where == schema.PROJECTIONS or where.startswith((f"{schema.POPULATIONS}/", f"{schema.PROJECTIONS}/")):
            raise FormatError(error.what, where=file.where(where)) from error
        what = f"{where}: {error.what}" if where else error.what
        raise FormatError(what, where=file.where(schema.PROJECTIONS)) from error


def _check_meta(file: SafeFile, meta: Meta, populations: tuple[FixedPopulation, ...]) -> None:
    """What /meta says must be what the groups hold."""
    last = populations[-1]
    names = tuple(population.name for population in populations)
    driven = meta.encoding.population if isinstance(meta.encoding, BiasEncoding) else names[0]
    said = (meta.populations, meta.readout)
    found = (names, last.name if last.kind == "readout" else None)
    if said != found:
        raise FormatError(
            f"names populations and readout {said}, the groups hold {found}", where=file.where(META_DOCUMENT)
        )
    if driven not in names:
        raise FormatError(f"data enter {driven!r}, which does not exist", where=file.where(META_DOCUMENT))


def _population_names(file: SafeFile) -> list[str]:
    """All populations, in execution order."""
    names = file.names(schema.POPULATIONS, limit=schema.MAX_POPULATIONS)
    if not names:
        raise FormatError("holds no populations", where=file.where(schema.POPULATIONS))
    placed: dict[int, str] = {}
    for name in names:
        problem = schema.name_problem(name)
        if problem:
            raise FormatError(problem, where=file.where(f"{schema.POPULATIONS}/{name!r}"))
        path = population_path(name)
        index = int(values(file, path, schema.INDEX))
        if index in placed or index >= len(names):
            also = f", as is that of {placed[index]}" if index in placed else ""
            raise FormatError(
                f"is {index}{also}; each from 0 to {len(names) - 1} is wanted once",
                where=file.where(f"{path}/{schema.INDEX.path}"),
            )
        placed[index] = name
    return [placed[index] for index in range(len(names))]


def _shape(file: SafeFile, name: str) -> tuple[int, ...]:
    """The shape of a population, whose neurons are taken from the budget."""
    group = population_path(name)
    shape = tuple(int(n) for n in values(file, group, schema.SHAPE))
    neurons = math.prod(shape)
    if neurons > MAX_NEURONS:
        raise FormatError(
            f"is {shape}, {neurons:,} neurons; at most {MAX_NEURONS:,} are allowed", where=file.where(f"{group}/shape")
        )
    file.claim(neurons * schema.NEURON_BYTES, group)
    return shape


def _read_population(file: SafeFile, name: str, shape: tuple[int, ...]) -> FixedPopulation:
    group = population_path(name)
    kind = text(file, group, schema.TYPE)
    check_fields(file, group, tuple(field for field in schema.POPULATION_FIELDS if kind in field.types))
    if kind == "input":
        return FixedPopulation(name, kind, shape)
    sizes = {"neurons": math.prod(shape)}
    bias = values(file, group, schema.RELAY_BIASES if kind == "relay" else schema.BIASES, sizes)
    if kind == "relay":
        return FixedPopulation(name, kind, shape, bias)
    text(file, group, schema.NEURON_TYPE)
    decays = {
        "u_decay": values(file, group, schema.U_DECAY, sizes),
        "v_decay": values(file, group, schema.V_DECAY, sizes),
    }
    if kind == "lif":
        decays["threshold"] = values(file, group, schema.V_THRESHOLD, sizes)
    else:
        values(file, group, schema.SILENT)
    return FixedPopulation(name, kind, shape, bias, **decays)


def _projection_paths(file: SafeFile) -> list[str]:
    if not file.has(schema.PROJECTIONS):
        raise FormatError("is missing", where=file.where(schema.PROJECTIONS))
    names = file.names(schema.PROJECTIONS, limit=schema.MAX_PROJECTIONS)
    if set(names) != {str(index) for index in range(len(names))}:
        raise FormatError(f"projections must be numbered 0 to {len(names) - 1}", where=file.where(schema.PROJECTIONS))
    return [projection_path(index) for index in range(len(names))]


def _read_projection(file: SafeFile, group: str, shapes: Mapping[str, tuple[int, ...]]) -> FixedProjection:
    kind = text(file, group, schema.SYNAPSES)
    check_fields(file, group, tuple(field for field in schema.PROJECTION_FIELDS if kind in field.types))
    ends = []
    for field in (schema.SOURCE, schema.TARGET):
        ends.append(text(file, group, field))
        if ends[-1] not in shapes:
            raise FormatError(
                f"names population {ends[-1]!r}, which does not exist", where=file.where(f"{group}/{field.path}")
            )
    source, target = ends
    weights = schema.WEIGHTS[kind]
    where = file.where(f"{group}/{weights.path}")
    try:
        geometry = _geometry(file, group, kind, shapes[source], shapes[target])
        shape, _ = file.declared(f"{group}/{weights.path}")
        geometry.check(shape, where)
        check_convolution(geometry, shape, where)
    except UnsupportedError as error:
        raise FormatError(error.what, where=error.where or file.where(group)) from error
    sizes = {"targets": shape[0], "sources": shape[1]} if kind == "dense" else {}
    rows = {"targets": math.prod(geometry.target_window)}
    weight = values(file, group, weights)
    exponent = int(values(file, group, schema.WEIGHT_EXP))
    delay = values(file, group, schema.DELAYS if kind == "dense" else schema.DELAY_OF_ALL, sizes)
    sign = optional(file, group, schema.SIGNS, rows)
    return FixedProjection(source, target, weight.astype(np.int16), exponent, delay, geometry, sign)


def _geometry(file: SafeFile, group: str, kind: Any, source: tuple[int, ...], target: tuple[int, ...]) -> Geometry:
    def pair(field: schema.GraphField) -> Any:
        found = optional(file, group, field)
        return None if found is None else tuple(int(n) for n in found)

    if kind == "dense":
        source = _reshaped(file, group, schema.SOURCE_SHAPE, pair(schema.SOURCE_SHAPE), source)
        target = _reshaped(file, group, schema.TARGET_SHAPE, pair(schema.TARGET_SHAPE), target)
    more: dict[str, Any] = {}
    if kind == "conv2d":
        more = {
            key: tuple(int(n) for n in values(file, group, field))
            for key, field in (("stride", schema.STRIDE), ("padding", schema.PADDING))
        }
    return Geometry(
        kind,
        source,
        target,
        text(file, group, schema.AXIS) if kind == "axial" else None,
        source_channels=pair(schema.SOURCE_CHANNELS),
        target_channels=pair(schema.TARGET_CHANNELS),
        **more,
    )


def _reshaped(
    file: SafeFile, group: str, field: schema.GraphField, said: tuple[int, ...] | None, shape: tuple[int, ...]
) -> tuple[int, ...]:
    """The shape that dense synapses see a population in: as many neurons in another shape."""
    if said is not None and math.prod(said) != math.prod(shape):
        raise FormatError(f"is {said}, the population has shape {shape}", where=file.where(f"{group}/{field.path}"))
    return said or shape
