"""Graphs into integers: registers, the grid of scales that relays tie together, detached neurons, the input's offset."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import applied, graph_of

import neuro_deploy as nd
from neuro_deploy.engines import RunResult
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.errors import RangeError, UnsupportedError
from neuro_deploy.frontends.mixer_config import MixerConfig
from neuro_deploy.frontends.random_mixer import random_mixer
from neuro_deploy.graph import LIF, Add, Axial, BatchNorm, Conv2d, Dense, Graph, Input, Operator, Readout, Scale
from neuro_deploy.network import (
    FixedNetwork,
    FixedProjection,
    Geometry,
    GradedEncoding,
    Network,
    Population,
    Projection,
    check_ranges,
    state_bounds,
)
from neuro_deploy.numerics.powers import is_power_of_two
from neuro_deploy.numerics.registers import RELAY, STATE_LIMIT, THRESHOLD, THRESHOLD_SHIFT, WEIGHT
from neuro_deploy.passes import Quantize, Skip, lowered
from neuro_deploy.passes.gains import whole_gains
from neuro_deploy.passes.levels import levels
from neuro_deploy.passes.scale import largest_scale, on_threshold

SKIPS: tuple[Skip, ...] = ("relay", "recompute")
SMALL = MixerConfig((8, 12), 2, 2, 6, (1, 2), alpha=2, classes=5)
MIXERS = {
    "token": SMALL,
    "channel": replace(SMALL, norm="channel", timesteps=9),
    "spiking head": replace(SMALL, head="spiking", v_threshold=0.4),
    "partition": replace(SMALL, patch="partition", tau=4.0),
    "every skip": replace(SMALL, skip=frozenset({"PT", "PC", "TC", "CT"})),
    "no skip": replace(SMALL, skip=frozenset(), tau=1.0),
}


def run(network: Network | FixedNetwork, x: np.ndarray) -> RunResult:
    """Spikes, and of integers u and v, of the engine that is the specification."""
    if isinstance(network, Network):
        return nd.run(network, x, record=("spikes",))
    return nd.run(network, x, engine="reference", record=FIELDS)


def relayed(weight: object) -> Projection:
    array = np.asarray(weight, np.float64)
    shape = (array.size,)
    return Projection("relay", "lif", array, Geometry("one-to-one", shape, shape))


@pytest.mark.parametrize("power", range(-7, 15))
def test_a_power_of_two_behind_a_relay_is_exact_and_as_small_as_it_can_be(power: int) -> None:
    weight, exponent = whole_gains(relayed(-(2.0 ** (power - 3))), 8.0)
    assert weight * 2.0**exponent == -(2.0**power)
    assert abs(weight) == 2 if power <= 8 else exponent == 7
    assert (weight.shape, weight.dtype) == ((), np.int64)


def test_powers_of_two_of_different_sizes_share_an_exponent() -> None:
    weight, exponent = whole_gains(relayed([1.0, -4.0, 0.0, 0.25]), 2.0)
    assert (weight.tolist(), exponent) == ([8, -32, 0, 2], -2)
    weight, exponent = whole_gains(relayed([128.0, 2.0**-7]), 1.0)
    assert (weight.tolist(), exponent) == ([128, 0], 0)


@pytest.mark.parametrize("ratio", [0.011, 0.3, 1.0, 77.0, 5000.0])
def test_other_weights_behind_a_relay_fill_the_register(ratio: float) -> None:
    gains = np.append(np.random.default_rng(3).uniform(-3, 3, 40), 0.0)
    weight, exponent = whole_gains(relayed(gains), ratio)
    assert 126 <= np.abs(weight).max() <= 254 or exponent == -8
    assert weight[-1] == 0
    np.testing.assert_array_equal(weight % 2, 0)
    np.testing.assert_array_less(np.abs(weight * 2.0**exponent - ratio * gains), 2.0**exponent + 1e-12)


def test_weights_of_0_behind_a_relay_stay_0() -> None:
    weight, exponent = whole_gains(relayed(np.zeros(3)), 3.0)
    assert (weight.tolist(), exponent) == ([0, 0, 0], 0)


@pytest.mark.parametrize(
    ("weight", "shown"),
    [(2.0**15, r"3\.28e\+04"), (2.0**-8, r"0\.00391"), (32_700.0, r"3\.27e\+04"), (0.003, "0.003")],
)
def test_weights_behind_a_relay_that_no_exponent_reaches_are_refused(weight: float, shown: str) -> None:
    said = (
        rf"(?s)relay -> lif: needs weights of {shown} between integers, beyond what 8 bits and an exponent of -8 to 7"
    )
    with pytest.raises(RangeError, match=rf"{said} hold.*hint: check the source's batch norms"):
        whole_gains(relayed(weight), 1.0)


def test_a_gain_that_no_exponent_reaches_is_refused_by_its_projection() -> None:
    entry = ("input", Input((2, 3, 3), 1 / 15, 0.0, 15), "")
    z = ("z", Conv2d(np.full((2, 2, 1, 1), 0.5), np.zeros(2)), "input")
    scaled = ("scaled", Scale("channel", np.array([1e6, 3.0]), np.zeros(2)), "z")
    graph = graph_of(entry, z, scaled, ("lif", LIF(2.0, 1.0), "scaled"), ("readout", Readout(), "lif"))
    with pytest.raises(RangeError, match=r"z -> lif: needs weights of 1e\+06 between integers"):
        Quantize()(lowered(graph))


def assert_within(network: FixedNetwork, runs: Sequence[RunResult]) -> None:
    """No number that can occur leaves its register, and none that occurred leaves what was proven."""
    for projection in network.projections:
        WEIGHT.check(projection.weight, projection.name)
        if projection.sign is not None:
            assert projection.weight.min() >= -254
    bounds = state_bounds(network)
    for population in network.computed:
        name, bound = population.name, bounds[population.name]
        if population.kind == "relay":
            assert bound.v <= RELAY.high, name
        else:
            assert bound.u < STATE_LIMIT, name
            assert bound.v_low < STATE_LIMIT, name
        if population.kind == "readout":
            assert bound.v <= THRESHOLD.high << THRESHOLD_SHIFT, name
        for run in runs:
            assert np.abs(run.u[name]).max() <= bound.u, name
            assert -run.v[name].min() <= bound.v_low, name
    check_ranges(network)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("token_norm", ["multiply", "shift:3"])
@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("config", MIXERS.values(), ids=MIXERS)
def test_a_random_mixer_fits_its_registers_and_fires_as_before(
    config: MixerConfig, skip: Skip, token_norm: str, seed: int
) -> None:
    network = lowered(random_mixer(config, seed), skip, token_norm)
    fixed, reports = applied(Quantize(), network)
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 256, (4, 2, 8, 12))
    extremes = 255 * rng.integers(0, 2, (4, 2, 8, 12))
    got = run(fixed, levels)
    assert_within(fixed, [got, run(fixed, extremes)])
    want = run(network, levels)
    assert 0.02 < np.mean([spikes.mean() for spikes in want.spikes.values()]) < 0.6
    differing = {name: np.mean(got.spikes[name] != spikes) for name, spikes in want.spikes.items()}
    assert max(differing.values()) < 0.05, differing
    assert [report.name for report in reports] == [population.name for population in fixed.computed]
    assert all(report.weight_bits is None or report.weight_bits >= 6.5 for report in reports)


@pytest.mark.parametrize(("first", "levels"), [(0, 255), (-128, 127)])
def test_an_input_of_full_range_into_large_kernels_cannot_overflow(first: int, levels: int) -> None:
    conv = Conv2d(np.ones((2, 3, 4, 4)), np.zeros(2), (4, 4))
    graph = graph_of(
        ("input", Input((3, 8, 8), 1 / 255, 0.0, levels, first), ""),
        ("h", conv, "input"),
        ("lif", LIF(2.0, 1.0), "h"),
        ("other", LIF(2.0, 3.0), "h"),
        ("both", Add(), "lif other h"),
        ("last", LIF(2.0, 1.0), "both"),
        ("readout", Readout(), "last"),
    )
    for skip in SKIPS:
        fixed, _ = Quantize()(lowered(graph, skip))
        ends = np.stack([np.full((3, 8, 8), first), np.full((3, 8, 8), levels)])
        assert_within(fixed, [run(fixed, ends)])


@pytest.mark.parametrize("token_norm", ["multiply", "shift:2"])
@pytest.mark.parametrize("config", MIXERS.values(), ids=MIXERS)
def test_what_relays_tie_together_stands_on_one_grid_of_scales(config: MixerConfig, token_norm: str) -> None:
    network = lowered(random_mixer(config, 3), "relay", token_norm)
    fixed, reports = Quantize()(network)
    scale = {report.name: report.scale for report in reports}
    kinds = {population.name: population.kind for population in network.populations}
    tied: list[float] = []
    for real, whole in paired(network, fixed):
        if kinds[real.source] != "relay" or not np.all(is_power_of_two(real.weight)):
            continue
        ratio = scale[real.target] / scale[real.source]
        tied += [scale[real.target], scale[real.source]]
        assert is_power_of_two(ratio), real.name
        assert np.all(is_power_of_two(whole.weight)), real.name
        if real.weight.ndim == 0:
            assert abs(whole.weight) == 2, real.name
            assert whole.weight * 2.0**whole.weight_exp == ratio * real.weight, real.name
    assert tied or token_norm == "multiply"
    assert np.all(is_power_of_two(np.array(tied) / (tied or [1.0])[0]))


def paired(network: Network, fixed: FixedNetwork) -> list[tuple[Projection, FixedProjection]]:
    """Projections of the float network and what became of them: of one source and target, in one order."""
    pairs = []
    for population in fixed.populations:
        for source in {projection.source for projection in fixed.inputs_of(population.name)}:
            real, whole = (
                [projection for projection in net.inputs_of(population.name) if projection.source == source]
                for net in (network, fixed)
            )
            pairs += list(zip(real, whole, strict=True))
    assert len(pairs) == len(network.projections)
    return pairs


def test_a_relay_of_many_inputs_at_full_range_stays_within_24_bits() -> None:
    graph = graph_of(
        ("input", Input((300,), 1 / 255, 0.0, 255), ""),
        ("h", Dense(np.ones((4, 300)), np.zeros(4)), "input"),
        ("a", LIF(2.0, 1.0), "h"),
        ("b", LIF(2.0, 3.0), "h"),
        ("readout", Readout(), "a"),
    )
    fixed, reports = Quantize()(lowered(graph))
    assert (reports[0].name, reports[0].limited_by) == ("h", "24-bit states")
    assert RELAY.high / 2.1 < state_bounds(fixed)["h"].v <= RELAY.high
    assert_within(fixed, [run(fixed, np.full((1, 300), 255))])


def test_the_grid_stands_on_a_whole_threshold_of_the_first_neurons() -> None:
    _, reports = Quantize()(lowered(random_mixer(SMALL, 3)))
    scale = {report.name: report.scale for report in reports}
    threshold = (64 * 2.0 * scale["to_patch_embedding.0.0"] - 1) / 64
    assert threshold == pytest.approx(round(threshold), rel=0, abs=1e-9)


def even(seed: int, *shape: int) -> np.ndarray:
    """Even whole numbers from -252 to 252, and one 254."""
    weight = 2.0 * np.random.default_rng(seed).integers(-126, 127, shape)
    weight.flat[0] = 254.0
    return weight


def whole_graph() -> Graph:
    """Residuals of whole even weights, no biases, and thresholds t with 64 tau t = 64 m + 1: k is 1 everywhere."""

    def neuron(m: int) -> LIF:
        return LIF(2.0, (64 * m + 1) / 128)

    return graph_of(
        ("input", Input((3, 4, 2), 1.0, 0.0, 3), ""),
        ("h", Conv2d(even(1, 4, 3, 3, 3), np.zeros(4), (1, 1), (1, 1)), "input"),
        ("a", neuron(300), "h"),
        ("b", neuron(170), "h"),
        ("token", Axial("channel", even(2, 4, 4), np.zeros(4)), "a"),
        ("t", Add(), "h token b"),
        ("c", neuron(410), "t"),
        ("d", neuron(90), "t"),
        ("rows", Axial("height", even(3, 4, 4), np.zeros(4)), "c"),
        ("columns", Axial("width", even(4, 2, 2), np.zeros(2)), "d"),
        ("e", neuron(200), "rows"),
        ("last", Add(), "t rows columns h"),
        ("f", neuron(333), "last"),
        ("out", Dense(even(5, 5, 32), np.zeros(5)), "f"),
        ("readout", Readout(), "out"),
        timesteps=6,
    )


def test_relays_and_repeated_sums_give_the_same_integers_where_their_scales_agree() -> None:
    x = np.random.default_rng(6).integers(0, 4, (16, 3, 4, 2))
    runs = {}
    for skip in SKIPS:
        fixed, reports = Quantize()(lowered(whole_graph(), skip))
        assert [report.scale for report in reports] == [1.0] * len(reports)
        assert ("relay" in {population.kind for population in fixed.populations}) is (skip == "relay")
        runs[skip] = run(fixed, x)
    want, got = runs["recompute"], runs["relay"]
    assert set(want.v) == set("abcdef") | {"readout"}
    for name in want.v:
        np.testing.assert_array_equal(got.u[name], want.u[name], err_msg=name)
        np.testing.assert_array_equal(got.v[name], want.v[name], err_msg=name)
        np.testing.assert_array_equal(got.spikes[name], want.spikes[name], err_msg=name)
        assert name == "readout" or 0.02 < want.spikes[name].mean() < 0.9, name
    np.testing.assert_array_equal(got.outputs, want.outputs)


def test_whole_weights_give_the_spikes_of_the_float_network() -> None:
    """With k = 1 and nothing rounded, integers do what float64 does, up to halving, which truncates toward zero."""
    network = lowered(whole_graph())
    still = replace(network, timesteps=1)
    fixed, _ = Quantize()(still)
    x = np.random.default_rng(6).integers(0, 4, (16, 3, 4, 2))
    want, got = run(still, x), run(fixed, x)
    for name, spikes in want.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], spikes, err_msg=name)


def normed(gamma: np.ndarray, beta: np.ndarray) -> Graph:
    """A norm per position of 3 x 2, behind weights of 4 to 8 channels over spikes, that goes into neurons ``b``."""
    rng = np.random.default_rng(14)
    norm = BatchNorm(gamma, beta, rng.normal(size=6), rng.uniform(0.5, 1.5, 6), 1e-5, "space")
    return graph_of(
        ("input", Input((4, 3, 2), 1 / 15, 0.0, 15), ""),
        ("conv", Conv2d(rng.normal(size=(4, 4, 3, 3)), rng.normal(size=4), (1, 1), (1, 1)), "input"),
        ("a", LIF(2.0, 0.5), "conv"),
        ("linear", Axial("channel", rng.normal(size=(8, 4)), rng.normal(size=8)), "a"),
        ("norm", norm, "linear"),
        ("b", LIF(2.0, 0.5), "norm"),
        ("out", Dense(rng.normal(size=(3, 48)), rng.normal(size=3)), "b"),
        ("readout", Readout(), "out"),
        timesteps=8,
    )


def test_neurons_of_tiny_gains_are_detached_and_take_no_bits_from_the_others() -> None:
    gamma = np.array([1.3, 1e-6, 0.9, -1e-7, 0.0, 2e-6])
    beta = np.array([0.1, 0.77, -0.1, -0.3, 0.66, 0.01])
    network = lowered(normed(gamma, beta))
    fixed, reports = applied(Quantize(), network)
    report = next(report for report in reports if report.name == "b")
    assert report.detached == 8 * 3
    assert report.weight_bits is not None
    assert report.weight_bits > 6 - 0.1
    (before,), (after,) = network.inputs_of("b"), fixed.inputs_of("b")
    sign = np.tile(np.sign(gamma), 8)
    np.testing.assert_array_equal(before.sign, sign)
    np.testing.assert_array_equal(after.sign, np.where(np.tile(np.abs(gamma) > 1e-3, 8), sign, 0))
    x = np.random.default_rng(15).integers(0, 16, (30, 4, 3, 2))
    want, got = (run(net, x).spikes["b"].reshape(30, 8, 8, 6) for net in (network, fixed))
    for position, fires in ((1, True), (3, False), (4, True), (5, False)):
        assert want[..., position].any() == fires
        np.testing.assert_array_equal(got[..., position], want[..., position])
    assert 0.05 < want[..., [0, 2]].mean() < 0.95
    assert np.mean(want != got) < 0.02
    real, whole = network.population("b"), fixed.population("b")
    drive = (real.bias / np.asarray(real.v_threshold)).reshape(8, 6)
    kept = (whole.bias / whole.threshold).reshape(8, 6)
    np.testing.assert_allclose(kept[:, [1, 3, 5]] * 2.0, drive[:, [1, 3, 5]], rtol=2e-3)


@pytest.mark.parametrize(
    ("gain", "limited_by", "detached"),
    [(1.0, "weights", 0), (4e-4, "threshold", 0), (1.5e-4, "threshold", 0), (4e-5, "threshold", 8)],
)
def test_a_small_gain_first_costs_bits_then_its_neurons_their_unit_then_their_synapses(
    gain: float, limited_by: str, detached: int
) -> None:
    gamma = np.array([1.3, 1.1, 0.9, gain, 1.0, 1.2])
    fixed, reports = Quantize()(lowered(normed(gamma, np.array([0.1, 0.1, 0.1, 0.0, 0.1, 0.1]))))
    report = next(report for report in reports if report.name == "b")
    assert report.limited_by.endswith(limited_by)
    assert report.detached == detached
    full = next(r for r in Quantize()(lowered(normed(np.ones(6), np.zeros(6))))[1] if r.name == "b").scale
    assert (report.scale < 0.99 * full) == (limited_by == "threshold")
    assert report.scale >= full / 4 * 0.99
    population = fixed.population("b")
    assert (population.threshold.max() == THRESHOLD.high) == (limited_by == "threshold")


def test_no_neuron_is_detached_where_gains_are_alike() -> None:
    _, reports = Quantize()(lowered(random_mixer(replace(SMALL, norm="channel"), 3)))
    assert {report.detached for report in reports} == {0}


def chain(*more: Projection) -> Network:
    """Dense layers 6, 9, 7, 3, whose first one's biases limit its scale; and further projections."""
    rng, sizes = np.random.default_rng(17), (6, 9, 7, 3)
    populations = [Population("p0", "input", (6,), np.zeros(6))]
    projections = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        bias = 4 * rng.normal(size=outputs)
        populations.append(Population(f"p{index}", "readout" if index == 3 else "lif", (outputs,), bias))
        projections.append(Projection(f"p{index - 1}", f"p{index}", rng.normal(size=(outputs, inputs))))
    return Network(tuple(populations), (*projections, *more), 4, GradedEncoding((6,), 1 / 15, 0.0, 15))


