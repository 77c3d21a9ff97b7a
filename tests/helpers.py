"""Small networks for tests, and the exact comparison of runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.engines import RunResult
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.hardware import HardwareProfile, Quantity
from neuro_deploy.network import (
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Geometry,
    GradedEncoding,
    InputEncoding,
    SpikeEncoding,
)
from neuro_deploy.numerics.registers import NEVER

WEIGHTS = {"small": 16, "full": 254, "extreme": 256}


def chain(
    seed: int,
    sizes: Sequence[int],
    *,
    timesteps: int = 4,
    mode: str = "graded",
    weights: str = "small",
    bias: bool = True,
    readout: bool = True,
    u_decay: int = 4096,
    v_decay: int = 2048,
    max_delay: int = 0,
) -> FixedNetwork:
    """A random chain whose neurons fire: thresholds are a fraction of what comes in."""
    rng = np.random.default_rng(seed)
    encoding: InputEncoding = SpikeEncoding((sizes[0],)) if mode == "spikes" else GradedEncoding((sizes[0],), levels=15)
    populations = [FixedPopulation("input", "input", (sizes[0],))]
    projections: list[FixedProjection] = []
    if mode == "bias":
        offset, matrix = rng.normal(0, 30, sizes[0]), rng.normal(0, 200, (sizes[0], sizes[0]))
        encoding = BiasEncoding("p0", (sizes[0],), matrix, offset)
        populations = [
            FixedPopulation("p0", "lif", (sizes[0],), threshold=np.asarray(150), v_decay=np.asarray(v_decay))
        ]
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        limit = WEIGHTS[weights]
        weight = rng.integers(-limit // 2, min(limit, 254) // 2 + 1, (outputs, inputs)) * 2
        if weights == "extreme":
            weight = rng.choice([-256, 254, 0], (outputs, inputs))
        weight[0, 0], weight[-1, -1] = 2, 4  # never all zero or all negative
        last = readout and index == len(sizes) - 1
        reach = np.abs(weight).sum(axis=1).mean() * (8 if index == 1 and mode == "graded" else 1)
        population = FixedPopulation(
            f"p{index}",
            "readout" if last else "lif",
            (outputs,),
            rng.integers(-limit, limit + 1, outputs) if bias else np.zeros(outputs, np.int64),
            np.asarray(NEVER if last else int(np.clip(reach * 0.15, 1, 131_071))),
            np.asarray(u_decay),
            np.asarray(0 if last else v_decay),
        )
        delay = rng.integers(0, max_delay + 1, weight.shape) if max_delay else np.asarray(0)
        projections.append(FixedProjection(populations[-1].name, population.name, weight, delay=delay))
        populations.append(population)
    return FixedNetwork(tuple(populations), tuple(projections), timesteps, encoding)


def _even(rng: np.random.Generator, *shape: int, limit: int = 20) -> np.ndarray:
    weight = 2 * rng.integers(-limit // 2, limit // 2 + 1, shape)
    weight.flat[0] = 2
    return weight


def graph(seed: int, *, timesteps: int = 4, relay: bool = True, first: int = -15) -> FixedNetwork:
    """A random network with every kind of synapse, windows of channels, a patch cell, signs, relays and exponents.

    h is fed by a patch of the image and, channel by channel, by cell[0:2] and cell[2:4], which are neurons fed by h:
    the cycle of a patch cell. Spikes skip many levels. Every population spikes in 4 timesteps. Odd seeds have a delay,
    with which Lava takes every sample on its own. relay: h and token send their sums; else they are neurons, whose
    spikes are shifted up to count as much.
    """
    rng = np.random.default_rng(seed)
    shift = -1 if relay else 5
    image, state = (3, 8, 6), (6, 4, 3)

    def neurons(name: str, shape: tuple[int, ...], threshold: object) -> FixedPopulation:
        bias = rng.integers(-9, 10, int(np.prod(shape)))
        return FixedPopulation(name, "lif", shape, bias, np.asarray(threshold), v_decay=np.asarray(2048))

    def sums(name: str, reach: int) -> FixedPopulation:
        bias = rng.integers(-reach, reach + 1, 72)
        return FixedPopulation(name, "relay" if relay else "lif", state, bias, np.asarray(NEVER if relay else 50))

    populations = [
        FixedPopulation("input", "input", image),
        sums("h", 90),
        neurons("cell", state, 60),
        neurons("rows", state, 12),
        neurons("columns", state, 12),
        sums("token", 9),
        neurons("mixed", state, 90),
        neurons("wide", (9, 4, 3), 25),
        neurons("signed", state, rng.integers(10, 60, 72)),
        neurons("out", state, 70),
        FixedPopulation("readout", "readout", (5,), rng.integers(-9, 10, 5)),
    ]

    def to(source: str, target: str, kind: str, weight: np.ndarray, **more: object) -> FixedProjection:
        shapes = {p.name: p.shape for p in populations}
        named = {k: more.pop(k) for k in ("weight_exp", "delay", "sign") if k in more}
        geometry = Geometry(kind, shapes[source], shapes[target], **more)
        return FixedProjection(source, target, weight, geometry=geometry, **named)

    def axial(source: str, target: str, axis: str, *shape: int, **more: object) -> FixedProjection:
        return to(source, target, "axial", _even(rng, *shape), axis=axis, **more)

    one = np.asarray(2)
    thirds = [(0, 2), (2, 4), (4, 6)]
    cell = {"stride": (1, 1), "padding": (1, 1)}
    projections = [
        *(to("input", "h", "conv2d", _even(rng, 2, 3, 2, 2), stride=(2, 2), target_channels=third) for third in thirds),
        to("cell", "h", "conv2d", _even(rng, 2, 2, 3, 3), source_channels=thirds[0], target_channels=thirds[1], **cell),
        to("cell", "h", "conv2d", _even(rng, 2, 2, 3, 3), source_channels=thirds[1], target_channels=thirds[2], **cell),
        to("h", "cell", "one-to-one", one, weight_exp=shift),
        axial("cell", "rows", "height", 4, 4),
        axial("cell", "columns", "width", 3, 3, delay=np.asarray(seed % 2)),
        to("h", "token", "one-to-one", one, weight_exp=shift),
        axial("cell", "token", "channel", 6, 6),
        axial("rows", "token", "channel", 6, 6),
        axial("columns", "token", "channel", 4, 3, source_channels=(1, 4), target_channels=(2, 6)),
        to("token", "mixed", "one-to-one", one, weight_exp=-2 if relay else 5),
        axial("mixed", "wide", "channel", 9, 6),
        axial("wide", "signed", "channel", 6, 9, sign=rng.integers(-1, 2, 72), weight_exp=1),
        to("token", "out", "one-to-one", _even(rng, 72, limit=8), weight_exp=shift - 2),
        to("h", "out", "one-to-one", one, weight_exp=shift, sign=rng.integers(-1, 2, 72)),
        axial("signed", "out", "space", 12, 12),
        to("out", "readout", "dense", _even(rng, 5, 72)),
        to("cell", "readout", "dense", _even(rng, 5, 24), source_channels=(2, 4)),
    ]
    encoding = GradedEncoding(image, scale=0.1, levels=15, first=first)
    return FixedNetwork(tuple(populations), tuple(projections), timesteps, encoding)


def mlp(*sizes: int) -> FixedNetwork:
    """A spiking MLP of one-bit spikes; all weights are 2."""
    populations = [FixedPopulation("input", "input", (sizes[0],))]
    projections = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        populations.append(FixedPopulation(f"fc{index}", "lif", (outputs,), threshold=np.asarray(100)))
        weight = 2 * np.ones((outputs, inputs), np.int16)
        projections.append(FixedProjection(populations[-2].name, f"fc{index}", weight))
    return FixedNetwork(tuple(populations), tuple(projections), 4, SpikeEncoding((sizes[0],)))


def changed(profile: HardwareProfile, values: dict[str, float]) -> HardwareProfile:
    """A profile with other limits."""
    quantities = {key: Quantity(value, "x", "test") for key, value in values.items()}
    return replace(profile, quantities={**profile.quantities, **quantities})


def samples_for(network: FixedNetwork, seed: int, count: int = 3) -> np.ndarray:
    """Random samples in the network's range."""
    rng = np.random.default_rng(seed)
    shape = (count, *network.encoding.shape)
    if network.encoding.mode == "graded":
        return rng.integers(network.encoding.first, network.encoding.levels + 1, shape)
    if network.encoding.mode == "bias":
        return rng.uniform(-1, 1, shape)
    return rng.integers(0, 2, (count, network.timesteps, *network.encoding.shape))


