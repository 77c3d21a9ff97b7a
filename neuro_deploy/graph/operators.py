"""The operators of a Graph. All numbers are float64; units are the source framework's.

Values are populations' states or spikes of shape ``(channels, height, width)`` or ``(neurons,)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from neuro_deploy.numerics.registers import frozen

FloatArray = npt.NDArray[np.float64]
Axis = Literal["channel", "height", "width", "space"]
"""``space`` is height and width, flattened. A flat value has only the axis ``channel``: its neurons."""


@dataclass(frozen=True)
class Input:
    """Direct coding: the same sample is shown at every timestep.

    x = low + scale * q, with q a whole number from first to levels: how samples were digitised.
    shape: of one sample, (channels, height, width) or (features,).
    """

    shape: tuple[int, ...]
    scale: float
    low: float
    levels: int
    first: int = 0


@dataclass(frozen=True, eq=False)
class Dense:
    """y = W x + b over the flattened input. weight: (out, in). bias: (out,)."""

    weight: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight))
        object.__setattr__(self, "bias", frozen(self.bias))


@dataclass(frozen=True, eq=False)
class Conv2d:
    """Cross-correlation with zero padding. weight: (out, in, kernel height, kernel width). bias: (out,)."""

    weight: FloatArray
    bias: FloatArray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight))
        object.__setattr__(self, "bias", frozen(self.bias))


@dataclass(frozen=True, eq=False)
class Axial:
    """y = W x + b along one axis, the same for all positions of the others. weight: (out, in). bias: (out,)."""

    axis: Axis
    weight: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight))
        object.__setattr__(self, "bias", frozen(self.bias))


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta with fixed statistics, one set per position along the axis.

    gamma, beta, mean, var: (size of the axis,).
    """

    gamma: FloatArray
    beta: FloatArray
    mean: FloatArray
    var: FloatArray
    eps: float
    axis: Axis = "channel"

    def __post_init__(self) -> None:
        for name in ("gamma", "beta", "mean", "var"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def gain(self) -> FloatArray:
        """gamma / sqrt(var + eps)."""
        gain: FloatArray = self.gamma / np.sqrt(self.var + self.eps)
        return gain

    @property
    def offset(self) -> FloatArray:
        """beta - gain * mean; the batch norm is ``gain * x + offset``."""
        offset: FloatArray = self.beta - self.gain * self.mean
        return offset


@dataclass(frozen=True, eq=False)
class Scale:
    """y = gain * x + offset along an axis: what is left of a batch norm that does not fold into weights.

    gain, offset: (size of the axis,). terms: None, or the number of signed powers of two whose sum the gain is.
    """

    axis: Axis
    gain: FloatArray
    offset: FloatArray
    terms: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", frozen(self.gain))
        object.__setattr__(self, "offset", frozen(self.offset))


@dataclass(frozen=True)
class Add:
    """The sum of its inputs."""


@dataclass(frozen=True)
class Concat:
    """Its inputs behind one another, along the channels."""


@dataclass(frozen=True)
class Mean:
    """The mean over height and width: (channels, height, width) -> (channels,)."""


@dataclass(frozen=True, eq=False)
class LIF:
    """The paper's neuron: u += (sign z - u) / tau; spike where u >= v_threshold; u = 0 there.

    v_threshold: one number, or one per position along the axis. sign: None, or -1, 0, 1 per position along it, a
    factor of the synaptic input alone; offset: None, or what is added besides it, per position along it.
    """

    tau: float
    v_threshold: float | FloatArray
    axis: Axis | None = None
    sign: FloatArray | None = None
    offset: FloatArray | None = field(default=None)


@dataclass(frozen=True)
class Readout:
    """The output: its input averaged over the timesteps. It never spikes."""


Operator = Input | Dense | Conv2d | Axial | BatchNorm | Scale | Add | Concat | Mean | LIF | Readout
