"""How time grows with the batch, timesteps, width, depth and density, and when few spikes are worth gathering.

``python -m benchmarks.growth [--quick]``
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks import networks
from benchmarks.part import Options, command, main, page
from benchmarks.timing import clocked, in_turns, number, percent, table
from neuro_deploy.engines import get_engine
from neuro_deploy.network import FixedNetwork

STRETCH = 0.05
ROUNDS = 3


@dataclass(frozen=True)
class Chain:
    """Random dense layers, each as wide as the input."""

    batch: int = 16
    timesteps: int = 32
    width: int = 512
    depth: int = 2
    density: float = 0.15

    def network(self) -> FixedNetwork:
        """The network."""
        return networks.chain((self.width,) * (self.depth + 1), self.timesteps, self.density)


@dataclass(frozen=True)
class Convolution:
    """One random convolution, 3x3 of stride 1."""

    batch: int = 4
    timesteps: int = 16
    channels: int = 32
    size: int = 32
    density: float = 0.15

    def network(self) -> FixedNetwork:
        """The network."""
        return networks.convolution(self.channels, self.size, self.timesteps, self.density)


Case = Chain | Convolution
Growth = dict[str, tuple[Any, ...]]
"""Field of a case -> its values."""
CHAIN, CONVOLUTION = Chain(), Convolution()
CHAIN_GROWTH: Growth = {
    "batch": (1, 4, 16, 64, 256),
    "timesteps": (4, 16, 64, 256),
    "width": (64, 128, 256, 512, 1024, 2048),
    "depth": (1, 2, 4, 8),
    "density": (0.01, 0.05, 0.15, 0.3, 0.5),
}
CONVOLUTION_GROWTH: Growth = {
    "batch": (1, 4, 16),
    "timesteps": (4, 16, 64),
    "channels": (8, 16, 32, 64),
    "size": (16, 32, 64),
    "density": (0.01, 0.15, 0.5),
}
DENSITIES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
KERNELS = ("dot8", "int8", "gather", "float32")


def part(options: Options) -> str:
    """Tables of the chain, of the convolution, and of kernels by density."""
    return page(
        "## How time grows",
        "Random networks, one number changed at a time, the engine's `run` of encoded samples; medians of "
        f"{_rounds(options)}. us: per timestep and sample. Rates: spikes per neuron and timestep, all layers.",
        f"### Dense layers: {_said(CHAIN)}",
        _growth(CHAIN, CHAIN_GROWTH, options),
        f"### A convolution, 3x3: {_said(CONVOLUTION)}",
        _growth(CONVOLUTION, CONVOLUTION_GROWTH, options),
        "### Kernels by density: one dense layer of 1,024 from 1,024, 16 samples, T = 32",
        "Each kernel told to take it, us per timestep and sample. dot8 gathers by itself while few spike; gather "
        "always does.",
        _kernels(options),
        command("benchmarks.growth"),
    )


def _said(case: Case) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(case).items())


def _rounds(options: Options) -> int:
    return 1 if options.quick else ROUNDS


def _growth(base: Case, growth: Growth, options: Options) -> str:
    rows = []
    for name, values in growth.items():
        for value in values[:1] if options.quick else values:
            rows.append((name, value, *_measured(replace(base, **{name: value}), options)))
    return table(("", "", "us", "GMAC/s", "rate"), rows)


def _measured(case: Case, options: Options) -> tuple[str, str, str]:
    network, engine = case.network(), get_engine("native")
    encoded = network.encode(networks.spikes(network, case.batch, case.density))
    rate = networks.rate(network, engine.run(network, encoded))
    seconds = _seconds({"native": (network, encoded)}, options)["native"] / (case.batch * case.timesteps)
    return number(1e6 * seconds), number(networks.macs(network) / seconds / 1e9), percent(rate)


def _kernels(options: Options) -> str:
    rows = []
    for density in DENSITIES[:1] if options.quick else DENSITIES:
        network = networks.chain((1024, 1024), 32, density)
        encoded = network.encode(networks.spikes(network, 16, density))
        seconds = _seconds(dict.fromkeys(KERNELS, (network, encoded)), options)
        rows.append((percent(density), *(number(1e6 * seconds[kernel] / (16 * 32)) for kernel in KERNELS)))
    return table(("density", *KERNELS), rows)


def _seconds(runs: dict[str, tuple[FixedNetwork, networks.Array]], options: Options) -> dict[str, float]:
    """Medians. Of a kernel's name: with that kernel."""
    tasks = {}
    for name, (network, encoded) in runs.items():
        engine = get_engine("native", **({"kernel": name} if name in KERNELS else {}))
        tasks[name] = clocked(lambda e=engine, n=network, x=encoded: e.run(n, x), STRETCH)  # type: ignore[misc]
    return {name: statistics.median(values) for name, values in in_turns(tasks, _rounds(options)).items()}


if __name__ == "__main__":
    main(__doc__, part)
