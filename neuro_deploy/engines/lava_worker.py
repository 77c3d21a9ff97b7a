"""Runs one job on Lava's CPU simulator, in a process of its own: ``python -m neuro_deploy.engines.lava_worker FOLDER``.

FOLDER holds ``job.json`` and ``job.npz`` (see lava_job.py); populations write ``NUMBER.spikes.npy`` and
``NUMBER.states.npy`` there. The process leads its own process group; when its standard input closes, it ends the group,
so that nothing is left behind when the caller dies.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

import neuro_deploy.lava_compat  # noqa: F401  (makes Lava import)


def main(folder: Path) -> None:
    """Build the processes, run them, stop them."""
    threading.Thread(target=_end_with_caller, daemon=True).start()
    job = json.loads((folder / "job.json").read_text())
    with np.load(folder / "job.npz") as bundle:
        arrays = dict(bundle)
    last, models = _build(job, arrays, folder)
    _run(last, models, job["steps"])
    (folder / "done").touch()


def _end_with_caller() -> None:
    while os.read(0, 1):  # not sys.stdin: forked processes close it and would wait for its lock
        pass
    os.killpg(os.getpgid(0), signal.SIGTERM)


def _build(job: dict[str, Any], arrays: dict[str, np.ndarray], folder: Path) -> tuple[Any, dict[Any, Any]]:
    """All processes, connected. Returns one of them and the models of our own processes."""
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIFReset

    recorder: Any = importlib.import_module("neuro_deploy.engines.lava_processes.recorder")
    relay: Any = importlib.import_module("neuro_deploy.engines.lava_processes.relay")

    spikes: dict[tuple[str, int], Any] = {}
    """(population, timesteps held back) -> the port that sends its spikes."""
    if "input" in arrays:
        spikes[job["input"], 0] = RingBuffer(data=arrays["input"]).s_out
    process: Any = None
    for index, population in enumerate(job["populations"]):
        own = {key.partition(".")[2]: array for key, array in arrays.items() if key.partition(".")[0] == str(index)}
        process = _population(job, population, own, folder / f"{index}", relay)
        for number in population["projections"]:
            projection = job["projections"][number]
            synapse = _synapse(projection, arrays, number)
            _sent(spikes, projection["source"], projection["held"], relay).connect(synapse.s_in)
            synapse.a_out.connect(process.a_in)
        spikes[population["name"], 0] = process.s_out
    return process, {
        LIFReset: recorder.PyRecordedLif,
        relay.Relay: relay.PyRelay,
        relay.DelayLine: relay.PyDelayLine,
    }


def _population(
    job: dict[str, Any], population: dict[str, Any], own: dict[str, np.ndarray], path: Path, relay: Any
) -> Any:
    from lava.proc.io.dataloader import StateDataloader
    from lava.proc.lif.process import LIFReset

    shape, log = (population["neurons"],), {"path": str(path), "steps": job["steps"]}
    if population["kind"] == "relay":
        return relay.Relay(shape=shape, bias=own["bias"], start=population["start"], **log)
    neurons = LIFReset(
        shape=shape,
        bias_mant=own["bias"],
        bias_exp=population["bias_exp"],
        reset_interval=job["interval"],
        reset_offset=population["reset_offset"],
        **{key: _number_or_array(own[key]) for key in ("vth", "du", "dv")},
    )
    for key, value in {**log, "states": population["states"]}.items():
        neurons.proc_params[key] = value
    if population["biases"]:
        loader = StateDataloader(dataset=[(row, 0) for row in own["biases"]], **population["biases"])
        loader.connect_var(neurons.bias_mant)
    return neurons


def _sent(spikes: dict[tuple[str, int], Any], source: str, held: int, relay: Any) -> Any:
    """The port that sends a population's spikes, held back; one delay line serves all that want the same."""
    if (source, held) not in spikes:
        now = spikes[source, 0]
        line = relay.DelayLine(shape=now.shape, delay=held)
        now.connect(line.s_in)
        spikes[source, held] = line.s_out
    return spikes[source, held]


def _synapse(projection: dict[str, Any], arrays: dict[str, np.ndarray], number: int) -> Any:
    from lava.proc.dense.process import DelayDense, Dense
    from lava.proc.sparse.process import Sparse
    from lava.utils.weightutils import SignMode
    from scipy.sparse import csr_matrix

    options: dict[str, Any] = {
        "weight_exp": projection["weight_exp"],
        "num_weight_bits": projection["num_weight_bits"],
        "num_message_bits": projection["message_bits"],
        "sign_mode": SignMode.MIXED,
    }
    if f"weight.{number}" not in arrays:
        entries = tuple(arrays[f"{key}.{number}"] for key in ("data", "indices", "indptr"))
        return Sparse(weights=csr_matrix(entries, shape=projection["shape"]), **options)
    weights = arrays[f"weight.{number}"].astype(np.int64)
    if f"delay.{number}" in arrays:
        delays = arrays[f"delay.{number}"].astype(np.int64)
        return DelayDense(weights=weights, delays=delays, max_delay=projection["max_delay"], **options)
    return Dense(weights=weights, **options)


def _number_or_array(value: np.ndarray) -> Any:
    return int(value) if value.ndim == 0 else value


def _run(process: Any, models: dict[Any, Any], steps: int) -> None:
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models)
    try:
        process.run(condition=RunSteps(num_steps=steps), run_cfg=config)
    except BaseException:
        with contextlib.suppress(Exception):  # stopping what never started fails too, and would be the last word
            process.stop()
        raise
    process.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
