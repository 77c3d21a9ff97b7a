"""What an engine is and what it returns."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import DataError, UsageError
from neuro_deploy.network import FixedNetwork, FixedPopulation, gathered
from neuro_deploy.network.separate import parts_of, whole
from neuro_deploy.numerics.registers import IntArray

ENGINES = {
    "native": "neuro_deploy.engines.native",
    "reference": "neuro_deploy.engines.reference",
    "lava": "neuro_deploy.engines.lava",
    "slayer": "neuro_deploy.engines.slayer",
}
"""Engine name -> module with a class ``Engine``; imported when it is asked for."""

RECORDABLE = ("spikes", "u", "v")


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run gives.

    outputs: (samples, classes). Of a fixed network int64: the readout's final v, or spike counts where the last
    population spikes. Of a float network float64: the readout averaged over the timesteps.
    counts: population -> (T, neurons) int64, spikes summed over the samples; the input's counts are the values
    other than 0 that were sent in, a relay's those that it sent. spikes, u, v: population -> (samples, T, *shape),
    where recorded; spikes uint8 (the input's are the values sent, int16), u and v int64 after the timestep. A relay
    spikes where it sends a value other than 0; its u and v are that value.
    """

    engine: str
    samples: int
    timesteps: int
    outputs: npt.NDArray[Any]
    counts: Counts
    spikes: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    u: Mapping[str, IntArray] = field(default_factory=dict)
    v: Mapping[str, IntArray] = field(default_factory=dict)

    @property
    def predictions(self) -> IntArray:
        """The class with the largest output, per sample: (samples,), int64."""
        chosen: IntArray = np.argmax(self.outputs, axis=1)
        return chosen

    def accuracy(self, labels: npt.ArrayLike | None) -> float | None:
        """The share of predictions that equal the labels, 0..1; None without labels.

        Raises:
            DataError: not one label per sample, or labels of classes that the network does not have.
        """
        if labels is None:
            return None
        wanted = np.asarray(labels)
        if wanted.shape != (self.samples,):
            raise DataError(f"labels have shape {wanted.shape}; ({self.samples},) is wanted, one per sample")
        if wanted.dtype.kind not in "iufb" or not np.all(np.mod(wanted, 1) == 0):
            raise DataError(f"labels hold {wanted.dtype}, not all whole numbers; classes 0, 1, 2, ... are wanted")
        classes = self.outputs.shape[1]
        if wanted.min() < 0 or wanted.max() >= classes:
            raise DataError(f"labels go from {wanted.min()} to {wanted.max()}; the network has {classes} classes")
        return float(np.mean(self.predictions == wanted))


class Engine(Protocol):
    """Runs encoded samples through a fixed network."""

    name: str

    def batch(self, network: FixedNetwork) -> int | None:
        """The most samples that it wants at a time; None: all at once."""
        ...

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """Run ``inputs`` (``network.encode(x)``) for ``network.timesteps`` timesteps, states 0 before each sample.

        record: any of "spikes", "u", "v", kept for every population.
        """
        ...


def get_engine(name: str, **options: Any) -> Engine:
    """The engine of that name.

    Raises:
        UsageError: no such engine, or options that it does not take.
    """
    if name not in ENGINES:
        raise UsageError(f"no engine {name!r}; engines: {', '.join(ENGINES)}")
    try:
        engine: Engine = importlib.import_module(ENGINES[name]).Engine(**options)
    except (TypeError, RuntimeError) as error:
        raise UsageError(f"engine {name} does not take {options}: {error}") from error
    return engine


def as_sequence(network: FixedNetwork, inputs: IntArray) -> IntArray:
    """Encoded inputs as (samples, T, neurons), a view that repeats static samples.

    Raises:
        DataError: samples that change over time and do not have ``network.timesteps`` timesteps.
    """
    entry = network.population(network.entry)
    neurons, static = entry.neurons, inputs.ndim == 1 + len(entry.shape)
    flat = inputs.reshape(len(inputs), 1 if static else inputs.shape[1], neurons)
    if static:
        return np.broadcast_to(flat, (len(flat), network.timesteps, neurons))
    if flat.shape[1] != network.timesteps:
        raise DataError(
            f"samples have {flat.shape[1]} timesteps, the network runs {network.timesteps}",
            hint=f"cut or repeat them to {network.timesteps} timesteps, or convert with --timesteps",
        )
    return flat


