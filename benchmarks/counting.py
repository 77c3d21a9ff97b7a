"""What counting costs: ``nd.measure``, which counts synops and events on every core, beside ``nd.run``.

``python -m benchmarks.counting [--quick] [--folder FOLDER]``
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import numpy as np

import neuro_deploy as nd
from benchmarks import networks
from benchmarks.part import Options, command, main, page
from benchmarks.timing import clocked, in_turns, number, ratios, table
from neuro_deploy.network import FixedNetwork

PROFILE = "loihi2"
SHARES = ("counts / run", "`to_dict()` / run")


def part(options: Options) -> str:
    """A table: run, measure, and the share."""
    said = (
        "Spikes are counted inside the neurons' loop, in every run. What each core did is worked out from these counts "
        "by `nd.measure(...).totals`, for any number of samples at once, in the same time; what a spike costs on each "
        "core is worked out before, once per network and mapping (first). `to_dict()` counts too, adds the load of the "
        "busiest core in every timestep and makes the content of metrics.json; it takes some tenths of a millisecond "
        "at least, which is Python's. "
        f"Mapped to {PROFILE}. Shares: of `nd.run`, median (lowest to highest)."
    )
    rows = [_row(name, network, x, options) for name, network, x in _cases(options)]
    head = ("", "samples", "T", "`nd.run`, ms", "first, ms", "counts, ms", "`to_dict()`, ms", *SHARES)
    return page("## What counting costs", said, table(head, rows), command("benchmarks.counting"))


def _cases(options: Options) -> Iterator[tuple[str, FixedNetwork, np.ndarray]]:
    mnist = networks.live(networks.MNIST, 32)
    yield "digits-mlp.net", nd.load(networks.DIGITS.format("mlp")), nd.load_data("digits").x
    yield "mnist.net", mnist, networks.spikes(mnist, 16, 0.15)
    yield "mnist.net", mnist, networks.spikes(mnist, 256, 0.15)
    yield "digits-mixer.net", nd.load(networks.DIGITS.format("mixer")), nd.load_data("digits").x[:64]
    if not options.quick:
        yield "digits-mixer.net", nd.load(networks.DIGITS.format("mixer")), nd.load_data("digits").x
        pilot = networks.live(networks.PILOTNET, 32)
        for samples in (8, 64):
            yield "pilotnet_lif", pilot, networks.spikes(pilot, samples, 0.15)


def _row(name: str, network: FixedNetwork, x: np.ndarray, options: Options) -> tuple[object, ...]:
    mapping, result = nd.map(network, PROFILE), nd.run(network, x)
    start = time.perf_counter()
    _ = nd.measure(network, result, mapping).totals
    first = time.perf_counter() - start
    tasks = {
        "run": clocked(lambda: nd.run(network, x)),
        "measure": clocked(lambda: nd.measure(network, result, mapping).totals),
        "plain": clocked(lambda: nd.measure(network, result, mapping).to_dict()),
    }
    seconds = in_turns(tasks, options.rounds)
    medians = [number(1e3 * statistics.median(values)) for values in seconds.values()]
    medians.insert(1, number(1e3 * first))
    shares = (ratios(seconds[what], seconds["run"]) for what in ("measure", "plain"))
    return name, len(x), network.timesteps, *medians, *shares


if __name__ == "__main__":
    main(__doc__, part)
