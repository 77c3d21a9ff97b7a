"""Reads the neurons of a chain's layer, as lava-dl's stock reader and Lava's LIF process understand them."""

from __future__ import annotations

import math

import numpy as np

from neuro_deploy.errors import FormatError, UnsupportedError
from neuro_deploy.network import FixedPopulation
from neuro_deploy.netx import schema
from neuro_deploy.netx.graph_schema import NEURON_BYTES
from neuro_deploy.netx.hostile import SafeFile
from neuro_deploy.numerics.registers import DECAY_UNITY, NEVER, IntArray

Shape = tuple[int, ...]


def read_neurons(file: SafeFile, layer: str, name: str, shape: Shape, *, biased: bool = True) -> FixedPopulation:
    """A layer's population: LIF neurons, or a readout where their threshold is out of reach.

    biased: whether the layer's ``bias`` is the neurons' own; an input layer's is not.

    Raises:
        FormatError: a parameter missing, beyond its register or of another shape, with the HDF5 path.
        UnsupportedError: neurons of another type.
    """
    file.claim(math.prod(shape) * NEURON_BYTES, layer)
    threshold, u_decay, v_decay = _neuron(file, layer, shape)
    silent = threshold.ndim == 0 and threshold == NEVER
    bias = _bias(file, layer, shape) if biased else np.asarray(0)
    return FixedPopulation(name, "readout" if silent else "lif", shape, bias, threshold, u_decay, v_decay)


def _neuron(file: SafeFile, layer: str, shape: Shape) -> tuple[IntArray, ...]:
    """Threshold and decays, or the stock reader's default: an integrator without leak that never spikes."""
    if not file.has(f"{layer}/neuron"):
        return np.asarray(NEVER), np.asarray(0), np.asarray(DECAY_UNITY)
    kind = file.text(f"{layer}/neuron/type")
    if kind not in schema.CUBA_TYPES:
        raise UnsupportedError(
            f"neuron type {kind!r}; this version runs {' and '.join(schema.CUBA_TYPES)}",
            where=file.where(f"{layer}/neuron/type"),
            hint="export a model of slayer.block.cuba layers; sigma-delta (SDNN) and other neurons are not run",
        )
    u_decay, v_decay, threshold = (_parameter(file, layer, field, shape) for field in schema.NEURON)
    return threshold, u_decay, v_decay


def _bias(file: SafeFile, layer: str, shape: Shape) -> IntArray:
    if not file.has(f"{layer}/{schema.BIAS_FIELD.path}"):
        return np.asarray(0)
    return _parameter(file, layer, schema.BIAS_FIELD, shape, one=len(shape) == 1)


def _parameter(file: SafeFile, layer: str, field: schema.Field, shape: Shape, *, one: bool = True) -> IntArray:
    """One number, or (neurons,) in C order of the shape.

    Lava's order is the reverse, (width, height, channels), and a shorter array meets its last axis: one number for each
    channel. one: whether one number for all is allowed; ``AbstractBlock`` does not spread one bias over channels.
    """
    path = f"{layer}/{field.path}"
    written, _ = file.declared(path)
    if one and math.prod(written) == 1:
        return file.field(layer, field).reshape(())
    if written == shape[:1]:
        return np.repeat(file.field(layer, field), math.prod(shape[1:]))
    if written == shape[::-1]:
        return file.field(layer, field).T.reshape(-1)
    forms = ["one number"] * one + [str(form) for form in dict.fromkeys((shape[:1], shape[::-1]))]
    raise FormatError(f"has shape {written}; {' or '.join(forms)} is wanted", where=file.where(path))
