"""Products by torch, on any of its devices: what compiled loops of our own do not do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neuro_deploy.engines.native.buffers import Buffers
from neuro_deploy.errors import UsageError

Array = npt.NDArray[Any]


class Matrix:
    """Weights on a device. int8: sums are int32; float32 and float64: sums are too."""

    def __init__(self, weight: Array, device: str) -> None:
        there = torch.from_numpy(weight)
        self._weight = (_even(there) if there.dtype == torch.int8 else there).to(device)

    def after(self, rows: Array, buffers: Buffers) -> Array:
        """Rows (n, sources) times weights (sources, targets): (n, targets)."""
        if self._weight.dtype == torch.int8:
            out = buffers.take((len(rows), self._weight.shape[1]), np.int32)
            torch._int_mm(_even(torch.from_numpy(rows.view(np.int8))), self._weight, out=torch.from_numpy(out))
            return out
        with _exactly():
            return (self._there(rows) @ self._weight).cpu().numpy()

    def before(self, columns: Array, buffers: Buffers) -> Array:
        """Weights (targets, sources) times columns (n, sources, the rest): (n, targets, the rest)."""
        with _exactly():
            there = self._there(columns)
            if there.device.type != "cpu":
                return torch.matmul(self._weight, there).cpu().numpy()
            out = buffers.take((len(columns), len(self._weight), columns.shape[2]), there.numpy().dtype)
            torch.matmul(self._weight, there, out=torch.from_numpy(out))
            return out

    def _there(self, values: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._weight.device).to(self._weight.dtype)


def usable(name: str) -> str:
    """The name of a device, tried.

    Raises:
        UsageError: there is none here.
    """
    try:
        torch.zeros(1, device=torch.device(name))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        said = str(error).splitlines()[0]
        raise UsageError(f"no device {name!r} here: {said}", hint="cpu is always there") from error
    return name


@lru_cache(maxsize=1)
def int8_is_exact() -> bool:
    """Whether this processor's product of bytes is exact at the edges: tried once."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (40, 600)).astype(np.int8)
    rows[:8], rows[8:16] = 127, -128
    weight = rng.integers(-128, 128, (600, 33)).astype(np.int8)
    weight[:, 0], weight[:, 1] = -128, 127
    try:
        got = Matrix(weight, "cpu").after(rows, Buffers())
    except (RuntimeError, AttributeError):
        return False
    return bool(np.array_equal(got, rows.astype(np.int64) @ weight.astype(np.int64)))


def _even(rows: torch.Tensor) -> torch.Tensor:
    """Contiguous. Strides of axes of one element may be anything to torch, but ``_int_mm`` reads them."""
    return rows.contiguous().as_strided(rows.shape, (rows.shape[1], 1))


@contextlib.contextmanager
def _exactly() -> Iterator[None]:
    """No TF32 and no bfloat16 inside matrix products, whatever this process has allowed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_float32_matmul_precision(before)
