"""How samples become the integers that enter a fixed network.

Every encoding has ``encode(x) -> int64`` of shape (samples, neurons), or (samples, T, neurons) for samples that
change over time: x with one axis more than the network's input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import DataError
from neuro_deploy.numerics.registers import BIAS, PAYLOAD, IntArray, frozen


@dataclass(frozen=True)
class GradedEncoding:
    """Graded spikes: q = round((x - low) / scale), first..levels, ties to even.

    Floats are in model units, from low + scale * first to low + scale * levels; integers are the whole numbers
    first..levels themselves. first: 0, or below it for samples around 0, whose spikes then carry a sign.
    """

    shape: tuple[int, ...]
    scale: float = 1.0
    low: float = 0.0
    levels: int = PAYLOAD.high
    first: int = 0
    mode: Literal["graded"] = "graded"

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest sample, in model units."""
        return self.low + self.scale * self.first, self.low + self.scale * self.levels

    def encode(self, x: npt.ArrayLike) -> IntArray:
        """The whole numbers first..levels sent in at every timestep.

        Raises:
            DataError: wrong shape or type, or values outside both ranges.
        """
        values = flat_samples(x, self.shape)
        if self._are_levels(values):
            return values.astype(np.int64)
        return np.clip(np.rint((values - self.low) / self.scale), self.first, self.levels).astype(np.int64)

    def model_units(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """What the float model sees, not rounded: (samples, features), or (samples, T, features), float64.

        Floats up to half a step out of range count as its ends, as they do for ``encode``.

        Raises:
            DataError: as ``encode``.
        """
        values = flat_samples(x, self.shape)
        if self._are_levels(values):
            return self.low + self.scale * values.astype(np.float64)
        return np.clip(values.astype(np.float64), *self.range)

    def largest_image(self, weight: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> float:
        """The largest |weight @ x + offset| of any x within range, over all rows."""
        ends = np.stack([weight * self.range[0], weight * self.range[1]])
        return float(max(np.abs(ends.max(0).sum(1) + offset).max(), np.abs(ends.min(0).sum(1) + offset).max()))

    def _are_levels(self, values: np.ndarray) -> bool:
        """Whether x is whole numbers first..levels (integers) or model units (floats); its range is checked."""
        levels = values.dtype.kind in "iub"
        low, high = (float(self.first), float(self.levels)) if levels else self.range
        slack = 0 if levels else self.scale / 2
        if values.min() < low - slack or values.max() > high + slack:
            span = f"floats from {self.range[0]:g} to {self.range[1]:g}"
            raise DataError(
                f"x spans {values.min():g} to {values.max():g}; this network takes {span}, or integers from "
                f"{self.first} to {self.levels}",
                hint=f"scale the data as in training, to {span}; integer arrays are taken as they are",
            )
        return levels


@dataclass(frozen=True)
class SpikeEncoding:
    """Spike trains sent in as they are: 0 or 1."""

    shape: tuple[int, ...]
    mode: Literal["spikes"] = "spikes"

    def encode(self, x: npt.ArrayLike) -> IntArray:
        """The spikes.

        Raises:
            DataError: wrong shape, or values other than 0 and 1.
        """
        values = flat_samples(x, self.shape)
        spikes = values.view(np.int8) if values.dtype == np.uint8 else values.astype(np.int8)
        if spikes.max() > 1 or spikes.min() < 0 or not (values.dtype == np.uint8 or np.array_equal(spikes, values)):
            raise DataError(
                "x holds values other than 0 and 1; this network takes one-bit spikes",
                hint="encode the samples as spikes first: (samples, T, ...) of 0 and 1",
            )
        return spikes


@dataclass(frozen=True, eq=False)
class BiasEncoding:
    """Data enter as the bias of a population: the host computes each neuron's bias mantissa.

    weight a matrix (neurons, features): mantissa = round(weight @ x + offset), ties to even (our own networks).
    weight one number: mantissa = trunc(weight * x + offset), as lava-dl does with an input layer's transform.
    integers: what whole numbers in x mean, and the range of x; where None, x is taken as it is.
    """

    population: str
    shape: tuple[int, ...]
    weight: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    integers: GradedEncoding | None = None
    mode: Literal["bias"] = "bias"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight))
        object.__setattr__(self, "offset", frozen(self.offset))

    @property
    def reach(self) -> int:
        """The largest mantissa, either sign, that any sample within range can give."""
        if self.weight.ndim != 2 or self.integers is None:
            return BIAS.high
        return min(math.ceil(self.integers.largest_image(self.weight, self.offset)) + 1, BIAS.high)

    @property
    def multiplications(self) -> int:
        """Multiplications of the host per sample."""
        return self.weight.size if self.weight.ndim == 2 else math.prod(self.shape)

    def encode(self, x: npt.ArrayLike) -> IntArray:
        """The bias mantissas, one per neuron.

        Raises:
            DataError: wrong shape, samples that change over time, or mantissas beyond 13 bits.
        """
        values = self.integers.model_units(x) if self.integers else flat_samples(x, self.shape).astype(np.float64)
        if values.ndim != 2:
            raise DataError("x changes over time; input by bias is constant over a sample's timesteps")
        if self.weight.ndim == 2:
            mantissa = np.rint(values @ self.weight.T + self.offset)
        else:
            mantissa = np.trunc(self.weight * values + self.offset)
        if np.any(np.abs(mantissa) > BIAS.high):
            worst = mantissa.flat[np.argmax(np.abs(mantissa))]
            raise DataError(
                f"x gives the bias mantissa {worst:.0f} in {self.population}, allowed: {BIAS.describe()}",
                hint=self._allowed,
            )
        return mantissa.astype(np.int64)

    @property
    def _allowed(self) -> str:
        """Which x there may be, in words."""
        if self.weight.ndim == 2 or not self.weight:
            return "scale the data as in training"
        ends = sorted((side * BIAS.high - float(self.offset)) / float(self.weight) for side in (-1, 1))
        return f"x from {ends[0]:g} to {ends[1]:g} is allowed: the mantissa is {self.weight:g} x + {self.offset:g}"


