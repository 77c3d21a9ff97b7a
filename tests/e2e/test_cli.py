"""The command line as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from commands import cli, cli_json
from conftest import Trained

COMMANDS = [
    "demo",
    "train",
    "convert",
    "inspect",
    "map",
    "run",
    "verify",
    "profiles",
    "fit-time",
    "doctor",
    "setup-lava",
]


@pytest.mark.parametrize("module", ["torch", "lava", "h5py", "numpy", "sklearn", "scipy"])
def test_importing_the_command_line_loads_nothing_heavy(module: str) -> None:
    code = f"import neuro_deploy.cli, sys; sys.exit({module!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    text = cli(command, "--help").stdout
    assert f"neuro-deploy {command}" in text
    assert "Example" in text
    assert "--json" in text


def test_the_checkout_runner_and_the_version() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, root / "cli.py", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("neuro-deploy 0.")


def test_wrong_usage_exits_2() -> None:
    for arguments in (
        ["nonsense"],
        ["train"],
        ["run", "x.net", "--data", "digits", "--engine", "x"],
        ["train", "mlp", "-x"],
    ):
        cli(*arguments, code=2)
    for arguments in (
        ["run", "x.net", "--data", "digits", "--samples", "0"],
        ["inspect", "x.net", "--timesteps", "100000000000"],
        ["train", "mlp", "--data", "digits", "-o", "x", "--seed", "99999999999999999999999"],
    ):
        cli(*arguments, code=2)
    assert "whole numbers above 0" in cli("train", "mlp", "--data", "digits", "-o", "x", "--hidden", "a", code=2).stderr


def test_training_reaches_98_percent_on_the_held_out_digits(trained: Trained) -> None:
    assert trained.accuracy >= 0.98


def test_train_writes_a_checkpoint_and_says_how_good_it_is(tmp_path: Path) -> None:
    report = cli_json("train", "mlp", "--data", "digits", "-o", tmp_path / "a.pt", "--epochs", 2, "--hidden", "20,10")
    assert report["epochs"] == 2
    assert report["held_out"] == 360
    assert 0.3 < report["accuracy"] <= 1
    again = cli_json("train", "mlp", "--data", "digits", "-o", tmp_path / "b.pt", "--epochs", 2, "--hidden", "20,10")
    assert again["accuracy"] == report["accuracy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "b.pt"]


@pytest.mark.lava
def test_convert_keeps_the_accuracy_within_two_images(trained: Trained, tmp_path: Path) -> None:
    for mode in ("graded", "bias"):
        net = tmp_path / f"{mode}.net"
        report = cli_json("convert", trained.checkpoint, "-o", net, "--calibrate", "digits", "--input", mode)
        assert report["path"] == str(net)
        assert [row["name"] for row in report["populations"]] == ["fc1.lif", "fc2.lif", "readout"]
        assert report["accuracy_float"] - report["accuracy_fixed"] <= 2 / 360 + 1e-9
        assert report["populations"][0]["differing_spikes"] < 0.02
    text = cli("convert", trained.checkpoint, "-o", tmp_path / "n.net").stdout
    assert "fc1.lif" in text
    assert cli_json("convert", trained.checkpoint, "-o", tmp_path / "n.net")["accuracy_fixed"] is None
    assert cli_json("inspect", tmp_path / "n.net")["timesteps"] == 4
    cli("convert", trained.checkpoint, "-o", tmp_path / "n.net", "--timesteps", 7)
    assert cli_json("inspect", tmp_path / "n.net")["timesteps"] == 7


@pytest.mark.lava
def test_inspect_and_map(digits_net: Path) -> None:
    report = cli_json("inspect", digits_net)
    assert report["neurons"] == 128 + 64 + 10
    assert report["parameters"] == 64 * 128 + 128 * 64 + 64 * 10 + 128 + 64 + 10
    assert [p["name"] for p in report["populations"]] == ["input", "fc1.lif", "fc2.lif", "readout"]
    assert next((p["source"], p["target"]) for p in report["projections"]) == ("input", "fc1.lif")
    assert "fc2.lif" in cli("inspect", digits_net).stdout
    mapping = cli_json("map", digits_net, "--profile", "loihi2")
    assert {"fits", "cores", "chips", "profile", "utilisation", "limits"} <= set(mapping)
    assert (mapping["fits"], mapping["cores"], mapping["chips"], mapping["check"]) == (True, 3, 1, [])
    assert set(mapping["utilisation"]["neurons"]) == {"min", "mean", "max"}
    refused = cli("map", digits_net, "--profile", "loihi1", code=3).stdout
    assert "does not fit Loihi 1" in refused
    assert "payload_bits: 5 bits for spikes of input, allowed: 0" in refused
    assert "convert --input bias" in refused
    assert "smallest system that would do: loihi2, 3 cores on 1 of its 1 chip(s)" in refused


@pytest.mark.lava
def test_map_tells_alternatives_places_and_a_picture(digits_net: Path) -> None:
    text = cli("map", digits_net, "--picture", "--data", "digits", "--samples", 20, "--seed", 3).stdout
    for said in ("busiest cores", "what else it could cost", "weights of 4 bits", "chip 0: tiles", "A fc1.lif"):
        assert said in text
    content = cli_json("map", digits_net, "--cut", "compiler", "--no-sharing", "--place", "first-fit")
    assert (content["cut"], content["weight_sharing"], content["placement"]) == ("compiler", False, "first-fit")
    assert content["placement_cost"]["hop_weighted_spikes"] == 0
    assert {"busiest_cores", "alternatives", "smallest_system", "binding_utilisation"} <= set(content)
    assert cli("map", digits_net, "--weight-bits", 9, code=2).stderr


@pytest.mark.lava
def test_run_counts_links_and_timesteps_on_request(digits_net: Path) -> None:
    content = cli_json("run", digits_net, "--data", "digits", "--samples", 5, "--links", "--per-timestep")
    assert content["links"] == []
    for core in content["cores"]:
        assert {name: sum(values) for name, values in core["per_timestep"].items()} == {
            name: core[name] for name in core["per_timestep"]
        }
    text = cli("run", digits_net, "--data", "digits", "--samples", 5, "--profile", "loihi1", "--links").stdout
    assert "us a timestep" in text
    assert "bound by" in text
    assert "no public figure of static power" in text


@pytest.mark.lava
def test_run_writes_a_run_folder_with_exact_counts(digits_net: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    content = cli_json("run", digits_net, "--data", "digits", "-o", folder)
    assert json.loads((folder / "metrics.json").read_text()) == content
    assert content["accuracy"] > 0.98
    with np.load(folder / "predictions.npz") as arrays:
        assert np.mean(arrays["predictions"] == arrays["labels"]) == content["accuracy"]
        assert arrays["outputs"].shape == (360, 10)
    assert json.loads((folder / "config.json").read_text())["engine"] == "native"
    spikes = {row["name"]: row["spikes"] for row in content["populations"]}
    want = spikes["input"] * 128 + spikes["fc1.lif"] * 64 + spikes["fc2.lif"] * 10
    assert sum(core["synops"] for core in content["cores"]) == want
    assert "synops" in cli("run", digits_net, "--data", "digits", "--samples", 5).stdout


@pytest.mark.lava
def test_every_engine_counts_the_same(digits_net: Path) -> None:
    contents = [
        cli_json("run", digits_net, "--data", "digits", "--samples", 20, "--engine", engine)
        for engine in ("native", "reference", "lava", "slayer")
    ]
    for content in contents[1:]:
        assert content["totals"] == contents[0]["totals"]
        assert content["cores"] == contents[0]["cores"]
        assert content["accuracy"] == contents[0]["accuracy"]


@pytest.mark.lava
def test_verify_agrees_on_every_engine(digits_net: Path, trained: Trained) -> None:
    report = cli_json(
        "verify", digits_net, "--data", "digits", "--against", "reference,lava,slayer", "--source", trained.checkpoint
    )
    assert report["ok"] is True
    assert report["samples"] >= 64
    assert report["first_divergence"] is None
    assert list(report["engines"]) == ["reference", "lava", "slayer", str(trained.checkpoint)]
    for engine in report["engines"].values():
        assert engine["differing_spikes"] == 0
        assert engine["compared_spikes"] == 64 * 4 * 202
    assert "spikes, u and v are equal in every population" in cli("verify", digits_net, "--data", "digits").stdout


@pytest.mark.lava
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_one_changed_weight_is_found(digits_net: Path, trained: Trained, tmp_path: Path, layer: int) -> None:
    """The copy's own engines agree with each other, so it is compared with the file, and with the checkpoint."""
    copy = tmp_path / "copy.net"
    shutil.copy(digits_net, copy)
    with h5py.File(copy, "a") as file:
        weight = file[f"layer/{layer + 1}/weight"]
        busiest = int(np.argmax(np.abs(weight[3])))
        weight[3, busiest] = -weight[3, busiest]
    population = ["fc1.lif", "fc2.lif", "readout"][layer - 1]
    for options in (["--against", copy], ["--against", "reference", "--source", trained.checkpoint]):
        first = digits_net if options[1] == copy else copy
        report = cli_json("verify", first, "--data", "digits", *options, code=3)
        divergence = report["first_divergence"]
        assert report["ok"] is False
        assert (divergence["population"], divergence["neuron"]) == (population, 3)
        assert divergence["want"] != divergence["got"]
        text = cli("verify", first, "--data", "digits", *options, code=3).stdout
        assert f"{population}.{divergence['field']} differs first in sample {divergence['sample']}" in text
        assert f"at timestep {divergence['timestep']}, neuron 3: want" in text


