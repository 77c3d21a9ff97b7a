"""What the stock reader ``lava.lib.dl.netx.hdf5.Network`` makes of a dense weight matrix, without Lava.

It scales the matrix (``optimize_weight_bits``, lava-dl 0.6.0), then lava-nc's Dense process clips and truncates it
(``clip_weights``, ``truncate_weights``, lava-nc 0.10.0). For most matrices the synapses then act as written; some are
changed. The tests compare this file with Lava's own functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.numerics.registers import IntArray


@dataclass(frozen=True, eq=False)
class StockWeight:
    """What runs: ``a_in = shift(weight @ s, weight_exp)``. weight: (out, in), int64."""

    weight: IntArray
    weight_exp: int


def stock_weight(weight: IntArray, where: str) -> StockWeight:
    """The weights and exponent that run in Lava when a file holds ``weight`` (whole numbers).

    Where every scaled weight is a multiple of the scale, the exponent is folded away and 0.

    Raises:
        UnsupportedError: a matrix that the stock reader cannot load: all zero, or all positive and above 255.
    """
    scaled, bits, exponent = _optimized(np.asarray(weight, np.int64), where)
    acting = _acting(scaled, bits)
    if exponent < 0 and np.all(acting % (1 << -exponent) == 0):
        return StockWeight(acting >> -exponent, 0)
    return StockWeight(acting, exponent)


def unchanged(weight: IntArray, where: str) -> bool:
    """Whether these synapses act in Lava exactly as written."""
    loaded = stock_weight(weight, where)
    return loaded.weight_exp == 0 and bool(np.array_equal(loaded.weight, weight))


def _optimized(weight: IntArray, where: str) -> tuple[IntArray, int, int]:
    """(scaled weight, num_weight_bits, weight_exponent) as ``optimize_weight_bits`` gives them."""
    high, low = int(weight.max()), int(weight.min())
    if high > 254 and low < 0:
        weight = np.clip(weight, -256, 254)
        high = int(weight.max())
    if low < -256 and high > 0:
        weight = np.clip(weight, -256, 254)
        low = int(weight.min())
    if high == 0 and low == 0:
        raise UnsupportedError(
            "every weight is 0, which the stock NetX reader cannot load",
            where=where,
            hint="remove the layer, or keep one synapse that is not 0",
        )
    mixed = not (high < 0 or low >= 0)
    scale = _largest_factor(high, low) if mixed else 255 / high if low >= 0 else -256 / low
    scale_bits = int(np.floor(np.log2(scale))) + mixed
    if scale_bits < 0:
        raise UnsupportedError(
            f"weights span {low} to {high}, beyond 8 bits; the stock NetX reader would shift them by {scale_bits}",
            where=where,
            hint="scale the layer down",
        )
    common = next((n for n in range(8, 0, -1) if np.all(weight % (1 << n) == 0)), 0)
    return weight << scale_bits, 8 - scale_bits - (common - mixed), -scale_bits


def _largest_factor(high: int, low: int) -> float:
    return min(127 / high if high else np.inf, -128 / low)


def _acting(weight: IntArray, bits: int) -> IntArray:
    """What Dense makes of a matrix: clipped to 8 bits of its sign mode, low bits truncated."""
    if weight.min() >= 0:
        return _truncated(np.clip(weight, 0, 255), 8 - bits)
    if weight.max() <= 0:
        return -_truncated(np.clip(-weight, 0, 255), 8 - bits)
    return _truncated(np.clip(weight, -256, 255), max(8 - bits + 1, 0))


def _truncated(weight: IntArray, low_bits: int) -> IntArray:
    """Non-negative weights with their low bits cleared; numpy shifts by a negative number to 0, and so does Lava."""
    return (weight >> low_bits) << low_bits if low_bits >= 0 else np.zeros_like(weight)
