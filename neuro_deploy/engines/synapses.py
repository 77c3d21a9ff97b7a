"""Weighted sums of spikes on torch, exact on any device.

Everything is whole numbers in floating point: products and partial sums, in whatever order a library adds them, are
exact while the sum of all magnitudes stays below 2^24 in float32 or 2^53 in float64; so are scaling by a power of two
and rounding down. No synapse is unrolled: a projection is a matrix product with its own few weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from neuro_deploy.engines.exact import FLOAT64_EXACT
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import FixedProjection
from neuro_deploy.numerics.registers import FLOAT32_EXACT, IntArray

UNFOLDED = 2**24
"""Numbers that a convolution unfolds at a time: 64 MB in float32."""


def exact_type(largest: int, where: str) -> torch.dtype:
    """The smallest floating-point type in which whole numbers up to ``largest`` add exactly.

    Raises:
        UnsupportedError: none is wide enough.
    """
    if largest >= FLOAT64_EXACT:
        raise UnsupportedError(
            f"sums reach {largest:,}, beyond exact arithmetic", where=where, hint="run it on the reference engine"
        )
    return torch.float32 if largest < FLOAT32_EXACT else torch.float64


def synaptic_input(
    projection: FixedProjection, values: torch.Tensor, largest: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """(delay, a_in of the targets that this delay's synapses reach) for every delay that occurs.

    values: (samples, T or 1, sources of the whole population), whole numbers of any type. a_in: (samples, T or 1,
    target neurons of the window), float32 or float64, the exponent applied. largest: of the magnitudes of partial sums.
    """
    exact = exact_type(largest << max(projection.weight_exp, 0), projection.name)
    geometry = projection.geometry
    vectors = values[..., geometry.sources].to(exact).reshape(-1, *geometry.source_window)
    for delay, weights in _by_delay(projection):
        sums = _sums(projection, torch.tensor(weights, dtype=exact, device=values.device), vectors)
        sums = sums.reshape(*values.shape[:2], -1)
        if projection.sign is not None:
            sums = sums * torch.tensor(projection.sign, dtype=exact, device=values.device)
        if projection.weight_exp:
            sums = sums * 2.0**projection.weight_exp
        yield delay, sums.floor_() if projection.weight_exp < 0 else sums


def _by_delay(projection: FixedProjection) -> Iterator[tuple[int, IntArray]]:
    """(delay, the weights that have it), for every delay that occurs."""
    if projection.delay.ndim == 0:
        yield int(projection.delay), projection.weight
        return
    for delay in np.unique(projection.delay):
        yield int(delay), np.where(projection.delay == delay, projection.weight, 0)


def _sums(projection: FixedProjection, weight: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Weighted sums: (vectors, ...target window). vectors: (vectors, *source window), of the weight's type."""
    geometry = projection.geometry
    if geometry.kind == "one-to-one":
        return vectors.flatten(1) * weight
    if geometry.kind == "dense":
        return vectors.flatten(1) @ weight.T
    if geometry.kind == "conv2d":
        return _convolved(weight, vectors, geometry.stride, geometry.padding)
    if geometry.axis == "channel":
        return weight @ vectors.flatten(2)
    if geometry.axis == "height":
        return weight @ vectors
    return (vectors.flatten(2) if geometry.axis == "space" else vectors) @ weight.T


def _convolved(
    weight: torch.Tensor, vectors: torch.Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> torch.Tensor:
    """Cross-correlation by unfolding and a matrix product: (vectors, channels, positions).

    Not ``torch.conv2d``: backends compute it by Winograd's or Fourier's transform (NNPACK, cuDNN) or in TF32, which is
    inexact even where all numbers are whole and small.
    """
    kernel = (int(weight.shape[2]), int(weight.shape[3]))
    rows = weight.flatten(1)
    each = rows.shape[1] * math.prod(vectors.shape[2:])  # at least: strides make it less, padding a little more
    some = max(1, UNFOLDED // each)
    parts = [
        rows @ torch.nn.functional.unfold(part, kernel, padding=padding, stride=stride)
        for part in torch.split(vectors, some)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)
