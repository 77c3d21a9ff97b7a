"""Sums of many small numbers that stand side by side, for which numpy takes several times as long as reading them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.native.images import add_rows
from neuro_deploy.network.groups import Groups
from neuro_deploy.numerics.registers import IntArray


def group_sums(groups: Groups, values: npt.NDArray[Any]) -> IntArray:
    """As ``groups.sums``: (T, groups), int64. values: (T, neurons) or (T, *shape), whole numbers."""
    taken = groups.taken(values)
    if groups.alike == "channel":
        taken = np.moveaxis(taken.reshape(-1, *groups.window), 1, -1)
    if groups.alike not in ("channel", "dense") or not taken.flags.c_contiguous:
        return np.asarray(groups.sums(values))
    wide = values.dtype.itemsize > 1 or math.prod(taken.shape) * 255 >= 2**32
    sums = np.empty((len(values), groups.count), np.int64 if wide else np.uint32)
    add_rows(0, sums.size, taken.reshape(sums.size, -1), sums.reshape(-1))
    return sums.astype(np.int64, copy=False)
