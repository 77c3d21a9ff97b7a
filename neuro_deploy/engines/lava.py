"""The lava engine: real Lava processes on lava-nc's fixed-point CPU models.

Samples go through back to back. LIFReset empties every population at its own phase: population p at depth d computes
the first timestep of sample i in Lava's timestep ``i * interval + d + 1``. With delays, spikes in flight would reach
the next sample, so each sample then gets a Lava of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np

from neuro_deploy import lava_compat
from neuro_deploy.engines.base import Recorder, RunResult, as_sequence, merge
from neuro_deploy.engines.lava_job import lava_job
from neuro_deploy.errors import EngineError, EngineTimeout
from neuro_deploy.lava_compat.subprocesses import own_environment, own_python
from neuro_deploy.network import FixedNetwork, FixedPopulation
from neuro_deploy.numerics.registers import IntArray

GRACE = 5.0
"""Seconds between asking Lava's processes to end and ending them."""
SOCKET_PATH = 103
"""Bytes that the path of a Unix socket may have: 104 with the closing zero on macOS, 108 on Linux."""
OWN_FOLDER = "nd-"
"""How the name of the folder for sockets begins."""
LAVAS_SOCKET = f"/{OWN_FOLDER}12345678/pymp-12345678/listener-12345678"
"""Where ``multiprocessing`` puts the socket of Lava's shared memory, below the folder for temporary files."""
SHORT_FOLDER = "/tmp"  # noqa: S108 (a folder that only we can read is made in it)


class Engine:
    """lava-nc 0.10.0 in a process group of its own. time_limit: seconds for all samples of one run."""

    name = "lava"

    def __init__(self, time_limit: float = 600.0) -> None:
        self.time_limit = float(time_limit)

    def batch(self, network: FixedNetwork) -> None:
        """See ``neuro_deploy.engines.base.Engine.batch``: starting Lava takes seconds."""

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """See ``neuro_deploy.engines.base.Engine.run``.

        Raises:
            MissingError: lava-nc is not installed.
            EngineTimeout: Lava did not finish in the time limit.
            EngineError: Lava failed, or has no place for its sockets; the message says why.
            UnsupportedError: what Lava's arithmetic or memory does not hold; see ``lava_job``.
        """
        lava_compat.require()
        delayed = any(projection.max_delay for projection in network.projections)
        chunks = [inputs[i : i + 1] for i in range(len(inputs))] if delayed else [inputs]
        deadline = time.monotonic() + self.time_limit
        return merge(self._run(network, chunk, record, deadline) for chunk in chunks)

    def _run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str], deadline: float) -> RunResult:
        sequence = as_sequence(network, inputs)
        recorder = Recorder(self.name, network, inputs, record)
        states = {"u", "v"} & set(record)
        job, arrays = lava_job(network, sequence, with_states=bool(states))
        with (
            tempfile.TemporaryDirectory(prefix="neuro-deploy-lava-") as name,
            tempfile.TemporaryDirectory(prefix=OWN_FOLDER, dir=_folder_for_sockets()) as sockets,
        ):
            folder = Path(name)
            (folder / "job.json").write_text(json.dumps(job))
            np.savez(folder / "job.npz", **arrays)  # type: ignore[arg-type]
            self._work(folder, sockets, deadline)
            _collect(recorder, network, sequence, folder)
        return recorder.result()

    def _work(self, folder: Path, sockets: str, deadline: float) -> None:
        command = own_python("-m", "neuro_deploy.engines.lava_worker", str(folder))
        environment = {**own_environment(), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "TMPDIR": sockets}
        with (folder / "log").open("w+") as log:
            worker = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True
            )
            try:
                worker.wait(max(deadline - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired as error:
                raise EngineTimeout(
                    f"Lava did not finish in {self.time_limit:g} seconds and was stopped",
                    hint="fewer samples (--samples), or more time (--time-limit)",
                ) from error
            finally:
                _end_group(worker)
            log.seek(0)
            words = log.read().strip().splitlines()
        if not (folder / "done").exists():
            raise EngineError(f"Lava failed: {words[-1] if words else f'exit code {worker.returncode}'}")


def _folder_for_sockets() -> str:
    """The usual one for temporary files, or ``SHORT_FOLDER`` where that makes the path of Lava's socket too long."""
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual + LAVAS_SOCKET)) <= SOCKET_PATH:
        return usual
    if os.access(SHORT_FOLDER, os.W_OK | os.X_OK):
        return SHORT_FOLDER
    raise EngineError(
        "the path of the folder for temporary files is too long for Lava's sockets",
        where=usual,
        hint=f"name one of {SOCKET_PATH - len(LAVAS_SOCKET)} bytes at most: TMPDIR=...",
    )


def _end_group(worker: subprocess.Popen[bytes]) -> None:
    """End whatever the worker left: politely, so that Python's resource tracker frees shared memory, then by force.

    After a run that went well Lava has freed it, and there is nothing to wait for.
    """
    deadline = time.monotonic() + (0 if worker.poll() == 0 else GRACE)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers for zombies with the latter
        os.killpg(worker.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            worker.poll()  # collects the leader; without it the group would never be gone
            os.killpg(worker.pid, 0)
            time.sleep(0.02)
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    if worker.stdin:
        worker.stdin.close()


def _collect(recorder: Recorder, network: FixedNetwork, sequence: IntArray, folder: Path) -> None:
    """Read the recorders' files, each population's own latency undone."""
    samples, steps = sequence.shape[:2]

    def windows(population: FixedPopulation, array: np.ndarray) -> IntArray:
        start = network.depths[population.name]
        return array[start : start + samples * steps].reshape(samples, steps, -1)

    for index, population in enumerate(network.computed):
        sent = windows(population, np.load(folder / f"{index}.spikes.npy"))
        arrays = {"spikes": sent != 0}
        states = folder / f"{index}.states.npy"
        if population.kind == "relay":
            arrays |= {"u": sent, "v": sent}
        elif states.exists():
            both = np.load(states)  # (timesteps, 2, neurons)
            arrays |= {what: windows(population, both[:, place]) for place, what in enumerate("uv")}
        recorder.add(population, arrays)
