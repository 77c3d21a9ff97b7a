"""The passes that rid a graph of batch norms, means and identity edges: what it computes stays, and so does its source.

Values are compared with the operators' own definitions, in float64; spikes are compared exactly.
"""

from __future__ import annotations

import numpy as np
import pytest
from conftest import applied, graph_of, graph_values

from neuro_deploy.errors import UnsupportedError, UsageError
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
from neuro_deploy.numerics.powers import powers_of_two
from neuro_deploy.passes import FoldBatchNorm, FoldHead, MergeIdentityEdge, NormIntoNeuron, NormToScale

IMAGE = Input((4, 3, 2), 1 / 16, 0.0, 16)
NEURON = LIF(2.0, 0.5)


def samples(count: int = 5) -> np.ndarray:
    return np.random.default_rng(11).random((count, 4, 3, 2))


def norm(size: int, axis: Axis = "channel", seed: int = 1) -> BatchNorm:
    """Random numbers; some gammas are negative."""
    rng = np.random.default_rng(seed)
    return BatchNorm(*(rng.normal(size=size) for _ in range(3)), rng.uniform(0.5, 2, size), 1e-5, axis)


def conv(outputs: int, inputs: int = 4, seed: int = 2, kernel: int = 3, stride: int = 1, padding: int = 1) -> Conv2d:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(outputs, inputs, kernel, kernel))
    return Conv2d(weight, rng.normal(size=outputs), (stride, stride), (padding, padding))


def axial(axis: Axis, outputs: int, inputs: int, seed: int = 3) -> Axial:
    rng = np.random.default_rng(seed)
    return Axial(axis, rng.normal(size=(outputs, inputs)), rng.normal(size=outputs))


def dense(outputs: int, inputs: int, seed: int = 4) -> Dense:
    rng = np.random.default_rng(seed)
    return Dense(rng.normal(size=(outputs, inputs)), rng.normal(size=outputs))


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


def normed(weights: Operator, norm: BatchNorm, neuron: LIF = NEURON) -> Graph:
    return graph_of(
        ("input", IMAGE, ""), ("weights", weights, "input"), ("norm", norm, "weights"), ("lif", neuron, "norm")
    )


@pytest.mark.parametrize(
    ("weights", "norm"),
    [
        (conv(5), norm(5)),
        (conv(6, kernel=2, stride=2, padding=0), norm(6)),
        (axial("channel", 5, 4), norm(5)),
        (axial("height", 7, 3), norm(7, "height")),
        (axial("width", 3, 2), norm(3, "width")),
        (axial("space", 6, 6), norm(6, "space")),
        (dense(5, 24), norm(5)),
    ],
    ids=["conv2d", "conv2d of stride 2", "channel", "height", "width", "space", "dense"],
)
def test_a_norm_along_the_outputs_folds_into_any_weights(weights: Operator, norm: BatchNorm) -> None:
    graph = normed(weights, norm)
    folded = applied(FoldBatchNorm(), graph)
    assert names(folded) == ["input", "weights", "lif"]
    assert folded.node("lif").inputs == ("weights",)
    x = samples()
    want, got = graph_values(graph, x), graph_values(folded, x)
    np.testing.assert_allclose(got["weights"], want["norm"], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(got["lif"], want["lif"])


@pytest.mark.parametrize(
    ("weights", "norm"),
    [
        (conv(5), norm(6, "space")),
        (axial("channel", 5, 4), norm(6, "space")),
        (axial("height", 3, 3), norm(4)),
        (axial("width", 2, 2), norm(3, "height")),
    ],
)
def test_a_norm_along_another_axis_than_the_outputs_stays(weights: Operator, norm: BatchNorm) -> None:
    graph = normed(weights, norm)
    assert FoldBatchNorm()(graph) == graph


def test_weights_that_something_else_reads_too_keep_their_norm() -> None:
    weights = ("weights", conv(5), "input")
    graph = graph_of(("input", IMAGE, ""), weights, ("norm", norm(5), "weights"), ("other", NEURON, "weights"))
    assert FoldBatchNorm()(graph) == graph


def test_a_norm_of_another_width_than_its_weights_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="norm: a batch norm of width 3 after weights of 5 outputs"):
        FoldBatchNorm()(normed(conv(5), norm(3)))


def head(*between: tuple[str, Operator, str], last: str) -> Graph:
    return graph_of(
        ("input", IMAGE, ""),
        ("lif", NEURON, "input"),
        *between,
        ("mean", Mean(), last),
        ("dense", dense(5, 4), "mean"),
        ("readout", Readout(), "dense"),
    )


def test_a_mean_and_its_norm_fold_into_the_dense_layer() -> None:
    graph = head(("norm", norm(4), "lif"), last="norm")
    folded = applied(FoldHead(), graph)
    assert names(folded) == ["input", "lif", "dense", "readout"]
    assert folded.node("dense").inputs == ("lif",)
    operator = folded.node("dense").operator
    assert isinstance(operator, Dense)
    assert operator.weight.shape == (5, 4 * 3 * 2)
    want, got = graph_values(graph, samples()), graph_values(folded, samples())
    assert 0 < want["lif"].mean() < 1
    np.testing.assert_allclose(got["dense"], want["dense"], rtol=0, atol=1e-13)
    np.testing.assert_allclose(got["readout"], want["readout"], rtol=0, atol=1e-13)