def test_a_chain_of_dense_layers_keeps_its_exponents_at_0() -> None:
    fixed, reports = applied(Quantize(), chain())
    assert [projection.weight_exp for projection in fixed.projections] == [0, 0, 0]
    assert reports[0].limited_by == "bias"
    assert np.abs(fixed.projections[0].weight).max() < 127


def lif_of(weight: np.ndarray) -> Population:
    return Population("lif", "lif", (len(weight),), np.zeros(len(weight)), v_threshold=1e-3)


def test_only_a_chains_weights_reach_down_to_minus_256() -> None:
    """Elsewhere rows may be subtracted, and 256 has no place."""
    weight = np.array([[-1.0, 0.25]])
    synapses = [Projection("p0", "lif", weight)]
    for symmetric, k in ((False, 256.0), (True, 254.0)):
        of = [levels(8, symmetric=symmetric)]
        scale = largest_scale(lif_of(weight), synapses, of, np.zeros(1), 0.0, 0)
        assert (scale.k, scale.limited_by) == (k, "negative weights")
    signed = [Projection("p0", "lif", -weight, sign=np.array([-1], np.int8))]
    of = [levels(8, symmetric=True)]
    assert largest_scale(lif_of(weight), signed, of, np.zeros(1), 0.0, 0).k == 254.0


