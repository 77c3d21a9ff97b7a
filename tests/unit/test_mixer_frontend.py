"""State dicts of the Mixer-SNN, ours and official: what they are read as, and what is refused."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from neuro_deploy.errors import FileError, FormatError, NeuroDeployError, UnsupportedError
from neuro_deploy.frontends.checkpoint import Checkpoint
from neuro_deploy.frontends.mixer import mixer_graph
from neuro_deploy.frontends.official import official_config
from neuro_deploy.frontends.source import checkpoint_graph
from neuro_deploy.graph import LIF as Neuron
from neuro_deploy.graph import Add, Axial, BatchNorm, Concat, Conv2d, Dense, Graph, Input, Mean, Node, Readout
from neuro_deploy.models import LIF, PRESETS, Mixer, MixerConfig

State = dict[str, torch.Tensor]
SMALL = MixerConfig((8, 12), 2, 2, 6, (1, 2), alpha=2, classes=5)
NORM = "to_patch_embedding.0.1"


def model(config: MixerConfig = SMALL) -> Mixer:
    """A model whose batch norms have statistics, and whose neurons fire."""
    torch.manual_seed(0)
    made = Mixer(config).eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.1, 0.3)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, 0.2, 0.9)
    return made


def official(folder: Path, state: State, wrap: Callable[[State], object] = lambda state: state) -> Path:
    torch.save(wrap(state), folder / "official.pth")
    return folder / "official.pth"


def own(folder: Path, made: MixerConfig = SMALL, **changes: object) -> Path:
    content = {
        "format": "neuro-deploy-checkpoint",
        "version": 1,
        "model": "mixer",
        "config": made.to_dict(),
        "input": {"shape": [2, 8, 12], "scale": 1 / 16, "low": 0.0, "levels": 16},
        "state_dict": model(made).state_dict(),
    }
    torch.save({**content, **changes}, folder / "own.pt")
    return folder / "own.pt"


def graph_of(config: MixerConfig) -> Graph:
    tensors = Checkpoint(Path("mixer"), "mixer", {}, {}, model(config).state_dict())
    return mixer_graph(config, tensors, Input((config.in_channels, *config.image), 1 / 16, 0.0, 16), config.timesteps)


def along(values: np.ndarray, axis: str, apply: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply something to (..., size) along an axis of (samples, T, C, H, W)."""
    if axis == "space":
        return apply(values.reshape(*values.shape[:3], -1)).reshape(values.shape)
    place = {"channel": 2, "height": 3, "width": 4}[axis]
    return np.moveaxis(apply(np.moveaxis(values, place, -1)), -1, place)


def computed(node: Node, inputs: list[np.ndarray]) -> np.ndarray:  # noqa: PLR0911
    """What a node gives, float64; values are (samples, T, ...)."""
    match node.operator:
        case Conv2d() as conv:
            flat = torch.tensor(inputs[0]).flatten(0, 1)
            weight, bias = torch.tensor(conv.weight), torch.tensor(conv.bias)
            result = torch.nn.functional.conv2d(flat, weight, bias, conv.stride, conv.padding)
            return result.unflatten(0, inputs[0].shape[:2]).numpy()
        case Axial() as axial:
            return along(inputs[0], axial.axis, lambda x: x @ axial.weight.T + axial.bias)
        case BatchNorm() as norm:
            return along(inputs[0], norm.axis, lambda x: x * norm.gain + norm.offset)
        case Dense() as dense:
            return inputs[0] @ dense.weight.T + dense.bias
        case Add():
            return np.sum(inputs, axis=0)
        case Concat():
            return np.concatenate(inputs, axis=2)
        case Mean():
            return inputs[0].mean(axis=(3, 4))
        case Readout():
            return inputs[0].mean(axis=1)
        case Neuron() as lif:
            return LIF(lif.tau, float(lif.v_threshold))(torch.tensor(inputs[0])).numpy()
    raise AssertionError(node)


