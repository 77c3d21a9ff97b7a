"""Commands whose reader goes away, whose output has no room, or whose samples do not fit."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import cli
from conftest import Trained

PROGRAM = [sys.executable, "-m", "neuro_deploy"]
PRINTING = [["profiles"], ["profiles", "--json"], ["--help"], ["--version"]]


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_no_room_for_the_output_is_one_error(arguments: list[str], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: standard output: cannot be written: No space left on device"]


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_reader_that_goes_ends_a_command_quietly(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROGRAM, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_without_standard_output_commands_still_work() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m neuro_deploy profiles >&-', sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.lava
def test_samples_that_do_not_fit_are_named_by_their_file(digits_net: Path, trained: Trained, tmp_path: Path) -> None:
    arrays = {"shape": np.zeros((3, 8, 8, 1)), "range": np.full((3, 64), 99.5)}
    said = {
        "shape": "x has shape (3, 8, 8, 1); this network takes",
        "range": "x spans 99.5 to 99.5; this network takes",
    }
    for name, array in arrays.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, x=array)
        for command in (
            ["run", digits_net, "--data", path],
            ["verify", digits_net, "--data", path],
            ["inspect", digits_net, "--mfi", "--data", path],
            ["convert", trained.checkpoint, "-o", tmp_path / "o.net", "--calibrate", path],
        ):
            lines = cli(*command, code=1).stderr.splitlines()
            assert lines[0].startswith(f"error: {path}: {said[name]}"), command
            assert lines[1].startswith("hint: "), command


@pytest.mark.lava
def test_convert_never_replaces_what_it_did_not_write(trained: Trained, tmp_path: Path) -> None:
    notes, pipe, link = tmp_path / "notes.txt", tmp_path / "pipe", tmp_path / "link.net"
    notes.write_text("mine")
    os.mkfifo(pipe)
    link.symlink_to("end.net")
    assert "is no NetX file, it is not overwritten" in cli("convert", trained.checkpoint, "-o", notes, code=1).stderr
    assert "is no regular file" in cli("convert", trained.checkpoint, "-o", pipe, code=1).stderr
    assert "/proc/a.net: cannot be written" in cli("convert", trained.checkpoint, "-o", "/proc/a.net", code=1).stderr
    for _ in range(2):
        cli("convert", trained.checkpoint, "-o", link)
    assert notes.read_text() == "mine"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()
    with h5py.File(tmp_path / "end.net") as file:
        assert "layer" in file
