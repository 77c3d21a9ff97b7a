"""The whole numbers that weights of few bits may be.

A weight of N bits is ``step * q``, q whole. With both signs ``q`` goes from ``-2^(N-1)`` to ``2^(N-1) - 1`` and
``step = 2^(9-N)``: N bits at the top of the 8-bit register, so that thresholds and biases keep their resolution. Lava
counts them the same way: lava-nc's ``truncate_weights`` clears the ``8 - num_weight_bits + is_mixed`` lowest bits, and
the stock reader finds the common power of two by itself. One bit with both signs would hold -1 and 0 alone; it is
given to weights of one sign, 0 or ``128``, as Lava stores them without a sign bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import UsageError
from neuro_deploy.numerics.registers import IntArray

FloatArray = npt.NDArray[np.float64]
FEWEST, MOST = 1, 8
"""Bits of a weight. Source: LAVA, num_weight_bits."""
ONE_BIT = 128
"""The weight of one bit. Source: LAVA, ``truncate_weights`` of one bit without a sign."""

WeightBits = int | Mapping[str, int]
"""Bits of all weights, or by projection, ``"source -> target"``; those that are not named have 8."""


@dataclass(frozen=True)
class Levels:
    """Weights ``step * q``, q whole, low..high. clip: how far beyond the ends a weight may have lain, 1 for not."""

    bits: int
    low: int
    high: int
    step: int
    clip: float = 1.0

    @property
    def top(self) -> int:
        """The largest magnitude."""
        return max(self.high, -self.low) * self.step if self.bits == 1 else self.high * self.step

    @property
    def ends(self) -> tuple[float, float]:
        """How far up and down real weights may go; 0 for a side that they have not."""
        return self.high * self.step * self.clip, -self.low * self.step * self.clip

    def whole(self, wanted: FloatArray) -> IntArray:
        """The nearest levels, ties to even multiples of the step: as wanted, int64."""
        whole: IntArray = np.clip(np.rint(wanted / self.step), self.low, self.high).astype(np.int64) * self.step
        return whole

    def within(self, wanted: FloatArray) -> npt.NDArray[np.bool_]:
        """Where weights are other than 0, and of a sign that these levels have."""
        some: npt.NDArray[np.bool_] = ((wanted > 0) & (self.high > 0)) | ((wanted < 0) & (self.low < 0))
        return some

    def clipped(self, wanted: FloatArray) -> int:
        """How many weights lie beyond the ends by more than rounding moves them."""
        q = wanted / self.step
        return int(np.count_nonzero((q > self.high + 0.5) | (q < self.low - 0.5)))


def levels(bits: int, *, symmetric: bool, weight: FloatArray | None = None, clip: float = 1.0) -> Levels:
    """The levels of so many bits.

    symmetric: as far down as up, for rows that may be subtracted. weight: decides which sign weights of one bit have:
    that of the larger sum; negative ones only where symmetric, since a stock file cannot hold them.
    """
    if bits == 1:
        down = symmetric and weight is not None and weight.sum() < 0
        return Levels(1, -int(down), 1 - int(down), ONE_BIT, clip)
    half = 1 << bits - 1
    return Levels(bits, 1 - half if symmetric else -half, half - 1, 1 << 9 - bits, clip)


def bits_of(wanted: WeightBits, projection: str) -> int:
    """Bits of a projection, ``"source -> target"``."""
    return wanted if isinstance(wanted, int) else wanted.get(projection, MOST)


def check_bits(wanted: WeightBits, projections: set[str]) -> None:
    """Check bits that a person gave.

    Raises:
        UsageError: beyond 1..8, or of projections that do not exist.
    """
    given = [wanted] if isinstance(wanted, int) else list(wanted.values())
    bad = [bits for bits in given if not FEWEST <= bits <= MOST]
    if bad:
        raise UsageError(f"weights of {bad[0]} bits; {FEWEST} to {MOST} are allowed")
    unknown = [] if isinstance(wanted, int) else sorted(set(wanted) - projections)
    if unknown:
        raise UsageError(
            f"no projection {unknown[0]!r} to give weight bits to",
            hint=f"projections: {', '.join(sorted(projections))}",
        )
