"""What an engine is and what it returns."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import DataError, UsageError
from neuro_deploy.network import FixedNetwork, gathered
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
    counts: Mapping[str, IntArray]
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
        classes = self.outputs.shape[1]
        if wanted.min() < 0 or wanted.max() >= classes:
            raise DataError(f"labels go from {wanted.min()} to {wanted.max()}; the network has {classes} classes")
        return float(np.mean(self.predictions == wanted))


class Engine(Protocol):
    """Runs encoded samples through a fixed network.

    ``batch`` is the number of samples it wants at a time; None: all at once.
    """

    name: str
    batch: int | None

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


def result_from_records(
    engine: str,
    network: FixedNetwork,
    inputs: IntArray,
    records: Mapping[str, Mapping[str, IntArray]],
    keep: Collection[str],
) -> RunResult:
    """A RunResult from full records: {"spikes"|"u"|"v": {population: (samples, T, neurons)}}."""
    spikes = dict(records["spikes"])
    if network.encoding.mode != "bias":
        spikes[network.entry] = as_sequence(network, inputs).astype(np.int16)
    last = network.output
    outputs = spikes[last.name].sum(axis=1, dtype=np.int64) if last.kind == "lif" else records["v"][last.name][:, -1]
    kept: dict[str, dict[str, Any]] = {"spikes": {}, "u": {}, "v": {}}
    for what in keep:
        source = spikes if what == "spikes" else records[what]
        kept[what] = {
            name: array.reshape(*array.shape[:2], *network.population(name).shape) for name, array in source.items()
        }
    return RunResult(
        engine=engine,
        samples=len(inputs),
        timesteps=network.timesteps,
        outputs=outputs.astype(np.int64),
        counts={name: np.count_nonzero(array, axis=0).astype(np.int64) for name, array in spikes.items()},
        **kept,
    )


def run_whole(engine: Engine, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
    """Run a network on an engine, which sees it separated; the result speaks of the whole populations."""
    result = engine.run(network.separated, inputs, record)
    if network.separated is network:
        return result
    counts = {
        name: counts.reshape(-1, *network.separated.population(name).shape) for name, counts in result.counts.items()
    }
    whole = gathered(network, counts, axis=1)
    return replace(
        result,
        counts={name: array.reshape(len(array), -1) for name, array in whole.items()},
        spikes=gathered(network, result.spikes, axis=2),
        u=gathered(network, result.u, axis=2),
        v=gathered(network, result.v, axis=2),
    )


def merge(results: Sequence[RunResult]) -> RunResult:
    """One result from those of consecutive batches."""
    first = results[0]
    if len(results) == 1:
        return first

    def joined(what: str) -> dict[str, Any]:
        return {name: np.concatenate([getattr(r, what)[name] for r in results]) for name in getattr(first, what)}

    return RunResult(
        engine=first.engine,
        samples=sum(r.samples for r in results),
        timesteps=first.timesteps,
        outputs=np.concatenate([r.outputs for r in results]),
        counts={name: sum((r.counts[name] for r in results[1:]), first.counts[name]) for name in first.counts},
        spikes=joined("spikes"),
        u=joined("u"),
        v=joined("v"),
    )
