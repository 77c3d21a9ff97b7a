"""Operators into populations and projections: the float network computes what the graph computes, spike by spike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import applied, graph_of, graph_values

import neuro_deploy as nd
from neuro_deploy.errors import UnsupportedError, UsageError
from neuro_deploy.frontends.mixer_config import MixerConfig
from neuro_deploy.frontends.random_mixer import random_mixer
from neuro_deploy.graph import (
    LIF,
    Add,
    Axial,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Graph,
    Input,
    Mean,
    Operator,
    Readout,
    Scale,
)
from neuro_deploy.graph.operators import Axis
from neuro_deploy.network import Network
from neuro_deploy.numerics.powers import is_power_of_two
from neuro_deploy.passes import Lower, Skip, TokenNorm, lowered
from neuro_deploy.passes.duplicates import Alias, duplicates

IMAGE = Input((4, 3, 2), 1 / 16, 0.0, 16)
NEURON = LIF(2.0, 0.5)
SKIPS: tuple[Skip, ...] = ("relay", "recompute")
AXES: tuple[Axis, ...] = ("channel", "height", "width", "space")


class Random:
    """Operators with random numbers, one after the other from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def conv(self, outputs: int, inputs: int, kernel: int = 3, stride: int = 1, padding: int = 1) -> Conv2d:
        weight = self.rng.normal(size=(outputs, inputs, kernel, kernel))
        return Conv2d(weight, self.rng.normal(size=outputs), (stride, stride), (padding, padding))

    def axial(self, axis: Axis, outputs: int, inputs: int) -> Axial:
        return Axial(axis, self.rng.normal(size=(outputs, inputs)), self.rng.normal(size=outputs))

    def dense(self, outputs: int, inputs: int) -> Dense:
        return Dense(self.rng.normal(size=(outputs, inputs)), self.rng.normal(size=outputs))

    def scale(self, axis: Axis, size: int, terms: int | None = None) -> Scale:
        return Scale(axis, self.rng.normal(size=size), self.rng.normal(size=size), terms)

    def neuron(self, axis: Axis, size: int) -> LIF:
        """A neuron with a threshold, a sign and an offset per position."""
        threshold, offset = self.rng.uniform(0.3, 1, size), self.rng.uniform(0, 1, size)
        return LIF(2.0, threshold, axis, np.resize([1.0, -1.0, 0.0, 1.0], size), offset)


def agreed(graph: Graph, skip: Skip) -> Network:
    """The network, once its spikes and its outputs are the graph's."""
    network = applied(Lower(skip), graph)
    x = np.random.default_rng(8).random((6, *network.encoding.shape))
    want, got = graph_values(graph, x), nd.run(network, x, record=("spikes",))
    for population in network.populations:
        if population.kind == "lif":
            spikes = want[population.name]
            assert 0 < spikes.mean() < 1, population.name
            np.testing.assert_array_equal(got.spikes[population.name], spikes, err_msg=population.name)
    np.testing.assert_allclose(got.outputs, want[graph.nodes[-1].name].reshape(6, -1), rtol=0, atol=1e-12)
    return network


def named(network: Network) -> list[tuple[str, str]]:
    return [(population.name, population.kind) for population in network.populations]


def sources(network: Network, target: str) -> list[tuple[str, str, object, object]]:
    """(source, kind, its channels, the target's channels) of the projections into a population."""
    rows = [(p.source, p.geometry) for p in network.inputs_of(target)]
    return [(source, g.kind, g.source_channels, g.target_channels) for source, g in rows]


