"""Samples and labels, from what ``--data`` names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import DataError, UsageError
from neuro_deploy.files import existing_file, read_npz

DIGITS_LEVELS = 16
"""scikit-learn's handwritten digits have pixels from 0 to 16."""
HELD_OUT = 5
"""Every fifth digit, from the first on, is held out: 360 of 1,797."""


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


def load_data(source: str, part: str = "test") -> Data:
    """``digits`` (its held-out fifth, or with part="train" the rest) or ``FILE.npz`` with ``x`` and perhaps ``y``.

    Raises:
        UsageError: a name that is neither.
        FileError, FormatError, DataError: a file that is not there, broken, or without usable arrays.
    """
    if source == "digits":
        return _digits(part)
    if not source.endswith(".npz"):
        raise UsageError(f"no data set {source!r}", hint="give digits, or a FILE.npz with arrays x and, if labelled, y")
    path = existing_file(Path(source))
    arrays = read_npz(path)
    if "x" not in arrays:
        raise DataError(f"has no array x, only {', '.join(arrays) or 'nothing'}", where=str(path))
    return Data(source, _samples(arrays["x"], path), _labels(arrays, path))


def _samples(x: np.ndarray, path: Path) -> np.ndarray:
    where = f"{path}:x"
    if x.dtype.kind not in "iufb":
        raise DataError(f"holds {x.dtype}, numbers are wanted", where=where)
    if x.ndim < 2 or x.size == 0:
        raise DataError(f"has shape {x.shape}; (samples, ...) with at least one sample is wanted", where=where)
    if x.dtype.kind == "f" and not np.all(np.isfinite(x)):
        raise DataError("holds NaN or infinity", where=where)
    return x


def _labels(arrays: dict[str, np.ndarray], path: Path) -> npt.NDArray[np.int64] | None:
    if "y" not in arrays:
        return None
    y, samples = arrays["y"], len(arrays["x"])
    if y.dtype.kind not in "iu" or y.shape != (samples,):
        raise DataError(
            f"holds {y.dtype} of shape {y.shape}; whole numbers of shape ({samples},) are wanted", where=f"{path}:y"
        )
    return y.astype(np.int64)


def _digits(part: str) -> Data:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    x = (bundle.images[:, None] / DIGITS_LEVELS).astype(np.float64)
    y = bundle.target.astype(np.int64)
    held_out = np.arange(len(y)) % HELD_OUT == 0
    chosen = held_out if part == "test" else ~held_out
    return Data("digits", x[chosen], y[chosen], DIGITS_LEVELS)
