"""The native engine's kernels, each forced, on shapes, densities and weights at the edges of their proofs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import FIELDS, assert_same_run
from hypothesis import given
from hypothesis import strategies as st

from neuro_deploy.engines import get_engine
from neuro_deploy.engines.base import run_whole
from neuro_deploy.engines.native.products import KERNELS
from neuro_deploy.network import FixedNetwork, FixedPopulation, FixedProjection
from neuro_deploy.network.encoding import GradedEncoding, SpikeEncoding
from neuro_deploy.network.geometry import Geometry

LOWEST, HIGHEST = -256, 254
WEIGHTS = st.sampled_from([(LOWEST, LOWEST), (HIGHEST, HIGHEST), (LOWEST, HIGHEST), (-2, 2), (0, 0)])
DENSITIES = st.sampled_from([0.0, 0.01, 0.2, 1.0])
LEVELS = st.sampled_from([1, 127, 128, 255])
"""1: one-bit spikes."""


def network(
    geometry: Geometry, weight: np.ndarray, levels: int, *, threshold: int, v_decay: int, exponent: int
) -> FixedNetwork:
    """Input, the synapses that are tried, and a readout."""
    source, target = geometry.source, geometry.target
    encoding = SpikeEncoding(source) if levels == 1 else GradedEncoding(source, levels=levels)
    neurons = int(np.prod(target))
    lif = FixedPopulation(
        "lif", "lif", target, threshold=np.asarray(threshold), v_decay=np.asarray(v_decay), bias=np.asarray(3)
    )
    last = 2 * np.random.default_rng(1).integers(-60, 61, (3, neurons))
    projections = (
        FixedProjection("input", "lif", weight, geometry=geometry, weight_exp=exponent),
        FixedProjection("lif", "readout", last),
    )
    populations = (
        FixedPopulation("input", "input", source),
        lif,
        FixedPopulation("readout", "readout", (3,)),
    )
    return FixedNetwork(populations, projections, 3, encoding)


def sides(draw: st.DrawFn) -> tuple[Geometry, tuple[int, ...]]:
    """A geometry of small shapes, and the shape of its weights."""
    kind = draw(st.sampled_from(["dense", "conv2d", "channel", "height", "width", "space"]))
    size, other = st.integers(1, 6), st.integers(1, 50)
    if kind == "dense":
        sources, targets = draw(st.sampled_from([1, 3, 4, 5, 63, 257, 300])), draw(other)
        return Geometry("dense", (sources,), (targets,)), (targets, sources)
    channels, height, width = draw(other), draw(size), draw(size)
    if kind == "conv2d":
        high, wide = draw(st.integers(1, height)), draw(st.integers(1, width))
        stride, padding = (draw(st.integers(1, 2)), draw(st.integers(1, 2))), (draw(st.integers(0, 2)), draw(size))
        rows = (height + 2 * padding[0] - high) // stride[0] + 1
        columns = (width + 2 * padding[1] - wide) // stride[1] + 1
        targets = draw(other)
        geometry = Geometry("conv2d", (channels, height, width), (targets, rows, columns), None, stride, padding)
        return geometry, (targets, channels, high, wide)
    targets = draw(size)
    source = (channels, height, width)
    ends = {
        "channel": ((targets, height, width), channels),
        "height": ((channels, targets, width), height),
        "width": ((channels, height, targets), width),
        "space": ((channels, 1, targets), height * width),
    }
    target, length = ends[kind]
    return Geometry("axial", source, target, axis=kind), (targets, length)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", KERNELS)
@given(data=st.data())
def test_every_kernel_is_exact_at_the_edges(kernel: str, data: st.DataObject) -> None:
    geometry, shape = sides(data.draw)
    low, high = data.draw(WEIGHTS)
    levels, density = data.draw(LEVELS), data.draw(DENSITIES)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    weight = 2 * rng.integers(low // 2, high // 2 + 1, shape)
    made = network(
        geometry,
        weight,
        levels,
        threshold=data.draw(st.sampled_from([0, 5, 500, 2**17 - 1])),
        v_decay=data.draw(st.sampled_from([0, 1, 2048, 4096])),
        exponent=data.draw(st.sampled_from([0, -3, 2])),
    )
    samples = data.draw(st.integers(1, 3))
    moving = (made.timesteps,) if data.draw(st.booleans()) else ()
    wanted = rng.random((samples, *moving, *geometry.source)) < density
    x = (wanted * rng.integers(max(1, levels - 1), levels + 1, wanted.shape)).astype(np.int64)
    encoded = made.encode(x)
    want = run_whole(get_engine("reference"), made, encoded, FIELDS)
    assert_same_run(want, run_whole(get_engine("native", kernel=kernel), made, encoded, FIELDS))


@pytest.mark.parametrize("exponent", [-3, 0, 2])
@pytest.mark.parametrize("decays", [(4096, 2048), (1, 4095)])
@pytest.mark.parametrize("axis", ["channel", "height", "width", "space", None])
def test_neurons_that_are_computed_with_their_product_are_exact(
    axis: str | None, decays: tuple[int, int], exponent: int
) -> None:
    rng = np.random.default_rng(5)
    source, targets = (30, 1 if axis == "space" else 4, 5), 6
    targets_of = {
        "channel": ((targets, 4, 5), 30),
        "height": ((30, targets, 5), 4),
        "width": ((30, 4, targets), 5),
        "space": ((30, 1, targets), 5),
        None: ((90,), 30 * 4 * 5),
    }
    target, length = targets_of[axis]
    kind = "axial" if axis else "dense"
    geometry = Geometry(kind, source, target, axis=axis)  # type: ignore[arg-type]
    weight = 2 * rng.integers(-20, 21, (target[0] if axis is None else targets, length))
    made = network(geometry, weight, 1, threshold=7, v_decay=decays[1], exponent=exponent)
    made = replace(made, populations=tuple(replace(p, u_decay=np.asarray(decays[0])) for p in made.populations))
    for density in (0.05, 0.6):
        encoded = made.encode((rng.random((2, made.timesteps, *source)) < density).astype(np.int64))
        want = run_whole(get_engine("reference"), made, encoded, FIELDS)
        assert_same_run(want, run_whole(get_engine("native"), made, encoded, FIELDS))
        for samples in (1, 2):
            want = run_whole(get_engine("reference"), made, encoded[:samples])
            got = run_whole(get_engine("native"), made, encoded[:samples])
            assert_same_run(want, got)


@given(
    samples=st.integers(1, 3),
    steps=st.integers(1, 11),
    start=st.integers(0, 3),
    channels=st.integers(1, 5),
    side=st.integers(1, 40),
    kind=st.sampled_from([np.int8, np.uint8, np.int64]),
    seed=st.integers(0, 2**31),
)
def test_samples_enter_channels_last_and_are_counted(
    samples: int, steps: int, start: int, channels: int, side: int, kind: type, seed: int
) -> None:
    from neuro_deploy.engines.native.samples import fill

    values = np.random.default_rng(seed).integers(0, 3, (samples, start + steps + 1, channels, side)).astype(kind)
    for into in (np.uint8, np.float32):
        entering, counts = (
            np.full((samples, steps, side, channels), 9, into),
            np.ones((steps, side * channels), np.uint8),
        )
        fill(entering, values.reshape(samples, start + steps + 1, -1), start, counts)
        want = values[:, start : start + steps].swapaxes(2, 3)
        np.testing.assert_array_equal(entering, want)
        np.testing.assert_array_equal(counts, 1 + (want != 0).sum(axis=0).reshape(steps, -1))
