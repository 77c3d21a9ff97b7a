"""How many synapses of weight other than 0 the spikes touch on each core, without unrolling a matrix.

Every way is exact; they differ in cost. A dense projection has a table of sources and cores. Where channels are mixed
(conv2d, axial channel) a core holds a run of neurons, so its sum is a difference of two running sums: over whole
positions, or over whole channels, each as cheap as one output channel of the layer, and over the part of a position or
of a channel where the run starts and ends. Everything else applies the matrix of 0 and 1 as an engine applies weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from neuro_deploy.counters.sums import group_sums
from neuro_deploy.network import FixedProjection, Geometry
from neuro_deploy.network.fan_out import Counts, Order, dense_fan_out, placement
from neuro_deploy.network.groups import Groups
from neuro_deploy.numerics.registers import FLOAT32_EXACT, IntArray

Counter = Callable[[IntArray], IntArray]
"""(T, source neurons) spikes -> (T, cores) synapses."""


@dataclass(frozen=True, eq=False)
class Cores:
    """The cores of one population. edges: (cores + 1,), where each starts in ``order``, and the end. shape: of it."""

    shape: tuple[int, ...]
    order: Order
    edges: Counts

    @property
    def count(self) -> int:
        """How many."""
        return len(self.edges) - 1

    def neurons(self) -> tuple[Counts, Counts]:
        """(neurons as arrays number them, the core of each)."""
        placed = placement(self.shape, self.order)
        return placed, np.repeat(np.arange(self.count, dtype=np.int64), np.diff(self.edges))

    def by_position(self) -> Groups | None:
        """The channels of each position; None where cores do not hold positions one after the other."""
        if self.order == "channels first":
            return None
        return Groups(0, int(np.prod(self.shape)), self.shape, "channel")

    def sums(self, values: Any, summed: IntArray | None = None) -> IntArray:
        """Sums over each core's neurons: (T, cores), int64.

        values: (T, neurons) or (T, *shape), whole numbers. summed: those by position, if known.
        """
        groups = self.by_position()
        if groups is None:
            flat = values.reshape(len(values), -1)
            sums: IntArray = np.add.reduceat(flat, self.edges[:-1], axis=1, dtype=np.int64)
            return sums
        summed = group_sums(groups, values) if summed is None else summed
        channels, positions = self.shape[0], self.shape[1] * self.shape[2]
        cube = values.reshape(len(values), channels, positions)
        at, (position, channel) = placement((1, *self.shape[1:]), self.order), np.divmod(self.edges, channels)
        ends = _running(summed[:, at])[:, position]
        for edge in np.flatnonzero(channel):
            ends[:, edge] += cube[:, : channel[edge], at[position[edge]]].sum(axis=1, dtype=np.int64)
        of_cores: IntArray = np.diff(ends, axis=1)
        return of_cores


def all_act(projection: FixedProjection) -> bool:
    """Whether every stored synapse is effective."""
    return bool(np.all(projection.weight)) and (projection.sign is None or bool(np.all(projection.sign)))


def effective(projection: FixedProjection, cores: Cores) -> Counter:
    """What counts the effective synapses of a projection on these cores, those of its target."""
    geometry = projection.geometry
    if geometry.kind == "dense":
        table = dense_fan_out(projection, *cores.neurons(), cores.count).T.astype(np.float64)
        return lambda spikes: whole(spikes[:, geometry.sources] @ table)
    mixes = geometry.kind == "conv2d" or geometry.axis == "channel"
    if mixes and (projection.sign is None or bool(np.all(projection.sign))):
        return _ByChannel(projection, cores) if cores.order == "channels first" else _ByPosition(projection, cores)
    return lambda spikes: cores.sums(_placed(projection, acting(projection, spikes)))


def whole(sums: Any) -> IntArray:
    """Floats that are whole numbers, as int64."""
    rounded: IntArray = np.rint(sums).astype(np.int64)
    return rounded


def acting(projection: FixedProjection, arriving: IntArray) -> IntArray:
    """Effective synapses that spikes touch at each target neuron of the window: (T, targets of the window), int64.

    arriving: (T, source neurons).
    """
    geometry = projection.geometry
    reach = int(arriving.max(initial=0)) * geometry.fan_in(projection.weight.shape)
    sums = geometry.apply(projection.weight != 0, arriving, np.float32 if reach < FLOAT32_EXACT else np.float64)
    if projection.sign is not None:
        sums = sums * (projection.sign != 0)
    return whole(sums)


def _placed(projection: FixedProjection, values: IntArray) -> IntArray:
    onto = np.zeros((len(values), int(np.prod(projection.geometry.target))), np.int64)
    onto[:, projection.geometry.targets] = values
    return onto


def with_channels(geometry: Geometry, channels: int) -> Geometry:
    """The same synapses onto so many channels."""
    return replace(geometry, target=(channels, *geometry.target[1:]), target_channels=None)


def _running(values: IntArray) -> IntArray:
    """Sums of all before each place, and of all: (T, n + 1). values: (T, n)."""
    sums = np.zeros((len(values), values.shape[1] + 1), np.int64)
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _taps(weight: Any) -> Any:
    """Weights with a kernel: (out, in, height, width); along the channels a kernel of one."""
    return weight.reshape(*weight.shape[:2], *(weight.shape[2:] or (1, 1)))


@lru_cache(maxsize=4096)
def _met(geometry: Geometry, axis: int, tap: int) -> tuple[slice, slice]:
    """(target places, source places) that a tap joins, along height (0) or width (1)."""
    target = np.arange(geometry.target_window[1 + axis])
    source = target * geometry.stride[axis] + tap - geometry.padding[axis]
    target = target[(source >= 0) & (source < geometry.source_window[1 + axis])]
    if not len(target):
        return slice(0, 0), slice(0, 0)
    first, last = int(source[target[0]]), int(source[target[-1]])
    return slice(int(target[0]), int(target[-1]) + 1), slice(first, last + 1, geometry.stride[axis])


def _mixed(geometry: Geometry, weight: Any, spikes: IntArray) -> IntArray:
    """Sums over channels and taps: (T, out, height, width), int64. weight: (out, in, taps); spikes: (T, neurons).

    Products of all taps at all source positions are one matrix product; tap after tap is then added where it belongs.
    """
    window, reach = geometry.source_window, int(spikes.max(initial=0)) * int(np.prod(weight.shape[1:]))
    dtype = np.float32 if reach < FLOAT32_EXACT else np.float64
    cube = spikes[:, geometry.sources].astype(dtype).reshape(len(spikes), window[0], -1)
    taps = weight.transpose(0, 2, 3, 1)
    products = taps.reshape(-1, window[0]).astype(dtype) @ cube
    products = products.reshape(len(spikes), *taps.shape[:3], *window[1:])
    sums = np.zeros((len(spikes), len(weight), *geometry.target_window[1:]), dtype)
    for i in range(weight.shape[2]):
        rows, from_rows = _met(geometry, 0, i)
        for j in range(weight.shape[3]):
            columns, from_columns = _met(geometry, 1, j)
            sums[:, :, rows, columns] += products[:, :, i, j, from_rows, from_columns]
    return whole(sums)


def _first_channel(geometry: Geometry) -> int:
    return geometry.target_channels[0] if geometry.target_channels else 0


class _ByPosition:
    """Cores that hold positions one after the other, each with all its channels."""

    def __init__(self, projection: FixedProjection, cores: Cores) -> None:
        geometry, self.edges = projection.geometry, cores.edges
        acts = (projection.weight != 0).astype(np.int64)
        self.one, self.whole = with_channels(geometry, 1), _taps(acts.sum(axis=0, keepdims=True))
        self.at = placement((1, *cores.shape[1:]), cores.order)
        self.position, channel = np.divmod(self.edges, cores.shape[0])
        taken = np.clip(channel - _first_channel(geometry), 0, len(acts))
        self.cut = np.flatnonzero(taken)
        below = np.concatenate([np.zeros_like(acts[:1]), np.cumsum(acts, axis=0)])[taken[self.cut]]
        self.below = _taps(below)  # (cut edges, channels, taps)
        self.geometry = geometry

    def __call__(self, spikes: IntArray) -> IntArray:
        here = _mixed(self.one, self.whole, spikes).reshape(len(spikes), -1)[:, self.at]
        ends = _running(here)[:, self.position]
        if len(self.cut):
            ends[:, self.cut] += self._partial(spikes)
        return np.diff(ends, axis=1)

    def _partial(self, spikes: IntArray) -> IntArray:
        """At positions that an edge divides: synapses of the channels before it, (T, cut edges)."""
        geometry, (_, _, width) = self.geometry, self.one.target
        y, x = np.divmod(self.at[self.position[self.cut]], width)
        cube = spikes[:, geometry.sources].reshape(len(spikes), *geometry.source_window)
        _, rows, columns = geometry.source_window
        sums = np.zeros((len(spikes), len(self.cut)), np.int64)
        for i in range(self.below.shape[2]):
            for j in range(self.below.shape[3]):
                row = y * geometry.stride[0] + i - geometry.padding[0]
                column = x * geometry.stride[1] + j - geometry.padding[1]
                met = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
                there = cube[:, :, row[met], column[met]]
                sums[:, met] += np.einsum("tcb,bc->tb", there, self.below[met, :, i, j])
        return sums


class _ByChannel:
    """Cores that hold channels one after the other, each with all its positions."""

    def __init__(self, projection: FixedProjection, cores: Cores) -> None:
        geometry = projection.geometry
        acts = (projection.weight != 0).astype(np.float64)
        self.acts = _taps(acts)
        positions = cores.shape[1] * cores.shape[2]
        channel, self.inside = np.divmod(cores.edges, positions)
        channel = channel - _first_channel(geometry)
        self.before = np.clip(channel, 0, len(acts))
        self.cut = np.flatnonzero((self.inside > 0) & (channel >= 0) & (channel < len(acts)))
        self.divided = self.acts[channel[self.cut]]
        self.geometry, self.some = geometry, with_channels(geometry, max(1, len(self.cut)))

    def __call__(self, spikes: IntArray) -> IntArray:
        if self.geometry.axis == "channel":
            return self._along_channels(spikes)
        rows = np.einsum("tcij,ocij->to", self._meeting(spikes), self.acts, optimize=True)
        ends = _running(whole(rows))[:, self.before]
        if len(self.cut):
            here = _mixed(self.some, self.divided, spikes).reshape(len(spikes), len(self.cut), -1)
            within = np.cumsum(here, axis=2)
            ends[:, self.cut] += within[:, np.arange(len(self.cut)), self.inside[self.cut] - 1]
        return np.diff(ends, axis=1)

    def _along_channels(self, spikes: IntArray) -> IntArray:
        """Without a kernel a position meets itself alone: running sums over the positions of each source channel."""
        cube = spikes[:, self.geometry.sources].reshape(len(spikes), self.geometry.source_window[0], -1)
        met, acts = np.cumsum(cube, axis=2), self.acts[:, :, 0, 0]
        ends = _running(whole(met[:, :, -1] @ acts.T))[:, self.before]
        if len(self.cut):
            there = met[:, :, self.inside[self.cut] - 1]
            ends[:, self.cut] += whole(np.einsum("tcb,bc->tb", there, self.divided[:, :, 0, 0]))
        of_cores: IntArray = np.diff(ends, axis=1)
        return of_cores

    def _meeting(self, spikes: IntArray) -> Any:
        """Spikes of each source channel that each tap meets over all target positions: (T, channels, taps)."""
        geometry = self.geometry
        cube = spikes[:, geometry.sources].reshape(len(spikes), *geometry.source_window)
        taps = np.zeros((len(spikes), geometry.source_window[0], *self.acts.shape[2:]))
        for i in range(taps.shape[2]):
            for j in range(taps.shape[3]):
                rows, columns = _met(geometry, 0, i)[1], _met(geometry, 1, j)[1]
                taps[:, :, i, j] = cube[:, :, rows, columns].sum(axis=(2, 3))
        return taps