InputEncoding = GradedEncoding | SpikeEncoding | BiasEncoding


def flat_samples(x: npt.ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """x as (samples, features) or (samples, T, features), checked against the shape of one sample.

    A sample may come flattened, or, with one channel, without its axis of channels.

    Raises:
        DataError: wrong shape, no samples, not numbers, NaN or infinity.
    """
    try:
        values = np.asarray(x)
    except Exception as error:  # lists of unlike lengths, tensors that are not plain: each library raises its own
        raise DataError(f"x is no array: {error}", hint="give a numpy array, or nested lists of one shape") from error
    features = math.prod(shape)
    if values.dtype.kind not in "iufb":
        raise DataError(f"x holds {values.dtype}, numbers are wanted", hint="x.astype(float), if it is numbers")
    if values.ndim < 2 or values.size == 0:
        raise DataError(
            f"x has shape {values.shape}; (samples, {_comma(shape)}) with at least one sample is wanted",
            hint=_shape_hint(values.shape, shape),
        )
    if values.dtype.kind == "f" and not np.all(np.isfinite(values)):
        raise DataError("x holds NaN or infinity", hint="leave those samples out, or mend them: np.nan_to_num(x)")
    forms = {shape, (features,), shape[1:] if len(shape) == 3 and shape[0] == 1 else shape}
    if values.shape[1:] in forms:
        return values.reshape(len(values), features)
    if values.shape[2:] in forms:
        return values.reshape(*values.shape[:2], features)
    raise DataError(
        f"x has shape {values.shape}; this network takes (samples, {_comma(shape)}) or (samples, T, {_comma(shape)})",
        hint=_shape_hint(values.shape, shape),
    )


def _shape_hint(found: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """How samples of one shape become those of another."""
    features = math.prod(shape)
    if found in {shape, (features,)}:
        return "one sample alone: give x[None]"
    if len(shape) == 3 and found[1:] == (*shape[1:], shape[0]):
        return "the channels come first: give np.transpose(x, (0, 3, 1, 2))"
    if len(shape) == 3 and found[2:] == (*shape[1:], shape[0]):
        return "the channels come first: give np.transpose(x, (0, 1, 4, 2, 3))"
    if len(found) > 1 and math.prod(found[1:]) == features:
        return f"each sample has as many numbers as are wanted: give x.reshape(-1, {_comma(shape)})"
    return f"a sample must have {features:,} numbers: cut or scale the samples to the size that it was trained on"


def _comma(shape: tuple[int, ...]) -> str:
    return ", ".join(str(n) for n in shape)
