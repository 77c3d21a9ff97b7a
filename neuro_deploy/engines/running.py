"""Running samples: a fixed network on an engine, a float network in float64."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy.typing as npt

from neuro_deploy.engines.base import RECORDABLE, RunResult, as_whole, get_engine, merge
from neuro_deploy.engines.floats import run_floats
from neuro_deploy.errors import UnsupportedError, UsageError
from neuro_deploy.network import FixedNetwork, Network
from neuro_deploy.progress import Progress, silent


def run(
    network: FixedNetwork | Network,
    x: npt.ArrayLike,
    *,
    engine: str = "native",
    record: Collection[str] = (),
    progress: Progress = silent,
    **options: Any,
) -> RunResult:
    """Run samples: a fixed network on an engine, a float network in float64.

    record: any of "spikes", "u", "v". options: ``time_limit`` (lava); ``device``, ``memory`` in bytes (native).

    Raises:
        DataError: samples that do not fit the network's input.
        UnsupportedError: the output feeds its own later channels. UsageError: no network, or wrong options.
        EngineError and its kind: what the engine could not do.
    """
    if not set(record) <= set(RECORDABLE):
        raise UsageError(f"record is {list(record)}; any of {', '.join(RECORDABLE)} is wanted")
    if isinstance(network, Network):
        if engine != "native" or options:
            raise UsageError(f"a float network runs in float64, not on {engine} with {options}")
        return run_floats(network, network.encoding.model_units(x), record_spikes="spikes" in record)
    if not isinstance(network, FixedNetwork):
        raise UsageError(f"{network!r} is no network", hint="nd.load(path) reads one")
    if network.separated.output.name != network.output.name:
        what = "an output population that feeds its own later channels is not supported"
        raise UnsupportedError(what, where=network.output.name, hint="let it feed a readout, which is the output")
    runner = get_engine(engine, **options)
    inputs = network.encode(x)
    most = runner.batch(network) or len(inputs)
    size = -(-len(inputs) // -(-len(inputs) // most)) if len(inputs) else 1

    def batches() -> Iterator[RunResult]:
        for start in range(0, len(inputs), size):
            progress(f"running on {engine}", start, len(inputs))
            yield runner.run(network.separated, inputs[start : start + size], record)
        progress(f"running on {engine}", len(inputs), len(inputs))

    return as_whole(network, merge(batches()))
