"""The widths of Loihi's registers, each in one place with its source, and the check that a value fits.

Sources: LAVA = docstring of ``lava.proc.lif.models.PyLifModelBitAcc`` and ``lava.utils.weightutils`` (lava-nc 0.10.0);
NETX = ``lava.lib.dl.netx`` (lava-dl 0.6.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError

IntArray = npt.NDArray[np.signedinteger[Any]]


def frozen(array: npt.ArrayLike) -> npt.NDArray[Any]:
    """A read-only copy."""
    copy = np.array(array)
    copy.setflags(write=False)
    return copy


@dataclass(frozen=True)
class Register:
    """A range of whole numbers: ``low`` to ``high``, every ``step``-th of them."""

    name: str
    low: int
    high: int
    source: str
    step: int = 1

    def check(self, value: npt.ArrayLike, where: str) -> IntArray:
        """The value as int64, unchanged.

        Raises:
            RangeError: not whole, not finite, outside ``low..high``, or off the step.
        """
        array = np.asarray(value)
        if array.dtype.kind not in "iufb":
            raise RangeError(f"{self.name} holds {array.dtype}, whole numbers are wanted", where=where)
        if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
            raise RangeError(f"{self.name} holds NaN or infinity, finite whole numbers are wanted", where=where)
        bad = (array < self.low) | (array > self.high) | (array % self.step != 0)
        if np.any(bad):
            raise RangeError(f"{self.name} holds {array[bad].flat[0]}, allowed: {self.describe()}", where=where)
        return array.astype(np.int64)

    def describe(self) -> str:
        """The range in words, for messages."""
        kind = {1: "whole numbers", 2: "even numbers"}.get(self.step, f"multiples of {self.step}")
        return f"{kind} from {self.low:,} to {self.high:,}"


WEIGHT = Register("weight", -256, 254, "NETX: 8 bits, mixed sign, hence even", step=2)
STOCK_WEIGHT = Register("weight", -256, 255, "LAVA: clip_weights with 8 bits; odd only where all have one sign")
WEIGHT_EXPONENT = Register("weight exponent", -8, 7, "NETX: optimize_weight_bits; LAVA: weight_exp")
THRESHOLD = Register("vThMant", 0, 131_071, "LAVA: 17 bits unsigned")
BIAS = Register("bias mantissa", -4_095, 4_095, "LAVA: 13 bits signed, symmetric as Loihi 1 takes it")
DECAY = Register("decay", 0, 4_096, "LAVA: 12 bits; 4096 empties the state every timestep")
DELAY = Register("delay", 0, 62, "NETX: create_dense clamps at 62")
PAYLOAD = Register("input value", -128, 255, "8-bit graded spike, unsigned or signed")
RELAY = Register(
    "relay value", -(2**23 - 1), 2**23 - 1, "graded spikes of 24 bits: arXiv:2310.03251; LAVA: 24-bit messages"
)
SIGN = Register("sign", -1, 1, "our own: a row of shared weights is added, left out, or subtracted")

MAX_TIMESTEPS = 65_536
"""Timesteps of one sample. Our own limit: a run keeps every timestep of a batch in memory."""
MAX_WIDTH = 2**20
"""Neurons of one layer of an MLP. Our own limit: far more than any chip of today holds."""
MAX_NEURONS = 2**24
"""Neurons of one population. Our own limit: some 100 MB for each of its parameters."""

FLOAT32_EXACT = 2**24
"""Whole numbers below this, and their sums below this, are exact in float32 (24 bits of significand)."""

BIAS_EXPONENT = 6
"""bias = mantissa << 6. Source: NETX, fixed in ``get_neuron_params``."""
THRESHOLD_SHIFT = 6
"""threshold = vThMant << 6. Source: LAVA, ``vth_shift``."""
ACTIVATION_SHIFT = 6
"""u grows by a_in << 6. Source: LAVA, ``act_shift``."""
DECAY_UNITY = 4_096
"""A decay of 4096 in 4096 parts is a full decay. Source: LAVA, ``decay_shift`` = 12."""
STATE_LIMIT = 2**23
"""u lies in (-2^23, 2^23], v in [-(2^23 - 1), 2^23 - 1]. Source: LAVA, ``uv_bitwidth`` = 24."""
NEVER = 1 << 17
"""A vThMant that v cannot reach: NEVER << 6 = 2^23 > max v. Source: NETX, layers without a neuron group."""
