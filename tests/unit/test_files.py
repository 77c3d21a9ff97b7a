"""Where files are written, what they may replace, and what is said where that cannot be."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import neuro_deploy as nd
from neuro_deploy import files
from neuro_deploy.errors import FileError
from neuro_deploy.files import (
    Kind,
    check_folder,
    check_writable,
    existing_file,
    write_bytes,
    write_folder,
    write_json,
)
from neuro_deploy.frontends.checkpoint import save_checkpoint

HDF5 = b"\x89HDF\r\n\x1a\n"


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_file_is_written_and_written_again(tmp_path: Path) -> None:
    for content in (HDF5 + b"a", HDF5 + b"b"):
        write_bytes(tmp_path / "a.net", content, "NetX file")
        assert (tmp_path / "a.net").read_bytes() == content
    assert list(tmp_path.iterdir()) == [tmp_path / "a.net"]


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.open"])
def test_a_full_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.setattr(call, failing(28))
    said = r"x: cannot be written: No space left on device\nhint: the disk is full: free some space"
    for write in (
        lambda path: save_checkpoint(path, {"a": torch.zeros(3)}),
        lambda path: write_json(path, {}),
        lambda path: write_bytes(path, HDF5, "NetX file"),
    ):
        with pytest.raises(FileError, match=said):
            write(tmp_path / "x")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_folder_is_written_whole_or_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    old: dict[str, tuple[bytes, Kind]] = dict.fromkeys(("a", "b", "c"), (b"{}\n", "JSON file"))
    new: dict[str, tuple[bytes, Kind]] = dict.fromkeys(old, (b'{"new": 1}\n', "JSON file"))
    write_folder(tmp_path / "run", old)
    synced, sync = [], os.fsync

    def full(number: int) -> None:
        synced.append(number)
        sync(number) if len(synced) < fails_at else failing(28)()

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match="No space left on device"):
        write_folder(tmp_path / "run", new)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == {
        n: c for n, (c, _) in old.items()
    }
    write_folder(tmp_path / "run", new)
    assert all(path.read_bytes() == b'{"new": 1}\n' for path in (tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (30, "Read-only file system\nhint: the disk may only be read"),
        (2, "No such file or directory\nhint: no files can be made there"),
        (13, "Permission denied\nhint: name another place, or allow yourself to write there"),
    ],
)
def test_a_folder_that_takes_no_files_is_refused_before_long_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", failing(number))
    with pytest.raises(FileError, match=f"x: cannot be written: {said}"):
        check_writable(tmp_path / "x")
    with pytest.raises(FileError, match=f"x: cannot take files: {said}"):
        check_folder(tmp_path / "x")


def test_names_too_long_are_refused_before_long_work(tmp_path: Path) -> None:
    for check in (check_writable, check_folder):
        with pytest.raises(FileError, match="File name too long"):
            check(tmp_path / ("y" * 300))


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    for path in (tmp_path / "pipe.npz", Path("/dev/zero")):
        with pytest.raises(FileError, match=r"is no regular file\nhint: save what it gives in a file first"):
            existing_file(path)
    with pytest.raises(FileError, match="is no regular file"):
        nd.load("/dev/zero")
    with pytest.raises(FileError, match="is no regular file"):
        nd.convert("/dev/zero")
    with pytest.raises(FileError, match="is no regular file"):
        nd.load_data(str(tmp_path / "pipe.npz"))


def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileError, match=r"folder: is a folder, a file name is wanted\nhint:"):
        write_bytes(tmp_path / "folder", b"", "NetX file")
    for path in (tmp_path / "pipe", tmp_path / "link", tmp_path / "loop", Path("/dev/null")):
        with pytest.raises(FileError, match=r"is there already and is no regular file\nhint: name another output"):
            write_bytes(path, b"", "NetX file")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_symbolic_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    link, end = tmp_path / "a.net", tmp_path / "deep" / "b.net"
    link.symlink_to(end)
    write_bytes(link, HDF5, "NetX file")
    assert link.is_symlink()
    assert end.read_bytes() == HDF5
    link.unlink()
    link.symlink_to(tmp_path / "none" / "b.net")
    with pytest.raises(FileError, match=r"none: no such folder\nhint: mkdir -p"):
        write_bytes(link, HDF5, "NetX file")


@pytest.fixture
def samples(tmp_path: Path) -> dict[str, Path]:
    """A file of each kind, and others."""
    found = {kind: tmp_path / kind for kind in ("NetX file", "checkpoint", ".npz file", "JSON file", "text", "cut zip")}
    write_bytes(found["NetX file"], HDF5, "NetX file")
    save_checkpoint(found["checkpoint"], {})
    with found[".npz file"].open("wb") as handle:
        np.savez(handle, x=np.zeros(3))
    write_json(found["JSON file"], {"a": 1})
    found["text"].write_text("notes")
    found["cut zip"].write_bytes(found["checkpoint"].read_bytes()[:100])
    return found


@pytest.mark.parametrize("kind", ["NetX file", "checkpoint", ".npz file", "JSON file"])
def test_only_an_empty_file_or_one_of_the_same_kind_is_overwritten(samples: dict[str, Path], kind: Kind) -> None:
    empty = samples[kind].with_name("empty")
    empty.touch()
    check_writable(empty, kind=kind)
    check_writable(samples.pop(kind), kind=kind)
    for path in samples.values():
        before = path.read_bytes()
        with pytest.raises(
            FileError, match=rf"is there already and is no {kind}, .*\nhint: name another output, or remo"
        ):
            write_bytes(path, b"new", kind)
        assert path.read_bytes() == before


def test_training_over_its_own_data_or_a_network_is_refused_at_once(tmp_path: Path) -> None:
    data = tmp_path / "d.npz"
    np.savez(data, x=np.zeros((10, 4)), y=np.arange(10) % 2)
    with pytest.raises(FileError, match="is there already and is no checkpoint"):
        nd.train("mlp", str(data), data)


def test_every_kind_is_known_by_its_start_or_its_members() -> None:
    from typing import get_args

    assert set(get_args(Kind)) == set(files._STARTS) | set(files._MEMBERS)
