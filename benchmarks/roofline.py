"""How near each kind of layer comes to what this machine can do.

``python -m benchmarks.roofline [--quick] [--folder FOLDER]``
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

import neuro_deploy as nd
from benchmarks import mixer, networks
from benchmarks.part import Options, command, main, page
from benchmarks.timing import number, percent, table
from benchmarks.watch import Work, watched
from neuro_deploy.engines import get_engine
from neuro_deploy.network import FixedNetwork

CLOSING = {
    "dense, conv2d, axial channel": "Tiles of few sources spend as long on zeroing and storing sums as on products. "
    "With AMX, tiles of its own. Where few sources spike, their weights come from the second cache, at about half of "
    "what it gives at most.",
    "axial height, width": "Sources are put in order for every product; a layer that spikes could write them so.",
    "with neurons, with relays": "Bias and threshold are read of each neuron; relays send 4 bytes where 2 would mostly "
    "do; counts are set to 0 before they are added to. A neuron takes about 20 instructions for 16.",
    "neurons alone": "What several sources feed, or what is fed with delays: sums come from memory.",
    "all else": "Python between loops, some 50 to 100 us for each population, which these clocks need. Runs that are "
    "made again from the list of their calls pay a fraction of it.",
}
"""Kind -> what would close the rest."""


def part(options: Options) -> str:
    """The ceilings, then a table per network."""
    ceilings = _ceilings(options)
    units = {
        "int8": "GMAC/s",
        "float32": "GMAC/s",
        "copy": "GB/s, read and written",
        "LIF": "ns per neuron and timestep",
    }
    names = {
        "int8": f"product of bytes, `torch._int_mm`, square matrices of {_size(options):,}",
        "float32": "product of float32, the same",
        "copy": f"copying {_copied(options) * 4 >> 20} MiB",
        "LIF": "2,048 neurons with 8 sources each, 64 samples: sums are in the cache",
    }
    rows = [(names[key], number(value), units[key]) for key, value in ceilings.items()]
    texts = [text for name, run in _cases(options) for text in _network(name, run, ceilings, options)]
    closing = "\n".join(f"- {kind}: {words}" for kind, words in CLOSING.items())
    said = (
        "Clocks around every product and every loop of a run; all layers of a kind together. Multiplications count "
        "as if all neurons spiked and a convolution's padding were neurons, since products of bytes do all of them. "
        "The floor is the time of the products at the ceiling for bytes plus that of the neurons at theirs; where "
        "nothing is computed, that of copying the bytes. Layers that add up the weights of the few sources that spike "
        "do less than that, so that they can take less than the floor. Ceilings: the best of several tries in the same "
        "process; networks: medians."
    )
    return page(
        "## How near to the machine's ceilings",
        said,
        table(("ceiling", "", ""), rows),
        *texts,
        "What would close the rest, kind by kind:",
        closing,
        command("benchmarks.roofline"),
    )


def _cases(options: Options) -> Iterator[tuple[str, Callable[[], object]]]:
    if options.quick:
        yield "mnist.net, 4 samples, T = 8", _run(networks.live(networks.MNIST, 8), 4)
        yield "mixer-8, 4 samples", _mixer(options, "mixer-8", 4)
        return
    yield "mnist.net, 64 samples, T = 32", _run(networks.live(networks.MNIST, 32), 64)
    try:
        pilotnet = networks.live(networks.PILOTNET, 32)
    except nd.NeuroDeployError:
        pilotnet = None
    if pilotnet:
        yield "pilotnet_lif, 4 samples, T = 32", _run(pilotnet, 4)
    yield "mlp-spe-t, 1 sample, T = 4", _mixer(options, "mlp-spe-t", 1)


def _run(network: FixedNetwork, samples: int) -> Callable[[], object]:
    engine, encoded = get_engine("native"), network.encode(networks.spikes(network, samples, 0.15))
    return lambda: engine.run(network, encoded)


def _mixer(options: Options, preset: str, samples: int) -> Callable[[], object]:
    network = mixer.fixed(options.folder, preset).separated
    engine, encoded = get_engine("native"), network.encode(mixer.images(preset, samples))
    return lambda: engine.run(network, encoded)


def _network(name: str, run: Callable[[], object], ceilings: dict[str, float], options: Options) -> list[str]:
    for _ in range(2):
        run()
    watches = [watched(run) for _ in range(options.rounds)]
    whole = statistics.median(watch.seconds for watch in watches)
    kinds = sorted({kind for watch in watches for kind in watch.kinds})
    rows = []
    for kind in kinds:
        seconds = statistics.median(watch.kinds[kind].seconds for watch in watches)
        if seconds / whole >= 0.001:
            rows.append((kind, percent(seconds / whole), *_reached(seconds, watches[0].kinds[kind], ceilings)))
    rows.append(("all else", percent(statistics.median(watch.rest for watch in watches) / whole), "", "", ""))
    head = ("", "share of the run", "products", "neurons", "share of the floor")
    return [f"### {name}: a run of {number(1e3 * whole)} ms", table(head, rows)]


def _reached(seconds: float, work: Work, ceilings: dict[str, float]) -> tuple[str, str, str]:
    """What was done in a second, and what share of the time the ceilings would allow."""
    if not work.macs and not work.updates:
        return f"{number(work.moved / seconds / 1e9)} GB/s", "", percent(work.moved / ceilings["copy"] / 1e9 / seconds)
    floor = work.macs / ceilings["int8"] / 1e9 + work.updates * ceilings["LIF"] / 1e9
    products = f"{number(work.macs / seconds / 1e9)} GMAC/s" if work.macs else ""
    neurons = f"{number(1e9 * seconds / work.updates)} ns" if work.updates else ""
    return products, neurons, percent(floor / seconds)


def _ceilings(options: Options) -> dict[str, float]:
    """int8 and float32: GMAC/s. copy: GB/s. LIF: ns per neuron and timestep."""
    size, tries = _size(options), 2 if options.quick else 10
    bytes_ = torch.randint(-128, 128, (size, size), dtype=torch.int8)
    floats = torch.rand(size, size)
    source = torch.zeros(_copied(options))
    target = torch.empty_like(source)
    macs = size**3 / 1e9
    network = networks.chain((8, 2048), 128, 0.15)
    run = _run(network, 1 if options.quick else 64)
    run()
    neurons = [work for _ in range(tries) for work in watched(run).kinds.values() if work.updates]
    return {
        "int8": macs / _best(lambda: torch._int_mm(bytes_, bytes_), tries),
        "float32": macs / _best(lambda: floats @ floats, tries),
        "copy": 2 * source.nbytes / 1e9 / _best(lambda: target.copy_(source), tries),
        "LIF": 1e9 * min(work.seconds / work.updates for work in neurons),
    }


def _size(options: Options) -> int:
    """Rows and columns of the matrices."""
    return 256 if options.quick else 2048


def _copied(options: Options) -> int:
    """Numbers of float32: more than caches hold."""
    return 2**20 if options.quick else 2**26


def _best(function: Callable[[], object], tries: int) -> float:
    function()
    seconds = []
    for _ in range(tries):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return float(np.min(seconds))


if __name__ == "__main__":
    main(__doc__, part)
