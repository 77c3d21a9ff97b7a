"""Populations, projections, networks, encodings and bounds."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers import assert_same_run, chain, chains, graph, run_all, samples_for
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.errors import DataError, RangeError, UnsupportedError, UsageError
from neuro_deploy.graph import Graph, Input, Node
from neuro_deploy.network import (
    BiasEncoding,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Geometry,
    GradedEncoding,
    Network,
    Population,
    Projection,
    SpikeEncoding,
    check_ranges,
    population_bounds,
    reach,
    state_bounds,
)
from neuro_deploy.network import bounds as analysis
from neuro_deploy.network.bounds import Reach, largest_spike
from neuro_deploy.numerics.cuba import cuba_step, decayed
from neuro_deploy.numerics.registers import ACTIVATION_SHIFT, NEVER, STATE_LIMIT


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
    with pytest.raises(
        UnsupportedError, match=r"input -> p1: is made for a population of shape \(2,\), input has \(3,\)"
    ):
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
        ([[0.0, 8.0, 16.0]], r"x spans 0 to 16; .*\nhint: .* integer arrays are taken as they are"),
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
    with pytest.raises(
        DataError, match="bias mantissa 7664 in in, allowed: whole numbers from -4,095 to 4,095"
    ) as said:
        stock.encode([[100.0, 0.0]])
    assert "hint: x from -54.7237 to 53.0395 is allowed: the mantissa is 76 x + 64" in str(said.value)
    assert np.abs(stock.encode([[-54.72, 53.03]])).max() <= 4095


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
        ({"engine": "native", "device": "abacus"}, "no device 'abacus' here"),
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


def test_values_of_relays_and_the_readout_and_predictions_are_compared_too() -> None:
    from neuro_deploy.engines.compare import compare

    network = graph(0)
    x = samples_for(network, 0, count=5)
    want = nd.run(network, x, record=FIELDS)
    h = want.v["h"].copy()
    h[0, 1].flat[:3] += 7
    got = replace(
        want, v={**want.v, "h": h}, outputs=want.outputs + 9 * np.eye(5, dtype=np.int64)[[4, 0, 0, 0, 0]] * 10**6
    )
    agreement, divergence = compare(network, want, got, "other")
    assert agreement.populations["h"] == 0
    assert set(agreement.values) == {"h", "token", "readout"}
    assert agreement.values["h"] == (3, h.size)
    assert agreement.values["token"] == (0, want.v["token"].size)
    assert agreement.differing_predictions == np.count_nonzero(want.predictions != got.predictions) > 0
    assert divergence is not None
    assert divergence.population == "h"


def test_a_refusal_names_the_first_populations_and_counts_the_rest() -> None:
    from neuro_deploy.engines.compare import compare

    short, long = chain(0, (3, 3), readout=False), chain(0, (3, 3, 3, 3, 3, 3, 3), readout=False)
    runs = [nd.run(network, samples_for(short, 0), record=FIELDS) for network in (short, long)]
    with pytest.raises(
        UnsupportedError, match=r"other u: p2 \(3, 4, 3\), p3 \(3, 4, 3\), p4 \(3, 4, 3\) and 2 more, not"
    ):
        compare(short, runs[0], runs[1], "other", long)


def test_weight_bits_are_those_of_the_smallest_register_without_a_common_power_of_two() -> None:
    for weight, bits in (
        ([[2, -2]], 2),
        ([[-256, 2]], 8),
        ([[254]], 7),
        ([[-4]], 1),
        ([[126]], 6),
        ([[255]], 8),
        ([[0]], 1),
        ([[-255, 255]], 9),
        ([[-256, 128]], 2),
        ([[-192, 160]], 4),
        ([[0, 128]], 1),
        ([[6, -2]], 3),
    ):
        assert FixedProjection("a", "b", np.array(weight)).weight_bits == bits, weight


def test_signs_turn_synapses_of_every_delay() -> None:
    weight, delay, sign = np.array([[2, 4], [6, 8], [-10, 12]]), np.array([[0, 1], [2, 0], [1, 1]]), [1, -1, 0]
    projection = FixedProjection("input", "p", weight, delay=delay, sign=np.asarray(sign))
    total = sum(matrix.toarray() for _, matrix in projection.by_delay)
    np.testing.assert_array_equal(total, weight * np.reshape(sign, (3, 1)))
    populations = FixedPopulation("input", "input", (2,)), FixedPopulation("p", "readout", (3,))
    network = FixedNetwork(populations, (projection,), 4, SpikeEncoding((2,)))
    runs = run_all(network, samples_for(network, 1), ["reference", "native"])
    assert_same_run(runs["reference"], runs["native"])
    assert runs["reference"].v["p"][..., 1].min() < 0


# --- bounds


def one_neuron(
    weights: list[int], exponent: int, population: FixedPopulation, timesteps: int, first: int = -15
) -> FixedNetwork:
    """input -> p, one neuron."""
    populations = FixedPopulation("input", "input", (len(weights),)), population
    projection = FixedProjection("input", population.name, np.array([weights]), exponent)
    return FixedNetwork(populations, (projection,), timesteps, GradedEncoding((len(weights),), levels=15, first=first))


@given(
    st.lists(st.sampled_from([-256, 254, 2, -2]), min_size=1, max_size=4),
    st.integers(0, 7),
    st.integers(1, 9),
    st.sampled_from([0, 1, 2048, 4095, 4096]),
    st.sampled_from([0, 1, 2048, 4096]),
    st.sampled_from([0, 3, 131_071, NEVER]),
    st.sampled_from([-4095, 0, 4095]),
    st.sampled_from([-15, 0]),
    st.integers(0, 2**31),
)
@settings(max_examples=300)
def test_extreme_weights_never_leave_the_bounds_even_where_u_wraps_and_v_clips(
    weights: list[int],
    exponent: int,
    timesteps: int,
    u_decay: int,
    v_decay: int,
    threshold: int,
    bias: int,
    first: int,
    seed: int,
) -> None:
    kind = "readout" if threshold == NEVER else "lif"
    parameters = (np.asarray(number) for number in (threshold, u_decay, v_decay))
    network = one_neuron(
        weights, exponent, FixedPopulation("p", kind, (1,), np.array([bias]), *parameters), timesteps, first
    )
    bounds, population = state_bounds(network)["p"], network.output
    rng = np.random.default_rng(seed)
    ends = rng.choice([first, 0, 15], (64, timesteps, len(weights)))
    ends[0], ends[1] = (np.where(np.asarray(weights) * side > 0, 15, first) for side in (1, -1))
    a_in = (ends @ np.asarray(weights)) << exponent
    assert np.abs(a_in).max() <= bounds.a_in
    u, v = np.zeros(64, np.int64), np.zeros(64, np.int64)
    for t in range(timesteps):
        before = decayed(u, population.u_decay) + (a_in[:, t] << ACTIVATION_SHIFT)
        was = decayed(v, population.v_decay)
        u, v, _ = cuba_step(
            u, v, a_in[:, t], u_decay=u_decay, v_decay=v_decay, bias=population.shifted_bias, threshold=threshold
        )
        assert np.abs(before).max() <= bounds.u
        seen = was + u + population.shifted_bias if bounds.u < STATE_LIMIT else v
        assert np.abs(seen).max() <= bounds.v
        assert -seen.min() <= bounds.v_low


def test_a_wrapped_u_can_take_v_to_its_lowest_though_all_weights_are_positive() -> None:
    network = one_neuron([254], 7, FixedPopulation("p", "lif", (1,), threshold=np.asarray(3)), 3, first=0)
    result = nd.run(network, [[5]], engine="reference", record=("u", "v"))
    assert result.v["p"].min() == -(STATE_LIMIT - 1)
    bounds = state_bounds(network)["p"]
    assert (bounds.u, bounds.v_low) == (254 * 15 << 13, STATE_LIMIT - 1)
    assert not bounds.exact


def test_a_readout_that_could_pass_the_limit_by_wrapping_is_refused() -> None:
    network = one_neuron([-256], 3, FixedPopulation("p", "readout", (1,)), 1, first=0)
    check_ranges(one_neuron([-256], 2, FixedPopulation("p", "readout", (1,)), 1, first=0))
    wraps = replace(network, projections=(replace(network.projections[0], weight_exp=6),))
    assert nd.run(wraps, [[9]], engine="reference", record=("u",)).u["p"].max() > 0
    with pytest.raises(RangeError, match=r"p: v can reach 15,728,640 in 1 timesteps, but hardware spikes above"):
        check_ranges(wraps)


def followed(population: FixedPopulation, a_in: int, timesteps: int) -> tuple[int, int]:
    """(largest u, largest v) of one neuron that always gets a_in, step by step, as if nothing reset a readout."""
    u = v = top_u = top_v = np.zeros(1, np.int64)
    ceiling = 2**50 if population.kind == "readout" else int(population.threshold) << 6
    for _ in range(timesteps):
        u = decayed(u, population.u_decay) + (a_in << ACTIVATION_SHIFT)
        v = decayed(v, population.v_decay) + u + population.shifted_bias
        top_u, top_v = np.maximum(top_u, u), np.maximum(top_v, v)
        u, v = np.minimum(u, np.clip(u - 2 * STATE_LIMIT, STATE_LIMIT, 2**50)), np.minimum(v, ceiling)
    return int(top_u[0]), int(top_v[0])


@given(
    st.integers(0, 2**22),
    st.sampled_from([1, 2, 3, 4, 5, 16, 100]),
    st.sampled_from([0, 1, 77, 2048, 4095, 4096]),
    st.sampled_from([0, 1, 77, 2048, 4096]),
    st.sampled_from([0, 900, 131_071, NEVER]),
    st.booleans(),
)
@settings(max_examples=300)
def test_bounds_taken_at_once_are_those_of_every_timestep(
    a_in: int, timesteps: int, u_decay: int, v_decay: int, threshold: int, cut: bool
) -> None:
    kind = "readout" if threshold == NEVER else "lif"
    parameters = (np.asarray(number) for number in (threshold, u_decay, v_decay))
    population = FixedPopulation("p", kind, (1,), np.array([31]), *parameters)
    received = Reach(np.array([0]), np.array([a_in]), a_in)
    with pytest.MonkeyPatch.context() as patch:
        if cut:
            patch.setattr(analysis, "FOLLOWED", 7)
        bounds = population_bounds(population, received, timesteps)
    u, v = followed(population, a_in, timesteps)
    assert bounds.u >= u
    assert bounds.v >= v
    assert cut or (bounds.u, bounds.v) == (u, v)


@pytest.mark.parametrize("decays", [(4096, 0), (0, 0), (1, 1), (1, 0), (4096, 1)])
def test_no_decay_makes_many_timesteps_slow(decays: tuple[int, int]) -> None:
    parameters = (np.asarray(number) for number in (500, *decays))
    population = FixedPopulation("p", "lif", (256,), np.zeros(256, int), *parameters)
    start = time.perf_counter()
    population_bounds(population, Reach(np.full(256, -9), np.full(256, 9), 9), 65_536)
    assert time.perf_counter() - start < 5


def test_the_bounds_of_a_neuron_that_cannot_wrap_are_its_extremes() -> None:
    population = FixedPopulation("p", "lif", (1,), np.array([7]), np.asarray(90), v_decay=np.asarray(2048))
    network = one_neuron([4, -2], 1, population, 2, first=0)
    bounds = state_bounds(network)["p"]
    assert (bounds.a_in, bounds.u, bounds.v, bounds.v_low) == (120, 7680, (90 << 5) + 7680 + 448, 3840 + 1920)


@given(st.integers(0, 2**31), st.integers(-8, 7), st.booleans(), st.booleans())
@settings(max_examples=60)
def test_no_synaptic_input_leaves_its_interval_with_delays_signs_and_exponents(
    seed: int, exponent: int, apart: bool, signed: bool
) -> None:
    rng = np.random.default_rng(seed)
    populations = [FixedPopulation("input", "input", (4,)), FixedPopulation("r", "relay", (3,), rng.integers(-9, 9, 3))]
    populations.append(FixedPopulation("p", "lif", (3,), threshold=np.asarray(9)))
    sign = rng.integers(-1, 2, 3) if signed else None

    def to(source: str, target: str, sources: int) -> FixedProjection:
        delay = rng.integers(0, 4, (3, sources)) if apart else rng.integers(0, 3)
        return FixedProjection(source, target, rng.integers(-256, 256, (3, sources)), exponent, delay, sign=sign)

    projections = [
        to("input", "r", 4),
        to("input", "p", 4),
        replace(to("r", "p", 3), weight_exp=-8),
        to("input", "p", 4),
    ]
    network = FixedNetwork(tuple(populations), tuple(projections), 8, GradedEncoding((4,), levels=15, first=-15))
    x = rng.choice([-15, -7, 0, 15], (20, 8, 4))
    result = nd.run(network, x, engine="reference", record=("u", "v"))
    bounds = state_bounds(network)
    assert np.abs(result.v["r"]).max() <= min(bounds["r"].v, largest_spike(network, "r"))
    if bounds["p"].exact:
        assert np.abs(result.u["p"]).max() <= bounds["p"].u <= bounds["p"].a_in << ACTIVATION_SHIFT


def test_samples_that_are_never_0_count_as_0_before_their_delay() -> None:
    populations = FixedPopulation("input", "input", (1,)), FixedPopulation("p", "lif", (1,), threshold=np.asarray(999))
    first = FixedProjection("input", "p", np.array([[-2]]))
    later = FixedProjection("input", "p", np.array([[4]]), delay=np.asarray(1))
    network = FixedNetwork(populations, (first, later), 2, GradedEncoding((1,), levels=9, first=5))
    result = nd.run(network, [[9]], engine="reference", record=("u",))
    assert result.u["p"].reshape(-1).tolist() == [-18 << 6, 18 << 6]
    assert -reach(populations[1], (first, later), {"input": (0, 9)}).low[0] == 18
    assert population_bounds(populations[1], reach(populations[1], (first,), {"input": (0, 9)}), 1).v_low == 18 << 6
    assert state_bounds(network)["p"].v_low >= 18 << 6


def test_partial_sums_are_those_over_all_projections_and_after_their_exponents() -> None:
    population = FixedPopulation("p", "lif", (1,), threshold=np.asarray(9))
    up, down = FixedProjection("a", "p", np.array([[4, 2]]), 2), FixedProjection("a", "p", np.array([[-6, -10]]))
    sent = {"a": (0, 1)}
    assert [reach(population, of, sent).partial for of in ((up,), (down,), (up, down), (down, down))] == [
        24,
        16,
        24,
        32,
    ]
    assert reach(population, (replace(up, weight_exp=-2),), sent).partial == 6


def test_relays_far_beyond_their_register_are_refused_and_not_forgotten() -> None:
    """Their sums leave 64 bits: 2^15 times as large from each to the next."""
    names = [f"r{index}" for index in range(8)]
    last = FixedPopulation("last", "readout", (1,), u_decay=np.asarray(0))
    relays = (FixedPopulation(name, "relay", (1,)) for name in names)
    populations = (FixedPopulation("input", "input", (1,)), *relays, last)
    steps = itertools.pairwise(("input", *names, "last"))
    projections = tuple(FixedProjection(a, b, np.array([[-256]]), 7) for a, b in steps)
    network = FixedNetwork(populations, projections, 9, GradedEncoding((1,)))
    sent = [largest_spike(network, name) for name in names]
    assert sent[0] == 255 << 15
    assert sent == sorted(sent)
    assert sent[-1] >= 2**53
    assert state_bounds(network)["last"].u == (2**54 << 6) + 2**50
    with pytest.raises(RangeError, match="r1: can send 273,804,165,120; a graded spike holds"):
        check_ranges(network)


@pytest.mark.parametrize(("x", "end"), [(15.5, 15), (-0.5, 0)])
def test_samples_half_a_step_out_of_range_count_as_its_ends(x: float, end: int) -> None:
    integers = GradedEncoding((20,), levels=15)
    encoding = BiasEncoding("p", (20,), np.full((1, 20), 10.0), np.zeros(1), integers)
    np.testing.assert_array_equal(integers.encode(np.full((1, 20), x)), np.full((1, 20), end))
    np.testing.assert_array_equal(integers.model_units(np.full((1, 20), x)), np.full((1, 20), float(end)))
    assert encoding.encode(np.full((1, 20), x)).tolist() == [[200 * end]]
    assert encoding.reach == 3001


# --- populations that feed themselves


def circle(*projections: FixedProjection, shape: tuple[int, ...] = (6, 1, 1), last: int = 2) -> FixedNetwork:
    """input -> a and b, which feed each other as given -> out."""
    flat = shape[0] * shape[1] * shape[2]
    populations = (
        FixedPopulation("input", "input", (2,)),
        FixedPopulation("a", "lif", shape, threshold=np.asarray(20)),
        FixedPopulation("b", "lif", shape, threshold=np.asarray(20)),
        FixedPopulation("out", "lif", (last,), threshold=np.asarray(2)),
    )
    entering = [FixedProjection("input", name, 2 * np.ones((flat, 2), int)) for name in "ab"]
    return FixedNetwork(populations, (*entering, *projections), 4, GradedEncoding((2,), levels=15))


def one_to_one(
    source: str, target: str, *windows: tuple[int, int] | None, shape: tuple[int, ...] = (6, 1, 1)
) -> Geometry:
    ends = dict(zip(("source_channels", "target_channels"), windows, strict=False))
    return FixedProjection(source, target, np.asarray(20), geometry=Geometry("one-to-one", shape, shape, **ends))


@pytest.mark.parametrize(
    ("projections", "said"),
    [
        ((one_to_one("a", "a"),), r"projections form a cycle \(a -> a\); only feed-forward networks run"),
        ((one_to_one("a", "b"), one_to_one("b", "a")), r"projections form a cycle \([ab] -> [ab] -> [ab]\)"),
        ((one_to_one("a", "a", (0, 2), (0, 2)),), r"projections form a cycle \(a#0 -> a#0\)"),
        ((one_to_one("a", "b"), one_to_one("b", "a", (0, 2), (0, 2))), r"projections form a cycle \([ab]#0 -> "),
        ((one_to_one("a", "a", (0, 5), (1, 6)),), r"projections form a cycle \(a#1 -> a#1\)"),
        ((one_to_one("b", "a"),), "a: comes before 'b', which feeds it"),
        ((one_to_one("b", "b", (0, 3), (3, 6)), one_to_one("b", "a")), "a: comes before 'b', which feeds it"),
    ],
)
def test_cycles_that_no_cut_opens_are_refused(projections: tuple[FixedProjection, ...], said: str) -> None:
    with pytest.raises(UnsupportedError, match=said):
        circle(*projections)


def test_a_float_network_that_is_a_cycle_is_refused() -> None:
    populations = tuple(Population(name, "lif", (2,), np.zeros(2)) for name in "ab")
    projections = Projection("a", "b", np.eye(2)), Projection("b", "a", np.eye(2))
    with pytest.raises(UnsupportedError, match=r"projections form a cycle \([ab] -> [ab] -> [ab]\); only feed-forward"):
        Network(populations, projections, 2, GradedEncoding((2,)))


def test_a_cut_source_of_more_channels_than_its_dense_target_has_neurons_runs() -> None:
    readout = FixedProjection("a", "out", 20 * np.ones((2, 6), int), geometry=Geometry("dense", (6, 1, 1), (2,)))
    network = circle(one_to_one("a", "a", (0, 3), (3, 6)), readout)
    pieces = [p for p in network.separated.projections if p.target == "out"]
    assert [(p.source, p.weight.shape) for p in pieces] == [("a#0", (2, 3)), ("a#1", (2, 3))]
    x = samples_for(network, 0)
    runs = run_all(network, x, ["reference", "native"])
    assert_same_run(runs["reference"], runs["native"])
    assert runs["native"].counts["a"].shape == (4, 6)


@pytest.mark.parametrize("kind", ["dense source", "dense target", "channel source", "channel target"])
def test_pieces_of_a_projection_hold_its_rows_or_columns_alone(kind: str) -> None:
    """Weights, delays and signs of either end, where the other end has fewer channels than the cut one."""
    cut, other = (6, 2, 2), (2, 2, 2)
    rng = np.random.default_rng(3)
    shapes = (cut, other) if kind.endswith("source") else (other, cut)
    names = ("a", "z") if kind.endswith("source") else ("z", "a")
    rows, columns = (shape[0] * (4 if kind.startswith("dense") else 1) for shape in reversed(shapes))
    synapses = Geometry("dense", *shapes) if kind.startswith("dense") else Geometry("axial", *shapes, axis="channel")
    delay = rng.integers(0, 3, (rows, columns)) if kind.startswith("dense") else np.asarray(1)
    sign = rng.integers(-1, 2, shapes[1][0] * 4)
    made = FixedProjection(*names, 2 * rng.integers(-9, 9, (rows, columns)), 0, delay, synapses, sign)
    windows = {"source_channels": (0, 2), "target_channels": (4, 6)}
    loop = FixedProjection("a", "a", np.full((2, 2), 4), geometry=Geometry("axial", cut, cut, "channel", **windows))
    populations = [FixedPopulation(*made, threshold=np.asarray(9)) for made in (("a", "lif", cut), ("z", "lif", other))]
    if names[0] == "z":
        populations.reverse()
    populations.insert(0, FixedPopulation("input", "input", (1,)))
    network = FixedNetwork(tuple(populations), (made, loop), 2, SpikeEncoding((1,)))
    pieces = [p for p in network.separated.projections if "z" in (p.source, p.target)]
    assert len(pieces) == 3
    whole = dict(made.by_delay)
    cuts = [slice(0, 8), slice(8, 16), slice(16, 24)]
    for piece, part in zip(pieces, cuts, strict=True):
        for number, matrix in piece.by_delay:
            block = whole[number].toarray()
            np.testing.assert_array_equal(matrix.toarray(), block[:, part] if names[0] == "a" else block[part])


@pytest.mark.parametrize("name", ["a#0", "x#1", "#"])
def test_names_that_mark_parts_are_refused_where_populations_are_cut(name: str) -> None:
    network = circle(one_to_one("a", "a", (0, 3), (3, 6)), FixedProjection("b", "out", np.full((2, 6), 2)))
    renamed = (*network.populations[:-1], replace(network.output, name=name))
    projections = tuple(replace(p, target=name) if p.target == "out" else p for p in network.projections)
    with pytest.raises(
        UnsupportedError, match=f"{name}: holds '#', which marks the parts of populations.*\nhint: give"
    ):
        replace(network, populations=renamed, projections=projections)


def test_results_of_a_network_without_cuts_keep_names_that_look_like_parts() -> None:
    populations = tuple(Population(name, "input" if name == "x" else "lif", (2,), np.zeros(2)) for name in ("x", "a#0"))
    network = Network(populations, (Projection("x", "a#0", np.eye(2)),), 2, GradedEncoding((2,)))
    assert list(nd.run(network, np.ones((1, 2), int)).counts) == ["a#0"]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        (
            BiasEncoding("a", (6,), np.asarray(1.0), np.asarray(0.0)),
            "a: input by bias into a population that feeds its ",
        ),
        (SpikeEncoding((6,)), "a: input into a population that feeds its own later channels is not supported"),
    ],
)
def test_input_into_a_population_that_is_cut_is_refused(encoding: BiasEncoding | SpikeEncoding, said: str) -> None:
    loop = one_to_one("a", "a", (0, 3), (3, 6))
    with pytest.raises(UnsupportedError, match=said):
        FixedNetwork((FixedPopulation("a", "lif", (6, 1, 1), threshold=np.asarray(9)),), (loop,), 2, encoding)


def test_relays_that_feed_their_own_later_channels_have_bounds() -> None:
    relay = FixedPopulation("r", "relay", (4,), np.array([1, 0, 0, -3]))
    half = Geometry("one-to-one", (4,), (4,), source_channels=(0, 2), target_channels=(2, 4))
    populations = FixedPopulation("input", "input", (4,)), relay, FixedPopulation("out", "readout", (1,))
    projections = (
        FixedProjection("input", "r", 2 * np.eye(4, dtype=int)),
        FixedProjection("r", "r", np.asarray(-4), geometry=half),
        FixedProjection("r", "out", np.full((1, 4), 2)),
    )
    network = FixedNetwork(populations, projections, 2, GradedEncoding((4,), levels=15))
    bounds = state_bounds(network)
    assert (largest_spike(network, "r"), bounds["r"].v, bounds["r"].v_low) == (124, 124, 124)
    assert state_bounds(network.separated)["r#1"].v == 124
    result = nd.run(network, [[15, 15, 0, 0]], engine="reference", record=("v",))
    assert result.v["r"][0, 0].tolist() == [31, 30, -124, -123]


def test_populations_of_a_long_network_are_put_in_order_at_once() -> None:
    """3,000 populations behind one that is cut; those that are ready stay in the order in which they stood."""
    count, shape = 3000, (2, 1, 1)
    names = [f"p{index}" for index in range(count)]
    loop = Geometry("one-to-one", shape, shape, source_channels=(0, 1), target_channels=(1, 2))
    populations = (
        FixedPopulation("input", "input", shape),
        *(FixedPopulation(name, "lif", shape, threshold=np.asarray(9)) for name in names),
    )
    steps = zip(names, names[2:], strict=False)
    projections = (
        FixedProjection("p0", "p0", np.asarray(2), geometry=loop),
        *(FixedProjection(a, b, np.asarray(2), geometry=Geometry("one-to-one", shape, shape)) for a, b in steps),
    )
    start = time.monotonic()
    network = FixedNetwork(populations, projections, 1, SpikeEncoding(shape))
    assert [p.name for p in network.separated.populations] == ["input", "p0#0", "p0#1", *names[1:]]
    assert time.monotonic() - start < 5


def test_the_test_graph_spikes_in_every_population() -> None:
    for seed, relay in ((0, True), (1, True), (2, False), (3, False)):
        network = graph(seed, relay=relay)
        counts = nd.run(network, samples_for(network, seed), engine="reference").counts
        assert [p.name for p in network.populations[:-1] if not counts[p.name].sum()] == []
        assert max(p.max_delay for p in network.projections) == seed % 2


# --- shapes


@pytest.mark.parametrize(
    ("kind", "weight", "target", "options", "said"),
    [
        ("conv2d", (2, 3, 3, 3), (2, 4, 4), {}, r"a -> b: weights of shape \(2, 3, 3, 3\) make an output of shape \(2, 2, 2\), the target has \(2, 4, 4\): conv2d synapses from 3x4x4 to 2x4x4"),
        ("conv2d", (2, 3, 5, 5), (2, 1, 1), {}, r"make an output of shape \(2, 0, 0\), the target has \(2, 1, 1\)"),
        ("conv2d", (2, 3), (2, 4, 4), {}, r"weight has shape \(2, 3\); \(2, 3, 1, 1\) is wanted for conv2d synapses"),
        ("axial", (5, 3), (5, 4, 2), {"axis": "channel"}, r"make an output of shape \(5, 4, 4\), the target has \(5, 4, 2\)"),
        ("axial", (8, 16), (2, 2, 4), {"axis": "space"}, r"make an output of shape \(3, 2, 4\), the target has \(2, 2, 4\)"),
        ("one-to-one", (), (3, 2, 8), {}, r"make an output of shape \(3, 4, 4\), the target has \(3, 2, 8\)"),
        ("one-to-one", (3,), (3, 4, 4), {}, r"weight has shape \(3,\); \(\) or \(48,\) is wanted for one-to-one"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_output_the_weights_make(
    kind: str, weight: tuple[int, ...], target: tuple[int, ...], options: dict, said: str
) -> None:
    with pytest.raises(UnsupportedError, match=said):
        FixedProjection("a", "b", np.zeros(weight, int), geometry=Geometry(kind, (3, 4, 4), target, **options))


# --- graphs


def test_a_graph_finds_nodes_and_their_readers_in_order() -> None:
    entry = Input((2,), 1.0, 0.0, 1)
    nodes = tuple(
        Node(name, entry, inputs) for name, inputs in (("a", ()), ("b", ("a", "a")), ("c", ("a", "b")), ("d", ()))
    )
    found = Graph(nodes, 4)
    assert [found.node(name) for name in "abcd"] == list(nodes)
    assert found.readers("a") == nodes[1:3]
    assert found.readers("b") == nodes[2:3]
    assert found.readers("d") == ()
    assert found == Graph(nodes, 4)
    assert replace(found, nodes=nodes[:1]).readers("a") == ()