def pieces(operator: Operator) -> Graph:
    """Weights over the image and two populations of neurons, side by side: 9 channels."""
    made = Random(21)
    return graph_of(
        ("input", IMAGE, ""),
        ("conv", made.conv(3, 4), "input"),
        ("a", NEURON, "conv"),
        ("wide", made.conv(2, 4), "input"),
        ("b", NEURON, "wide"),
        ("inner", Concat(), "a b"),
        ("outer", Concat(), "inner input"),
        ("weights", operator, "outer"),
        ("readout", Readout(), "weights"),
    )


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize(
    ("operator", "kind", "split"),
    [
        (Random(1).axial("channel", 5, 9), "axial", False),
        (Random(2).axial("height", 3, 3), "axial", True),
        (Random(3).axial("width", 4, 2), "axial", True),
        (Random(4).axial("space", 6, 6), "axial", True),
        (Random(5).conv(4, 9, stride=2), "conv2d", False),
        (Random(6).dense(7, 54), "dense", False),
        (Random(7).scale("channel", 9), "one-to-one", True),
        (Random(8).scale("space", 6), "one-to-one", True),
    ],
    ids=["channel", "height", "width", "space", "conv2d", "dense", "scale", "scale over space"],
)
def test_weights_meet_each_piece_of_neurons_side_by_side(
    operator: Operator, kind: str, split: bool, skip: Skip
) -> None:
    network = agreed(pieces(operator), skip)
    assert named(network) == [("input", "input"), ("a", "lif"), ("b", "lif"), ("readout", "readout")]
    windows = [(0, 3), (3, 5), (5, 9)] if split else [None] * 3
    assert sources(network, "readout") == [
        (name, kind, None, w) for name, w in zip(("a", "b", "input"), windows, strict=True)
    ]


def sums() -> Graph:
    """h is needed by two neurons and a sum, which two others need; s joins a sum and spikes."""
    made = Random(33)
    return graph_of(
        ("input", IMAGE, ""),
        ("h", made.conv(4, 4), "input"),
        ("a", NEURON, "h"),
        ("b", LIF(2.0, 0.8), "h"),
        ("token", made.axial("channel", 4, 4), "a"),
        ("t", Add(), "h token b"),
        ("c", NEURON, "t"),
        ("d", LIF(2.0, 0.8), "t"),
        ("extra", made.axial("channel", 2, 4), "c"),
        ("s", Concat(), "extra d t"),
        ("e", LIF(2.0, 0.45), "s"),
        ("out", made.dense(5, 60), "e"),
        ("readout", Readout(), "out"),
    )


def test_a_sum_that_several_neurons_need_is_sent_by_a_relay() -> None:
    network = agreed(sums(), "relay")
    assert [(name, kind) for name, kind in named(network) if kind == "relay"] == [("h", "relay"), ("t", "relay")]
    assert sources(network, "t") == [
        ("h", "one-to-one", None, None),
        ("a", "axial", None, None),
        ("b", "one-to-one", None, None),
    ]
    assert sources(network, "e") == [
        ("c", "axial", None, (0, 2)),
        ("d", "one-to-one", None, (2, 6)),
        ("t", "one-to-one", None, (6, 10)),
    ]
    ones = [p.weight.tolist() for p in network.projections if p.geometry.kind == "one-to-one"]
    assert ones == [1.0] * 8
    np.testing.assert_array_equal(network.population("a").bias, 0)
    assert np.any(network.population("h").bias)


def test_a_sum_that_several_neurons_need_is_repeated_for_each() -> None:
    network = agreed(sums(), "recompute")
    assert not [name for name, kind in named(network) if kind == "relay"]
    again = [("input", "conv2d"), ("a", "axial"), ("b", "one-to-one")]
    for name in ("c", "d"):
        assert [(source, kind) for source, kind, _, _ in sources(network, name)] == again
    assert sources(network, "e")[2:] == [(source, kind, None, (6, 10)) for source, kind in again]
    np.testing.assert_array_equal(network.population("a").bias, network.population("b").bias)


