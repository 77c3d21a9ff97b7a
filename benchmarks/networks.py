"""The networks that are timed, and their samples."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import neuro_deploy as nd
from neuro_deploy.engines import RunResult
from neuro_deploy.network import FixedNetwork, FixedPopulation, FixedProjection
from neuro_deploy.network.encoding import SpikeEncoding
from neuro_deploy.network.geometry import Geometry

Array = npt.NDArray[np.generic]
MNIST, PILOTNET = "netx/mnist.net", "netx/gts/pilotnet_lif/network.net"
DIGITS = "netx_models/digits-{}.net"
LARGEST_WEIGHT = 60
"""Of random networks: even, either sign."""
V_DECAY = 1024
"""Of random networks, of 4096."""


def lava_dl_file(end: str) -> Path:
    """A file that comes with lava-dl's wheel."""
    files = importlib.metadata.files("lava-dl") or []
    return Path(str(next(f for f in files if str(f).endswith(end)).locate()))


def live(end: str, timesteps: int) -> FixedNetwork:
    """A network of lava-dl's wheel without its input layer, whose neurons spike far more often than any others.

    Its first population takes spikes as they are.

    Raises:
        NeuroDeployError: nd.load refuses the file.
    """
    network = nd.load(lava_dl_file(end), timesteps=timesteps)
    first, *others = network.populations
    if first.kind == "input":
        return network
    entry = FixedPopulation(first.name, "input", first.shape)
    return FixedNetwork((entry, *others), network.projections, timesteps, SpikeEncoding(first.shape))


def spikes(network: FixedNetwork, samples: int, density: float, seed: int = 0) -> Array:
    """Random spikes: (samples, T, *input shape), uint8."""
    shape = (samples, network.timesteps, *network.encoding.shape)
    return (np.random.default_rng(seed).random(shape, np.float32) < density).astype(np.uint8)


def rates(network: FixedNetwork, result: RunResult) -> dict[str, float]:
    """Spikes per neuron and timestep of the input and of populations that can spike."""
    steps = result.samples * result.timesteps
    spiking = [population for population in network.populations if population.kind in ("input", "lif")]
    return {p.name: float(result.counts[p.name].sum()) / (p.neurons * steps) for p in spiking}


def rate(network: FixedNetwork, result: RunResult) -> float:
    """Spikes per LIF neuron and timestep."""
    lif = [population for population in network.populations if population.kind == "lif"]
    fired = sum(float(result.counts[p.name].sum()) for p in lif)
    return fired / (sum(p.neurons for p in lif) * result.samples * result.timesteps)


def macs(network: FixedNetwork) -> int:
    """Multiply-accumulates of a timestep if all of them are done."""
    return sum(p.geometry.additions(p.weight.shape) for p in network.projections)


def chain(widths: tuple[int, ...], timesteps: int, density: float, seed: int = 0) -> FixedNetwork:
    """Random dense layers, whose neurons spike about as often as 15 % of theirs before them make them."""
    shapes = [(width,) for width in widths]
    return _random(shapes, [None] * (len(widths) - 1), timesteps, density, seed)


def convolution(
    channels: int, size: int, timesteps: int, density: float, kernel: int = 3, seed: int = 0
) -> FixedNetwork:
    """One convolution of stride 1, as many channels out as in."""
    shape = (channels, size, size)
    geometry = Geometry("conv2d", shape, shape, padding=(kernel // 2, kernel // 2))
    return _random([shape, shape], [geometry], timesteps, density, seed)


def _random(
    shapes: Sequence[tuple[int, ...]], geometries: Sequence[Geometry | None], timesteps: int, density: float, seed: int
) -> FixedNetwork:
    rng = np.random.default_rng(seed)
    populations = [FixedPopulation("input", "input", shapes[0])]
    projections = []
    for index, (source, target, geometry) in enumerate(zip(shapes, shapes[1:], geometries, strict=False)):
        kernel = 2 * geometry.padding[0] + 1 if geometry else 0
        weight_shape = (target[0], source[0], kernel, kernel) if geometry else (target[0], source[0])
        weight = 2 * rng.integers(-LARGEST_WEIGHT // 2, LARGEST_WEIGHT // 2 + 1, weight_shape)
        arriving = math.prod(weight_shape[1:]) * (density if index == 0 else 0.15)
        threshold = max(1, round(1.2 * float(weight.std()) * math.sqrt(arriving)))
        name = f"layer {index + 1}"
        populations.append(
            FixedPopulation(name, "lif", target, threshold=np.asarray(threshold), v_decay=np.asarray(V_DECAY))
        )
        projections.append(FixedProjection(populations[-2].name, name, weight, geometry=geometry))  # type: ignore[arg-type]
    return FixedNetwork(tuple(populations), tuple(projections), timesteps, SpikeEncoding(shapes[0]))
