"""The native engine as processors with fewer instructions run it: in a process of its own that compiles for them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from helpers import FIELDS, assert_same_run, chain, graph, samples_for
import neuro_deploy as nd
from neuro_deploy.engines.native.tiles import FOUND
import numpy as np
few = chain(1, (70, 200, 5), timesteps=6, mode="spikes")
rare = (np.random.default_rng(0).random((9, 6, 70)) < 0.05).astype(np.uint8)
others = [(network, samples_for(network, 1)) for network in (chain(1, (40, 60, 50, 5), timesteps=3), graph(1))]
for network, x in ((few, rare), *others):
    want = nd.run(network, x, engine="reference", record=FIELDS)
    assert_same_run(want, nd.run(network, x, record=FIELDS))
    assert_same_run(nd.run(network, x[:1], engine="reference"), nd.run(network, x[:1]))
print(FOUND.name if FOUND else None)
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="compiles for x86-64")
@pytest.mark.parametrize(("cpu", "name"), [("haswell", "AVX2"), ("x86-64", "None")])
def test_native_is_exact_on_older_processors(cpu: str, name: str) -> None:
    features = "+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+movbe,+popcnt" if cpu == "haswell" else "-avx2"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(Path(__file__).parents[1])],
        env={**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [name]


def test_native_loads_no_torch() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from helpers import chain, samples_for; import neuro_deploy as nd;"
        "network = chain(1, (40, 60, 5)); loaded = 'torch' in sys.modules; nd.run(network, samples_for(network, 1));"
        "print(loaded, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parents[1])], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
