"""The native engine against Lava's simulator, both without their start: same network, spikes checked equal.

``python -m benchmarks.against_lava [--quick] [--avx2]``. With --avx2 torch, oneDNN, MKL, OpenBLAS and numba use nothing
beyond AVX2, as on older laptops.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import neuro_deploy as nd
from benchmarks import networks
from benchmarks.part import Helper, Options, command, main, page
from benchmarks.timing import Task, clocked, in_turns, number, percent, ratios, table
from neuro_deploy.engines import get_engine
from neuro_deploy.engines.base import as_sequence
from neuro_deploy.engines.lava_job import lava_job
from neuro_deploy.network import FixedNetwork

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+movbe,+popcnt,-avx512f",
}
"""What forces AVX2, read when the libraries are loaded."""
STOCK, ENGINE = "Lava, as lava-dl reads the file", "Lava, as our lava engine builds it"


@dataclass(frozen=True)
class Case:
    """density: of random spikes sent in. block: timesteps of Lava timed at a time. batch, checked: samples."""

    file: str
    timesteps: int
    block: int
    checked: int
    batch: int = 64
    density: float = 0.15

    @property
    def name(self) -> str:
        """The file's name, with its folder's where all are called network.net."""
        path = Path(self.file)
        return f"{path.parent.name}/{path.name}" if path.stem == "network" else path.name


CASES = (
    Case(networks.MNIST, 32, 512, 8),
    Case(networks.MNIST, 128, 512, 4),
    Case(networks.PILOTNET, 32, 4, 1),
    Case(networks.PILOTNET, 128, 4, 1, batch=16),
)
QUICK = (Case(networks.MNIST, 8, 64, 2, batch=2),)


def part(options: Options) -> str:
    """A table per network and number of timesteps."""
    forced = os.environ.get("ATEN_CPU_CAPABILITY") == "avx2"
    cases = [case for case in CASES if case.timesteps <= 32] if forced else CASES
    tables = [text for case in (QUICK if options.quick else cases) for text in _case(case, options)]
    said = (
        "Files that come with lava-dl. The input layer of each is left out, since its neurons spike nearly always; "
        "random spikes take its place. Lava's processes are its own, nothing is recorded in them, and its start is not "
        "counted. "
        "Native: the engine's `run` of encoded samples, and `nd.run` of samples as numpy arrays. A ratio says how many "
        "times as long Lava takes: the median of the rounds' ratios (lowest to highest)."
    )
    if forced:
        said = f"As above, under {', '.join(AVX2)}, Lava too; torch says {torch.backends.cpu.get_cpu_capability()}."
    return page(
        "## Against Lava's simulator" + (", forced to AVX2" if forced else ""),
        said,
        *tables,
        command("benchmarks.against_lava", *(["--avx2"] if forced else [])),
    )


def _case(case: Case, options: Options) -> list[str]:
    title = f"### {case.name}, T = {case.timesteps}"
    try:
        network = networks.live(case.file, case.timesteps)
    except nd.NeuroDeployError as error:
        return [title, f"Not measured, since `nd.load` refuses the file: {error}"]
    x = networks.spikes(network, case.batch, case.density)
    said = _checked(network, x[: case.checked])
    seconds = _timed(network, x, case, options.rounds)
    rows: list[tuple[object, ...]] = []
    for name, values in seconds.items():
        each = number(1e6 * statistics.median(values))
        lava = name in (STOCK, ENGINE)
        rows.append((name, each, *("" if lava else ratios(seconds[other], values) for other in (STOCK, ENGINE))))
    return [title, said, table(("", "us per timestep and sample", "lava-dl's Lava", "our engine's Lava"), rows)]


def _checked(network: FixedNetwork, x: networks.Array) -> str:
    """Firing rates and kernels, after all spikes and counts have been found equal.

    Raises:
        AssertionError: a spike, a count or an output differs.
    """
    lava, native = (nd.run(network, x, engine=engine, record=("spikes",)) for engine in ("lava", "native"))
    plain = nd.run(network, x)
    for population in network.computed:
        name = population.name
        np.testing.assert_array_equal(lava.spikes[name], native.spikes[name], name)
        np.testing.assert_array_equal(lava.counts[name], native.counts[name], name)
        np.testing.assert_array_equal(lava.counts[name], plain.counts[name], name)
    np.testing.assert_array_equal(lava.outputs, plain.outputs)
    spikes = sum(native.spikes[population.name].size for population in network.computed)
    rates = ", ".join(f"{name} {percent(rate)}" for name, rate in networks.rates(network, native).items())
    kernels = ", ".join(sorted({row["kernel"] for row in nd.explain(network)}))
    return (
        f"{network.neurons:,} neurons, {networks.macs(network):,} synapses. Firing rates: {rates}. Kernels: {kernels}. "
        f"Samples compared: {len(x)}; 0 of {spikes:,} spikes differ from Lava's, and no count does."
    )


def _timed(network: FixedNetwork, x: networks.Array, case: Case, rounds: int) -> dict[str, list[float]]:
    """name -> seconds of a timestep of a sample, round by round."""
    engine, encoded, steps = get_engine("native"), network.encode(x), case.timesteps
    path = str(networks.lava_dl_file(case.file))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        job, arrays = lava_job(network, as_sequence(network, encoded[:1]), with_states=False)
        (folder / "job.json").write_text(json.dumps(job))
        np.savez(folder / "job.npz", **arrays)  # type: ignore[arg-type]
        stock = stack.enter_context(Helper("benchmarks.lava_stream", "stock", path, str(case.density)))
        built = stack.enter_context(Helper("benchmarks.lava_stream", "engine", str(folder)))
        tasks = {
            STOCK: _lava(stock, case.block),
            ENGINE: _lava(built, case.block),
            "native, 1 sample": _each(clocked(lambda: engine.run(network, encoded[:1])), steps),
            f"native, {len(x)} samples": _each(clocked(lambda: engine.run(network, encoded)), steps * len(x)),
            f"`nd.run`, {len(x)} samples": _each(clocked(lambda: nd.run(network, x)), steps * len(x)),
        }
        return in_turns(tasks, rounds)


def _each(task: Task, parts: int) -> Task:
    return lambda: task() / parts


def _lava(lava: Helper, block: int) -> Task:
    """Seconds of a timestep. The start, and a first block, are over."""
    for steps in (1, block):
        lava.ask(str(steps))
    return lambda: float(lava.ask(str(block))) / block


if __name__ == "__main__":
    told = [argument for argument in sys.argv[1:] if argument != "--avx2"]
    if "--avx2" in sys.argv and os.environ.get("ATEN_CPU_CAPABILITY") != "avx2":
        again = [sys.executable, "-W", "ignore", "-m", "benchmarks.against_lava", *told]
        os.execve(sys.executable, again, {**os.environ, **AVX2})
    main(__doc__, part, told)
