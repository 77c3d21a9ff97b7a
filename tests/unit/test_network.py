"""Populations, projections, networks, encodings and bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import chain, chains, samples_for
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.errors import DataError, RangeError, UnsupportedError
from neuro_deploy.network import (
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    GradedEncoding,
    SpikeEncoding,
    state_bounds,
)


def test_parameters_are_checked_against_their_registers() -> None:
    with pytest.raises(RangeError, match="fc: bias mantissa holds 4096"):
        FixedPopulation("fc", "lif", (1,), np.array([4096]), np.asarray(1))
    with pytest.raises(RangeError, match="fc: vThMant holds 131072"):
        FixedPopulation("fc", "lif", (1,), threshold=np.asarray(131_072))
    with pytest.raises(RangeError, match="a -> b: weight holds 256"):
        FixedProjection("a", "b", np.array([[256]]))


def test_shapes_are_checked() -> None:
    with pytest.raises(UnsupportedError, match=r"fc: bias mantissa has shape \(3,\); one value or \(2,\)"):
        FixedPopulation("fc", "lif", (2,), np.zeros(3, np.int64), np.asarray(1))
    network = chain(0, (3, 4))
    with pytest.raises(UnsupportedError, match=r"input -> p1: weight has shape \(4, 2\), \(4, 3\) is wanted"):
        replace(network, projections=(FixedProjection("input", "p1", np.zeros((4, 2), int)),))


def test_a_network_must_be_feed_forward_with_existing_populations() -> None:
    network = chain(0, (3, 3, 3))
    loop = (*network.projections, FixedProjection("p2", "p1", 2 * np.eye(3, dtype=int)))
    with pytest.raises(UnsupportedError, match="projections form a cycle"):
        replace(network, projections=loop)
    with pytest.raises(UnsupportedError, match="ghost: a projection names this population, which does not exist"):
        replace(network, projections=(FixedProjection("ghost", "p1", np.zeros((3, 3), int)),))
    with pytest.raises(UnsupportedError, match="2 populations are named so"):
        replace(network, populations=(*network.populations, network.populations[-1]))


def test_fixed_arrays_are_read_only_and_copied() -> None:
    weight = np.array([[2, 4]])
    projection = FixedProjection("a", "b", weight)
    weight[0, 0] = 100
    assert projection.weight[0, 0] == 2
    with pytest.raises(ValueError, match="read-only"):
        projection.weight[0, 0] = 4


def test_depth_is_the_longest_path_from_the_input() -> None:
    assert chain(0, (3, 4, 5)).depths == {"input": 0, "p1": 1, "p2": 2}


@pytest.mark.parametrize(
    ("x", "integers"),
    [
        ([[0.0, 0.5, 1.0]], [[0, 8, 16]]),  # model units
        (np.array([[0, 8, 16]]), [[0, 8, 16]]),  # levels
        ([[0.0, 8.0, 16.0]], [[0, 8, 16]]),  # levels in a float array: out of the model's range, but whole
        (np.array([[0, 1, 1]], np.uint8), [[0, 1, 1]]),
        ([[[0.0, 0.5, 1.0], [0, 0, 0]]], [[[0, 8, 16], [0, 0, 0]]]),  # two timesteps
    ],
)
def test_graded_encoding(x: object, integers: object) -> None:
    encoding = GradedEncoding((3,), scale=1 / 16, levels=16)
    np.testing.assert_array_equal(encoding.encode(x), integers)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([[0.0, 0.5, 1.2]], "x spans 0 to 1.2; this network takes floats from 0 to 1, or the whole numbers 0 to 16"),
        ([[0, 1, 17]], "x spans 0 to 17"),
        ([[0.0, -0.5, 1.0]], "x spans -0.5 to 1"),
        ([[0.0, np.nan, 1.0]], "NaN or infinity"),
        ([[0.0, 1.0]], r"x has shape \(1, 2\); this network takes \(samples, 3\) or \(samples, T, 3\)"),
        ([0.0, 1.0, 0.5], r"x has shape \(3,\)"),
        (np.zeros((0, 3)), "at least one sample"),
        ([["a", "b", "c"]], "numbers are wanted"),
    ],
)
def test_graded_encoding_refuses(x: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        GradedEncoding((3,), scale=1 / 16, levels=16).encode(x)


def test_spike_encoding_takes_only_0_and_1() -> None:
    np.testing.assert_array_equal(SpikeEncoding((2,)).encode([[[0, 1], [1, 1]]]), [[[0, 1], [1, 1]]])
    with pytest.raises(DataError, match="values other than 0 and 1"):
        SpikeEncoding((2,)).encode([[0, 2]])


def test_a_stock_transform_truncates_and_a_host_matrix_rounds() -> None:
    stock = BiasEncoding("in", (2,), np.asarray(76.0), np.asarray(64.0))
    np.testing.assert_array_equal(stock.encode([[0.5, -1.01]]), [[102, -12]])
    host = BiasEncoding("in", (2,), np.array([[10.0, 0.6]]), np.array([0.0]))
    np.testing.assert_array_equal(host.encode([[1.0, 1.0]]), [[11]])
    with pytest.raises(DataError, match="bias mantissa 7664 in in, allowed: whole numbers from -4,095 to 4,095"):
        stock.encode([[100.0, 0.0]])


@given(chains, st.integers(0, 2**31))
@settings(max_examples=60)
def test_no_run_leaves_the_bounds(network: FixedNetwork, seed: int) -> None:
    bounds = state_bounds(network)
    result = nd.run(network, samples_for(network, seed), engine="reference", record=FIELDS)
    for population in network.computed:
        reach = bounds[population.name]
        if reach.exact:
            assert np.abs(result.u[population.name]).max() <= reach.u
            assert np.abs(result.v[population.name]).max() <= reach.v


def test_the_bound_of_u_is_reached_by_the_worst_sample() -> None:
    network = chain(5, (4, 3), timesteps=3, mode="spikes", readout=False, u_decay=0)
    weight = network.projections[0].weight.astype(np.int64)
    worst = int(np.argmax(np.abs(np.stack([np.minimum(weight, 0), np.maximum(weight, 0)])).sum(axis=2).max(axis=0)))
    positive = np.maximum(weight[worst], 0).sum() >= -np.minimum(weight[worst], 0).sum()
    x = np.repeat((weight[worst] > 0 if positive else weight[worst] < 0)[None, None], 3, axis=1).astype(int)
    result = nd.run(network, x, engine="reference", record=("u",))
    assert np.abs(result.u["p1"]).max() == state_bounds(network)["p1"].u
