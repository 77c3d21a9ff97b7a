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
from typing import Any

import numpy as np

from neuro_deploy import lava_compat
from neuro_deploy.engines.base import RunResult, as_sequence, merge, result_from_records
from neuro_deploy.errors import EngineError, EngineTimeout, UnsupportedError
from neuro_deploy.lava_compat.subprocesses import own_environment, own_python
from neuro_deploy.network import FixedNetwork, FixedPopulation, FixedProjection
from neuro_deploy.network.bounds import largest_spike
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray

GRACE = 5.0
"""Seconds between asking Lava's processes to end and ending them."""


class Engine:
    """lava-nc 0.10.0 in a process group of its own. time_limit: seconds for all samples of one run."""

    name = "lava"
    batch: int | None = None

    def __init__(self, time_limit: float = 600.0) -> None:
        self.time_limit = float(time_limit)

    def run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str] = ()) -> RunResult:
        """See ``neuro_deploy.engines.base.Engine.run``.

        Raises:
            MissingError: lava-nc is not installed.
            EngineTimeout: Lava did not finish in the time limit.
            EngineError: Lava failed; the message ends with its last words.
            UnsupportedError: sums beyond the 32 bits in which Lava computes.
        """
        lava_compat.require()
        delayed = any(projection.max_delay for projection in network.projections)
        chunks = [inputs[i : i + 1] for i in range(len(inputs))] if delayed else [inputs]
        deadline = time.monotonic() + self.time_limit
        return merge([self._run(network, chunk, record, deadline) for chunk in chunks])

    def _run(self, network: FixedNetwork, inputs: IntArray, record: Collection[str], deadline: float) -> RunResult:
        sequence = as_sequence(network, inputs)
        states = {"u", "v"} & set(record)
        job, arrays = _job(network, sequence, with_states=bool(states))
        with tempfile.TemporaryDirectory(prefix="neuro-deploy-lava-") as name:
            folder = Path(name)
            (folder / "job.json").write_text(json.dumps(job))
            np.savez(folder / "job.npz", **arrays)  # type: ignore[arg-type]
            self._work(folder, deadline)
            records = _records(network, sequence, folder)
        return result_from_records(self.name, network, inputs, records, record)

    def _work(self, folder: Path, deadline: float) -> None:
        command = own_python("-m", "neuro_deploy.engines.lava_worker", str(folder))
        environment = {**own_environment(), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "TMPDIR": str(folder)}
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


def _job(
    network: FixedNetwork, sequence: IntArray, *, with_states: bool
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the worker needs: plain data, and arrays.

    One LIFReset per population, one Dense or DelayDense per projection, recorders for spikes and, of the output or of
    all populations, for u and v.
    """
    samples, steps = sequence.shape[:2]
    arrays: dict[str, np.ndarray] = {}
    if network.encoding.mode != "bias":
        arrays["input"] = sequence.reshape(samples * steps, -1).T.astype(np.int32)
    for number, projection in enumerate(network.projections):
        arrays[f"weight.{number}"] = projection.weight
        if projection.max_delay:
            arrays[f"delay.{number}"] = np.broadcast_to(projection.delay, projection.weight.shape)
    populations = []
    for index, population in enumerate(network.computed):
        plain, own = _population_job(network, population, sequence)
        plain["states"] = with_states or population is network.output
        populations.append(plain)
        arrays |= {f"{index}.{key}": array for key, array in own.items()}
    job = {
        "input": network.populations[0].name,
        "interval": steps,
        "steps": samples * steps + max(network.depths.values()),
        "populations": populations,
        "projections": [_projection_job(network, projection) for projection in network.projections],
    }
    return job, arrays


def _population_job(
    network: FixedNetwork, population: FixedPopulation, sequence: IntArray
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """One population's plain data and arrays."""
    steps, depth = sequence.shape[1], network.depths
    driven = network.driven(population)
    arrays: dict[str, np.ndarray] = {
        "vth": population.threshold,
        "du": population.u_decay - 1,
        "dv": population.v_decay,
        "bias": population.bias + (sequence[0, 0] if driven else 0),
    }
    biases = None
    if driven:  # the next sample's, written at the end of the timestep before it starts
        biases = {"interval": steps, "offset": steps - 1}
        arrays["biases"] = np.roll(population.bias + sequence[:, 0], -1, axis=0).astype(np.int32)
    elif depth[population.name] and np.any(population.bias) and any(p.max_delay for p in network.projections):
        # none before the first timestep: spikes that it caused would arrive, delayed, within the sample
        biases = {"interval": steps + max(depth.values()), "offset": depth[population.name] - 1}
        arrays["biases"] = population.bias[None].astype(np.int32)
        arrays["bias"] = np.zeros_like(population.bias)
    plain = {
        "name": population.name,
        "neurons": population.neurons,
        "bias_exp": BIAS_EXPONENT,
        "reset_offset": depth[population.name] + 1,
        "projections": [i for i, p in enumerate(network.projections) if p.target == population.name],
        "biases": biases,
    }
    return plain, arrays


def _projection_job(network: FixedNetwork, projection: FixedProjection) -> dict[str, Any]:
    even = not np.any(projection.weight % 2)
    largest = largest_spike(network, projection.source)
    if int(np.abs(projection.weight.astype(np.int64)).sum(axis=1).max()) * largest >= 2**24:
        raise UnsupportedError("sums of weights exceed 2^24, which Lava shifts out of 32 bits", where=projection.name)
    return {
        "source": projection.source,
        "weight_exp": projection.weight_exp,
        "message_bits": 8 if network.population(projection.source).kind == "input" and largest > 1 else 0,
        "num_weight_bits": 8 if even else 9,  # with 9 and mixed signs, Dense truncates nothing
        "max_delay": projection.max_delay,
    }


def _records(network: FixedNetwork, sequence: IntArray, folder: Path) -> dict[str, dict[str, IntArray]]:
    """The recorders' files, each population's own latency undone: (samples, T, neurons)."""
    samples, steps = sequence.shape[:2]
    records: dict[str, dict[str, IntArray]] = {"spikes": {}, "u": {}, "v": {}}

    def windows(population: FixedPopulation, array: np.ndarray) -> IntArray:
        start = network.depths[population.name]
        return array[start : start + samples * steps].reshape(samples, steps, -1)

    for index, population in enumerate(network.computed):
        spikes = np.load(folder / f"{index}.spikes.npy")
        records["spikes"][population.name] = windows(population, spikes).astype(np.uint8)
        states = folder / f"{index}.states.npy"
        if states.exists():
            u, v = np.load(states).astype(np.int64)
            records["u"][population.name], records["v"][population.name] = (
                windows(population, u),
                windows(population, v),
            )
    return records
