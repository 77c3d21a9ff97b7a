"""NetX -> FixedNetwork. A chain is read here, as lava-dl's stock reader and Lava's CPU models understand it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neuro_deploy.errors import FormatError, UnsupportedError
from neuro_deploy.network import (
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    InputEncoding,
    SpikeEncoding,
    check_ranges,
)
from neuro_deploy.network.topology import check_timesteps
from neuro_deploy.netx import schema
from neuro_deploy.netx.graph_reader import read_graph
from neuro_deploy.netx.hostile import SafeFile, opened
from neuro_deploy.netx.meta import Meta, read_meta
from neuro_deploy.netx.stock import stock_weight
from neuro_deploy.numerics.registers import DECAY_UNITY, MAX_NEURONS, NEVER, IntArray


def read(path: str | Path, timesteps: int | None = None) -> FixedNetwork:
    """Read a NetX graph, or a chain of input, flatten and dense layers; nothing in the file is trusted.

    timesteps: overrides what the file says; a stock file without ``/simulation/tSample`` says nothing and runs 32.

    Raises:
        FileError, FormatError: not there, broken, or beyond the registers, with the HDF5 path.
        UnsupportedError: layers or neurons that this version does not run, with the HDF5 path.
        RangeError: the readout could spike within so many timesteps.
    """
    if timesteps is not None:
        check_timesteps(timesteps)
    with opened(path) as file:
        if file.attribute("format") is not None:
            return read_graph(file, timesteps)
        meta = read_meta(file)
        said = meta.timesteps if meta else _stock_timesteps(file)
        return _Chain(file, meta).network(timesteps or said)


def _stock_timesteps(file: SafeFile) -> int:
    return int(file.field(schema.STOCK_SIMULATION, schema.STOCK_TIMESTEPS).reshape(-1)[0])


@dataclass(frozen=True)
class _Neuron:
    threshold: IntArray
    u_decay: IntArray
    v_decay: IntArray


class _Chain:
    """Builds populations and projections layer by layer."""

    def __init__(self, file: SafeFile, meta: Meta | None) -> None:
        self.file = file
        self.meta = meta
        self.populations: list[FixedPopulation] = []
        self.projections: list[FixedProjection] = []
        self.encoding: InputEncoding | None = None
        self.shape: tuple[int, ...] | None = None

    def network(self, timesteps: int) -> FixedNetwork:
        for index, layer in enumerate(self._layers()):
            kind = self.file.text(f"{layer}/type")
            if kind not in schema.LAYER_TYPES:
                raise UnsupportedError(
                    f"layer type {kind!r}; this version runs {', '.join(schema.LAYER_TYPES)}",
                    where=self.file.where(layer),
                )
            if kind == "input" and index:
                raise FormatError("an input layer stands only first", where=self.file.where(layer))
            if kind == "input":
                self._input(layer)
            if kind == "dense":
                self._dense(layer)
        if not self.projections or self.encoding is None:
            raise FormatError("no dense layer", where=self.file.where("layer"))
        self._mark_output()
        if self.meta:
            self._check_meta(self.meta)
        meta = self.meta.document if self.meta else {}
        network = FixedNetwork(tuple(self.populations), tuple(self.projections), timesteps, self.encoding, meta)
        if self.meta:  # a stock readout has no neuron to spike
            check_ranges(network)
        return network

    def _check_meta(self, meta: Meta) -> None:
        """What /meta says must be what the layers hold."""
        last, first = self.populations[-1], self.populations[0]
        driven = meta.encoding.population if isinstance(meta.encoding, BiasEncoding) else None
        said = (meta.populations, meta.readout, driven)
        entry = first.name if first.kind == "lif" else None
        found = (tuple(p.name for p in self.populations), last.name if last.kind == "readout" else None, entry)
        if said != found:
            raise FormatError(
                f"names populations, readout and driven population {said}, the layers hold {found}",
                where=self.file.where(schema.META_DOCUMENT),
            )

    def _layers(self) -> Iterator[str]:
        names = self.file.names("layer")
        if not names:
            raise FormatError(
                "no layers: this is not a NetX chain", where=self.file.where("layer"), hint="give a .net file of NetX"
            )
        if len(names) > schema.MAX_LAYERS or set(names) != {str(i) for i in range(len(names))}:
            raise FormatError(f"layers must be numbered 0 to {len(names) - 1}", where=self.file.where("layer"))
        return (f"layer/{i}" for i in range(len(names)))

    def _shape(self, layer: str) -> tuple[int, ...]:
        shape = self.file.numbers(f"{layer}/shape").reshape(-1)
        sizes = tuple(int(n) for n in shape)
        whole = len(sizes) <= 3 and min(sizes) >= 1 and bool(np.all(shape == np.trunc(shape)))
        if not whole or math.prod(sizes) > MAX_NEURONS:
            raise FormatError(
                f"is {shape}; one to three sizes of at least 1, together at most {MAX_NEURONS:,}, are wanted",
                where=self.file.where(f"{layer}/shape"),
            )
        return sizes

    def _name(self, fallback: str) -> str:
        names = self.meta.populations if self.meta else ()
        return names[len(self.populations)] if len(self.populations) < len(names) else fallback

    def _input(self, layer: str) -> None:
        self.shape = self._shape(layer)
        if not self.file.has(f"{layer}/neuron"):
            return
        name = self._name("input")
        if self.meta:
            self.encoding = self.meta.encoding
        else:
            weight = self._number(f"{layer}/weight", schema.INPUT_WEIGHT_DEFAULT)
            offset = self._number(f"{layer}/bias", 0)
            self.encoding = BiasEncoding(name, self.shape, np.asarray(float(weight)), np.asarray(float(offset)))
        self.populations.append(self._population(name, self.shape, self._neuron(layer), np.asarray(0)))

    def _number(self, path: str, default: int) -> int:
        if not self.file.has(path):
            return default
        value = self.file.numbers(path)
        if value.size != 1:
            raise FormatError(f"holds {value.size} numbers, one is wanted", where=self.file.where(path))
        return int(value.item())

    def _dense(self, layer: str) -> None:
        if self.file.has(f"{layer}/weight/imag") or self.file.has(f"{layer}/weight_rec"):
            raise UnsupportedError("complex and recurrent weights are not run", where=self.file.where(layer))
        shape = (math.prod(self._shape(layer)),)
        written = self.file.field(layer, schema.WEIGHT)
        flat = written.ndim == 1 and written.size % shape[0] == 0
        if not flat and (written.ndim != 2 or len(written) != shape[0]):
            raise FormatError(
                f"has shape {written.shape}, which does not fit {shape[0]} neurons",
                where=self.file.where(f"{layer}/weight"),
            )
        weight = stock_weight(written.reshape(shape[0], -1), self.file.where(f"{layer}/weight"))
        if not self.populations:
            self._graded_or_spikes(weight.weight.shape[1])
        source = self.populations[-1]
        if source.neurons != weight.weight.shape[1]:
            raise FormatError(
                f"takes {weight.weight.shape[1]} inputs, the layer before has {source.neurons} neurons",
                where=self.file.where(f"{layer}/weight"),
            )
        name = self._name(layer.replace("/", "."))
        bias = self.file.field(layer, schema.BIAS_FIELD)
        population = self._population(name, shape, self._neuron(layer), bias)
        delay = self._delay(layer, weight.weight.shape)
        self.populations.append(population)
        self.projections.append(FixedProjection(source.name, name, weight.weight, weight.weight_exp, delay))

    def _graded_or_spikes(self, features: int) -> None:
        shape = self.shape if self.shape and math.prod(self.shape) == features else (features,)
        self.encoding = self.meta.encoding if self.meta else SpikeEncoding(shape)
        self.populations.append(FixedPopulation(self._name("input"), "input", shape))

    def _neuron(self, layer: str) -> _Neuron:
        """The neuron group, or the stock reader's default: an integrator without leak that never spikes."""
        if not self.file.has(f"{layer}/neuron"):
            return _Neuron(np.asarray(NEVER), np.asarray(0), np.asarray(DECAY_UNITY))
        kind = self.file.text(f"{layer}/neuron/type")
        if kind not in schema.CUBA_TYPES:
            raise UnsupportedError(
                f"neuron type {kind!r}; this version runs {' and '.join(schema.CUBA_TYPES)}",
                where=self.file.where(f"{layer}/neuron/type"),
            )
        u_decay, v_decay, threshold = (_squeezed(self.file.field(layer, field)) for field in schema.NEURON)
        return _Neuron(threshold, u_decay, v_decay)

    def _population(self, name: str, shape: tuple[int, ...], neuron: _Neuron, bias: IntArray) -> FixedPopulation:
        return FixedPopulation(
            name,
            "readout" if neuron.threshold.ndim == 0 and neuron.threshold == NEVER else "lif",
            shape,
            _squeezed(bias),
            neuron.threshold,
            neuron.u_decay,
            neuron.v_decay,
        )

    def _delay(self, layer: str, shape: tuple[int, ...]) -> IntArray:
        """Per output where as many as outputs, else per input: the order in which ``create_dense`` tests."""
        delay = self.file.field(layer, schema.DELAY_FIELD)
        if delay.size == 1:
            return delay.reshape(())
        if delay.shape == shape:
            return delay
        if delay.ndim == 1 and delay.size == shape[0]:
            return np.broadcast_to(delay[:, None], shape)
        if delay.ndim == 1 and delay.size == shape[1]:
            return np.broadcast_to(delay[None, :], shape)
        raise FormatError(f"has shape {delay.shape}, weights have {shape}", where=self.file.where(f"{layer}/delay"))

    def _mark_output(self) -> None:
        """Our files name the readout in meta: its vThMant is the largest that hardware takes, and v stays below."""
        last = self.populations[-1]
        if self.meta and self.meta.readout == last.name:
            self.populations[-1] = replace(last, kind="readout", threshold=np.asarray(NEVER))
        hidden = next((p.name for p in self.populations[:-1] if p.kind == "readout"), None)
        if hidden:
            raise UnsupportedError("never spikes, but is not the last layer", where=hidden)


def _squeezed(array: IntArray) -> IntArray:
    return array.reshape(()) if array.size == 1 else array.reshape(-1)