def test_a_mean_alone_folds_too() -> None:
    graph = head(last="lif")
    folded = applied(FoldHead(), graph)
    assert names(folded) == ["input", "lif", "dense", "readout"]
    want, got = graph_values(graph, samples()), graph_values(folded, samples())
    np.testing.assert_allclose(got["readout"], want["readout"], rtol=0, atol=1e-13)


def test_a_norm_along_another_axis_or_with_other_readers_stays_before_the_dense_layer() -> None:
    along = head(("norm", norm(6, "space"), "lif"), last="norm")
    shared = head(("norm", norm(4), "lif"), ("other", NEURON, "norm"), last="norm")
    for graph in (along, shared):
        folded = applied(FoldHead(), graph)
        assert "norm" in names(folded)
        assert folded.node("dense").inputs == ("norm",)
        want, got = graph_values(graph, samples()), graph_values(folded, samples())
        np.testing.assert_allclose(got["readout"], want["readout"], rtol=0, atol=1e-13)


def test_a_mean_that_something_else_than_one_dense_layer_reads_is_refused() -> None:
    entry = (("input", IMAGE, ""), ("lif", NEURON, "input"), ("mean", Mean(), "lif"))
    readers = [
        (),
        (("other", NEURON, "mean"),),
        (("one", dense(5, 4), "mean"), ("two", dense(5, 4), "mean")),
    ]
    for more in readers:
        with pytest.raises(UnsupportedError, match="mean: a mean over space folds only into one dense layer"):
            FoldHead()(graph_of(*entry, *more))


def edges(added: str, *more: tuple[str, Operator, str], two: Operator | None = None) -> Graph:
    """Convolutions ``one``, ``two``, ``three`` of the input, and the sum of those named; ``one`` has another reader."""
    return graph_of(
        ("input", IMAGE, ""),
        ("one", conv(5, seed=1), "input"),
        ("two", two or conv(5, seed=2), "input"),
        ("three", conv(5, seed=3), "input"),
        ("other", NEURON, "one"),
        *more,
        ("sum", Add(), added),
        ("lif", NEURON, "sum"),
    )


