"""Fan-out onto parts of a population against the unrolled matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from helpers import graph
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_deploy.network import FixedProjection, Geometry
from neuro_deploy.network.fan_out import ORDERS, Order, axons, dense_fan_out, fan_out_onto, members, placement


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


@given(st.integers(0, 2**32 - 1), st.sampled_from(ORDERS), st.booleans())
@settings(max_examples=150, deadline=None)
def test_fan_out_onto_a_part_is_that_of_the_unrolled_rows(seed: int, order: Order, effective: bool) -> None:
    made = projection(seed)
    placed = placement(made.geometry.target, order)
    start, stop = sorted(np.random.default_rng(seed).integers(0, len(placed) + 1, 2).tolist())
    want = unrolled(made, effective=effective)[placed[start:stop]].sum(axis=0)
    got = fan_out_onto(made, start, stop, effective=effective, placed=placed)
    np.testing.assert_array_equal(got, want)
    if order == "channels first":
        np.testing.assert_array_equal(fan_out_onto(made, start, stop, effective=effective), want)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_axons_of_all_cores_are_those_of_the_unrolled_rows(seed: int, cores: int) -> None:
    made = projection(seed)
    neurons = math.prod(made.geometry.target)
    core_of = np.random.default_rng(seed).integers(0, cores, neurons)
    found = axons(made.geometry, made.weight.shape, np.arange(neurons), core_of)
    sources = members(made.geometry)
    assert sources.shape == (found.groups, found.size)
    got = np.zeros((cores, math.prod(made.geometry.source)), np.int64)
    got[found.core[:, None], sources[found.group]] = found.synapses[:, None]
    rows = unrolled(made, effective=False)
    np.testing.assert_array_equal(got, [rows[core_of == core].sum(axis=0) for core in range(cores)])
    assert np.all(found.synapses > 0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_dense_fan_out_of_all_cores_is_that_of_the_unrolled_rows(seed: int, cores: int) -> None:
    made = projection(seed, "dense")
    neurons = math.prod(made.geometry.target)
    rng = np.random.default_rng(seed)
    order, core_of = rng.permutation(neurons), rng.integers(0, cores, neurons)
    got = dense_fan_out(made, order, core_of[order], cores)
    rows = unrolled(made, effective=True)[:, made.geometry.sources]
    np.testing.assert_array_equal(got, [rows[core_of == core].sum(axis=0) for core in range(cores)])


def test_the_parts_of_a_network_add_up_to_its_fan_out() -> None:
    for made in graph(1).projections:
        neurons = math.prod(made.geometry.target)
        for effective in (False, True):
            parts = [
                fan_out_onto(made, start, min(start + 7, neurons), effective=effective)
                for start in range(0, neurons, 7)
            ]
            np.testing.assert_array_equal(sum(parts), unrolled(made, effective=effective).sum(axis=0))
        np.testing.assert_array_equal(fan_out_onto(made, 0, neurons), made.fan_out)


@pytest.mark.parametrize(("effective", "count"), [(False, 2), (True, 1)])
def test_a_row_of_sign_0_is_stored_and_has_no_effect(effective: bool, count: int) -> None:
    made = FixedProjection("a", "b", np.array([[2], [4]]), sign=np.array([0, -1]))
    assert fan_out_onto(made, 0, 2, effective=effective).tolist() == [count]


def test_channels_last_counts_every_channel_of_a_position_first() -> None:
    assert placement((2, 1, 3), "channels last").tolist() == [0, 3, 1, 4, 2, 5]
    assert placement((2, 1, 3), "channels first").tolist() == [0, 1, 2, 3, 4, 5]
    assert placement((4,), "channels last").tolist() == [0, 1, 2, 3]
