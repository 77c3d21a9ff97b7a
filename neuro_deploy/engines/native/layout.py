"""Where neurons stand in memory: inside the engine (height, width, channels), elsewhere (channels, height, width).

With channels last, a convolution gathers whole runs of numbers, and weights along the channels are a plain matrix
product. Flat populations are the same in both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Shape = tuple[int, ...]


def inner_shape(shape: Shape) -> Shape:
    """(channels, height, width) -> (height, width, channels)."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def to_inner(values: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    """(..., neurons), from the order outside to the order inside. shape: of the population."""
    if len(shape) != 3:
        return values
    lead = values.shape[:-1]
    return np.ascontiguousarray(np.moveaxis(values.reshape(*lead, *shape), -3, -1)).reshape(*lead, -1)


def from_inner(values: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    """(..., neurons), from the order inside to the order outside."""
    return values if len(shape) != 3 else np.ascontiguousarray(seen(values, shape)).reshape(values.shape)


def seen(values: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    """The same numbers, (..., neurons) in the order inside, seen as (..., *shape); nothing is moved."""
    if len(shape) == 1:
        return values
    cube = values.reshape(*values.shape[:-1], *inner_shape(shape))
    first = cube.ndim - 3
    return cube.transpose(*range(first), first + 2, first, first + 1) if len(shape) == 3 else cube
