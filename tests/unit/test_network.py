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
from neuro_deploy.errors import DataError, RangeError, UnsupportedError, UsageError
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
        ([[0.0, 0.5, 1.2]], "x spans 0 to 1.2; this network takes floats from 0 to 1, or integers from 0 to 16"),
        ([[0, 1, 17]], "x spans 0 to 17"),
        ([[0.0, -0.5, 1.0]], "x spans -0.5 to 1"),
        ([[0.0, 8.0, 16.0]], "whole numbers are taken as they are from integer arrays"),
        (np.zeros((2, 3, 1)), r"x has shape \(2, 3, 1\)"),
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


@pytest.mark.parametrize("shape", [(5, 8, 8, 1), (5, 4, 2, 8), (5, 8, 1, 8), (5, 65), (5, 2, 2, 4, 4), (5,)])
def test_samples_of_the_right_size_and_the_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"this network takes \(samples, 1, 8, 8\)|\(samples, 1, 8, 8\) with at least"):
        GradedEncoding((1, 8, 8)).encode(np.zeros(shape, int))


@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (5, 64), (5, 8, 8)])
def test_static_samples_may_come_flat_or_without_their_one_channel(shape: tuple[int, ...]) -> None:
    assert GradedEncoding((1, 8, 8)).encode(np.zeros(shape, int)).shape == (5, 64)
    moving = (shape[0], 3, *shape[1:])
    assert GradedEncoding((1, 8, 8)).encode(np.zeros(moving, int)).shape == (5, 3, 64)


def test_one_timestep_of_samples_that_change_is_not_taken_as_a_still() -> None:
    network = chain(0, (4, 3), timesteps=4)
    with pytest.raises(DataError, match="samples have 1 timesteps, the network runs 4"):
        nd.run(network, np.zeros((2, 1, 4), int))


@pytest.mark.parametrize("timesteps", [0, -1, 65_537, 2.0, True])
def test_timesteps_have_a_range(timesteps: object) -> None:
    with pytest.raises(UnsupportedError, match="a whole number from 1 to 65,536 is wanted"):
        replace(chain(0, (2, 2)), timesteps=timesteps)


def test_a_long_run_has_its_bounds_at_once() -> None:
    network = replace(chain(0, (4, 5, 3)), timesteps=65_536)
    assert state_bounds(network)["p1"].u == state_bounds(chain(0, (4, 5, 3)))["p1"].u


def test_thresholds_of_another_number_than_neurons_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"fc: vThMant has shape \(3,\); one value or \(2,\) is wanted"):
        FixedPopulation("fc", "lif", (2,), threshold=np.array([1, 2, 3]))


def test_an_encoding_for_a_population_that_does_not_exist_is_refused() -> None:
    network = chain(0, (3, 3), mode="bias")
    with pytest.raises(UnsupportedError, match="ghost: the encoding names this population"):
        replace(network, encoding=replace(network.encoding, population="ghost"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"record": ("spike",)}, r"record is \['spike'\]; any of spikes, u, v is wanted"),
        ({"engine": "nengo"}, "no engine 'nengo'; engines: native, reference, lava, slayer"),
        ({"engine": "native", "time_limit": 3}, "engine native does not take"),
        ({"engine": "native", "device": "abacus"}, "engine native does not take"),
    ],
)
def test_odd_arguments_of_run_are_refused(options: dict, said: str) -> None:
    network = chain(0, (3, 3))
    with pytest.raises(UsageError, match=said):
        nd.run(network, samples_for(network, 0), **options)


def test_networks_of_other_populations_are_not_compared() -> None:
    from neuro_deploy.engines.compare import compare

    short, long = chain(0, (3, 3), readout=False), chain(0, (3, 3, 3), readout=False)
    x = samples_for(short, 0)
    a, b = nd.run(short, x, record=FIELDS), nd.run(long, x, record=FIELDS)
    for network, want, got in ((short, a, b), (long, b, a), (short, a, nd.run(short, x, record=("spikes",)))):
        with pytest.raises(UnsupportedError, match="other has other "):
            compare(network, want, got, "other")


def test_weight_bits_are_those_of_the_smallest_register() -> None:
    for weight, bits in (
        ([[2, -2]], 2),
        ([[-256, 2]], 8),
        ([[254]], 8),
        ([[-4]], 2),
        ([[126]], 7),
        ([[255]], 9),
        ([[0]], 1),
    ):
        assert FixedProjection("a", "b", np.array(weight)).weight_bits == bits, weight
