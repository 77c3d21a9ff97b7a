"""Data sets and archives from strangers."""

from __future__ import annotations

import argparse
import io
import pathlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import neuro_deploy as nd
from neuro_deploy.errors import DataError, FileError, FormatError, NeuroDeployError, UsageError
from neuro_deploy.files import read_npz
from neuro_deploy.network.encoding import flat_samples


def test_the_held_out_digits_are_fixed_and_not_trained_on() -> None:
    test, train, every = (nd.load_data("digits", part) for part in ("test", "train", "all"))
    assert (test.x.shape, train.x.shape) == ((360, 1, 8, 8), (1437, 1, 8, 8))
    np.testing.assert_array_equal(test.x, every.x[::5])
    assert nd.load_data("digits").x.shape == test.x.shape
    assert test.x.max() == 1.0
    np.testing.assert_array_equal(test.x * 16, np.rint(test.x * 16))


def test_a_file_is_taken_whole_and_cut_only_for_training(tmp_path: Path) -> None:
    path = str(tmp_path / "d.npz")
    np.savez(path, x=np.arange(20.0).reshape(10, 2), y=np.arange(10))
    assert len(nd.load_data(path).x) == 10
    assert nd.load_data(path, "test").y.tolist() == [0, 5]


@pytest.mark.parametrize(
    ("arrays", "kind", "said"),
    [
        ({"a": np.zeros((2, 2))}, DataError, "has no array x, only a"),
        ({"x": np.zeros(3)}, DataError, r"x: has shape \(3,\)"),
        ({"x": np.zeros((0, 3))}, DataError, r"x: has shape \(0, 3\)"),
        ({"x": np.full((2, 2), np.nan)}, DataError, "x: holds NaN or infinity"),
        ({"x": np.array([["a", "b"]])}, DataError, "x: holds <U1, numbers are wanted"),
        ({"x": np.zeros((2, 2)), "y": np.zeros(3, int)}, DataError, r"y: holds int64 of shape \(3,\)"),
        ({"x": np.zeros((2, 2)), "y": np.zeros(2)}, DataError, "y: holds float64"),
        ({"x": np.array([[1, None]], dtype=object)}, FormatError, "x: holds Python objects"),
    ],
)
def test_unusable_arrays_are_refused(tmp_path: Path, arrays: dict, kind: type[NeuroDeployError], said: str) -> None:
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(kind, match=said):
        nd.load_data(str(tmp_path / "d.npz"))


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all" * 10])
def test_broken_archives_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"not a readable \.npz file"):
        nd.load_data(str(path))


def test_an_array_that_claims_more_than_its_bytes_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2)})
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x.npy", buffer.getvalue() + b"\0" * 64)
    with pytest.raises(FormatError, match=r"claims shape \(1099511627776, 2\), which its .* bytes do not hold"):
        read_npz(tmp_path / "d.npz")


def test_an_archive_that_would_unpack_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((1000, 1000)))
    monkeypatch.setattr("neuro_deploy.files.MEMORY_BUDGET", 1_000_000)
    with pytest.raises(FormatError, match="would unpack to 8,000,"):
        nd.load_data(str(tmp_path / "d.npz"))


def test_what_is_there_but_no_data_set_says_what_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.zeros((3, 4)))
    (tmp_path / "x.net").touch()
    with pytest.raises(FormatError, match=r"d\.npy: is a \.npy file, no data set\nhint: put it into a FILE\.npz"):
        nd.load_data(str(tmp_path / "d.npy"))
    with pytest.raises(FormatError, match=r"x\.net: is a \.net file, no data set\nhint: give digits, or a FILE\.npz"):
        nd.load_data(str(tmp_path / "x.net"))
    with pytest.raises(FileError, match="is a folder, no data set"):
        nd.load_data(str(tmp_path))


