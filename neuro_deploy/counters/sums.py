"""Sums of many small numbers that stand side by side, for which numpy takes several times as long as reading them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.native.kernels import outer
from neuro_deploy.network.groups import Groups
from neuro_deploy.numerics.registers import IntArray


def group_sums(groups: Groups, values: npt.NDArray[Any]) -> IntArray:
    """As ``groups.sums``: (T, groups), int64. values: (T, neurons) or (T, *shape), whole numbers."""
    taken = groups.taken(values)
    if groups.alike == "channel":
        taken = np.moveaxis(taken.reshape(-1, *groups.window), 1, -1)
    if groups.alike not in ("channel", "dense") or not taken.flags.c_contiguous:
        return np.asarray(groups.sums(values))
    sums = np.empty((len(values), groups.count), np.int64)
    wide = values.dtype.itemsize > 1 or math.prod(taken.shape) * 255 >= 2**32
    add = _add_wide if wide else _add_narrow
    add(0, sums.size, taken.reshape(sums.size, -1), sums.reshape(-1))
    return sums


@outer
def _add_narrow(first: int, last: int, values: Any, sums: Any) -> None:
    """Sums of rows first to last - 1 of values (rows, n), where 32 bits hold them."""
    for row in range(first, last):
        total = np.uint32(0)
        for i in range(values.shape[1]):
            total += np.uint32(values[row, i])
        sums[row] = total


@outer
def _add_wide(first: int, last: int, values: Any, sums: Any) -> None:
    for row in range(first, last):
        total = np.int64(0)
        for i in range(values.shape[1]):
            total += np.int64(values[row, i])
        sums[row] = total
