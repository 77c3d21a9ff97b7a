"""Roundings chosen by spikes: weights and biases of a row move by single levels while fewer of its spikes differ.

What counts is the margin of v to the threshold, with v reset where the float network spikes: as long as all margins are
on the right side, no spike differs, and each is linear in the weights,

    margin[t] = sum over t' since the last spike of  (1 - 1/tau)^(t - t') * (w . x[t'] + b)  -  threshold.

x is what the integers before the population send, so that its weights also make up for what those lost. A step is made
where the loss falls: spikes of the samples that differ (softly: margins within what rounding moves them count in part),
and those of other samples that will differ, by the density of margins near the threshold times the root of
``off^T E[x x^T] off``, off being the rounding errors of the row. Without that, roundings would learn the samples by
heart.

The weights of a relay are chosen by the spikes of the LIF neurons that it feeds (readers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.network import FixedPopulation, Geometry
from neuro_deploy.numerics.cuba import decayed
from neuro_deploy.numerics.registers import (
    ACTIVATION_SHIFT,
    DECAY_UNITY,
    THRESHOLD_SHIFT,
    IntArray,
)
from neuro_deploy.passes.compensate import rows_together, seen
from neuro_deploy.passes.descent import descend
from neuro_deploy.passes.fixing import Fixed, Synapses
from neuro_deploy.passes.levels import FloatArray
from neuro_deploy.passes.rows import row_axis
from neuro_deploy.passes.scale import UNIT, bias_register

MOST_VALUES = 2**25
"""Of what a row meets: with more, fewer samples are taken. Our own: bounds the memory to 128 MiB."""
MOST_INPUTS = 2048
"""Of one row; with more, its weights stay as they are. Our own: they have a matrix of that size."""


@dataclass(frozen=True, eq=False)
class Reader:
    """Neurons whose spikes a population's weights decide: its own, or those that a relay feeds.

    margin: v less the threshold, in the population's units times 64; spikes: of the float network, uint8; both
    (samples, T, neurons). gain: (neurons,), by what the synaptic input comes in. keep: what the decay leaves of v.
    """

    margin: FloatArray
    spikes: npt.NDArray[np.uint8]
    gain: FloatArray
    keep: float


def own_reader(population: FixedPopulation, a_in: IntArray, spikes: npt.NDArray[Any]) -> Reader:
    """A LIF population's own neurons. a_in: (samples, T or 1, neurons). spikes: wanted, (samples, T, neurons)."""
    a_in, spikes = np.broadcast_to(a_in, spikes.shape), spikes.astype(np.uint8)
    v = np.zeros(a_in[:, 0].shape, np.int64)
    margin = np.zeros(spikes.shape)
    for t in range(spikes.shape[1]):
        v = decayed(v, population.v_decay) + (a_in[:, t] << ACTIVATION_SHIFT) + population.shifted_bias
        margin[:, t] = v - (population.threshold << THRESHOLD_SHIFT) - 0.5
        v = np.where(spikes[:, t] > 0, 0, v)
    keep = 1 - int(population.v_decay) / DECAY_UNITY
    return Reader(margin, spikes, np.ones(population.neurons), keep)


def rounded_by_spikes(
    fixed: Fixed, nearest: Fixed, sent: Mapping[str, IntArray], readers: Sequence[Reader], samples: IntArray
) -> Fixed | None:
    """The population with roundings that leave fewer differing spikes; None where none moves.

    nearest: the same with real weights as they are wanted. sent: of its sources, (samples, T or 1, neurons). samples:
    numbers of those that count.
    """
    synapses, bias, moved = list(fixed.synapses), fixed.population.bias.copy(), 0
    for numbers in rows_together(fixed.synapses):
        of = [synapses[n] for n in numbers]
        rows = _Rows(of, [nearest.synapses[n].wanted for n in numbers], sent, readers, samples)
        if rows.level.shape[1] <= MOST_INPUTS:
            register = bias_register(fixed.population.kind)
            moved += rows.descend(bias, register.low, register.high)
            for n, weight in zip(numbers, rows.weights(), strict=True):
                synapses[n] = replace(synapses[n], fixed=replace(synapses[n].fixed, weight=weight))
    if not moved:
        return None
    real = fixed.bias + (bias - fixed.population.bias)
    return replace(fixed, synapses=tuple(synapses), population=replace(fixed.population, bias=bias), bias=real)


def merged(before: Fixed, after: Fixed, worse: IntArray, better: IntArray) -> Fixed:
    """Of each row the roundings with fewer differing spikes. worse, better: of each neuron, before and after."""
    synapses, bias = list(before.synapses), before.population.bias.copy()
    for numbers in rows_together(before.synapses):
        where = neurons_of(before.synapses[numbers[0]].fixed.geometry)
        taken = better[where].sum(axis=1) < worse[where].sum(axis=1)
        bias[where[taken]] = after.population.bias[where[taken]]
        for n in numbers:
            old, new = synapses[n].fixed, after.synapses[n].fixed
            mask = taken.reshape(-1, *[1] * (old.weight.ndim - 1))
            synapses[n] = replace(synapses[n], fixed=replace(old, weight=np.where(mask, new.weight, old.weight)))
    real = before.bias + (bias - before.population.bias)
    return replace(before, synapses=tuple(synapses), population=replace(before.population, bias=bias), bias=real)


