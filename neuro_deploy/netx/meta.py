"""What our files say beyond NetX, under ``/meta``: names, timesteps, input encoding, quantization report, source."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from neuro_deploy.errors import FormatError, UnsupportedError
from neuro_deploy.network import BiasEncoding, FixedNetwork, GradedEncoding, InputEncoding, SpikeEncoding
from neuro_deploy.network.separate import SEPARATOR
from neuro_deploy.network.topology import check_timesteps
from neuro_deploy.netx import schema
from neuro_deploy.netx.hostile import SafeFile
from neuro_deploy.numerics.registers import PAYLOAD


@dataclass(frozen=True)
class Meta:
    """Checked content of ``/meta``. document: everything as plain data, as it stands in the file."""

    document: Mapping[str, Any]
    timesteps: int
    populations: tuple[str, ...]
    readout: str | None
    encoding: InputEncoding


def meta_document(network: FixedNetwork) -> dict[str, Any]:
    """The JSON document written for a network."""
    readout = network.output.name if network.output.kind == "readout" else None
    return {
        **network.meta,
        "version": schema.META_VERSION,
        "timesteps": network.timesteps,
        "populations": [population.name for population in network.populations],
        "readout": readout,
        "encoding": _encoding_document(network.encoding),
    }


def meta_text(network: FixedNetwork) -> str:
    """The document as it stands in the file.

    Raises:
        UnsupportedError: meta holds what JSON does not, or names or an encoding that are not read again.
    """
    encoding = network.encoding.integers if isinstance(network.encoding, BiasEncoding) else network.encoding
    try:
        _names([population.name for population in network.populations])
        if isinstance(encoding, GradedEncoding):
            _read_graded(vars(encoding), encoding.shape)
    except (ValueError, OverflowError) as error:
        raise UnsupportedError(str(error)) from error
    try:
        return json.dumps(meta_document(network), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UnsupportedError(f"meta holds what JSON does not: {error}") from error


def write_meta(network: FixedNetwork, file: h5py.File) -> None:
    """Write ``/meta``.

    Raises:
        UnsupportedError: see ``meta_text``.
    """
    file.create_dataset(schema.META_DOCUMENT, data=meta_text(network), dtype=h5py.string_dtype())
    if isinstance(network.encoding, BiasEncoding):
        file.create_dataset(schema.META_WEIGHT, data=network.encoding.weight)
        file.create_dataset(schema.META_OFFSET, data=network.encoding.offset)


def read_meta(file: SafeFile) -> Meta | None:
    """The checked content of ``/meta``; None in stock files.

    Raises:
        FormatError: there, but broken or of a later version.
    """
    if not file.has(schema.META_DOCUMENT):
        return None
    where = file.where(schema.META_DOCUMENT)
    try:
        document = json.loads(file.text(schema.META_DOCUMENT), parse_constant=_refuse_constant)
        meta = Meta(
            document,
            document["timesteps"],
            _names(document["populations"]),
            document["readout"],
            _read_encoding(file, document["encoding"]),
        )
        version = document["version"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise FormatError(f"is not what this tool writes: {type(error).__name__} {error}", where=where) from error
    if version != schema.META_VERSION:
        raise FormatError(f"has version {version!r}, this tool reads {schema.META_VERSION}", where=where)
    try:
        check_timesteps(meta.timesteps)
    except UnsupportedError as error:
        raise FormatError(error.what, where=where) from error
    return meta


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _names(names: Any) -> tuple[str, ...]:
    """Names of populations: a list of different, printable texts."""
    if not isinstance(names, list) or not all(isinstance(n, str) and n and n.isprintable() for n in names):
        raise ValueError("population names must be a list of printable texts")
    if any(SEPARATOR in name for name in names):
        raise ValueError(f"population names must not hold {SEPARATOR!r}, which marks parts of a population")
    if len(set(names)) != len(names):
        raise ValueError("population names must be different")
    return tuple(names)


def _encoding_document(encoding: InputEncoding) -> dict[str, Any]:
    if isinstance(encoding, GradedEncoding):
        return {
            "mode": "graded",
            "shape": list(encoding.shape),
            "scale": float(encoding.scale),
            "low": float(encoding.low),
            "levels": int(encoding.levels),
            "first": int(encoding.first),
        }
    if isinstance(encoding, BiasEncoding):
        integers = _encoding_document(encoding.integers) if encoding.integers else None
        return {"mode": "bias", "shape": list(encoding.shape), "population": encoding.population, "integers": integers}
    return {"mode": "spikes", "shape": list(encoding.shape)}


def _read_encoding(file: SafeFile, document: Mapping[str, Any]) -> InputEncoding:
    shape = tuple(int(n) for n in document["shape"])
    if not shape or min(shape) < 1 or math.prod(shape) > schema.MAX_ELEMENTS:
        raise ValueError(f"shape {shape}")
    if document["mode"] == "graded":
        return _read_graded(document, shape)
    if document["mode"] == "bias":
        integers = _read_encoding(file, document["integers"]) if document["integers"] else None
        if integers is not None and not isinstance(integers, GradedEncoding):
            raise ValueError("integers must be graded")
        weight = file.numbers(schema.META_WEIGHT).astype(np.float64)
        offset = file.numbers(schema.META_OFFSET).astype(np.float64)
        matrix = weight.ndim == 2 and weight.shape[1] == math.prod(shape)
        if not (matrix or weight.ndim == 0) or offset.shape != weight.shape[:1]:
            raise ValueError(f"host weights have shape {weight.shape}, offsets {offset.shape}, samples {shape}")
        return BiasEncoding(str(document["population"]), shape, weight, offset, integers)
    if document["mode"] == "spikes":
        return SpikeEncoding(shape)
    raise ValueError(f"mode {document['mode']!r}")


def _read_graded(document: Mapping[str, Any], shape: tuple[int, ...]) -> GradedEncoding:
    """first: 0 where the file does not say, as those written before it existed."""
    scale, low = float(document["scale"]), float(document["low"])
    levels, first = int(document["levels"]), int(document.get("first", 0))
    whole = levels == document["levels"] and first == document.get("first", 0)
    if not (0 < scale < np.inf and np.isfinite(low) and whole and 1 <= levels <= PAYLOAD.high):
        allowed = f"finite numbers, the scale above 0, and levels from 1 to {PAYLOAD.high} are allowed"
        raise ValueError(f"scale {scale}, low {low}, levels {document['levels']}; {allowed}")
    if not PAYLOAD.low <= first <= 0:
        raise ValueError(f"first {first}; {PAYLOAD.low} to 0 is allowed")
    return GradedEncoding(shape, scale, low, levels, first)
