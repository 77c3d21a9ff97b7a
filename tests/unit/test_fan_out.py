"""Fan-out onto parts of a population against the unrolled matrix."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import graph, projection, unrolled
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_deploy.network import FixedProjection
from neuro_deploy.network.fan_out import ORDERS, Order, axons, dense_fan_out, fan_out_onto, members, placement


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
