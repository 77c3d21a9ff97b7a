"""Real numbers as sums of signed powers of two."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def powers_of_two(values: FloatArray, terms: int) -> FloatArray:
    """``values`` as a sum of ``terms`` signed powers of two: (terms, *values.shape), float64.

    Greedy: each term is the power of two nearest to what is left (ties up), 0 where nothing is left. The remainder
    shrinks to at most a third with the first term and at most a half with each further one.
    """
    parts = np.zeros((terms, *np.shape(values)))
    rest = np.array(values, np.float64)
    for part in parts:
        size = np.abs(rest)
        some = size > 0
        low = np.exp2(np.floor(np.log2(size, where=some, out=np.zeros_like(size))))
        part[some] = (np.sign(rest) * np.where(size >= 1.5 * low, 2 * low, low))[some]
        rest = rest - part
    return parts


def is_power_of_two(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Where |value| is 0 or a power of two."""
    mantissa, _ = np.frexp(np.abs(np.asarray(values, np.float64)))
    exact: npt.NDArray[np.bool_] = (mantissa == 0.5) | (mantissa == 0)
    return exact