@pytest.mark.parametrize(
    ("found", "wanted", "hint"),
    [
        ((5, 28, 28), (784,), r"x.reshape\(-1, 784\)"),
        ((5, 8, 6, 2), (2, 8, 6), r"np.transpose\(x, \(0, 3, 1, 2\)\)"),
        ((5, 4, 8, 6, 2), (2, 8, 6), r"np.transpose\(x, \(0, 1, 4, 2, 3\)\)"),
        ((2, 8, 6), (2, 8, 6), r"x\[None\]"),
        ((64,), (64,), r"x\[None\]"),
        ((5, 7), (2, 8, 6), "a sample must have 96 numbers"),
    ],
)
def test_samples_of_another_shape_are_refused_with_the_way_to_the_right_one(
    found: tuple[int, ...], wanted: tuple[int, ...], hint: str
) -> None:
    with pytest.raises(DataError, match=f"x has shape .*\nhint: .*{hint}"):
        flat_samples(np.zeros(found), wanted)


def test_unknown_data_sets_are_named() -> None:
    with pytest.raises(UsageError, match="no data set 'mnist'"):
        nd.load_data("mnist")
    with pytest.raises(FileError, match="no such file"):
        nd.load_data("none.npz")


class Evil:
    def __reduce__(self) -> tuple:
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"format": "neuro-deploy-checkpoint", "x": Evil()}, "holds Python objects besides numbers"),
        (
            {"model": pathlib.PosixPath("a")},
            r"are not loaded: pathlib.PosixPath\nhint: if you trust .*python -c 'import",
        ),
        ({"args": argparse.Namespace(path=Evil())}, "are not loaded: builtins.print"),
        ({"net": {}}, r"is a torch file \(a dict of 'net'\), but .*\nhint: .* in a dict as 'model' or 'state_dict'"),
        (torch.zeros(2), r"is a torch file \(a Tensor\), but not a checkpoint of this tool"),
        ({"format": "neuro-deploy-checkpoint", "version": [[]]}, "has version list, this tool reads 1"),
        ({"format": "neuro-deploy-checkpoint", "version": 7}, "has version 7, this tool reads 1"),
        ({"format": "neuro-deploy-checkpoint", "version": 1, "model": "mlp"}, "has no usable 'config'"),
    ],
)
def test_foreign_and_hostile_checkpoints_are_refused(
    tmp_path: Path, content: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(FormatError, match=said):
        nd.lower(tmp_path / "c.pt")
    assert "executed" not in capsys.readouterr().out


def checkpoint(path: Path, **changes: object) -> Path:
    from neuro_deploy.models import SpikingMLP

    model = SpikingMLP((4, 3, 2), 4)
    content = {
        "format": "neuro-deploy-checkpoint",
        "version": 1,
        "model": "mlp",
        "config": {"widths": [4, 3, 2], "timesteps": 4, "tau": 2.0, "v_threshold": 1.0},
        "input": {"shape": [4], "scale": 1 / 16, "low": 0.0, "levels": 16},
        "state_dict": model.state_dict(),
    }
    state = changes.pop("state", {})
    torch.save({**content, **changes, "state_dict": {**content["state_dict"], **state}}, path)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "resnet"}, "holds a 'resnet'; this version converts 'mlp' and 'mixer'"),
        ({"config": {}}, "configuration is broken"),
        ({"config": {"widths": [4], "timesteps": 4, "tau": 2.0, "v_threshold": 1.0}}, r"widths are \[4\]"),
        (
            {"config": {"widths": [4, 5, 2], "timesteps": 4, "tau": 2.0, "v_threshold": 1.0}},
            r"has shape \(3, 4\), \(5, 4\)",
        ),
        ({"input": {"shape": [4], "scale": -1, "low": 0, "levels": 16}}, "configuration is broken"),
        (
            {"input": {"shape": [5], "scale": 1, "low": 0, "levels": 16}},
            r"fc1.linear: has weights of shape \(3, 4\) and biases of shape \(3,\), and is fed a value of \(5,\)",
        ),
        (
            {"state": {"fc1.linear.weight": torch.full((3, 4), float("nan"))}},
            "fc1.linear.weight: holds NaN or infinity",
        ),
        ({"state": {"fc1.bn.running_var": -torch.ones(3)}}, "fc1.bn.running_var: holds a negative variance"),
        ({"state": {"fc1.bn.weight": "text"}}, "fc1.bn.weight: is not a dense real tensor"),
        ({"state": {"fc1.linear.weight": torch.eye(3, 4).to_sparse()}}, "is not a dense real tensor"),
        ({"state": {"fc1.linear.weight": torch.zeros(3, 4, device="meta")}}, "is not a dense real tensor"),
        ({"state": {"fc1.linear.weight": torch.zeros(3, 4, dtype=torch.complex64)}}, "real numbers are wanted"),
        (
            {"state": {"attention.weight": torch.zeros(1)}},
            "holds 1 tensors that the model does not have: attention.weight",
        ),
        (
            {"config": {"widths": [4, 3, 2], "timesteps": 4.7, "tau": 2.0, "v_threshold": 1.0}},
            "configuration is broken",
        ),
        ({"config": {"widths": "432", "timesteps": 4, "tau": 2.0, "v_threshold": 1.0}}, "configuration is broken"),
        (
            {"config": {"widths": [4, 3, 2], "timesteps": 10**9, "tau": 2.0, "v_threshold": 1.0}},
            "timesteps is 1000000000",
        ),
        (
            {"config": {"widths": [4, 3, 2], "timesteps": 4, "tau": 2.0, "v_threshold": 1e308}},
            r"fc1.lif: tau 2.0, v_threshold from 1e\+308; .* a threshold above 0, at most 1e\+30, are wanted",
        ),
        ({"version": torch.ones(2)}, "has version"),
        ({"state": {"fc1.linear.weight": torch.zeros(1).expand(3, 4)}}, "which its data do not hold"),
        ({"config": {"widths": [4, 3, 2], "timesteps": 0, "tau": 2.0, "v_threshold": 1.0}}, "timesteps"),
        ({"config": {"widths": [4, 3, 2], "timesteps": 4, "tau": 0.5, "v_threshold": 1.0}}, "tau 0.5"),
    ],
)
def test_broken_checkpoints_are_refused_by_key(tmp_path: Path, changes: dict, said: str) -> None:
    path = checkpoint(tmp_path / "c.pt", **changes)
    with pytest.raises(NeuroDeployError, match=said):
        nd.convert(path)


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_truncated_checkpoints_are_refused(tmp_path: Path, keep: int) -> None:
    path = checkpoint(tmp_path / "c.pt")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError, match="not a readable torch checkpoint: empty, truncated"):
        nd.lower(path)