class _Rows:
    """The rows of projections that end in the same neurons. level: (rows, inputs), whole weights in levels."""

    def __init__(
        self,
        of: Sequence[Synapses],
        wanted: Sequence[FloatArray],
        sent: Mapping[str, IntArray],
        readers: Sequence[Reader],
        samples: IntArray,
    ) -> None:
        self.of = of
        self.where = neurons_of(of[0].fixed.geometry)
        self.sign = of[0].fixed.sign
        self.first = of[0].fixed.geometry.targets.start
        self.wanted = np.concatenate(
            [w.reshape(len(w), -1) / each.levels.step for w, each in zip(wanted, of, strict=True)], axis=1
        )
        self.level = np.concatenate([_flat(each) // each.levels.step for each in of], axis=1)
        values = readers[0].spikes.shape[1] * self.where.shape[1] * self.level.shape[1]
        few = max(min(len(samples), MOST_VALUES // values), 1)
        self.some = samples[np.unique(np.linspace(0, len(samples) - 1, few).astype(np.int64))]
        self.readers = readers
        self.x = self._met(sent)

    def _met(self, sent: Mapping[str, IntArray]) -> npt.NDArray[np.float32]:
        """What the weights meet, and 1 for the bias: (samples, T or 1, places, inputs + 1)."""
        samples, places = len(self.some), self.where.shape[1]
        parts = []
        for each in self.of:
            values = sent[each.fixed.source]
            values = values[self.some] if len(values) > 1 else values
            x = seen(each.fixed.geometry, each.wanted.shape, values)
            parts.append(x.reshape(len(values), -1, places, x.shape[1]))
        steps = max(part.shape[1] for part in parts)
        parts.append(np.ones((1, 1, places, 1)))
        spread = [np.broadcast_to(part, (samples, steps, places, part.shape[3])) for part in parts]
        return np.concatenate(spread, axis=3, dtype=np.float32)

    def descend(self, bias: IntArray, lowest: int, highest: int) -> int:
        """Move levels, and the bias of each neuron, in place. Returns how many steps were made."""
        unit = np.append(self._each(lambda of: of.levels.step * 2.0**of.fixed.weight_exp), 1.0) * UNIT
        low = np.append(self._each(lambda of: of.levels.low), 0)
        high = np.append(self._each(lambda of: of.levels.high), 0)
        flat = self.x.reshape(-1, self.x.shape[3])
        square = (flat.T @ flat).astype(np.float64) / len(flat)
        noise = float(np.sqrt((unit**2 * np.diag(square))[:-1].sum() / 12)) or 1.0
        keep = np.array([reader.keep for reader in self.readers])
        moved = 0
        for row, here in enumerate(self.where):
            margin = np.stack([reader.margin[self.some][:, :, here] for reader in self.readers])
            spikes = np.stack([reader.spikes[self.some][:, :, here] for reader in self.readers])
            sign = 1.0 if self.sign is None else self.sign[here - self.first]
            gain = np.stack([reader.gain[here] * sign for reader in self.readers])
            level, wanted = np.append(self.level[row], 0), np.append(self.wanted[row], 0.0)
            if self.sign is None:  # a bias is not multiplied by signs
                low[-1], high[-1] = lowest - bias[here].min(), highest - bias[here].max()
            moved += descend(self.x, margin, spikes, gain, keep, unit, square, wanted, low, high, level, noise)
            self.level[row] = level[:-1]
            bias[here] += level[-1]
        return moved

    def _each(self, number: Callable[[Synapses], float]) -> FloatArray:
        return np.concatenate([np.full(each.wanted[0].size, number(each), np.float64) for each in self.of])

    def weights(self) -> list[IntArray]:
        """Whole weights of each projection."""
        cuts = np.cumsum([each.wanted[0].size for each in self.of])[:-1]
        parts = np.split(self.level, cuts, axis=1)
        return [(part * each.levels.step).reshape(each.wanted.shape) for part, each in zip(parts, self.of, strict=True)]


def _flat(each: Synapses) -> IntArray:
    return each.fixed.weight.reshape(len(each.fixed.weight), -1)


def neurons_of(geometry: Geometry) -> IntArray:
    """The target neurons of each row of weights: (rows, places), in the order of places in which ``seen`` has them."""
    window = geometry.target_window
    number: IntArray = np.arange(int(np.prod(window))) + geometry.targets.start
    axis = row_axis(geometry)
    if axis == "neuron":
        return number[:, None]
    number = number.reshape(window)
    if axis == "space":
        return number.reshape(window[0], -1).T
    first = {"channel": 0, "height": 1, "width": 2}[axis]
    return np.moveaxis(number, first, 0).reshape(window[first], -1)
