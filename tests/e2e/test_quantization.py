"""convert --weight-bits auto, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import cli, cli_json
from conftest import Trained

import neuro_deploy as nd


@pytest.mark.slow
def test_the_search_for_bits_needs_at_most_three_fifths_of_the_memory_within_half_a_point(
    trained: Trained, tmp_path: Path
) -> None:
    path = tmp_path / "auto.net"
    arguments = ("--calibrate", "digits", "--weight-bits", "auto", "--max-loss", 0.5)
    report = cli_json("convert", trained.checkpoint, "-o", path, *arguments)
    curve = report["curve"]
    assert curve[-1]["synapse_bytes"] <= 0.6 * curve[0]["synapse_bytes"]
    assert all(point["loss"] <= 0.5 for point in curve)
    assert [point["synapse_bytes"] for point in curve] == sorted((p["synapse_bytes"] for p in curve), reverse=True)
    # of 360 held-out images, chance alone moves two, and processors train differently: the mean of three trainings
    lost = [
        report["accuracy_float"] - report["accuracy_fixed"],
        *(_lost(tmp_path / "more.pt", seed) for seed in (1, 2)),
    ]
    assert sum(lost) / len(lost) <= 0.005
    network = nd.load(path)
    assert network.meta["conversion"]["weight_bits"] == curve[-1]["weight_bits"]
    assert {p.name: p.weight_bits for p in network.projections} == curve[-1]["weight_bits"]
    assert cli_json("verify", path, "--data", "digits", "--source", trained.checkpoint)["ok"]


def _lost(checkpoint: Path, seed: int) -> float:
    """Accuracy on the held-out digits that the search costs a network of another seed."""
    nd.train("mlp", "digits", checkpoint, seed=seed)
    learned, held_out = (nd.load_data("digits", part) for part in ("train", "test"))
    _, told = nd.convert(checkpoint, calibrate=learned, evaluate=held_out, weight_bits="auto", max_loss=0.5)
    assert told.accuracy_float is not None
    assert told.accuracy_fixed is not None
    return told.accuracy_float - told.accuracy_fixed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--weight-bits", "9"], "1 to 8, or auto, is wanted"),
        (["--weight-bits", "few"], "1 to 8, or auto, is wanted"),
        (["--weight-bits", "auto"], "weight bits are searched on samples"),
        (["--weight-bits", "auto", "--calibrate", "digits", "--max-loss", "-1"], "--max-loss is -1 points"),
        (["--scale", "row"], "--scale"),
    ],
)
def test_wrong_bits_are_wrong_usage(trained: Trained, tmp_path: Path, arguments: list[str], said: str) -> None:
    done = cli("convert", trained.checkpoint, "-o", tmp_path / "x.net", *arguments, code=2)
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "x.net").exists()