class Counts(Mapping[str, IntArray]):
    """population -> (T, neurons), int64; made when it is asked for.

    makers: population -> what makes (T, *shape), whole numbers of any type, in any layout.
    """

    def __init__(self, makers: Mapping[str, Callable[[], npt.NDArray[Any]]]) -> None:
        self._makers = dict(makers)

    def __getitem__(self, name: str) -> IntArray:
        array = self.array(name)
        flat: IntArray = array.reshape(len(array), -1).astype(np.int64)
        return flat

    def array(self, name: str) -> npt.NDArray[Any]:
        """(T, *shape), of whole numbers as narrow as the engine has them."""
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class Recorder:
    """Gathers a run, population by population: keeps what was asked for, counts the rest and lets it go.

    keep: any of "spikes", "u", "v", for every population. inputs: as the engine got them.
    """

    def __init__(self, engine: str, network: FixedNetwork, inputs: IntArray, keep: Collection[str]) -> None:
        self._engine, self._network, self._samples, self._keep = engine, network, len(inputs), keep
        self._outputs: IntArray = np.zeros((len(inputs), 0), np.int64)
        self._counts: dict[str, Callable[[], npt.NDArray[Any]]] = {}
        self._kept: dict[str, dict[str, npt.NDArray[Any]]] = {what: {} for what in RECORDABLE}
        if network.encoding.mode != "bias":
            entry = network.population(network.entry)
            self.counted(entry, lambda: counts_of(as_sequence(network, inputs), entry.shape))
            if "spikes" in keep:
                self._put("spikes", entry, as_sequence(network, inputs).astype(np.int16))

    def wants(self, population: FixedPopulation, what: str) -> bool:
        """Whether ``add`` needs this array of the population; spikes also where it gets no counts."""
        return what in self._keep or (population is self._network.output and what == self._read_out)

    @property
    def _read_out(self) -> str:
        return "spikes" if self._network.output.kind == "lif" else "v"

    def add(
        self,
        population: FixedPopulation,
        arrays: Mapping[str, npt.NDArray[Any]],
        counts: Callable[[], npt.NDArray[Any]] | None = None,
    ) -> None:
        """Take over one population's arrays, (samples, T, neurons) each; those that nobody wants are not kept.

        counts: makes (T, *shape), see ``Counts``, where the engine has counted the spikes itself.
        """
        self.counted(population, counts or partial(np.asarray, counts_of(arrays["spikes"], population.shape)))
        for what in self._keep:
            array = arrays[what]
            self._put(what, population, array.astype(np.uint8 if what == "spikes" else np.int64, copy=False))
        if population is self._network.output:
            self._outputs = outputs_of(self._read_out, arrays[self._read_out])

    def counted(self, population: FixedPopulation, counts: Callable[[], npt.NDArray[Any]]) -> None:
        """What makes a population's counts, where the engine has counted: those of the input too."""
        self._counts[population.name] = counts

    def _put(self, what: str, population: FixedPopulation, array: npt.NDArray[Any]) -> None:
        self._kept[what][population.name] = array.reshape(*array.shape[:2], *population.shape)

    def result(self) -> RunResult:
        """What was gathered."""
        steps = self._network.timesteps
        return RunResult(self._engine, self._samples, steps, self._outputs, Counts(self._counts), **self._kept)


def outputs_of(what: str, array: npt.NDArray[Any]) -> IntArray:
    """How often each class spikes, or its final v, (samples, classes). array: spikes or v, (samples, T, classes)."""
    read = array.sum(axis=1, dtype=np.int64) if what == "spikes" else array[:, -1]
    outputs: IntArray = read.astype(np.int64)
    return outputs


def counts_of(spikes: npt.NDArray[Any], shape: tuple[int, ...]) -> IntArray:
    """Values other than 0, summed over the samples: (samples, T, neurons) to (T, *shape), int64."""
    once = spikes[:, :1] if spikes.strides[1] == 0 else spikes
    counts = np.count_nonzero(once, axis=0).reshape(-1, *shape)
    return np.broadcast_to(counts, (spikes.shape[1], *shape))


def run_whole(engine: Engine, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
    """Run a network on an engine, which sees it separated; the result speaks of the whole populations."""
    return as_whole(network, engine.run(network.separated, inputs, record))


def as_whole(network: FixedNetwork, result: RunResult) -> RunResult:
    """What a result of the separated network says of the whole populations."""
    if network.separated is network:
        return result
    parts = parts_of(network, result.counts)
    return replace(
        result,
        counts=Counts({name: partial(_whole_counts, result.counts, each) for name, each in parts.items()}),
        spikes=gathered(network, result.spikes, axis=2),
        u=gathered(network, result.u, axis=2),
        v=gathered(network, result.v, axis=2),
    )


def _whole_counts(counts: Counts, parts: Sequence[str]) -> npt.NDArray[Any]:
    """Counts of a population from those of its parts: (T, *shape)."""
    array: npt.NDArray[Any] = whole([counts.array(part) for part in parts], axis=1)
    return array


def merge(results: Iterable[RunResult]) -> RunResult:
    """One result from those of consecutive batches, which are let go of as they come, but for what was recorded.

    A batch that tells no counts of a population has them in a later one's.
    """
    rest = iter(results)
    first = next(rest)
    second = next(rest, None)
    if second is None:
        return first
    rest = chain((first, second), rest)
    del first, second
    samples, outputs, counts = 0, [], dict[str, npt.NDArray[Any]]()
    kept: dict[str, dict[str, list[npt.NDArray[Any]]]] = {what: {} for what in RECORDABLE}
    for result in rest:
        samples += result.samples
        outputs.append(result.outputs)
        for name in result.counts:
            counts[name] = _added(counts.get(name), result.counts.array(name), samples)
        for what, each in kept.items():
            for name, array in getattr(result, what).items():
                each.setdefault(name, []).append(array)
    return RunResult(
        engine=result.engine,
        samples=samples,
        timesteps=result.timesteps,
        outputs=np.concatenate(outputs),
        counts=Counts({name: partial(np.asarray, array) for name, array in counts.items()}),
        **{what: {name: np.concatenate(arrays) for name, arrays in each.items()} for what, each in kept.items()},
    )


def _added(total: npt.NDArray[Any] | None, more: npt.NDArray[Any], samples: int) -> npt.NDArray[Any]:
    """Counts added up, as narrow as so many samples need. total: of batches before, its memory is used again."""
    kind = np.min_scalar_type(samples)
    if total is None:
        return more.astype(kind)
    if total.dtype != kind:
        total = total.astype(kind)
    np.add(total, more, out=total, casting="unsafe")
    return total