def test_both_ways_send_the_same_spikes() -> None:
    x = np.random.default_rng(9).random((20, 4, 3, 2))
    relay, recompute = (nd.run(lowered(sums(), skip), x, record=("spikes",)) for skip in SKIPS)
    assert set(relay.spikes) == {"a", "b", "c", "d", "e"}
    for name, spikes in recompute.spikes.items():
        np.testing.assert_array_equal(relay.spikes[name], spikes, err_msg=name)
    np.testing.assert_allclose(relay.outputs, recompute.outputs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("skip", SKIPS)
def test_sums_and_spikes_side_by_side_keep_their_channels(skip: Skip) -> None:
    made = Random(35)
    graph = graph_of(
        ("input", IMAGE, ""),
        ("conv", made.conv(3, 4), "input"),
        ("a", NEURON, "conv"),
        ("p", made.axial("channel", 2, 3), "a"),
        ("q", made.conv(5, 4), "input"),
        ("inner", Concat(), "p a"),
        ("outer", Concat(), "q inner"),
        ("readout", Readout(), "outer"),
    )
    assert sources(agreed(graph, skip), "readout") == [
        ("input", "conv2d", None, (0, 5)),
        ("a", "axial", None, (5, 7)),
        ("a", "one-to-one", None, (7, 10)),
    ]


def scales(operator: Scale) -> Graph:
    """A gain on a sum, which is then added to another one."""
    made = Random(40)
    return graph_of(
        ("input", IMAGE, ""),
        ("h", made.conv(4, 4), "input"),
        ("a", NEURON, "h"),
        ("z", made.axial("channel", 4, 4), "a"),
        ("scaled", operator, "z"),
        ("sum", Add(), "h scaled"),
        ("readout", Readout(), "sum"),
    )


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize(("axis", "size"), [("channel", 4), ("height", 3), ("width", 2), ("space", 6)])
def test_a_sum_that_is_scaled_is_sent_by_a_relay_in_any_case(axis: Axis, size: int, skip: Skip) -> None:
    operator = Random(41).scale(axis, size)
    network = agreed(scales(operator), skip)
    relays = [name for name, kind in named(network) if kind == "relay"]
    assert relays == (["h", "z"] if skip == "relay" else ["z"])
    (gain,) = [p.weight for p in network.inputs_of("readout") if p.source == "z"]
    places = {"channel": (4, 1, 1), "height": (1, 3, 1), "width": (1, 1, 2), "space": (1, 3, 2)}
    np.testing.assert_array_equal(gain, np.broadcast_to(operator.gain.reshape(places[axis]), (4, 3, 2)).reshape(-1))


@pytest.mark.parametrize("skip", SKIPS)
def test_a_sum_that_is_scaled_twice_and_needed_elsewhere_has_one_relay(skip: Skip) -> None:
    made = Random(44)
    graph = graph_of(
        ("input", IMAGE, ""),
        ("z", made.conv(4, 4), "input"),
        ("a", NEURON, "z"),
        ("one", made.scale("channel", 4), "z"),
        ("two", made.scale("space", 6), "z"),
        ("sum", Add(), "one two a"),
        ("readout", Readout(), "sum"),
    )
    network = agreed(graph, skip)
    assert [name for name, kind in named(network) if kind == "relay"] == ["z"]
    assert sources(network, "a")[0][:2] == (("z", "one-to-one") if skip == "relay" else ("input", "conv2d"))


@pytest.mark.parametrize("terms", [1, 3])
def test_a_gain_of_powers_of_two_is_that_many_projections_of_powers_of_two(terms: int) -> None:
    exact = Random(41).scale("space", 6)
    gain = np.array([1.0, -0.5, 3.0, 0.0, 1.25, -7.0]) if terms == 3 else np.array([1.0, -0.5, 4.0, 0.0, 2.0, -8.0])
    network = agreed(scales(replace(exact, gain=gain, terms=terms)), "relay")
    gains = [p.weight for p in network.inputs_of("readout") if p.source == "z"]
    assert len(gains) == terms
    assert all(np.all(is_power_of_two(weight)) for weight in gains)
    np.testing.assert_array_equal(np.sum(gains, axis=0), np.tile(gain, 4))


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize(
    "weights",
    [Random(50).conv(4, 4), Random(51).axial("channel", 4, 4), Random(52).axial("width", 2, 2), Add()],
    ids=["conv2d", "axial channel", "axial width", "one-to-one"],
)
@pytest.mark.parametrize(("axis", "size"), [("channel", 4), ("height", 3), ("width", 2), ("space", 6)])
def test_signs_and_thresholds_along_an_axis_reach_every_neuron(
    weights: Operator, axis: Axis, size: int, skip: Skip
) -> None:
    neuron = Random(53).neuron(axis, size)
    graph = graph_of(
        ("input", IMAGE, ""), ("weights", weights, "input"), ("lif", neuron, "weights"), ("readout", Readout(), "lif")
    )
    network = agreed(graph, skip)
    places = {"channel": (4, 1, 1), "height": (1, 3, 1), "width": (1, 1, 2), "space": (1, 3, 2)}
    assert neuron.sign is not None
    sign = np.broadcast_to(neuron.sign.reshape(places[axis]), (4, 3, 2)).reshape(-1)
    (projection,) = network.inputs_of("lif")
    if projection.geometry.kind == "one-to-one":
        np.testing.assert_array_equal(projection.weight, sign)
    else:
        np.testing.assert_array_equal(projection.sign, sign)
    threshold = np.broadcast_to(np.asarray(neuron.v_threshold).reshape(places[axis]), (4, 3, 2)).reshape(-1)
    np.testing.assert_array_equal(network.population("lif").v_threshold, threshold)


def test_signs_of_flat_neurons_reach_every_neuron() -> None:
    neuron = Random(54).neuron("channel", 7)
    graph = graph_of(
        ("input", IMAGE, ""),
        ("weights", Random(55).dense(7, 24), "input"),
        ("lif", neuron, "weights"),
        ("readout", Readout(), "lif"),
    )
    network = agreed(graph, "relay")
    np.testing.assert_array_equal(network.projections[0].sign, neuron.sign)


def cell(inner: LIF = NEURON, *, read: str = "n1 n2") -> Graph:
    """A patch cell: the second part of its state is fed by neurons of the first part, which the whole has once more."""
    made = Random(61)
    return graph_of(
        ("input", IMAGE, ""),
        ("n1", made.conv(2, 4), "input"),
        ("cell.0", inner, "n1"),
        ("own", made.conv(2, 4), "input"),
        ("edge", made.conv(2, 2), "cell.0"),
        ("n2", Add(), "own edge"),
        ("cell.1", inner, "n2"),
        ("h", Concat(), read),
        ("lif", NEURON, "h"),
        ("both", Concat(), "cell.1 lif"),
        ("out", made.axial("channel", 3, 6), "both"),
        ("last", NEURON, "out"),
        ("readout", Readout(), "last"),
    )


def test_neurons_that_do_what_channels_of_others_do_are_found() -> None:
    found = applied(duplicates, cell())
    assert found == {"cell.0": Alias("lif", 0, 2), "cell.1": Alias("lif", 2, 4)}


def test_neurons_of_another_threshold_or_another_input_are_no_duplicates() -> None:
    assert duplicates(cell(LIF(2.0, 0.6))) == {}
    assert duplicates(cell(LIF(4.0, 0.5))) == {}
    assert duplicates(cell(read="own n1")) == {"cell.0": Alias("lif", 2, 4)}


@pytest.mark.parametrize("skip", SKIPS)
def test_duplicates_are_left_out_and_their_originals_are_read(skip: Skip) -> None:
    graph = cell()
    network = agreed(graph, skip)
    assert named(network) == [("input", "input"), ("lif", "lif"), ("last", "lif"), ("readout", "readout")]
    assert sources(network, "lif") == [
        ("input", "conv2d", None, (0, 2)),
        ("input", "conv2d", None, (2, 4)),
        ("lif", "conv2d", (0, 2), (2, 4)),
    ]
    assert sources(network, "last") == [("lif", "axial", (2, 4), None), ("lif", "axial", None, None)]
    kept = agreed(cell(LIF(2.0, 0.6)), skip)
    assert {"cell.0", "cell.1"} < {name for name, _ in named(kept)}


def after_conv(*nodes: tuple[str, Operator, str]) -> Graph:
    return graph_of(("input", IMAGE, ""), ("conv", Random(70).conv(4, 4), "input"), *nodes)


REFUSED: list[tuple[str, Graph, str]] = [
    (
        "weights over a sum",
        after_conv(("more", Random(71).axial("channel", 4, 4), "conv"), ("lif", NEURON, "more")),
        "more: has weights over a sum; only spikes and the input meet weights",
    ),
    (
        "weights over a sum and spikes",
        after_conv(
            ("a", NEURON, "conv"),
            ("both", Concat(), "a conv"),
            ("more", Random(72).axial("channel", 4, 8), "both"),
            ("lif", NEURON, "more"),
        ),
        "more: has weights over a sum; only spikes and the input meet weights",
    ),
    (
        "a batch norm",
        after_conv(
            ("norm", BatchNorm(*np.ones((4, 4)), 1e-5, "channel"), "conv"),
            ("lif", NEURON, "norm"),
        ),
        "norm: BatchNorm is not lowered",
    ),
    (
        "a mean",
        after_conv(("lif", NEURON, "conv"), ("mean", Mean(), "lif"), ("readout", Readout(), "mean")),
        "mean: Mean is not lowered",
    ),
    ("two inputs", after_conv(("second", IMAGE, "")), "the graph has 2 inputs, one is wanted"),
    ("no input", graph_of(), "the graph has 0 inputs, one is wanted"),
    ("a neuron of two values", after_conv(("lif", NEURON, "conv input")), "lif: has 2 inputs"),
    (
        "a sum of other shapes",
        after_conv(("wide", Random(73).conv(5, 4), "input"), ("sum", Add(), "wide conv")),
        r"sum: adds values of shapes \(5, 3, 2\), \(4, 3, 2\)",
    ),
    (
        "other sizes side by side",
        after_conv(("halved", Random(74).conv(4, 4, stride=2), "input"), ("both", Concat(), "halved conv")),
        r"both: joins values of shapes \(4, 2, 1\), \(4, 3, 2\)",
    ),
    (
        "weights that do not fit",
        graph_of(("input", IMAGE, ""), ("conv", Random(75).conv(4, 5), "input")),
        r"conv: has weights of shape \(4, 5, 3, 3\) and biases of shape \(4,\), and is fed a value of \(4, 3, 2\)",
    ),
]


@pytest.mark.parametrize(("graph", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
@pytest.mark.parametrize("skip", SKIPS)
def test_what_has_no_place_among_populations_and_projections_is_refused(graph: Graph, said: str, skip: Skip) -> None:
    with pytest.raises(UnsupportedError, match=said):
        Lower(skip)(graph)


def test_an_unknown_way_of_residuals_is_refused() -> None:
    with pytest.raises(UsageError, match="no skip 'copy'; relay or recompute is wanted"):
        Lower("copy")  # type: ignore[arg-type]


SMALL = MixerConfig((8, 12), 2, 2, 6, (1, 2), alpha=2, classes=5)
MIXERS = [
    SMALL,
    replace(SMALL, norm="channel"),
    replace(SMALL, head="spiking"),
    replace(SMALL, patch="partition", tau=4.0, v_threshold=0.7),
    replace(SMALL, skip=frozenset()),
    replace(SMALL, skip=frozenset({"PT", "PC", "TC", "CT"}), timesteps=7),
    replace(SMALL, skip=frozenset({"TC", "CT"}), depths=(2, 1)),
]


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("config", MIXERS)
def test_a_lowered_mixer_computes_what_its_operators_say(config: MixerConfig, skip: Skip) -> None:
    graph = random_mixer(config, seed=5)
    x = np.random.default_rng(2).random((3, 2, 8, 12))
    network = applied(lambda source: lowered(source, skip), graph)
    want, got = graph_values(graph, x), nd.run(network, x, record=("spikes",))
    aliases = duplicates(graph)
    fired = [node.name for node in graph.nodes if isinstance(node.operator, LIF)]
    assert set(got.spikes) == set(fired) - set(aliases)
    for name in fired:
        alias = aliases.get(name)
        spikes = got.spikes[alias.name][:, :, alias.start : alias.stop] if alias else got.spikes[name]
        np.testing.assert_array_equal(spikes, want[name], err_msg=name)
    assert 0.02 < np.mean([want[name].mean() for name in fired]) < 0.98
    np.testing.assert_allclose(got.outputs, want["readout"], rtol=0, atol=1e-12)


def test_16_powers_of_two_are_as_good_as_the_gain() -> None:
    graph, x = random_mixer(SMALL, seed=5), np.random.default_rng(2).random((3, 2, 8, 12))
    exact, shifts = (nd.run(lowered(graph, token_norm=text), x) for text in ("multiply", "shift:16"))
    np.testing.assert_allclose(shifts.outputs, exact.outputs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("text", "terms"), [("multiply", None), ("shift:1", 1), ("shift:16", 16)])
def test_a_token_norm_is_read_from_its_text(text: str, terms: int | None) -> None:
    assert TokenNorm.parse(text) == TokenNorm(terms)


@pytest.mark.parametrize(
    "text", ["", "shift", "shift:", "shift:0", "shift:17", "shift:-1", "shift:1.5", "shift:²", "Multiply", "multiply:2"]
)
def test_an_unknown_token_norm_is_refused(text: str) -> None:
    said = f"no token norm {text!r}; multiply, or shift:K with K from 1 to 16, is wanted"
    with pytest.raises(UsageError) as error:
        TokenNorm.parse(text)
    assert error.value.what == said
    with pytest.raises(UsageError, match="no token norm"):
        lowered(random_mixer(SMALL), token_norm=text)
