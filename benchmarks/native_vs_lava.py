"""The native engine against Lava's simulator: same network, same inputs, results checked equal, alternating runs.

    make bench

Trains the digits network once, then runs its held-out images on both engines, A B A B. Whole calls are compared, Lava's
start-up included, and the time per timestep alone: the difference between many and few images, divided by theirs.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import neuro_deploy as nd

FEW, MANY = 36, 360


def seconds(network: object, x: np.ndarray, engine: str) -> tuple[float, np.ndarray]:
    """(seconds of one call, outputs)."""
    start = time.perf_counter()
    result = nd.run(network, x, engine=engine)  # type: ignore[arg-type]
    return time.perf_counter() - start, result.outputs


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        nd.train("mlp", "digits", Path(folder, "mlp.pt"))
        network, _ = nd.convert(Path(folder, "mlp.pt"))
    x = nd.load_data("digits").x
    nd.run(network, x)  # first use of torch
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for count in (FEW, MANY):
            outputs = {}
            for engine in ("lava", "native"):
                spent, outputs[engine] = seconds(network, x[:count], engine)
                times.setdefault((engine, count), []).append(spent)
            np.testing.assert_array_equal(outputs["lava"], outputs["native"])
    steps = (MANY - FEW) * network.timesteps
    whole = [a / b for a, b in zip(times["lava", MANY], times["native", MANY], strict=True)]
    per_step = {
        engine: statistics.median(b - a for a, b in zip(times[engine, FEW], times[engine, MANY], strict=True)) / steps
        for engine in ("lava", "native")
    }
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {rounds} rounds\n")
    print("| digits MLP 64-128-64-10, T = 4 | lava | native | ratio |\n| --- | --- | --- | --- |")
    medians = [statistics.median(times[engine, MANY]) for engine in ("lava", "native")]
    print(f"| {MANY} images, whole call (s) | {medians[0]:.3f} | {medians[1]:.4f} | {statistics.median(whole):.0f} |")
    ratio = per_step["lava"] / per_step["native"]
    print(f"| one timestep (us) | {per_step['lava'] * 1e6:.1f} | {per_step['native'] * 1e6:.2f} | {ratio:.0f} |")


if __name__ == "__main__":
    main()
