"""A helper: Lava runs one long stream of samples and tells what its timesteps alone take.

    python -m benchmarks.lava_stream stock FILE DENSITY     processes as lava-dl's reader makes them, but no input layer
    python -m benchmarks.lava_stream engine FOLDER          processes as the lava engine makes them, from job.json

Lava's own process models in both, and nothing recorded. Answers a number of timesteps with their seconds; the first
answer holds the start.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.part import answer, asked
from neuro_deploy.engines import lava_worker

CYCLE = 32
"""Timesteps of random spikes, sent over and over."""


def main() -> None:
    """Build, then run as many timesteps as asked until the questions end."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg

    process = _stock(sys.argv[2], float(sys.argv[3])) if sys.argv[1] == "stock" else _engine(Path(sys.argv[2]))
    for line in asked():
        start = time.perf_counter()
        process.run(condition=RunSteps(num_steps=int(line)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        answer(time.perf_counter() - start)
    process.stop()


def _engine(folder: Path) -> Any:
    with np.load(folder / "job.npz") as bundle:
        return lava_worker._build(json.loads((folder / "job.json").read_text()), dict(bundle), folder)[0]


def _stock(path: str, density: float) -> Any:
    from lava.lib.dl import netx
    from lava.proc import io

    _whole_sizes()
    network = netx.hdf5.Network(net_config=path, skip_layers=1)
    shape = tuple(int(n) for n in network.inp.shape)
    spikes = np.random.default_rng(0).random((*shape, CYCLE)) < density
    io.source.RingBuffer(data=spikes.astype(int)).s_out.connect(network.inp)
    return network


def _whole_sizes() -> None:
    """Lava's convolution adds its padding, an int8, to sizes: with numpy 2 that overflows above 127."""
    from lava.proc.conv import utils

    original = utils.conv

    def conv(values: Any, weight: Any, *sizes: Any) -> Any:
        whole = (tuple(int(n) for n in np.ravel(size)) if np.ndim(size) else int(size) for size in sizes)
        return original(values, weight, *whole)

    utils.conv = conv


if __name__ == "__main__":
    main()