chains = st.builds(
    chain,
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    timesteps=st.sampled_from([1, 2, 5, 9]),
    mode=st.sampled_from(["graded", "spikes", "bias"]),
    weights=st.sampled_from(list(WEIGHTS)),
    bias=st.booleans(),
    readout=st.booleans(),
    u_decay=st.sampled_from([4096, 4095, 2048, 1, 0]),
    v_decay=st.sampled_from([4096, 4095, 2048, 123, 0]),
)


def run_all(network: FixedNetwork, x: np.ndarray, engines: Sequence[str]) -> dict[str, RunResult]:
    """Every engine's spikes, u and v of the same samples."""
    return {engine: nd.run(network, x, engine=engine, record=FIELDS) for engine in engines}


def assert_same_run(want: RunResult, got: RunResult, fields: Sequence[str] = FIELDS) -> None:
    """Spikes, u and v of every population, counts and outputs, exactly."""
    for field in fields:
        for name, array in getattr(want, field).items():
            np.testing.assert_array_equal(getattr(got, field)[name], array, err_msg=f"{got.engine}: {name}.{field}")
    assert set(want.counts) == set(got.counts)
    for name, counts in want.counts.items():
        np.testing.assert_array_equal(got.counts[name], counts, err_msg=f"{got.engine}: counts of {name}")
    np.testing.assert_array_equal(got.outputs, want.outputs, err_msg=f"{got.engine}: outputs")


