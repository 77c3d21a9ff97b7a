"""NetX -> FixedNetwork. A chain is read here, as lava-dl's stock reader and Lava's CPU models understand it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
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
from neuro_deploy.netx.chain_conv import read_conv
from neuro_deploy.netx.chain_neurons import read_neurons
from neuro_deploy.netx.graph_reader import read_graph
from neuro_deploy.netx.hostile import SafeFile, opened
from neuro_deploy.netx.meta import Meta, read_meta
from neuro_deploy.netx.stock import stock_weight
from neuro_deploy.numerics.registers import MAX_NEURONS, NEVER, IntArray


def read(path: str | Path, timesteps: int | None = None) -> FixedNetwork:
    """Read a NetX graph, or a chain of input, flatten, dense and conv layers; nothing in the file is trusted.

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


class _Chain:
    """Builds populations and projections layer by layer."""

    def __init__(self, file: SafeFile, meta: Meta | None) -> None:
        self.file = file
        self.meta = meta
        self.populations: list[FixedPopulation] = []
        self.projections: list[FixedProjection] = []
        self.encoding: InputEncoding | None = None
        self.shape: tuple[int, ...] | None = None
        self.flat = False

    def network(self, timesteps: int) -> FixedNetwork:
        for index, layer in enumerate(self._layers()):
            kind = self.file.text(f"{layer}/type")
            if kind not in schema.LAYER_TYPES:
                raise UnsupportedError(
                    f"layer type {kind!r}; this version runs {', '.join(schema.LAYER_TYPES)}",
                    where=self.file.where(layer),
                    hint="train and export the model without such a layer; a chain of the kinds named here is read",
                )
            if kind == "input" and index:
                raise FormatError("an input layer stands only first", where=self.file.where(layer))
            read_layer = {"input": self._input, "flatten": self._flatten, "dense": self._dense, "conv": self._conv}
            read_layer[kind](layer)
        if not self.projections or self.encoding is None:
            raise FormatError("no dense or conv layer", where=self.file.where("layer"))
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
        path = f"{layer}/shape"
        self._check_count(path, 3)
        shape = self.file.numbers(path).reshape(-1)
        sizes = tuple(int(n) for n in shape)
        if min(sizes) < 1 or np.any(shape != np.trunc(shape)) or math.prod(sizes) > MAX_NEURONS:
            raise FormatError(
                f"is {shape}; one to three sizes of at least 1, together at most {MAX_NEURONS:,}, are wanted",
                where=self.file.where(path),
            )
        return sizes

    def _check_count(self, path: str, most: int) -> None:
        count = math.prod(self.file.declared(path)[0])
        if count > most:
            wanted = "one is" if most == 1 else f"at most {most} are"
            raise FormatError(f"holds {count:,} numbers, {wanted} wanted", where=self.file.where(path))

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
        self.populations.append(read_neurons(self.file, layer, name, self.shape, biased=False))

    def _number(self, path: str, default: int) -> int:
        if not self.file.has(path):
            return default
        self._check_count(path, 1)
        return int(self.file.numbers(path).item())

    def _flatten(self, layer: str) -> None:
        """Changes no neuron: the next layer sees them in a row. Its shape, which Lava does not read, must be theirs."""
        shape = self.populations[-1].shape if self.populations else self.shape
        said = self._shape(layer) if self.file.has(f"{layer}/shape") else shape
        if shape and said and math.prod(said) != math.prod(shape):
            raise FormatError(f"is {said}, the layer before has shape {shape}", where=self.file.where(f"{layer}/shape"))
        self.flat = True

    def _dense(self, layer: str) -> None:
        if self.file.has(f"{layer}/weight/imag") or self.file.has(f"{layer}/weight_rec"):
            raise UnsupportedError("complex and recurrent weights are not run", where=self.file.where(layer))
        outputs = math.prod(self._shape(layer))
        inputs = self._inputs(layer, outputs)
        if not self.populations:
            self._graded_or_spikes(inputs)
        source = self._source_in_a_row(layer, inputs)
        where = self.file.where(f"{layer}/weight")
        weight = stock_weight(self.file.field(layer, schema.WEIGHT).reshape(outputs, inputs), where)
        name = self._name(layer.replace("/", "."))
        population = read_neurons(self.file, layer, name, (outputs,))
        delay = self._delay(layer, (outputs, inputs))
        self.populations.append(population)
        self.projections.append(FixedProjection(source.name, name, weight.weight, weight.weight_exp, delay))
        self.flat = False

    def _inputs(self, layer: str, outputs: int) -> int:
        """How many inputs the weights of so many neurons take: (neurons, inputs), or flattened."""
        written, _ = self.file.declared(f"{layer}/weight")
        flat = len(written) == 1 and written[0] % outputs == 0
        if 0 in written or not (flat or (len(written) == 2 and written[0] == outputs)):
            raise FormatError(
                f"has shape {written}, which does not fit {outputs} neurons", where=self.file.where(f"{layer}/weight")
            )
        return math.prod(written) // outputs

    def _source_in_a_row(self, layer: str, inputs: int) -> FixedPopulation:
        source = self.populations[-1]
        if source.neurons != inputs:
            raise FormatError(
                f"takes {inputs} inputs, the layer before has {source.neurons} neurons",
                where=self.file.where(f"{layer}/weight"),
            )
        if len(source.shape) > 1 and source.kind != "input" and not self.flat:
            raise FormatError(
                f"takes neurons in a row, the layer before has shape {source.shape} and no flatten layer behind it",
                where=self.file.where(layer),
            )
        return source

    def _conv(self, layer: str) -> None:
        if self.meta:
            raise FormatError("a chain with /meta has dense layers only", where=self.file.where(layer))
        source, shape = self._source_in_space(layer), self._shape(layer)
        if len(shape) != 3:
            raise FormatError(
                f"is {shape}; (channels, height, width) is wanted", where=self.file.where(f"{layer}/shape")
            )
        if not self.file.has(f"{layer}/neuron"):
            raise FormatError("is missing", where=self.file.where(f"{layer}/neuron"))
        synapses = read_conv(self.file, layer, source.shape, shape)
        name = layer.replace("/", ".")
        self.populations.append(read_neurons(self.file, layer, name, shape))
        self.projections += [
            FixedProjection(source.name, name, weight, geometry=geometry) for geometry, weight in synapses
        ]

    def _source_in_space(self, layer: str) -> FixedPopulation:
        if self.flat:
            raise UnsupportedError("a conv layer behind a flatten layer", where=self.file.where(layer))
        if not self.populations:
            if self.shape is None:
                raise UnsupportedError(
                    "a conv layer without an input layer, whose shape would say what comes in",
                    where=self.file.where(layer),
                )
            self._graded_or_spikes(math.prod(self.shape))
        source = self.populations[-1]
        if len(source.shape) != 3:
            raise FormatError(
                f"is fed by a layer of shape {source.shape}; (channels, height, width) is wanted",
                where=self.file.where(layer),
            )
        return source

    def _graded_or_spikes(self, features: int) -> None:
        shape = self.shape if self.shape and math.prod(self.shape) == features else (features,)
        self.encoding = self.meta.encoding if self.meta else SpikeEncoding(shape)
        self.populations.append(FixedPopulation(self._name("input"), "input", shape))

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
