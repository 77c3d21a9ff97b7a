"""The Mixer-SNN as a user types it: trained, converted, compared, counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import cli, cli_json

from neuro_deploy.frontends.mixer_config import PRESETS, MixerConfig
from neuro_deploy.models import Mixer

OFFICIAL = MixerConfig(16, 3, 4, 6, (1, 1), alpha=2, classes=10)


@pytest.fixture(scope="module")
def mixer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Mixer-SNN trained on the digits, for half the recipe's epochs."""
    path = tmp_path_factory.mktemp("mixer") / "mixer.pt"
    report = cli_json("train", "mixer", "--data", "digits", "-o", path, "--epochs", 8)
    assert report["accuracy"] >= 0.975
    assert report["parameters"] < 40_000
    return path


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain state dict with the released model's keys, and batch norms that do something."""
    torch.manual_seed(0)
    model = Mixer(OFFICIAL)
    for module in model.modules():
        if hasattr(module, "running_var"):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, 0.0, 0.2)
            torch.nn.init.uniform_(module.weight, -1.0, 2.0)
    path = tmp_path_factory.mktemp("official") / "official.pth"
    torch.save({"model": model.state_dict()}, path)
    return path


def test_the_fixed_mixer_keeps_the_accuracy_and_reports_every_population(mixer: Path, tmp_path: Path) -> None:
    report = cli_json("convert", mixer, "-o", tmp_path / "m.net", "--calibrate", "digits")
    assert report["format"] == "graph"
    assert abs(report["accuracy_float"] - report["accuracy_fixed"]) <= 0.01
    neurons = [row for row in report["populations"] if "differing_spikes" in row]
    assert len(neurons) == 12
    assert all(0 < row["differing_spikes"] < 0.1 for row in neurons)
    assert all(row["firing_rate_float"] == pytest.approx(row["firing_rate_fixed"], abs=0.02) for row in neurons)


def test_a_relay_and_recomputing_are_compared_and_their_difference_is_explained(mixer: Path, tmp_path: Path) -> None:
    relay, again = tmp_path / "relay.net", tmp_path / "again.net"
    cli("convert", mixer, "-o", relay)
    report = cli_json("convert", mixer, "-o", again, "--skip", "recompute", "--calibrate", "digits")
    assert not any(row["relays"] for row in report["populations"])
    assert abs(report["accuracy_float"] - report["accuracy_fixed"]) <= 0.01
    arguments = ("verify", relay, "--data", "digits", "--samples", 20, "--against", again)
    outcome = cli_json(*arguments, code=3)["engines"][str(again)]
    assert outcome["not_compared"] == [
        "to_patch_embedding.0.0",
        "token_mix.0.sum",
        "to_patch_embedding.1",
        "token_mix.1.sum",
    ]
    assert 0 < outcome["differing_spikes"] < 0.1 * outcome["compared_spikes"]
    text = cli(*arguments, code=3).stdout
    assert "relays that one network has and the other has not: to_patch_embedding.0.0" in text
    assert outcome["values"]["readout"][0] > 0
    assert f"{outcome['values']['readout'][0]:,} of {outcome['values']['readout'][1]:,}" in text
    predictions = outcome["differing_predictions"]
    assert (f"{predictions} of 20 predictions differ" in text) is (predictions > 0)
    assert "weights are rounded to other multiples, so that spikes may differ" in " ".join(text.split())
    assert cli_json("verify", relay, "--data", "digits", "--source", mixer, "--samples", 5)["ok"]
    assert cli_json("verify", again, "--data", "digits", "--source", mixer, "--samples", 5)["ok"]


def test_inspect_counts_what_takes_place_and_what_the_paper_estimates(mixer: Path, tmp_path: Path) -> None:
    cli("convert", mixer, "-o", tmp_path / "m.net")
    summary = cli_json("inspect", tmp_path / "m.net", "--mfi", "--data", "digits", "--samples", 30)
    assert summary["multiplication_free"] is True
    assert summary["paper"]["additions"] == pytest.approx(summary["exact"]["additions"], rel=0.2)
    assert summary["table4"][0]["mJ"] == pytest.approx(1.117, abs=1e-3)
    text = cli("inspect", tmp_path / "m.net", "--mfi", "--data", "digits", "--samples", 30).stdout
    assert "multiplication-free" in text
    assert "docs/mfi.md" in text


