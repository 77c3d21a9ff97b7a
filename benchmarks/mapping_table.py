"""The tables of docs/mapping.md: cores, chips, utilisation, hops of placements, and what Intel's compiler reported.

``python -m benchmarks.mapping_table [--quick] [--output FILE]``; without --quick MLP-SPE-T, S and B take some minutes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import neuro_deploy as nd
from benchmarks import networks
from benchmarks.timing import table
from neuro_deploy.frontends.random_mixer import preset, random_mixer
from neuro_deploy.hardware import load_profile
from neuro_deploy.mapping import Choice, Mapping, across_chips, hop_weighted, map_network, place, traffic
from neuro_deploy.network import FixedNetwork
from neuro_deploy.passes import Quantize, lowered

PRESETS = ("mixer-32", "mlp-spe-t", "mlp-spe-s", "mlp-spe-b")
SLOW = ("mlp-spe-t", "mlp-spe-s", "mlp-spe-b")
PLACES: tuple[Literal["random", "first-fit", "curve"], ...] = ("random", "first-fit", "curve")
SYSTEM = dict.fromkeys(SLOW, "hala-point")
"""Where it is mapped to, if not to loihi2."""


def nets() -> dict[str, Callable[[], FixedNetwork]]:
    """Name -> what makes the network. Presets have random weights, whose signs alone play a part here."""
    own = {f"digits-{name}": lambda name=name: nd.load(networks.DIGITS.format(name)) for name in ("mlp", "mixer")}
    pilot = {"PilotNet LIF": lambda: nd.load(networks.lava_dl_file(networks.PILOTNET))}
    mixers = {name: lambda name=name: _mixer(name) for name in PRESETS}
    return {**own, **pilot, **mixers}


def _mixer(name: str) -> FixedNetwork:
    made = Quantize("graded")(lowered(random_mixer(preset(name)), "relay", "multiply"))
    return made[0]


def measured(name: str) -> dict[str, object]:
    """One network's rows; run in a process of its own, so that its memory is its own."""
    network, system = nets()[name](), SYSTEM.get(name, "loihi2")
    start = time.perf_counter()
    placed = nd.map(network, system)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    between = traffic(network, placed)
    costs = {how: place(network, placed, how, between=between) for how in PLACES}
    unshared = map_network(network, load_profile(system), Choice(shared=False))
    return {
        "name": name,
        "neurons": network.neurons,
        "system": system,
        "cores": len(placed.cores),
        "chips": placed.chips,
        "binding": placed.binding(),
        "seconds": seconds,
        "memory": memory,
        "unshared": _unshared(unshared),
        "hops": {how: hop_weighted(between, made) for how, made in costs.items()},
        "across": {how: across_chips(between, made) for how, made in costs.items()},
    }


def _unshared(made: Mapping) -> str:
    broken = [limit for limit in made.limits if not limit.holds and limit.resource != "chips"]
    cores = f"{len(made.cores):,} cores, {made.chips:,} chips"
    return f"does not fit: {broken[0]}" if broken else cores


def _apart(name: str) -> dict[str, object]:
    """The same from a fresh process."""
    import json

    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, "-m", "benchmarks.mapping_table", "--one", name, "--output", file.name]
        subprocess.run(command, check=True)
        found: dict[str, object] = json.loads(Path(file.name).read_text())
    return found


def page(rows: list[dict[str, object]]) -> Iterator[str]:
    """The tables, as Markdown."""
    head = ("network", "neurons", "system", "cores", "chips", "most used resource, mean", "s", "GB", "without sharing")
    yield table(
        head,
        [
            (
                row["name"],
                f"{row['neurons']:,}",
                row["system"],
                f"{row['cores']:,}",
                f"{row['chips']:,}",
                f"{100 * row['binding']:.1f} %",  # type: ignore[operator]
                f"{row['seconds']:.1f}",
                f"{row['memory']:.2f}",
                row["unshared"],
            )
            for row in rows
        ],
    )
    yield table(
        ("spikes times hops", *PLACES, "curve / random", "curve / first-fit", "from chip to chip: first-fit", "curve"),
        [_hops(row) for row in rows],
    )
    yield table(("PilotNet LIF", "reported", "cut as the compiler", "fewest cores", "limit that binds"), list(pilot()))


def _hops(row: dict[str, object]) -> tuple[object, ...]:
    hops, across = row["hops"], row["across"]
    assert isinstance(hops, dict)
    assert isinstance(across, dict)
    shares = [f"{hops['curve'] / hops[how]:.2f}" if hops[how] else "-" for how in ("random", "first-fit")]
    crossing = (f"{across[how]:,}" for how in ("first-fit", "curve"))
    return row["name"], *(f"{hops[how]:,}" for how in PLACES), *shares, *crossing


REPORTED = (13, 25, 13, 3, 3, 2, 12, 1, 1, 1)
"""Cores of each layer. Source: lava-dl tutorials, netx/pilotnet_snn/benchmark.ipynb."""


def pilot() -> Iterator[tuple[object, ...]]:
    """Layer by layer: what the compiler reported, and what both cuts take."""
    network = nets()["PilotNet LIF"]()
    as_compiler = map_network(network, load_profile("loihi2"), Choice(cut="compiler"))
    fewest = map_network(network, load_profile("loihi2"))
    for population, reported in zip(network.computed, REPORTED, strict=True):
        parts = fewest.of(population.name)
        use = {r: max(core.used[r] for core in parts) / fewest.profile.whole(f"core.{r}") for r in RESOURCES}
        most = max(use, key=lambda resource: use[resource])
        shape = "x".join(str(n) for n in population.shape)
        cores = len(as_compiler.of(population.name)), len(parts)
        yield f"{population.name} ({shape})", reported, *cores, f"{most}, {100 * use[most]:.0f} %"
    yield "all", sum(REPORTED), len(as_compiler.cores), len(fewest.cores), ""


RESOURCES = ("neurons", "input_axons", "synapse_memory")


def main() -> None:
    """Print the tables, or write them."""
    import json

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave the networks at 224x224 out")
    parser.add_argument("--one", help="one network's figures, as JSON")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.one:
        text = json.dumps(measured(options.one))
    else:
        chosen = [name for name in nets() if not (options.quick and name in SLOW)]
        text = "\n\n".join(page([_apart(name) for name in chosen])) + "\n"
    if options.output:
        options.output.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
