"""Weighted sums of spikes, of one projection or of several that are alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neuro_deploy.engines.native import adding, dot8
from neuro_deploy.engines.native.buffers import Buffers, address_of, roomy
from neuro_deploy.engines.native.gathering import NONE
from neuro_deploy.engines.native.images import beside, pad, windows
from neuro_deploy.engines.native.layout import Shape
from neuro_deploy.engines.native.threads import EACH, deal, share, threads, unnoted
from neuro_deploy.engines.native.tiles import LANES, PANEL, ROWS
from neuro_deploy.network import FixedProjection

if TYPE_CHECKING:
    from neuro_deploy.engines.native.by_torch import Matrix

Kernel = Literal["dot8", "int8", "gather", "float32", "float64"]
KERNELS: tuple[Kernel, ...] = ("dot8", "int8", "gather", "float32", "float64")
UNFOLDED = 2**24
"""Numbers that a convolution unfolds at a time."""
MOST_ROWS = 128
"""That meet weights while these are in the cache."""
NO_SEGMENTS = np.zeros(1, np.int64)


@dataclass(frozen=True, eq=False)
class Packed:
    """Rows of sources for ``dot8``: see ``dot8.sums8``. margin: zeros around images. channels: of the sources.

    sparse: the weights as they are gathered while few sources spike, or none. limit: of a row's spikes, then. group:
    sources whose weights are added up as bytes, then.
    """

    weight: np.ndarray
    targets: int
    places: np.ndarray
    segments: np.ndarray
    quads: int
    per: int
    sparse: np.ndarray = field(default_factory=lambda: NONE)
    limit: int = 0
    group: int = 1
    margin: tuple[int, int] = (0, 0)
    channels: tuple[int, int] | None = None

    @property
    def work(self) -> int:
        """Operations a frame, about."""
        return self.places.size * whole(self.targets, LANES) * (len(self.segments) * self.quads // 4 + 1)

    def arguments(self, segments: np.ndarray) -> tuple[Any, ...]:
        """What follows the sources in calls of loops."""
        return self.per, self.places, segments, self.quads, self.weight, self.targets


@dataclass(frozen=True, eq=False)
class Turned:
    """Weights shared along an axis for ``along8.along8``: see there."""

    weight: np.ndarray
    parts: int
    long: int
    deep: int

    @property
    def per(self) -> int:
        """Bytes a frame."""
        return self.parts * self.long * self.deep

    @property
    def work(self) -> int:
        """Operations a frame, about."""
        return self.parts * self.long * len(self.weight) * (self.deep // 16 + 2 * EACH)

    def arguments(self, _segments: np.ndarray) -> tuple[Any, ...]:
        """What follows the sources in calls of loops."""
        return (self.weight,)


@dataclass(frozen=True, eq=False)
class Product:
    """The synapses of a projection that have one delay, ready to run; or of several that are alike, as one product.

    weight: int8, int16, float32 or float64: (sources, targets) where rows of sources meet it, (targets, sources) along
    height, width or space, (neurons,) one to one. factor: what sums are multiplied by, and then rounded down. sign:
    (targets,), or None. target: inner shape of what it reaches. channels: of the target, None for all. largest: of the
    magnitudes of partial sums. one_bit: whether all that it meets is 0 or 1. packed: of dot8. beside: whether the
    sources' channels reach the target's one after another.
    """

    projections: tuple[FixedProjection, ...]
    delay: int
    kernel: Kernel
    reason: str
    weight: np.ndarray
    factor: float
    sign: np.ndarray | None
    target: Shape
    channels: tuple[int, int] | None
    largest: int
    one_bit: bool = False
    packed: Packed | Turned | None = None
    beside: bool = False
    device: str = "cpu"

    @property
    def projection(self) -> FixedProjection:
        """The first one."""
        return self.projections[0]

    @property
    def source(self) -> str:
        """The name of what it reads: a population, or several side by side."""
        return " | ".join(p.source for p in self.projections) if self.beside else self.projection.source

    def sums(self, values: Mapping[str, np.ndarray], buffers: Buffers) -> np.ndarray:
        """(samples, T or 1, *target): int32, the kernel's type, or one to one the values themselves.

        values: population -> (samples, T or 1, *inner source shape).
        """
        geometry = self.projection.geometry
        if isinstance(self.packed, Packed):
            return self._packed(self.packed, values, buffers)
        if geometry.kind != "one-to-one":
            unnoted()
        x = values[self.source] if self.beside else self._entering(values, buffers)
        lead = x.shape[:2]
        if geometry.kind == "dense":
            sums = self._rows(x.reshape(math.prod(lead), -1), buffers)
        elif geometry.kind == "conv2d":
            sums = self._convolved(x.reshape(-1, *x.shape[2:]), buffers)
        elif geometry.kind == "one-to-one":  # the weights are factors of what is added up
            sums = x
        elif geometry.axis == "channel":
            sums = self._rows(x.reshape(-1, x.shape[-1]), buffers)
        else:
            sums = self._along(x, str(geometry.axis), buffers)
        if len(self.projections) > 1 and not self.beside:
            buffers.give(x)
        return sums.reshape(*lead, *self.target)

    def _packed(self, packed: Packed, values: Mapping[str, np.ndarray], buffers: Buffers) -> np.ndarray:
        lead, some = values[self.projection.source].shape[:2], threads()
        source, segments, lent = self.bytes(values, buffers)
        rows, targets = math.prod(lead) * packed.places.size, packed.targets
        tall = min(MOST_ROWS, whole(-(-rows // some), ROWS))
        wide = min(targets, whole(-(-targets // (some if rows <= tall else 1)), PANEL))
        out = buffers.take((whole(rows, ROWS), targets), np.int32)
        jobs = -(-rows // tall) * -(-targets // wide)
        deal(dot8.sums8, jobs, math.prod(lead) * packed.work, tall, wide, source, *packed.arguments(segments)[:-1], out)
        if lent:
            buffers.give(source)
        return out[:rows].reshape(*lead, *self.target)

    def bytes(self, values: Mapping[str, np.ndarray], buffers: Buffers) -> tuple[np.ndarray, np.ndarray, bool]:
        """What a packed product multiplies, flat; where the segments of a row begin; whether it is to be given back."""
        if not isinstance(self.packed, Packed):
            return _bytes(values[self.source]).reshape(-1), NO_SEGMENTS, False
        each = [_bytes(values[projection.source]) for projection in self.projections]
        packed, first = self.packed, address_of(each[0])
        if len(each) == 1 and packed.margin == (0, 0) and packed.channels is None:
            return each[0].reshape(-1), packed.segments, False
        lasting = all(values[projection.source].flags.c_contiguous for projection in self.projections)
        if lasting and len(each) == len(packed.segments) > 1 and packed.margin == (0, 0):
            away = np.array([address_of(source) - first for source in each])
            return each[0].reshape(-1), packed.segments + away, False
        if len(each) > 1:
            return self._beside(each, buffers).reshape(-1), packed.segments, True
        images = each[0].reshape(-1, *each[0].shape[2:])
        (top, left), (start, stop) = packed.margin, packed.channels or (0, images.shape[3])
        shape = (len(images), images.shape[1] + 2 * top, images.shape[2] + 2 * left, stop - start)
        out = buffers.take(shape, np.uint8)
        share(pad, len(images), EACH * out.size, images, start, top, left, out)
        return out.reshape(-1), packed.segments, True

    def _beside(self, each: list[np.ndarray], buffers: Buffers) -> np.ndarray:
        """The sources' channels behind one another."""
        windows = [projection.geometry.source_channels for projection in self.projections]
        return side_by_side(each, windows, buffers)

    def _entering(self, values: Mapping[str, np.ndarray], buffers: Buffers) -> np.ndarray:
        """The sources' channels, those of several sources behind one another."""
        each = [values[projection.source] for projection in self.projections]
        if len(each) > 1:
            return self._beside(each, buffers)
        channels = self.projection.geometry.source_channels
        if channels is None or self.projection.geometry.kind == "dense":
            return each[0]
        unnoted()  # what reads a window may copy it
        return each[0][..., channels[0] : channels[1]]

    def _rows(self, rows: np.ndarray, buffers: Buffers) -> np.ndarray:
        """rows: (n, sources) -> (n, targets)."""
        if self.kernel == "gather":
            out = buffers.take((len(rows), self.weight.shape[1]), np.int32)
            share(adding.gather, len(rows), EACH * rows.size, np.ascontiguousarray(rows), self.weight, out)
            return out
        return self._matrix.after(rows, buffers)

    def _along(self, x: np.ndarray, axis: str, buffers: Buffers) -> np.ndarray:
        """Weights shared along height, width or space: (targets, sources) meet (..., sources, the rest)."""
        samples, steps, height, width, channels = x.shape
        shapes = {
            "height": (samples * steps, height, width * channels),
            "width": (samples * steps * height, width, channels),
            "space": (samples * steps, height * width, channels),
        }
        return self._matrix.before(x.reshape(shapes[axis]), buffers)

    @cached_property
    def _matrix(self) -> Matrix:
        from neuro_deploy.engines.native.by_torch import Matrix  # torch takes long to load

        return Matrix(self.weight, self.device)

    def _convolved(self, images: np.ndarray, buffers: Buffers) -> np.ndarray:
        """images: (n, height, width, channels) -> (n, positions, targets)."""
        geometry = self.projection.geometry
        high, wide = (int(n) for n in self.projection.weight.shape[2:])
        _, rows, columns = geometry.target_window
        size = high * wide * images.shape[-1]
        some = max(1, UNFOLDED // (rows * columns * size))
        parts = []
        for start in range(0, len(images), some):
            part = np.ascontiguousarray(images[start : start + some])
            met = buffers.take((len(part), rows * columns, size), part.dtype)
            ends = (np.array(geometry.stride), np.array(geometry.padding), met)
            share(windows, len(part) * rows, EACH * met.size, part, rows, columns, high, wide, *ends)
            parts.append(self._rows(met.reshape(-1, size), buffers).reshape(len(part), rows * columns, -1))
            buffers.give(met)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def side_by_side(each: Sequence[np.ndarray], windows: Sequence[tuple[int, int] | None], buffers: Buffers) -> np.ndarray:
    """Arrays, (samples, T or 1, ..., channels), as one: of each all channels, or a window of them."""
    ends = [window or (0, array.shape[-1]) for array, window in zip(each, windows, strict=True)]
    lead, kind = np.broadcast_shapes(*(array.shape[:-1] for array in each)), np.result_type(*each)
    if kind == np.int16:  # bytes with and without a sign: loops take what float32 holds as well
        kind = np.dtype(np.float32)
    if any(array.dtype != kind for array in each):
        unnoted()
        each = [array.astype(kind) for array in each]
    out = buffers.take((*lead, sum(stop - start for start, stop in ends)), kind)
    rows, at = out.reshape(-1, out.shape[-1]), 0
    for array, (start, stop) in zip(each, ends, strict=True):
        if array.shape[:-1] != lead:
            unnoted()
        whole = np.broadcast_to(array, (*lead, array.shape[-1])).reshape(len(rows), -1)
        share(beside, len(rows), EACH * len(rows) * (stop - start), whole, start, at, stop - start, rows)
        at += stop - start
    return out


def _bytes(values: np.ndarray) -> np.ndarray:
    """As unsigned bytes, even in memory, with room behind them."""
    there = values.view(np.uint8)
    if not there.flags.c_contiguous:
        unnoted()
        held = roomy(there.shape, np.uint8)
        held[...] = there
        return held
    return there


def whole(number: int, unit: int) -> int:
    """Rounded up to a multiple of the unit."""
    return -(-number // unit) * unit
