"""Each pass: its result, its input untouched, its refusals, and the whole path against the torch model."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import Trained

import neuro_deploy as nd
from neuro_deploy.errors import RangeError, UnsupportedError, UsageError
from neuro_deploy.graph import LIF, BatchNorm, Dense, Graph, Input, Mean, Node, Readout
from neuro_deploy.models import SpikingMLP
from neuro_deploy.network import BiasEncoding, GradedEncoding, Network, Population, Projection, state_bounds
from neuro_deploy.numerics.registers import STATE_LIMIT, WEIGHT
from neuro_deploy.passes import FoldBatchNorm, Lower, Quantize, warnings


def graph() -> Graph:
    rng = np.random.default_rng(3)
    nodes = (
        Node("input", Input((4,), 1 / 16, 0.0, 16)),
        Node("fc.linear", Dense(rng.normal(size=(3, 4)), rng.normal(size=3)), ("input",)),
        Node(
            "fc.bn",
            BatchNorm(*(rng.normal(size=3) for _ in range(3)), rng.uniform(0.5, 2, 3), 1e-5),
            ("fc.linear",),
        ),
        Node("fc.lif", LIF(2.0, 1.0), ("fc.bn",)),
        Node("readout.linear", Dense(rng.normal(size=(2, 3)), rng.normal(size=2)), ("fc.lif",)),
        Node("readout", Readout(), ("readout.linear",)),
    )
    return Graph(nodes, 4)


def test_fold_batch_norm_gives_the_same_function_and_leaves_its_input() -> None:
    before, source = graph(), graph()
    folded = FoldBatchNorm()(source)
    assert [node.name for node in folded.nodes] == ["input", "fc.linear", "fc.lif", "readout.linear", "readout"]
    assert folded.node("fc.lif").inputs == ("fc.linear",)
    x = np.random.default_rng(0).normal(size=4)
    dense, norm = before.node("fc.linear").operator, before.node("fc.bn").operator
    want = norm.gamma * ((dense.weight @ x + dense.bias) - norm.mean) / np.sqrt(norm.var + norm.eps) + norm.beta
    new = folded.node("fc.linear").operator
    np.testing.assert_allclose(new.weight @ x + new.bias, want, rtol=1e-13)
    np.testing.assert_array_equal(source.node("fc.linear").operator.weight, dense.weight)


def test_fold_batch_norm_leaves_a_norm_that_follows_no_weights() -> None:
    nodes = list(graph().nodes)
    nodes[2] = replace(nodes[2], inputs=("input",))
    source = Graph(tuple(nodes), 4)
    assert FoldBatchNorm()(source) == source


def test_lower_refuses_what_it_does_not_know() -> None:
    with pytest.raises(UnsupportedError, match=r"fc\.bn: BatchNorm is not lowered"):
        Lower()(graph())
    nodes = [node for node in FoldBatchNorm()(graph()).nodes if node.name != "readout.linear"]
    nodes.insert(-1, Node("mean", Mean(), ("fc.lif",)))
    nodes[-1] = replace(nodes[-1], inputs=("mean",))
    with pytest.raises(UnsupportedError, match="mean: Mean is not lowered"):
        Lower()(Graph(tuple(nodes), 4))


def test_a_readout_of_spikes_gets_each_neuron_by_one_synapse_of_weight_1() -> None:
    nodes = [node for node in FoldBatchNorm()(graph()).nodes if node.name != "readout.linear"]
    nodes[-1] = replace(nodes[-1], inputs=("fc.lif",))
    network = Lower()(Graph(tuple(nodes), 4))
    assert (network.populations[-1].kind, network.populations[-1].shape) == ("readout", (3,))
    last = network.projections[-1]
    assert (last.name, last.geometry.kind, last.weight.tolist()) == ("fc.lif -> readout", "one-to-one", 1.0)
    result = nd.run(network, np.random.default_rng(1).random((6, 4)), record=("spikes",))
    assert result.spikes["fc.lif"].any()
    np.testing.assert_array_equal(result.outputs, result.spikes["fc.lif"].mean(axis=1))


def test_lower_names_populations_after_the_neuron_modules() -> None:
    network = Lower()(FoldBatchNorm()(graph()))
    assert [(p.name, p.kind, p.shape) for p in network.populations] == [
        ("input", "input", (4,)),
        ("fc.lif", "lif", (3,)),
        ("readout", "readout", (2,)),
    ]


def test_the_float_network_gives_the_spikes_of_the_torch_model_in_float64(trained: Trained) -> None:
    content = torch.load(trained.checkpoint, weights_only=True)
    model = SpikingMLP(**content["config"]).double()
    model.load_state_dict(content["state_dict"])
    model.eval()
    recorded: dict[str, np.ndarray] = {}
    for name in ("fc1.lif", "fc2.lif"):
        model.get_submodule(name).register_forward_hook(
            lambda _module, _input, spikes, name=name: recorded.update({name: spikes.detach().numpy()})
        )
    x = nd.load_data("digits").x
    with torch.no_grad():
        logits = model(torch.tensor(x)).numpy()
    result = nd.run(nd.lower(trained.checkpoint), x, record=("spikes",))
    for name, spikes in recorded.items():
        assert spikes.sum() > 10_000
        np.testing.assert_array_equal(result.spikes[name], spikes, err_msg=name)
    np.testing.assert_allclose(result.outputs, logits, atol=1e-12)


def test_quantize_leaves_its_input_and_fills_the_weight_bits(trained: Trained) -> None:
    network = nd.lower(trained.checkpoint)
    before = copy.deepcopy(network.projections[0].weight)
    fixed, reports = Quantize()(network)
    np.testing.assert_array_equal(network.projections[0].weight, before)
    assert [r.name for r in reports] == ["fc1.lif", "fc2.lif", "readout"]
    for report in reports:
        if report.limited_by.endswith("weights"):
            assert report.weight_bits > 7.9
    for projection in fixed.projections:
        WEIGHT.check(projection.weight, projection.name)
    for name, bounds in state_bounds(fixed).items():
        assert bounds.u < STATE_LIMIT, name
        assert bounds.v_low < STATE_LIMIT, name


def lif_network(weight: np.ndarray, bias: np.ndarray, **neuron: float) -> Network:
    outputs, inputs = weight.shape
    populations = (
        Population("input", "input", (inputs,), np.zeros(inputs)),
        Population("lif", "lif", (outputs,), bias, **neuron),
        Population("readout", "readout", (1,), np.zeros(1)),
    )
    projections = (Projection("input", "lif", weight), Projection("lif", "readout", np.ones((1, outputs))))
    return Network(populations, projections, 3, GradedEncoding((inputs,), 1.0, 0.0, 1))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 7.3, 60.0])
@pytest.mark.parametrize("tau", [1.0, 2.0, 4.0])
def test_the_integer_threshold_falls_where_the_float_one_does(scale: float, tau: float) -> None:
    """Whole multiples of a unit weight: the integer neuron must spike exactly where 64 v reaches 64 k tau threshold."""
    fixed, (report, _) = Quantize()(lif_network(np.full((1, 1), scale), np.zeros(1), tau=tau, v_threshold=1.0))
    population = fixed.population("lif")
    assert report.threshold == population.threshold
    assert report.scale * tau * 64 == pytest.approx(64 * report.threshold + 1, rel=1e-12)
    assert population.v_decay == 4096 / tau


def test_the_input_scaling_and_its_offset_are_folded_into_the_first_layer() -> None:
    weight = np.array([[0.5, -0.25], [0.125, 0.75]])
    network = lif_network(weight, np.array([0.1, -0.2]), tau=2.0)
    shifted = replace(network, encoding=GradedEncoding((2,), 1 / 15, -1.0, 15))
    fixed, (report, _) = Quantize()(shifted)
    q = shifted.encoding.encode([[0.0, -0.5]])[0]
    x = -1.0 + q / 15
    exact = report.scale * (weight @ x + [0.1, -0.2])
    whole = fixed.projections[0].weight @ q + fixed.population("lif").bias
    assert np.abs(whole - exact).max() <= q.sum() + 1


def test_input_by_bias_leaves_the_first_weights_to_the_host() -> None:
    network = lif_network(np.array([[1.0, -2.0]]), np.array([0.5]), tau=2.0)
    fixed, (report, _) = Quantize("bias")(network)
    assert isinstance(fixed.encoding, BiasEncoding)
    assert fixed.entry == "lif"
    assert [p.name for p in fixed.populations] == ["lif", "readout"]
    np.testing.assert_array_equal(fixed.encode([[1.0, 0.0]]), [[round(1.5 * report.scale)]])


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 1e3])
def test_any_size_of_weights_is_scaled_into_the_registers(size: float) -> None:
    rng = np.random.default_rng(0)
    fixed, _ = Quantize()(lif_network(size * rng.normal(size=(5, 7)), size * rng.normal(size=5), v_threshold=size))
    assert all(max(bounds.u, bounds.v_low) < STATE_LIMIT for bounds in state_bounds(fixed).values())
    assert 64 < np.abs(fixed.projections[0].weight).max() <= 256


def test_weights_far_above_the_threshold_are_refused() -> None:
    with pytest.raises(RangeError, match="lif: positive weights are so large beside the firing threshold"):
        Quantize()(lif_network(np.full((1, 1), 1e6), np.zeros(1)))


def test_a_decay_that_12_bits_do_not_hold_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"lif: tau 3 needs a decay of 1365\.33 parts of 4096"):
        Quantize()(lif_network(np.ones((1, 1)), np.zeros(1), tau=3.0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_float_network_refuses_what_is_not_finite(value: float) -> None:
    with pytest.raises(RangeError, match="weight holds NaN or infinity"):
        lif_network(np.array([[value]]), np.zeros(1))


@pytest.mark.parametrize(("inputs", "bits"), [(32, 5.0), (16, 6.0)])
def test_many_inputs_at_full_range_still_cannot_overflow(inputs: int, bits: float) -> None:
    network = lif_network(np.ones((2, inputs)), np.zeros(2))
    fixed, (report, _) = Quantize()(replace(network, encoding=GradedEncoding((inputs,), 1 / 255, 0.0, 255)))
    assert report.limited_by == "24-bit states"
    assert report.weight_bits >= bits - 1
    assert state_bounds(fixed)["lif"].u < STATE_LIMIT


def test_so_many_inputs_that_no_weights_would_be_left_are_refused() -> None:
    network = lif_network(np.ones((2, 784)), np.zeros(2))
    with pytest.raises(
        RangeError, match=r"(?s)lif: the limit of 24-bit states leaves weights of 0.0 bits.*--input bias"
    ):
        Quantize()(replace(network, encoding=GradedEncoding((784,), 1 / 255, 0.0, 255)))


@pytest.mark.parametrize(("bias", "v_threshold", "limit"), [(300.0, 1.0, "bias"), (0.0, 1e5, "threshold")])
def test_weights_that_another_limit_would_shrink_to_nothing_are_refused(
    bias: float, v_threshold: float, limit: str
) -> None:
    network = lif_network(np.array([[0.3, -0.2]]), np.array([bias]), v_threshold=v_threshold)
    with pytest.raises(RangeError, match=f"lif: the limit of {limit} leaves weights of [02].0 bits"):
        Quantize()(network)


def test_an_unknown_way_of_input_is_refused() -> None:
    with pytest.raises(UsageError, match="no input 'Bias'; graded or bias is wanted"):
        Quantize("Bias")  # type: ignore[arg-type]


@pytest.mark.parametrize("timesteps", [4, 64])
@pytest.mark.parametrize("tau", [2.0, 64.0])
def test_input_by_bias_takes_any_number_of_timesteps(timesteps: int, tau: float) -> None:
    network = replace(lif_network(np.array([[1.0, -2.0]]), np.array([0.5]), tau=tau), timesteps=timesteps)
    fixed, _ = Quantize("bias")(network)
    assert state_bounds(fixed)["lif"].v_low < STATE_LIMIT


def test_input_by_bias_needs_a_hidden_layer() -> None:
    populations = (Population("input", "input", (4,), np.zeros(4)), Population("readout", "readout", (2,), np.zeros(2)))
    projections = (Projection("input", "readout", np.ones((2, 4))),)
    with pytest.raises(
        UnsupportedError, match="readout: is fed by the input itself; input by bias needs a hidden layer"
    ):
        Quantize("bias")(Network(populations, projections, 40, GradedEncoding((4,), 1.0, 0.0, 1)))


@pytest.mark.parametrize("v_threshold", [0.37, 1.0, 2.5])
def test_a_float_neuron_and_its_integers_spike_together_at_the_threshold(v_threshold: float) -> None:
    """Weights that k takes to whole numbers: the only difference left is where the threshold falls."""
    probe, (report, _) = Quantize()(lif_network(np.array([[1.0]]), np.zeros(1), tau=1.0, v_threshold=v_threshold))
    threshold = report.threshold
    for above in (-1, 0, 1):
        v = (64 * threshold + 1 + above) / (64 * report.scale)  # tau 1: u is the input itself
        fires_as_float = v >= v_threshold - 1e-12
        fires_as_integer = (64 * threshold + 1 + above) > (int(probe.population("lif").threshold) << 6)
        assert fires_as_float == fires_as_integer


def test_nothing_in_a_network_can_be_changed_in_place() -> None:
    network = lif_network(np.ones((1, 1)), np.zeros(1))
    for array in (network.projections[0].weight, network.populations[1].bias, graph().nodes[1].operator.weight):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    with pytest.raises(TypeError):
        Quantize()(network)[0].meta["x"] = 1


@pytest.mark.parametrize(
    ("fixed", "shifted", "samples", "relays", "tries"),
    [
        (0.1, 0.5, 4, True, None),
        (0.11, None, 360, False, ["training"]),
        (0.5, 0.05, 360, True, ["--skip recompute", "training"]),
        (0.5, 0.4, 4, False, ["--token-norm with more", "--calibrate with more samples: 4", "training"]),
    ],
)
def test_a_warning_names_what_can_help(
    fixed: float, shifted: float | None, samples: int, relays: bool, tries: list[str] | None
) -> None:
    said = warnings(fixed, shifted, samples, relays=relays)
    assert len(said) == (tries is not None)
    for expected, got in zip(tries or [], said[0].split("; try ")[1].split("; ") if said else [], strict=True):
        assert got.startswith(expected)