def test_profiles_doctor_and_setup_lava() -> None:
    listed = cli_json("profiles")["profiles"]
    assert [profile["name"] for profile in listed] == ["hala-point", "kapoho-point", "loihi1", "loihi2"]
    assert cli_json("profiles", "loihi2")["quantities"]["core.synapse_memory"]["value"] == 12_000
    assert "SynMem" in cli("profiles", "loihi2").stdout
    report = cli_json("doctor")
    assert report["ok"] is True
    assert {"Python", "torch", "lava-nc", "lava-dl"} <= {finding["name"] for finding in report["findings"]}


@pytest.mark.lava
def test_setup_lava_is_idempotent() -> None:
    assert cli_json("setup-lava") == {"lava_nc": "0.10.0", "lava_dl": "0.6.0", "works": True, "detail": "imports"}


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that are empty, truncated, of the wrong type, or of the wrong shape."""
    folder = tmp_path_factory.mktemp("broken")
    for suffix in ("net", "pt", "npz", "toml"):
        (folder / f"empty.{suffix}").touch()
        (folder / f"text.{suffix}").write_text("hello = [" * 50)
    np.savez(folder / "shape.npz", x=np.zeros((3, 7)), y=np.zeros(3, int))
    np.savez(folder / "nan.npz", x=np.full((10, 64), np.nan), y=np.zeros(10, int))
    np.savez(folder / "range.npz", x=np.full((10, 64), 99.5), y=np.zeros(10, int))
    np.savez(folder / "unlabelled.npz", x=np.zeros((10, 64)))
    (folder / "folder.net").mkdir()
    return folder


@pytest.mark.lava
def test_misuse_of_every_command_exits_1_with_one_message(broken: Path, digits_net: Path, trained: Trained) -> None:
    out = broken / "out"
    out.mkdir(exist_ok=True)
    truncated_net, truncated_pt = broken / "truncated.net", broken / "truncated.pt"
    truncated_net.write_bytes(digits_net.read_bytes()[:20_000])
    truncated_pt.write_bytes(trained.checkpoint.read_bytes()[:20_000])
    nan_net, shape_net, nan_pt, shape_pt = (broken / name for name in ("nan.net", "shape.net", "nan.pt", "shape.pt"))
    for path, change in ((nan_net, {"data": np.nan}), (shape_net, {"shape": (3, 5)})):
        shutil.copy(digits_net, path)
        with h5py.File(path, "a") as file:
            weight = file["layer/2/weight"][()] * change.get("data", 1)
            del file["layer/2/weight"]
            file["layer/2/weight"] = np.resize(weight, change.get("shape", weight.shape))
    for path, weight in ((nan_pt, torch.full((128, 64), float("nan"))), (shape_pt, torch.zeros(3, 5))):
        content = torch.load(trained.checkpoint, weights_only=True)
        content["state_dict"]["fc1.linear.weight"] = weight
        torch.save(content, path)
    nets = [nan_net, shape_net] + [
        broken / name for name in ("empty.net", "text.net", "truncated.net", "none.net", "folder.net", "nan.npz")
    ]
    checkpoints = [nan_pt, shape_pt] + [
        broken / name for name in ("empty.pt", "text.pt", "truncated.pt", "none.pt", "nan.npz", "folder.net")
    ]
    data = [broken / f"{name}.npz" for name in ("empty", "text", "none", "shape", "nan", "range")]
    cases: list[list[object]] = []
    for net in nets:
        cases += [["inspect", net], ["map", net], ["run", net, "--data", "digits"], ["verify", net, "--data", "digits"]]
    cases += [["convert", source, "-o", out / "x.net"] for source in checkpoints]
    cases += [["convert", trained.checkpoint, "-o", out / "x.net", "--calibrate", source] for source in data]
    cases += [["run", digits_net, "--data", source, "-o", out / "run"] for source in data]
    cases += [["verify", digits_net, "--data", source] for source in data]
    cases += [["train", "mlp", "--data", source, "-o", out / "x.pt"] for source in [*data[:3], *data[4:]]]
    cases += [
        ["train", "mlp", "--data", broken / "unlabelled.npz", "-o", out / "x.pt"],
        ["train", "mlp", "--data", "digits", "-o", out / "no" / "x.pt"],
        ["convert", trained.checkpoint, "-o", out / "no" / "x.net"],
        ["convert", trained.checkpoint, "-o", out],
        ["convert", trained.checkpoint, "-o", trained.checkpoint],
        ["inspect", digits_net, "--timesteps", "640"],
        ["inspect", "x" * 300 + ".net"],
        ["inspect", "run[/b].net"],
        ["map", digits_net, "--profile", broken / "empty.toml"],
        ["map", digits_net, "--profile", broken / "text.toml"],
        ["profiles", broken / "none.toml"],
        ["run", digits_net, "--data", "digits", "-o", digits_net],
        ["demo", "-o", digits_net],
    ]
    usage = [
        ["train", "resnet", "--data", "digits", "-o", out / "x.pt"],
        ["map", digits_net, "--profile", "loihi3"],
        ["run", digits_net, "--data", "cifar"],
        ["verify", digits_net, "--data", "digits", "--against", "nengo"],
        ["verify", digits_net, "--data", "digits", "--against", ""],
        ["verify", digits_net, "--data", "digits", "--against", "native"],
        ["train", "mlp", "--data", "digits", "-o", out / "x.pt", "--hidden", "1000000000000"],
    ]
    for case, code in [(case, 1) for case in cases] + [(case, 2) for case in usage]:
        done = cli(*case, code=code)
        assert done.stderr.startswith("error: "), case
        assert len(done.stderr.strip().splitlines()) <= 3, (case, done.stderr)
        assert done.stdout == "", case
    assert list(out.iterdir()) == []
    error = cli_json("inspect", broken / "none.net", code=1)["error"]
    assert (error["type"], error["what"]) == ("FileError", "no such file")


@pytest.mark.parametrize(
    ("line", "what", "command"),
    [
        (["run", "x.net", "--samples", "few"], "Invalid value for '--samples'", "neuro-deploy run"),
        (["map"], "Missing argument 'NET.net'", "neuro-deploy map"),
        (["inspect", "--size"], "No such option: --size", "neuro-deploy inspect"),
        (["walk"], "No such command 'walk'", "neuro-deploy"),
    ],
)
def test_what_is_wrong_in_a_command_line_is_json_too(line: list[str], what: str, command: str) -> None:
    done = cli(*line, "--json", code=2)
    error = json.loads(done.stdout)["error"]
    assert (error["type"], error["hint"]) == ("UsageError", f"{command} --help")
    assert error["what"].startswith(what)
    assert f"error: {what}" in done.stderr


@pytest.mark.lava
@pytest.mark.parametrize("moment", ["loading", "training", "lava"])
def test_ctrl_c_leaves_no_file_and_no_process(digits_net: Path, tmp_path: Path, moment: str) -> None:
    training = ["train", "mlp", "--data", "digits", "-o", tmp_path / "x.pt", "--epochs", "2000"]
    lava = ["run", digits_net, "--data", "digits", "--engine", "lava", "-o", tmp_path / "run"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        # shells let what runs in the background ignore Ctrl-C
        ["env", "--default-signal=INT", sys.executable, "-m", "neuro_deploy"]
        + [str(argument) for argument in (lava if moment == "lava" else training)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    shared = set(Path("/dev/shm").glob("psm_*"))
    loaded = Path(f"/proc/{process.pid}/maps")
    reached = {
        "loading": lambda: "_multiarray_umath" in loaded.read_text(),
        "training": lambda: "libtorch_cpu" in loaded.read_text(),
        "lava": lambda: str(temporary) in running(),
    }[moment]
    deadline = time.monotonic() + 60
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert reached()
    time.sleep({"loading": 0, "training": 3, "lava": 0.7}[moment])
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.strip().endswith("interrupted")
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == [temporary]
    assert list(temporary.iterdir()) == []
    assert str(temporary) not in running()
    assert set(Path("/dev/shm").glob("psm_*")) <= shared


def running() -> str:
    return subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout


@pytest.mark.lava
def test_names_are_shown_as_they_are(digits_net: Path, tmp_path: Path) -> None:
    """Square brackets in a path, a population or a profile are no markup."""
    net = tmp_path / "runs[bold]" / "n[x].net"
    net.parent.mkdir()
    shutil.copy(digits_net, net)
    with h5py.File(net, "a") as file:
        document = json.loads(file["meta/document"][()])
        document["populations"][1] = "[/x]"
        del file["meta/document"]
        file["meta/document"] = json.dumps(document)
    profile = tmp_path / "p.toml"
    profile.write_text(
        (Path(__file__).parents[2] / "hw_profiles" / "loihi2.toml").read_text().replace("one chip", "[/y]")
    )
    assert "n[x].net: 202 neurons" in cli("inspect", net).stdout
    assert "[/y]" in cli("map", net, "--profile", profile).stdout
    assert "[/x]" in cli("run", net, "--data", "digits", "--samples", 3, "--profile", profile).stdout
    assert "[/x]" in cli("verify", net, "--data", "digits", "--samples", 3).stdout


@pytest.mark.lava
def test_python_files_in_the_current_folder_are_not_run(digits_net: Path, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the folder of the user was run')")
    program = Path(sys.executable).parent / "neuro-deploy"
    arguments = ["run", digits_net, "--data", "digits", "--samples", "2", "--engine", "lava"]
    for command in (arguments, ["doctor"]):
        done = subprocess.run([program, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "was run" not in done.stdout + done.stderr


def test_options_written_twice_say_the_same() -> None:
    from typing import get_args

    from neuro_deploy.cli.convert import InputMode
    from neuro_deploy.cli.run import EngineName
    from neuro_deploy.engines import ENGINES
    from neuro_deploy.passes import InputMode as Wanted

    assert {mode.value for mode in InputMode} == set(get_args(Wanted))
    assert {engine.value for engine in EngineName} == set(ENGINES)