def test_pixels_saved_as_floats_become_integers(tmp_path: Path) -> None:
    path = str(tmp_path / "d.npz")
    np.savez(path, x=np.array([[0.0, 1.0], [16.0, 3.0]]))
    assert nd.load_data(path).x.dtype == np.int64
    np.savez(path, x=np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert nd.load_data(path).x.dtype == np.float64


def test_too_few_samples_to_train_on_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "d.npz")
    np.savez(path, x=np.zeros((2, 3)), y=np.arange(2))
    with pytest.raises(DataError, match="has 1 sample to train on, at least 2 are wanted"):
        nd.train("mlp", path, tmp_path / "x.pt")
    assert not (tmp_path / "x.pt").exists()


def test_samples_that_change_over_time_are_compared_too(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 17, (5, 4, 4))
    _, report = nd.convert(checkpoint(tmp_path / "c.pt"), calibrate=x)
    assert 0 <= report.fidelity[0].differing_spikes < 0.2
    with pytest.raises(DataError, match="samples have 3 timesteps, the network runs 4"):
        nd.convert(tmp_path / "c.pt", calibrate=x[:, :3])


def test_an_output_is_never_its_own_source(tmp_path: Path) -> None:
    from neuro_deploy.files import check_writable

    path = checkpoint(tmp_path / "c.pt")
    with pytest.raises(FileError, match="is the source itself, which would be lost"):
        check_writable(path, source=tmp_path / "." / "c.pt")


def test_names_too_long_for_the_file_system_are_named(tmp_path: Path) -> None:
    for path in ("x" * 300 + ".net", str(tmp_path / ("y" * 300))):
        with pytest.raises(FileError, match="File name too long"):
            nd.load(path)