@pytest.mark.parametrize("firing", [0.3, 1.0, 2.0, 7.77])
@pytest.mark.parametrize("k", [0.9, 1.0, 64.0, 250.1, 1e6])
def test_a_scale_never_grows_when_its_threshold_becomes_whole(k: float, firing: float) -> None:
    made = on_threshold(k, firing)
    threshold = (64 * made * firing - 1) / 64
    if 64 * k * firing < 65:
        assert made == k
        return
    assert made <= k
    assert threshold == pytest.approx(round(threshold), rel=0, abs=1e-9 * max(1.0, threshold))
    assert round(threshold) == min(np.floor((64 * k * firing - 1) / 64), 131_071)


def test_other_networks_fill_every_register_whatever_limits_the_scale() -> None:
    fixed, reports = applied(Quantize(), chain(Projection("p1", "p3", np.full((3, 9), 0.1))))
    assert reports[0].limited_by == "bias"
    assert all(np.abs(projection.weight).max() > 126 for projection in fixed.projections[:3])
    assert fixed.projections[0].weight_exp < 0
    whole = fixed.projections[0]
    np.testing.assert_allclose(
        whole.weight * 2.0**whole.weight_exp,
        reports[0].scale * chain().projections[0].weight / 15,
        rtol=0,
        atol=2.0**whole.weight_exp,
    )