@pytest.mark.parametrize("token_norm", ["multiply", "shift:3"])
@pytest.mark.lava
def test_a_released_checkpoint_runs_in_lava_as_on_our_engines(official: Path, tmp_path: Path, token_norm: str) -> None:
    net, data = tmp_path / "o.net", tmp_path / "x.npz"
    np.savez(data, x=np.random.default_rng(0).normal(size=(3, 3, 16, 16)).astype(np.float32))
    report = cli_json("convert", official, "-o", net, "--timesteps", 3, "--token-norm", token_norm)
    assert report["format"] == "graph"
    summary = cli_json("inspect", net, "--mfi")
    assert summary["multiplication_free"] is (token_norm != "multiply")
    outcome = cli_json("verify", net, "--data", data, "--against", "reference,lava")
    assert outcome["ok"] is True
    metrics = cli_json("run", net, "--data", data, "-o", tmp_path / "out", "--explain")
    assert {row["kernel"] for row in metrics["kernels"]} > {"int8", "float32"}


def test_convert_tells_the_checkpoints_accuracy_from_that_with_shifts(official: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 3, 16, 16)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=np.zeros(20, int))
    arguments = ("convert", official, "-o", tmp_path / "o.net", "--calibrate", tmp_path / "x.npz")
    exact, rounded = cli_json(*arguments), cli_json(*arguments, "--token-norm", "shift:1")
    assert rounded["accuracy_float"] == exact["accuracy_float"]
    assert (exact["accuracy_shifted"], exact["warnings"]) == (None, [])
    assert rounded["accuracy_shifted"] is not None
    text = cli(*arguments, "--token-norm", "shift:1").stdout
    assert "with norms as shifts" in text
    assert "predictions other than the float network's: " in text


def test_a_model_is_inspected_without_a_checkpoint() -> None:
    relay = cli_json("inspect", "--model", "mixer-32", "--mfi")
    again = cli_json("inspect", "--model", "mixer-32", "--mfi", "--skip", "recompute")
    assert relay["parameters"] == again["parameters"] == sum(p.numel() for p in Mixer(PRESETS["mixer-32"]).parameters())
    assert relay["relay_neurons"] > 0
    assert again["relay_neurons"] == 0
    assert again["additions_per_step"] > relay["additions_per_step"]
    few, every = (
        cli("inspect", "--model", "mixer-32", "--mfi", *more).stdout.splitlines() for more in ((), ("--all",))
    )
    assert len(few) < len(every)
    assert any("projections in all (--all shows them)" in line for line in few)
    assert not any("--all" in line for line in every)
    assert f"{relay['additions_per_step']:,} additions and" in few[-2]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["convert", "OFFICIAL", "-o", "OUT", "--token-norm", "shift:0"],
            2,
            "no token norm 'shift:0'; multiply, or shift:K",
        ),
        (["convert", "OFFICIAL", "-o", "OUT", "--skip", "both"], 2, "both"),
        (["convert", "OFFICIAL", "-o", "OUT", "--input", "bias"], 1, "input by bias needs"),
        (["convert", "MISSING", "-o", "OUT"], 1, "channel_mix.0.1.net.3.weight"),
        (["inspect", "--model", "mixer-7"], 2, "no model 'mixer-7'; models: mlp-spe-t"),
        (["inspect", "--model", "mixer-8", "--data", "digits"], 2, "--timesteps and --data go with NET.net"),
        (["inspect", "--model", "mixer-8", "--rate", "0.1"], 2, "a firing rate is for the audit hint: --mfi"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    official: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    state = torch.load(official, weights_only=True)["model"]
    without = {key: value for key, value in state.items() if key != "channel_mix.0.1.net.3.weight"}
    torch.save(without, tmp_path / "missing.pth")
    places = {
        "OFFICIAL": official,
        "OUT": tmp_path / "out.net",
        "MISSING": tmp_path / "missing.pth",
    }
    done = cli(*(places.get(argument, argument) for argument in arguments), code=code)
    assert said.lower() in " ".join(done.stderr.lower().split())
    assert not (tmp_path / "out.net").exists()
