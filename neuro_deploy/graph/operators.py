"""The operators of a Graph. All numbers are float64; units are the source framework's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuro_deploy.numerics.registers import frozen

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Input:
    """Direct coding: the same sample is shown at every timestep.

    x = low + scale * q, with q a whole number from 0 to levels: how samples were digitised.
    shape: of one sample, (channels, height, width) or (features,).
    """

    shape: tuple[int, ...]
    scale: float
    low: float
    levels: int


@dataclass(frozen=True, eq=False)
class Dense:
    """y = W x + b over the flattened input. weight: (out, in). bias: (out,)."""

    weight: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight))
        object.__setattr__(self, "bias", frozen(self.bias))


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta, per neuron, with fixed statistics. All: (neurons,)."""

    gamma: FloatArray
    beta: FloatArray
    mean: FloatArray
    var: FloatArray
    eps: float

    def __post_init__(self) -> None:
        for name in ("gamma", "beta", "mean", "var"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


@dataclass(frozen=True)
class LIF:
    """The paper's neuron: u += (z - u) / tau; spike where u >= v_threshold; u = 0 there."""

    tau: float
    v_threshold: float


@dataclass(frozen=True)
class Readout:
    """The output: its input averaged over the timesteps. It never spikes."""


Operator = Input | Dense | BatchNorm | LIF | Readout