def first_layer(operator: Operator, *more: str, entry: Input | None = None) -> Graph:
    """An operator on an image of 2 channels, read by ``lif`` and, where more is given, other neurons."""
    others = [(name, LIF(2.0, 0.7), "first") for name in more]
    return graph_of(
        ("input", entry or Input((2, 4, 5), 1 / 15, 0.0, 15), ""),
        ("first", operator, "input"),
        ("lif", LIF(2.0, 1.0), "first"),
        *others,
        ("readout", Readout(), "lif"),
    )


def conv() -> Conv2d:
    rng = np.random.default_rng(19)
    return Conv2d(rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3), (2, 1), (1, 1))


def test_input_by_bias_into_a_convolution_is_refused() -> None:
    said = (
        r"(?s)lif: is fed by the input and more, or through shared weights; input by bias needs one dense layer there"
        r".*hint: --input graded"
    )
    with pytest.raises(UnsupportedError, match=said):
        Quantize("bias")(lowered(first_layer(conv())))


def test_input_by_bias_into_a_relay_is_refused() -> None:
    said = "first: is fed by the input itself; input by bias needs a layer of LIF neurons there, with --input graded"
    with pytest.raises(UnsupportedError, match=said):
        Quantize("bias")(lowered(first_layer(conv(), "other")))
    with pytest.raises(UnsupportedError, match="lif: is fed by the input and more"):
        Quantize("bias")(lowered(first_layer(conv(), "other"), "recompute"))


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize(("low", "first", "levels"), [(0.5, 0, 15), (-1.0, 0, 30), (0.25, -20, 11), (0.0, -20, 20)])
def test_the_inputs_offset_goes_into_the_bias_of_a_padded_convolution(
    low: float, first: int, levels: int, skip: Skip
) -> None:
    """Padding holds 0 in the model's units, so that ``W low`` is less where the kernel leaves the image."""
    entry, operator = Input((2, 4, 5), 0.05, low, levels, first), conv()
    network = lowered(first_layer(operator, "other", entry=entry), skip)
    fixed, reports = applied(Quantize(), network)
    target = "first" if skip == "relay" else "lif"
    scale = next(report.scale for report in reports if report.name == target)
    weight, bias = torch.tensor(operator.weight), torch.tensor(operator.bias)

    def seen(level: int) -> np.ndarray:
        """What the layer makes of an image of one level, in model units."""
        image = torch.full((1, 2, 4, 5), low + 0.05 * level, dtype=torch.float64)
        return torch.nn.functional.conv2d(image, weight, bias, (2, 1), (1, 1)).numpy().reshape(-1)

    population = fixed.population(target)
    np.testing.assert_array_equal(population.bias, np.rint(scale * seen(0)))
    projection = fixed.inputs_of(target)[0]
    step = 2.0**projection.weight_exp
    for level in (first, 0, levels):
        sums = projection.geometry.apply(projection.weight * step, float(level))
        worst = abs(level) * 18 * step + 0.5
        np.testing.assert_allclose(sums + population.bias, scale * seen(level), rtol=0, atol=worst)
    if low:
        assert len(np.unique(population.bias)) > 3, "the border's bias differs from that inside"
    levels_of = np.random.default_rng(23).integers(first, levels + 1, (40, 2, 4, 5))
    want, got = (run(net, levels_of).spikes["lif"] for net in (network, fixed))
    assert 0.05 < want.mean() < 0.95
    assert np.mean(want != got) < 0.02