@pytest.mark.parametrize(
    ("added", "left"),
    [
        ("two one", ("two",)),
        ("one two", ("two",)),
        ("two along one", ("two", "along")),
        ("one two three", ("two",)),
        ("two one one", ("two",)),
        ("two two one", ("two", "two", "one")),
    ],
)
def test_convolutions_of_one_value_that_are_added_become_one(added: str, left: tuple[str, ...]) -> None:
    graph = edges(added, ("along", axial("channel", 5, 4), "input"))
    merged = applied(MergeIdentityEdge(), graph)
    assert set(merged.node("sum").inputs) == set(left)
    assert len(merged.node("sum").inputs) == len(left)
    want, got = graph_values(graph, samples()), graph_values(merged, samples())
    np.testing.assert_allclose(got["sum"], want["sum"], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(got["lif"], want["lif"])
    np.testing.assert_array_equal(got["other"], want["other"])


@pytest.mark.parametrize(
    "two",
    [
        conv(5, kernel=1, padding=0),
        conv(5, stride=2, padding=2),
        axial("channel", 5, 4),
    ],
    ids=["another kernel", "another stride and padding", "no convolution"],
)
def test_weights_of_another_kind_are_added_as_they_are(two: Operator) -> None:
    graph = edges("one two", two=two)
    assert MergeIdentityEdge()(graph) == graph


def test_convolutions_of_other_values_or_that_others_read_are_added_as_they_are() -> None:
    elsewhere = edges("one four", ("relu", NEURON, "input"), ("four", conv(5), "relu"))
    shared = edges("one two", ("another", NEURON, "two"))
    for graph in (elsewhere, shared):
        assert MergeIdentityEdge()(graph) == graph


def gains(gamma: list[float], axis: Axis) -> BatchNorm:
    rng = np.random.default_rng(5)
    size = len(gamma)
    return BatchNorm(np.array(gamma), *rng.normal(size=(2, size)), rng.uniform(0.5, 2, size), 1e-5, axis)


@pytest.mark.parametrize(
    ("weights", "norm"),
    [
        (axial("channel", 5, 4), gains([0.7, -1.2, 0.0, 2.0, -0.01, 0.3], "space")),
        (conv(4), gains([-0.7, 1.2, 0.0], "height")),
        (axial("height", 3, 3), gains([-0.7, 0.4], "width")),
        (conv(4), gains([-0.7, 1.2, 0.0, 0.4], "channel")),
        (dense(3, 24), gains([-0.7, 0.0, 0.4], "channel")),
    ],
    ids=["space", "height", "width", "channel", "flat"],
)
def test_a_norm_goes_into_threshold_bias_and_sign_of_its_neurons(weights: Operator, norm: BatchNorm) -> None:
    graph = normed(weights, norm)
    made = applied(NormIntoNeuron(), graph)
    assert names(made) == ["input", "weights", "lif"]
    assert made.node("weights").operator is weights
    neuron = made.node("lif").operator
    assert isinstance(neuron, LIF)
    assert (neuron.tau, neuron.axis) == (2.0, norm.axis)
    np.testing.assert_array_equal(neuron.sign, np.sign(norm.gamma))
    want, got = graph_values(graph, samples(20)), graph_values(made, samples(20))
    assert 0.02 < want["lif"].mean() < 0.98
    np.testing.assert_array_equal(got["lif"], want["lif"])


def test_a_gain_of_0_leaves_only_the_offset() -> None:
    norm = gains([1.0, 0.0], "width")
    neuron = NormIntoNeuron()(normed(conv(4), norm)).node("lif").operator
    assert isinstance(neuron, LIF)
    assert neuron.sign is not None
    assert neuron.offset is not None
    assert (neuron.sign[1], neuron.offset[1]) == (0.0, norm.beta[1])
    np.testing.assert_array_equal(neuron.v_threshold, [0.5 / norm.gain[0], 0.5])


def test_a_norm_that_does_not_stand_between_weights_and_one_neuron_stays() -> None:
    weights, after = ("weights", conv(4), "input"), ("norm", norm(6, "space"), "weights")
    graphs = [
        graph_of(("input", IMAGE, ""), ("norm", norm(6, "space"), "input"), ("lif", NEURON, "norm")),
        graph_of(("input", IMAGE, ""), weights, after, ("one", NEURON, "norm"), ("two", NEURON, "norm")),
        graph_of(("input", IMAGE, ""), weights, after, ("sum", Add(), "norm input"), ("lif", NEURON, "sum")),
        graph_of(("input", IMAGE, ""), weights, after, ("lif", NEURON, "norm"), ("two", NEURON, "weights")),
    ]
    for graph in graphs:
        assert NormIntoNeuron()(graph) == graph


def test_a_neuron_with_parameters_of_its_own_takes_no_norm() -> None:
    neuron = LIF(2.0, np.ones(3), axis="height")
    with pytest.raises(UnsupportedError, match="lif: has parameters of its own beside the batch norm"):
        NormIntoNeuron()(normed(conv(4), norm(6, "space"), neuron))


@pytest.mark.parametrize(("axis", "size"), [("channel", 4), ("height", 3), ("width", 2), ("space", 6)])
def test_a_norm_becomes_a_gain_and_an_offset(axis: Axis, size: int) -> None:
    graph = normed(conv(4), norm(size, axis))
    scaled = applied(NormToScale(), graph)
    operator = scaled.node("norm").operator
    assert isinstance(operator, Scale)
    assert (operator.axis, operator.terms) == (axis, None)
    want, got = graph_values(graph, samples()), graph_values(scaled, samples())
    np.testing.assert_allclose(got["norm"], want["norm"], rtol=0, atol=1e-13)
    np.testing.assert_array_equal(got["lif"], want["lif"])


@pytest.mark.parametrize("terms", [1, 2, 3, 8, 16])
def test_a_gain_on_a_sum_becomes_that_many_powers_of_two(terms: int) -> None:
    before = norm(6, "space", seed=7)
    operator = applied(NormToScale(terms), normed(conv(4), before)).node("norm").operator
    assert isinstance(operator, Scale)
    assert operator.terms == terms
    parts = powers_of_two(operator.gain, terms)
    np.testing.assert_array_equal(parts.sum(axis=0), operator.gain)
    mantissa, _ = np.frexp(np.abs(parts[parts != 0]))
    np.testing.assert_array_equal(mantissa, 0.5)
    np.testing.assert_array_less(np.abs(operator.gain - before.gain), np.abs(before.gain) / 3 / 2 ** (terms - 1))
    np.testing.assert_array_equal(operator.offset, before.offset)


def test_a_gain_on_spikes_is_a_weight_and_stays_exact() -> None:
    graph = graph_of(
        ("input", IMAGE, ""),
        ("lif", NEURON, "input"),
        ("both", Concat(), "lif input"),
        ("on spikes", norm(4), "lif"),
        ("on both", norm(8), "both"),
        ("sums", conv(4), "lif"),
        ("mixed", Concat(), "lif sums"),
        ("on mixed", norm(8), "mixed"),
    )
    scaled = applied(NormToScale(1), graph)
    for name, terms in (("on spikes", None), ("on both", None), ("on mixed", 1)):
        operator, before = scaled.node(name).operator, graph.node(name).operator
        assert isinstance(operator, Scale)
        assert isinstance(before, BatchNorm)
        assert operator.terms == terms
        assert np.array_equal(operator.gain, before.gain) is (terms is None)


@pytest.mark.parametrize("terms", [0, -1, 17])
def test_a_number_of_powers_of_two_out_of_range_is_refused(terms: int) -> None:
    with pytest.raises(UsageError, match=f"{terms} powers of two; 1 to 16 are wanted"):
        NormToScale(terms)
