"""The Mixer-SNN as a torch module: sizes of the paper's models, arrays of the official code, skips, heads, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from neuro_deploy.errors import DataError, NeuroDeployError, UsageError
from neuro_deploy.frontends.mixer_keys import tensor_shapes
from neuro_deploy.models import LIF, PRESETS, Mixer, MixerConfig
from neuro_deploy.training.data import Data
from neuro_deploy.training.loop import save_trained, train
from neuro_deploy.training.recipes import RECIPES

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden" / "mixer"
SMALL = MixerConfig((8, 12), 2, 2, 6, (1, 2), alpha=2, classes=5, timesteps=3)


def parameters(config: MixerConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in Mixer(config).parameters())


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (PRESETS["mlp-spe-t"], 25_229_180),
        (PRESETS["mlp-spe-s"], 37_975_568),
        (PRESETS["mlp-spe-b"], 65_607_184),
        (PRESETS["mlp-s"], 34_507_408),
        (replace(PRESETS["mlp-spe-t"], patch="partition"), 22_942_012),
        (replace(PRESETS["mlp-spe-b"], patch="partition"), 61_225_120),
    ],
)
def test_models_have_the_parameters_of_the_official_ones(config: MixerConfig, count: int) -> None:
    assert parameters(config) == count


@pytest.mark.parametrize(
    "config",
    [
        PRESETS["mlp-spe-t"],
        replace(PRESETS["mixer-32"], head="spiking"),
        replace(PRESETS["mixer-32"], patch="partition"),
        replace(SMALL, norm="channel"),
    ],
)
def test_the_table_of_tensors_is_the_models_state_dict(config: MixerConfig) -> None:
    with torch.device("meta"):
        state = Mixer(config).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == tensor_shapes(config)


def spikes_of(model: Mixer, x: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """(name of each LIF -> its spikes (samples, T, ...), in execution order; logits)."""
    found: dict[str, torch.Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, LIF):
            module.register_forward_hook(lambda _, __, spikes, name=name: found.__setitem__(name, spikes))
    with torch.inference_mode():
        return found, model.eval()(x)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the official code's arrays are not at {GOLDEN}")
@pytest.mark.parametrize("name", ["spe_d11", "spe_d121", "spe_d121_neg", "pp_d11"])
def test_spikes_and_logits_are_those_of_the_official_code(name: str) -> None:
    golden = np.load(GOLDEN / f"{name}.npz")
    told = json.loads(str(golden["config_json"]))
    patch = "partition" if name == "pp_d11" else "cell"
    model = Mixer(MixerConfig(32, 3, 4, told["dim"], tuple(told["depths"]), told["alpha"], classes=10, patch=patch))
    state = {key[3:]: torch.tensor(golden[key]) for key in golden.files if key.startswith("sd/")}
    model.load_state_dict(state, strict=True)
    found, logits = spikes_of(model, torch.tensor(golden["input"]))
    assert list(found) == told["exec_order"]
    for key in (key for key in golden.files if key.startswith("spk/")):
        np.testing.assert_array_equal(found[key.split("/")[2]].transpose(0, 1).numpy(), golden[key], err_msg=key)
    np.testing.assert_allclose(logits.numpy(), golden["logits"], rtol=0, atol=1e-4)


def shaken(config: MixerConfig, seed: int = 0) -> Mixer:
    """A model whose batch norms have statistics, and whose neurons fire."""
    torch.manual_seed(seed)
    model = Mixer(config).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.1, 0.3)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, 0.2, 0.9)
    return model


@pytest.mark.parametrize(("skip", "alone"), [("PT", ()), ("PC", ()), ("TC", ()), ("CT", ())])
def test_each_skip_changes_the_second_mixer(skip: str, alone: tuple) -> None:
    x = torch.rand(2, 2, 8, 12)
    with_it, without = (spikes_of(shaken(replace(SMALL, skip=frozenset(skips))), x)[0] for skips in ([skip], alone))
    changed = {name for name in with_it if not torch.equal(with_it[name], without[name])}
    first = {"PT": "token_mix_lif.2", "CT": "token_mix_lif.2", "PC": "channel_mix_lif.0", "TC": "channel_mix_lif.0"}
    assert next(name for name in with_it if name in changed) == first[skip]


def test_the_first_token_block_of_a_stage_gets_the_patch_state_without_any_skip() -> None:
    model = shaken(replace(SMALL, skip=frozenset()))
    torch.nn.init.zeros_(model.token_mix[0].fuse[1].weight)
    torch.nn.init.zeros_(model.token_mix[0].fuse[1].bias)
    found, _ = spikes_of(model, torch.rand(2, 2, 8, 12))
    assert found["to_patch_embedding_lif.0"].any()
    assert torch.equal(found["token_mix_lif.0"], found["to_patch_embedding_lif.0"])


def test_the_spiking_head_has_a_layer_over_all_positions_and_no_other_norm() -> None:
    model = shaken(replace(SMALL, head="spiking"))
    found, logits = spikes_of(model, torch.rand(4, 2, 8, 12))
    assert found["head_lif"].shape == (4, 3, 12, 2, 3)
    assert model.head_fc.weight.shape == (6, 6)
    assert not hasattr(model, "batch_norm")
    wanted = model.mlp_head[1](found["head_lif"].mean(dim=(3, 4))).mean(dim=1)
    torch.testing.assert_close(logits, wanted)


@pytest.mark.parametrize(("norm", "size"), [("token", 24), ("channel", 12)])
def test_the_channel_block_is_normalised_per_token_or_per_channel(norm: str, size: int) -> None:
    x = torch.rand(4, 3, 24, 6)
    block = Mixer(replace(SMALL, norm=norm)).train().channel_mix[0][1]
    assert block.net[1].weight.shape == (size,)
    state = block(x)
    axes = (0, 1, 3) if norm == "token" else (0, 1, 2)
    torch.testing.assert_close(state.mean(dim=axes), torch.zeros(24 if norm == "token" else 6), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dim": 7}, "dim 7 gives stages of 14 channels; a patch cell needs a multiple of 3"),
        ({"image_size": 10}, "an image of 10x10 is not a multiple of 4: patches of 2, halved 1 times"),
        ({"image_size": (8, 9)}, "an image of 8x9 is not a multiple of 4"),
        ({"depths": ()}, r"depths are \[\]; 1 to 8 stages"),
        ({"depths": (1, 0)}, r"depths are \[1, 0\]"),
        ({"depths": (10**9,)}, r"depths are \[1000000000\]; .* 1,000 at most"),
        ({"skip": frozenset({"XX", "PT"})}, "skip holds XX; any of PT, PC, TC, CT are wanted"),
        ({"norm": "layer"}, "norm is 'layer'; token or channel is wanted"),
        ({"head": "none"}, "head is 'none'; mean or spiking is wanted"),
        ({"patch": "conv"}, "patch is 'conv'; cell or partition is wanted"),
        ({"alpha": 0}, "alpha is 0; 1 to 64 is wanted"),
        ({"classes": 10**6}, "classes is 1000000; 1 to 100,000 is wanted"),
        ({"tau": 0.5}, "tau 0.5, v_threshold 1; tau of 1 or more"),
        ({"v_threshold": float("nan")}, "v_threshold nan"),
    ],
)
def test_dimensions_that_do_not_fit_are_named(changes: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replace(SMALL, **changes)


def test_one_stage_and_partitions_need_no_thirds() -> None:
    assert replace(SMALL, dim=7, depths=(1,)).stages == 1
    assert replace(SMALL, dim=7, patch="partition").channels(1) == 14


def test_a_configuration_is_the_same_after_plain_data() -> None:
    config = replace(SMALL, norm="channel", head="spiking", patch="partition", skip=frozenset({"PT", "CT"}), tau=3.0)
    assert MixerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def images(size: int = 8, classes: int = 3) -> Data:
    x = np.random.default_rng(0).random((12, 1, size, size))
    return Data("images", x, np.arange(12) % classes)


def test_a_mixer_trains_by_the_loop_of_the_mlp_and_says_the_same_twice(tmp_path: Path) -> None:
    recipe = replace(RECIPES["mixer"], epochs=1, batch=4)
    first, second = (train(recipe, images(), images(), seed=3).model for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert isinstance(first, Mixer)
    assert (first.config.classes, first.config.in_channels) == (3, 1)
    save_trained(train(recipe, images(), images(), seed=3), tmp_path / "m.pt", images(), {})
    content = torch.load(tmp_path / "m.pt", weights_only=True)
    assert content["model"] == "mixer"
    assert MixerConfig.from_dict(content["config"]) == first.config


@pytest.mark.parametrize(
    ("recipe", "data", "said"),
    [
        ("mixer", images(16), r"samples have shape \(1, 16, 16\); this model takes \(channels, 8, 8\)"),
        ("mixer-32", images(8), r"samples have shape \(1, 8, 8\); this model takes \(channels, 32, 32\)"),
    ],
)
def test_samples_of_another_size_are_not_trained_on(recipe: str, data: Data, said: str) -> None:
    with pytest.raises(DataError, match=said):
        train(RECIPES[recipe], data, data, seed=0)


def test_a_mixer_has_no_hidden_widths(tmp_path: Path) -> None:
    import neuro_deploy as nd

    with pytest.raises(NeuroDeployError, match="widths of hidden layers are for an mlp, not for mixer"):
        nd.train("mixer", "digits", tmp_path / "m.pt", hidden=(3,))