def results(graph: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    known = {"input": np.repeat(x[:, None], graph.timesteps, axis=1)}
    for node in graph.nodes[1:]:
        known[node.name] = computed(node, [known[name] for name in node.inputs])
    return known


def as_map(name: str, fired: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Spikes of a LIF of the model as (samples, T, C, H, W)."""
    if ".proj_" in name:
        return np.moveaxis(fired, 2, 3 if "proj_h" in name else 4)
    return np.moveaxis(fired, 3, 2).reshape(shape) if ".net." in name else fired


SKIPS = [frozenset(chosen) for size in range(5) for chosen in itertools.combinations(("PT", "PC", "TC", "CT"), size)]
VARIANTS = [{"skip": skip} for skip in SKIPS] + [
    {"norm": "channel"},
    {"head": "spiking", "norm": "channel"},
    {"head": "spiking"},
    {"patch": "partition", "tau": 3.0, "v_threshold": 0.7},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: " ".join(map(str, changes.values())))
def test_the_graph_computes_what_the_model_computes(changes: dict) -> None:
    config = replace(SMALL, **changes)
    module, spikes = model(config).double(), {}
    for name, part in module.named_modules():
        if isinstance(part, LIF):
            part.register_forward_hook(lambda _, __, fired, name=name: spikes.__setitem__(name, fired.numpy()))
    x = np.random.default_rng(1).random((2, 2, 8, 12))
    with torch.inference_mode():
        logits = module(torch.tensor(x)).numpy()
    graph = graph_of(config)
    known = results(graph, x)
    assert {node.name for node in graph.nodes if isinstance(node.operator, Neuron)} == set(spikes)
    for name, fired in spikes.items():
        np.testing.assert_array_equal(known[name], as_map(name, fired, known[name].shape), err_msg=name)
    assert 0.02 < np.mean([fired.mean() for fired in spikes.values()]) < 0.98
    np.testing.assert_allclose(known["readout"], logits, rtol=0, atol=1e-12)


def test_a_sum_that_two_neurons_need_is_made_once() -> None:
    graph = graph_of(SMALL)
    assert graph.node("token_mix.0.sum").inputs == ("to_patch_embedding.0.1", "token_mix.0.fuse.1")
    assert graph.node("channel_mix.0.1.sum").inputs == ("token_mix.0.sum", "channel_mix.0.1.net.4")
    assert graph.node("to_patch_embedding.1").inputs == (
        "to_patch_embedding.1.cell2node.0.1",
        "to_patch_embedding.1.node2",
        "to_patch_embedding.1.node3",
    )
    assert graph.node("token_mix.1.concat").inputs == (
        "to_patch_embedding_lif.1",
        "token_mix.1.proj_h.3",
        "token_mix.1.proj_w.3",
    )
    assert [node.name for node in graph.nodes[-3:]] == ["mlp_head.0", "mlp_head.1", "readout"]
    every = graph_of(replace(SMALL, skip=frozenset({"PT", "PC", "TC", "CT"})))
    assert every.node("token_mix.2.sum").inputs == ("token_mix.2.shared", "channel_mix.1.1.net.4")
    assert every.node("channel_mix.2.1.sum").inputs == ("token_mix.2.shared", "channel_mix.2.1.net.4")


def same(a: Graph, b: Graph) -> bool:
    """Whether two graphs have the same nodes, and their final batch norms the same numbers."""
    left, right = a.node(NORM).operator, b.node(NORM).operator
    assert isinstance(left, BatchNorm)
    assert isinstance(right, BatchNorm)
    names = [(n.name, n.inputs, type(n.operator)) for n in a.nodes] == [
        (n.name, n.inputs, type(n.operator)) for n in b.nodes
    ]
    return names and np.array_equal(left.gain, right.gain) and np.array_equal(left.offset, right.offset)


def contained(state: State, name: str) -> State:
    """With each batch norm one module deeper."""
    norms = {key.removesuffix(".running_mean") for key in state if key.endswith(".running_mean")}
    parts = {key: key.rpartition(".") for key in state}
    return {f"{owner}.{name}.{last}" if owner in norms else k: state[k] for k, (owner, _, last) in parts.items()}


def synchronised(state: State) -> State:
    return contained(state, "0")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"model": state},
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "args": argparse.Namespace(lr=0.1, nested=argparse.Namespace(a=[1]))},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"model": {f"module.{key}": value for key, value in synchronised(state).items()}},
        synchronised,
        lambda state: {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")},
    ],
    ids=[
        "bare",
        "model",
        "state_dict",
        "arguments",
        "parallel",
        "model parallel synchronised",
        "synchronised",
        "without counters",
    ],
)
def test_every_form_of_an_official_state_dict_is_the_same_graph(tmp_path: Path, wrap: Callable) -> None:
    graph = checkpoint_graph(official(tmp_path, model().state_dict(), wrap))
    assert same(graph, graph_of(SMALL))
    assert graph.timesteps == 4
    assert graph.nodes[0].operator == Input((2, 8, 12), 0.05, 0.0, 127, first=-127)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, depths=(2, 1, 1), image_size=(16, 8), alpha=3),
        replace(SMALL, depths=(3,), classes=1),
        replace(SMALL, depths=(2,), patch="partition"),
        replace(SMALL, patch="partition", in_channels=1),
        replace(SMALL, norm="channel", head="spiking"),
        MixerConfig((6, 4), 1, 1, 12, (1,), alpha=2, norm="channel"),
        MixerConfig((6, 4), 1, 1, 24, (1,), alpha=1, norm="token"),
        PRESETS["mlp-spe-t"],
        PRESETS["mlp-s"],
        PRESETS["mixer-8"],
    ],
)
def test_the_configuration_is_read_off_the_shapes(config: MixerConfig) -> None:
    with torch.device("meta"):
        state = Mixer(config).state_dict()
    assert official_config(Path("x.pth"), state) == config


def test_our_own_checkpoint_says_its_configuration(tmp_path: Path) -> None:
    config = replace(SMALL, skip=frozenset({"CT"}), tau=3.0, timesteps=6)
    graph = checkpoint_graph(own(tmp_path, config))
    assert same(graph, graph_of(config))
    assert graph.timesteps == 6
    assert graph.nodes[0].operator == Input((2, 8, 12), 1 / 16, 0.0, 16)
    neuron = graph.node("token_mix_lif.0").operator
    assert isinstance(neuron, Neuron)
    assert (neuron.tau, neuron.v_threshold) == (3.0, 1.0)
    assert checkpoint_graph(tmp_path / "own.pt", 2).timesteps == 2


def temporal(state: State, factors: list[float], nested: bool) -> State:
    """With a factor per timestep beside each batch norm; nested: the batch norm one module deeper."""
    norms = {key.removesuffix(".running_mean") for key in state if key.endswith(".running_mean")}
    scales = {f"{norm}.scale": torch.tensor(factors) for norm in norms}
    return {**(contained(state, "bn") if nested else state), **scales}


@pytest.mark.parametrize("nested", [False, True])
def test_a_temporal_norm_of_equal_factors_folds(tmp_path: Path, nested: bool) -> None:
    graph = checkpoint_graph(official(tmp_path, temporal(model().state_dict(), [0.5] * 6, nested)))
    norm, plain = graph.node(NORM).operator, graph_of(SMALL).node(NORM).operator
    assert isinstance(norm, BatchNorm)
    assert isinstance(plain, BatchNorm)
    np.testing.assert_array_equal(norm.gain, plain.gain * 0.5)
    np.testing.assert_array_equal(norm.offset, plain.offset * 0.5)
    assert graph.timesteps == 6


def changed(**changes: object) -> State:
    """The small model's state dict; None takes a tensor out. In keys __ stands for a dot."""
    state: dict = model().state_dict()
    for name, value in changes.items():
        key = name.replace("__", ".")
        state = {k: v for k, v in state.items() if k != key} if value is None else {**state, key: value}
    return state


def layer_norms() -> State:
    net = "channel_mix.0.1.net.1"
    state = {k: v for k, v in model().state_dict().items() if not k.startswith(f"{net}.")}
    return {**state, f"{net}.weight": torch.ones(12), f"{net}.bias": torch.zeros(12)}


@pytest.mark.parametrize(
    ("state", "kind", "said"),
    [
        (
            changed(batch_norm__weight=None, batch_norm__bias=None, token_mix__0__fuse__1__bias=None),
            FormatError,
            r"3 missing \(token_mix.0.fuse.1.bias, batch_norm.weight, batch_norm.bias\)",
        ),
        (
            changed(**{f"extra__{i}": torch.zeros(1) for i in range(5)}),
            FormatError,
            r"5 unexpected \(extra.0, extra.1, extra.2, ...\)",
        ),
        (
            changed(batch_norm__weight=torch.ones(7), mlp_head__1__bias=torch.ones(6)),
            FormatError,
            r"2 of another shape \(batch_norm.weight \(7,\) instead of \(12,\), mlp_head.1.bias \(6,\) instead of",
        ),
        (
            changed(token_mix__1__fuse__0__weight=torch.zeros(18, 54, 1, 1)),
            FormatError,
            "token_mix.1.fuse.0.weight: has 18 channels; 6, 12 are wanted",
        ),
        (
            changed(token_mix__0__proj_h__1__weight=None),
            FormatError,
            "token_mix.0.proj_h.1.weight: is missing from the state dict",
        ),
        (
            changed(to_patch_embedding__0__0__weight=torch.zeros(6, 2)),
            FormatError,
            r"to_patch_embedding.0.0.weight: has shape \(6, 2\); 4 axes are wanted",
        ),
        (
            changed(to_patch_embedding__0__0__weight=torch.zeros(6, 2, 0, 0)),
            FormatError,
            "4 axes are wanted",
        ),
        (
            changed(to_patch_embedding__0__0__weight=torch.zeros(7, 2, 2, 2)),
            FormatError,
            "fuse.0.weight: has 6 channels; 7, 14 are wanted",
        ),
        (
            changed(token_mix__999999__proj_h__1__bias=torch.zeros(1)),
            FormatError,
            "makes no Mixer-SNN: 2 stages, 1000000 mixers; 8 and 1,000 are allowed",
        ),
        (
            changed(to_patch_embedding__0__1__running_var=-torch.ones(6)),
            FormatError,
            "to_patch_embedding.0.1.running_var: holds a negative variance",
        ),
        (
            changed(to_patch_embedding__0__0__weight=torch.full((6, 2, 2, 2), float("inf"))),
            FormatError,
            "to_patch_embedding.0.0.weight: holds NaN or infinity",
        ),
        (
            changed(to_patch_embedding__0__0__weight=torch.zeros(1).expand(6, 2, 2, 2)),
            FormatError,
            "which its data do not hold",
        ),
        (changed(batch_norm__weight="text"), FormatError, "batch_norm.weight: is not a dense real tensor"),
        (
            changed(batch_norm__0__running_mean=torch.zeros(12), batch_norm__0__weight=torch.zeros(12)),
            FormatError,
            "batch_norm.running_mean: is there twice, once as batch_norm.0.running_mean",
        ),
        (
            layer_norms(),
            UnsupportedError,
            r"channel_mix.0.1.net.1: is a layer norm \(gain and offset of shape \(12,\), no running statistics\)",
        ),
        (
            temporal(model().state_dict(), [1.0, 1.0, 0.9, 1.0], False),
            UnsupportedError,
            r"scale: a temporal batch norm with other factors at other timesteps \(0.9 to 1\): the neurons' leak",
        ),
        (
            temporal(model().state_dict(), [float("nan")] * 4, True),
            FormatError,
            "one finite factor per timestep is wanted",
        ),
    ],
)
def test_state_dicts_that_do_not_fit_are_refused_by_key(
    tmp_path: Path, state: State, kind: type[NeuroDeployError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        checkpoint_graph(official(tmp_path, state))


def plain(**changes: object) -> dict:
    return {**SMALL.to_dict(), **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "resnet"}, "holds a 'resnet'; this version converts 'mlp' and 'mixer'"),
        ({"config": {}}, r"configuration is broken: KeyError\('image_size'\)"),
        ({"config": plain(depths=[10**9])}, r"configuration is broken: depths are \[1000000000\]"),
        ({"config": plain(dim=6.5)}, "configuration is broken: TypeError"),
        ({"config": plain(dim=7)}, "configuration is broken: dim 7 gives stages of 14 channels"),
        ({"config": plain(timesteps=10**9)}, "configuration is broken: timesteps is 1000000000; 1 to 4,096"),
        ({"config": plain(dim=65_535)}, r"tensors do not fit a Mixer-SNN of dim 65535, .* of another shape"),
        ({"config": plain(alpha=3)}, r"of another shape \(channel_mix.0.1.net.0.weight \(12, 6\) instead of \(18, 6\)"),
        ({"config": plain(head="spiking")}, r"missing \(head_fc.weight, .* unexpected \(batch_norm.weight"),
        (
            {"input": {"shape": [2, 8, 8], "scale": 1 / 16, "low": 0.0, "levels": 16}},
            r"samples of shape \(2, 8, 8\) do not fit its mixer, which takes \(2, 8, 12\)",
        ),
        (
            {"input": {"shape": [2, 8, 12], "scale": -1, "low": 0.0, "levels": 16}},
            "configuration is broken: ValueError",
        ),
    ],
)
def test_broken_checkpoints_of_ours_are_refused(tmp_path: Path, changes: dict, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        checkpoint_graph(own(tmp_path, **changes))


class Evil:
    def __reduce__(self) -> tuple:
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model": Evil()}, "holds Python objects besides numbers"),
        ({"weights": torch.zeros(2)}, "but not a checkpoint of this tool, nor a state dict"),
        ({"model": {"conv.weight": torch.zeros(2)}}, "nor a state dict of the official Mixer-SNN"),
        ({"state_dict": 3}, "nor a state dict"),
        ({}, "nor a state dict"),
        ([torch.zeros(2)], "nor a state dict"),
    ],
)
def test_foreign_and_hostile_files_are_refused(
    tmp_path: Path, content: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "c.pth")
    with pytest.raises(FormatError, match=said):
        checkpoint_graph(tmp_path / "c.pth")
    assert "executed" not in capsys.readouterr().out


def test_files_that_are_not_there_or_cut_off_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        checkpoint_graph(tmp_path / "none.pth")
    path = official(tmp_path, model().state_dict())
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FormatError, match="not a readable torch checkpoint: empty, truncated"):
        checkpoint_graph(path)


def test_checkpoints_of_the_mlp_still_go_to_it(tmp_path: Path) -> None:
    from neuro_deploy.models import SpikingMLP

    changes = {
        "model": "mlp",
        "config": {"widths": [4, 3, 2], "timesteps": 4, "tau": 2.0, "v_threshold": 1.0},
        "input": {"shape": [4], "scale": 1 / 16, "low": 0.0, "levels": 16},
        "state_dict": SpikingMLP((4, 3, 2), 4).state_dict(),
    }
    names = [node.name for node in checkpoint_graph(own(tmp_path, **changes)).nodes]
    assert names == ["input", "fc1.linear", "fc1.bn", "fc1.lif", "readout.linear", "readout"]
