"""Samples and labels, from what ``--data`` names."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import DataError, FileError, FormatError, NeuroDeployError, UsageError
from neuro_deploy.files import existing_file, read_npz

DIGITS_LEVELS = 16
DIGITS_SHAPE = (8, 8)
"""scikit-learn's handwritten digits have pixels from 0 to 16."""
HELD_OUT = 5
"""Every fifth sample, from the first on, is held out: 360 of the 1,797 digits."""


@dataclass(frozen=True, eq=False)
class Data:
    """x: (samples, ...). y: (samples,) int64 or None. levels: x is whole numbers 0..levels divided by levels."""

    name: str
    x: npt.NDArray[np.floating] | npt.NDArray[np.integer]
    y: npt.NDArray[np.int64] | None = None
    levels: int = 255

    def head(self, samples: int | None) -> Data:
        """The first so many samples; all without a number.

        Raises:
            UsageError: fewer than one.
        """
        if samples is not None and samples < 1:
            raise UsageError(f"--samples is {samples}; at least 1 is wanted")
        return Data(self.name, self.x[:samples], None if self.y is None else self.y[:samples], self.levels)


def load_data(source: str, part: Literal["test", "train", "all"] | None = None) -> Data:
    """``digits`` or ``FILE.npz`` with ``x`` and perhaps ``y``.

    part: "test" is every fifth sample, from the first on, "train" the rest. Not named: the held-out digits, and all
    of a file. Floats of a file that are all whole numbers, some above 1, are pixels that were saved as floats, and
    become integers.

    Raises:
        UsageError: a name that is neither.
        FileError, FormatError, DataError: a file that is not there, broken, or without usable arrays.
    """
    return take_part(_load(source), part or ("test" if source == "digits" else "all"))


def _load(source: str) -> Data:
    if source == "digits":
        return _digits()
    if not source.endswith(".npz"):
        raise _refusal(source)
    path = existing_file(Path(source))
    arrays = read_npz(path)
    if "x" not in arrays:
        hint = "np.savez(FILE, x=samples, y=labels); y only if labelled"
        raise DataError(f"has no array x, only {', '.join(arrays) or 'nothing'}", where=str(path), hint=hint)
    return Data(source, _samples(arrays["x"], path), _labels(arrays, path))


def _refusal(source: str) -> NeuroDeployError:
    """Why something is no data set: of that name there may be a file or a folder all the same."""
    hint = "give digits, or a FILE.npz with arrays x and, if labelled, y"
    path = Path(source)
    if not os.path.lexists(source):
        return UsageError(f"no data set {source!r}", hint=hint)
    if path.is_dir():
        return FileError("is a folder, no data set", where=source, hint=hint)
    if path.suffix == ".npy":
        hint = "put it into a FILE.npz: np.savez('d.npz', x=np.load('d.npy'), y=labels); y only if labelled"
    kind = f"a {path.suffix} file" if path.suffix else "a file"
    return FormatError(f"is {kind}, no data set", where=source, hint=hint)


def take_part(data: Data, part: str) -> Data:
    """ "test": every fifth sample, from the first on; "train": the rest; "all"."""
    held_out = np.arange(len(data.x)) % HELD_OUT == 0
    if part == "all":
        return data
    chosen = held_out if part == "test" else ~held_out
    if not np.any(chosen):
        raise DataError(f"has {len(data.x)} samples, too few to train on some and hold out others", where=data.name)
    return Data(data.name, data.x[chosen], None if data.y is None else data.y[chosen], data.levels)


def _samples(x: np.ndarray, path: Path) -> np.ndarray:
    where = f"{path}:x"
    if x.dtype.kind not in "iufb":
        raise DataError(f"holds {x.dtype}, numbers are wanted", where=where)
    if x.ndim < 2 or x.size == 0:
        raise DataError(f"has shape {x.shape}; (samples, ...) with at least one sample is wanted", where=where)
    if x.dtype.kind == "f" and not np.all(np.isfinite(x)):
        hint = "leave those samples out, or mend them: np.nan_to_num(x)"
        raise DataError("holds NaN or infinity", where=where, hint=hint)
    pixels = x.dtype.kind == "f" and x.max() > 1 and bool(np.all(x == np.rint(x))) and np.abs(x).max() < 2**31
    return x.astype(np.int64) if pixels else x


def _labels(arrays: dict[str, np.ndarray], path: Path) -> npt.NDArray[np.int64] | None:
    if "y" not in arrays:
        return None
    y, samples = arrays["y"], len(arrays["x"])
    if y.dtype.kind not in "iu" or y.shape != (samples,):
        raise DataError(
            f"holds {y.dtype} of shape {y.shape}; whole numbers of shape ({samples},) are wanted", where=f"{path}:y"
        )
    return y.astype(np.int64)


def _digits() -> Data:
    """scikit-learn's file of them, without importing scikit-learn, which takes a second."""
    spec = importlib.util.find_spec("sklearn")
    places = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for path in (Path(place) / "datasets/data/digits.csv.gz" for place in places) if path.exists()]
    if not found:
        raise DataError("the handwritten digits are not there", hint="pip install scikit-learn brings them")
    rows = np.loadtxt(found[0], delimiter=",")
    x = rows[:, :-1].reshape(-1, 1, *DIGITS_SHAPE) / DIGITS_LEVELS
    return Data("digits", x, rows[:, -1].astype(np.int64), DIGITS_LEVELS)