def test_the_inputs_offset_takes_the_sign_of_its_neurons() -> None:
    entry, operator = Input((2, 4, 5), 0.05, -1.0, 30), conv()
    gamma = np.array([1.2, -0.7])
    norm = BatchNorm(gamma, np.array([0.3, 0.4]), np.zeros(2), np.ones(2), 1e-5, "height")
    graph = graph_of(
        ("input", entry, ""),
        ("first", operator, "input"),
        ("norm", norm, "first"),
        ("lif", LIF(2.0, 1.0), "norm"),
        ("readout", Readout(), "lif"),
    )
    network = lowered(graph)
    fixed, reports = Quantize()(network)
    arrays = (
        torch.full((1, 2, 4, 5), -1.0, dtype=torch.float64),
        torch.tensor(operator.weight),
        torch.tensor(operator.bias),
    )
    dark = torch.nn.functional.conv2d(*arrays, stride=(2, 1), padding=(1, 1)).numpy()[0]
    gain = norm.gain[:, None]
    current = np.sign(gain) * dark + norm.offset[:, None] / np.abs(gain)
    np.testing.assert_array_equal(fixed.population("lif").bias, np.rint(reports[0].scale * current.reshape(-1)))
    x = np.random.default_rng(23).integers(0, 31, (40, 2, 4, 5))
    want, got = (run(net, x).spikes["lif"] for net in (network, fixed))
    assert 0.05 < want.mean() < 0.95
    assert np.mean(want != got) < 0.02


def test_gains_too_small_for_a_weight_vanish_and_a_residual_must_not() -> None:
    weight, exponent = whole_gains(relayed(np.array([1e-6, 2e-6, 0.0])), 1.0)
    assert (weight.tolist(), exponent) == ([0, 0, 0], -8)
    weight, _ = whole_gains(relayed(np.array([1.0, 1e-6, 0.5])), 1.0)
    assert weight.tolist()[1] == 0


@pytest.mark.parametrize("timesteps", [100, 1000, 65_536])
def test_a_readout_over_many_timesteps_is_scaled_or_refused_at_once(timesteps: int) -> None:
    network = lowered(replace(random_mixer(MIXERS["channel"]), timesteps=timesteps))
    start = time.perf_counter()
    if timesteps == 65_536:
        with pytest.raises(RangeError, match=r"(?s)readout: the limit of 24-bit states leaves .*: fewer --timesteps"):
            Quantize()(network)
    else:
        fixed, reports = Quantize()(network)
        check_ranges(fixed)
        assert reports[-1].worst_v > 0.99 * (THRESHOLD.high << THRESHOLD_SHIFT)
    assert time.perf_counter() - start < 10
