"""When a weight that meets a graded spike is a shift and no multiplication."""

from __future__ import annotations

from typing import Any

import numpy as np


def only_shifts(projection: Any) -> bool:
    """Whether the synapses are one-to-one and every weight a signed power of two (1 is one) or 0.

    Such a synapse passes a value on, shifted: the addition is a residual connection's. projection: of a float or a
    fixed network.
    """
    if projection.geometry.kind != "one-to-one":
        return False
    mantissa, _ = np.frexp(np.abs(np.asarray(projection.weight, np.float64)))
    return bool(np.all((mantissa == 0.5) | (mantissa == 0)))
