"""Runs one job on Lava's CPU simulator, in a process of its own: ``python -m neuro_deploy.engines.lava_worker FOLDER``.

FOLDER holds ``job.json`` and ``job.npz`` (see lava.py); the recorders write ``NAME.spikes.npy`` and ``NAME.states.npy``
there. The process leads its own process group; when its standard input closes, it ends the group, so that nothing is
left behind when the caller dies.
"""

from __future__ import annotations

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
    from lava.proc.io.dataloader import StateDataloader
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIFReset

    recorder: Any = importlib.import_module("neuro_deploy.engines.lava_processes.recorder")

    spikes: dict[str, Any] = {}
    if "input" in arrays:
        spikes[job["input"]] = RingBuffer(data=arrays["input"]).s_out
    neuron: Any = None
    for index, population in enumerate(job["populations"]):
        parameters = {key: _number_or_array(arrays[f"{index}.{key}"]) for key in ("vth", "du", "dv")}
        neuron = LIFReset(
            shape=(population["neurons"],),
            bias_mant=arrays[f"{index}.bias"],
            bias_exp=population["bias_exp"],
            reset_interval=job["interval"],
            reset_offset=population["reset_offset"],
            **parameters,
        )
        for number in population["projections"]:
            synapse = _synapse(job["projections"][number], arrays, number)
            spikes[job["projections"][number]["source"]].connect(synapse.s_in)
            synapse.a_out.connect(neuron.a_in)
        spikes[population["name"]] = neuron.s_out
        if population["biases"]:
            rows = [(row, 0) for row in arrays[f"{index}.biases"]]
            loader = StateDataloader(dataset=rows, **population["biases"])
            loader.connect_var(neuron.bias_mant)
        shape, path = (population["neurons"],), folder / f"{index}"
        spike_recorder = recorder.SpikeRecorder(shape=shape, steps=job["steps"], path=f"{path}.spikes.npy")
        neuron.s_out.connect(spike_recorder.s_in)
        if population["states"]:
            states = recorder.StateRecorder(shape=shape, steps=job["steps"], path=f"{path}.states.npy")
            states.u.connect_var(neuron.u)
            states.v.connect_var(neuron.v)
    return neuron, {
        recorder.SpikeRecorder: recorder.PySpikeRecorder,
        recorder.StateRecorder: recorder.PyStateRecorder,
    }


def _synapse(projection: dict[str, Any], arrays: dict[str, np.ndarray], number: int) -> Any:
    from lava.proc.dense.process import DelayDense, Dense
    from lava.utils.weightutils import SignMode

    options: dict[str, Any] = {
        "weights": arrays[f"weight.{number}"].astype(np.int64),
        "weight_exp": projection["weight_exp"],
        "num_weight_bits": projection["num_weight_bits"],
        "num_message_bits": projection["message_bits"],
        "sign_mode": SignMode.MIXED,
    }
    if f"delay.{number}" in arrays:
        return DelayDense(
            delays=arrays[f"delay.{number}"].astype(np.int64), max_delay=projection["max_delay"], **options
        )
    return Dense(**options)


def _number_or_array(value: np.ndarray) -> Any:
    return int(value) if value.ndim == 0 else value


def _run(process: Any, models: dict[Any, Any], steps: int) -> None:
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models)
    try:
        process.run(condition=RunSteps(num_steps=steps), run_cfg=config)
    finally:
        process.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