def _window(rng: np.random.Generator, channels: int) -> tuple[tuple[int, int], int]:
    start, stop = sorted(rng.choice(channels + 1, 2, replace=False).tolist())
    return (start, stop), stop - start


def projection(seed: int, kind: str | None = None) -> FixedProjection:
    """Any kind of synapses, or this one, on random windows, with zeros among weights and signs."""
    rng = np.random.default_rng(seed)
    kind = kind or str(rng.choice(["dense", "conv2d", "one-to-one", "channel", "height", "width", "space"]))
    source = tuple(int(n) for n in rng.integers(1, 6, 3))
    window, taken = _window(rng, source[0])
    options: dict[str, Any] = {"source_channels": window}
    size = (taken, *source[1:])
    if kind == "conv2d":
        kernel, padding = rng.integers(1, 4, 2), rng.integers(0, 3, 2)
        kernel = np.minimum(kernel, np.array(source[1:]) + 2 * padding)
        stride = rng.integers(1, 4, 2)
        options |= {"stride": tuple(stride.tolist()), "padding": tuple(padding.tolist())}
        out = (np.array(source[1:]) + 2 * padding - kernel) // stride + 1
        size, shape = (int(rng.integers(1, 5)), *out.tolist()), (0, taken, *kernel.tolist())
        shape = (size[0], *shape[1:])
    elif kind == "dense":
        size = tuple(int(n) for n in rng.integers(1, 5, 3))
        shape = (math.prod(size), taken * source[1] * source[2])
    elif kind == "one-to-one":
        shape = () if rng.integers(2) else (math.prod(size),)
    elif kind == "space":
        shape = (source[1] * source[2],) * 2
    else:
        axis = ["channel", "height", "width"].index(kind)
        length = int(rng.integers(1, 5))
        shape = (length, size[axis])
        size = tuple(length if i == axis else n for i, n in enumerate(size))
    before, after = rng.integers(0, 3, 2).tolist()
    target = (before + size[0] + after, *size[1:])
    options["target_channels"] = (before, before + size[0])
    axial = kind in ("channel", "height", "width", "space")
    geometry = Geometry("axial" if axial else kind, source, target, axis=kind if axial else None, **options)
    weight = 2 * rng.integers(-1, 2, shape)
    sign = rng.integers(-1, 2, math.prod(size)) if rng.integers(2) else None
    return FixedProjection("a", "b", weight, geometry=geometry, sign=sign)


def unrolled(made: FixedProjection, *, effective: bool) -> np.ndarray:
    weight = np.abs(made.weight.astype(np.int64)) if effective else np.ones(made.weight.shape, np.int64)
    sign = made.sign if effective else None
    return (made.geometry.matrix(weight, sign=sign).toarray() != 0).astype(np.int64)
