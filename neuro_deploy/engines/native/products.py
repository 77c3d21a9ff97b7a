"""Weighted sums of spikes, of one projection or of several that are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from neuro_deploy.engines.native import dot8, kernels
from neuro_deploy.engines.native.buffers import Buffers, roomy
from neuro_deploy.engines.native.gathering import NONE
from neuro_deploy.engines.native.images import beside, pad, windows
from neuro_deploy.engines.native.layout import Shape
from neuro_deploy.engines.native.threads import deal, share, unnoted
from neuro_deploy.engines.native.tiles import PANEL, ROWS
from neuro_deploy.network import FixedProjection

Kernel = Literal["dot8", "int8", "gather", "float32", "float64"]
KERNELS: tuple[Kernel, ...] = ("dot8", "int8", "gather", "float32", "float64")
UNFOLDED = 2**24
"""Numbers that a convolution unfolds at a time."""
MOST_ROWS = 128
"""That meet weights while these are in the cache."""
NO_SEGMENTS = np.zeros(1, np.int64)


@dataclass(frozen=True, eq=False)
class Packed:
    """Rows of sources for ``dot8``: see ``dot8.sums8``. margin: zeros around images. channels: of the sources."""

    weight: np.ndarray
    targets: int
    places: np.ndarray
    segments: np.ndarray
    quads: int
    per: int
    margin: tuple[int, int] = (0, 0)
    channels: tuple[int, int] | None = None

    @property
    def work(self) -> int:
        """Operations a frame, about."""
        return self.places.size * self.targets * (len(self.segments) * self.quads // 4 + 1)

    def arguments(self, segments: np.ndarray) -> tuple[Any, ...]:
        """What follows the sources in calls of loops."""
        return self.per, self.places, segments, self.quads, self.weight, self.targets


@dataclass(frozen=True, eq=False)
class Turned:
    """Weights shared along an axis for ``dot8.along8``: see there."""

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
        return self.parts * self.long * len(self.weight) * (self.deep // 16 + 1)

    def arguments(self, _segments: np.ndarray) -> tuple[Any, ...]:
        """What follows the sources in calls of loops."""
        return (self.weight,)


@dataclass(frozen=True, eq=False)
class Product:
    """The synapses of a projection that have one delay, ready to run; or of several that are alike, as one product.

    weight: int8, int16, float32 or float64: (sources, targets) where rows of sources meet it, (targets, sources) along
    height, width or space, (neurons,) one to one. factor: what sums are multiplied by, and then rounded down. sign:
    (targets,), or None. target: inner shape of what it reaches. channels: of the target, None for all. largest: of the
    magnitudes of partial sums. sparse: of dense products of bytes, the weights as they are gathered while few sources
    spike, or none. packed: of dot8. beside: whether the sources' channels reach the target's one after another.
    """

    projections: tuple[FixedProjection, ...]
    delay: int
    kernel: Kernel
    reason: str
    weight: torch.Tensor
    factor: float
    sign: torch.Tensor | None
    target: Shape
    channels: tuple[int, int] | None
    largest: int
    sparse: np.ndarray = field(default_factory=lambda: NONE)
    packed: Packed | Turned | None = None
    beside: bool = False

    @property
    def projection(self) -> FixedProjection:
        """The first one."""
        return self.projections[0]

    @property
    def source(self) -> str:
        """The name of what it reads: a population, or several side by side."""
        return " | ".join(p.source for p in self.projections) if self.beside else self.projection.source

    def sums(self, values: Mapping[str, torch.Tensor], buffers: Buffers) -> torch.Tensor:
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
            sums = self._rows(x.reshape(lead.numel(), -1), buffers)
        elif geometry.kind == "conv2d":
            sums = self._convolved(x.flatten(0, 1), buffers)
        elif geometry.kind == "one-to-one":  # the weights are factors of what is added up
            sums = x
        elif geometry.axis == "channel":
            sums = self._rows(x.reshape(-1, x.shape[-1]), buffers)
        else:
            sums = self._along(x, str(geometry.axis), buffers)
        if len(self.projections) > 1 and not self.beside:
            buffers.give(x.numpy())
        return sums.reshape(*lead, *self.target)

    def _packed(self, packed: Packed, values: Mapping[str, torch.Tensor], buffers: Buffers) -> torch.Tensor:
        lead, threads = values[self.projection.source].shape[:2], torch.get_num_threads()
        source, segments, lent = self.bytes(values, buffers)
        rows, targets = lead.numel() * packed.places.size, packed.targets
        tall = min(MOST_ROWS, whole(-(-rows // threads), ROWS))
        wide = min(targets, whole(-(-targets // (threads if rows <= tall else 1)), PANEL))
        out = buffers.take((whole(rows, ROWS), targets), np.int32)
        jobs = -(-rows // tall) * -(-targets // wide)
        deal(dot8.sums8, jobs, lead.numel() * packed.work, tall, wide, source, *packed.arguments(segments)[:-1], out)
        if lent:
            buffers.give(source)
        return torch.from_numpy(out[:rows]).reshape(*lead, *self.target)

    def bytes(self, values: Mapping[str, torch.Tensor], buffers: Buffers) -> tuple[np.ndarray, np.ndarray, bool]:
        """What a packed product multiplies, flat; where the segments of a row begin; whether it is to be given back."""
        if not isinstance(self.packed, Packed):
            return _bytes(values[self.source]).reshape(-1), NO_SEGMENTS, False
        each = [_bytes(values[projection.source]) for projection in self.projections]
        packed, first = self.packed, each[0].ctypes.data
        if len(each) == 1 and packed.margin == (0, 0) and packed.channels is None:
            return each[0].reshape(-1), packed.segments, False
        lasting = all(values[projection.source].is_contiguous() for projection in self.projections)
        if lasting and len(each) == len(packed.segments) > 1 and packed.margin == (0, 0):
            away = np.array([source.ctypes.data - first for source in each])
            return each[0].reshape(-1), packed.segments + away, False
        if len(each) > 1:
            return self._beside(each, buffers).reshape(-1), packed.segments, True
        images = each[0].reshape(-1, *each[0].shape[2:])
        (top, left), (start, stop) = packed.margin, packed.channels or (0, images.shape[3])
        shape = (len(images), images.shape[1] + 2 * top, images.shape[2] + 2 * left, stop - start)
        out = buffers.take(shape, np.uint8)
        share(pad, len(images), out.size, images, start, top, left, out)
        return out.reshape(-1), packed.segments, True

    def _beside(self, each: list[np.ndarray], buffers: Buffers) -> np.ndarray:
        """The sources' channels behind one another."""
        windows = [projection.geometry.source_channels for projection in self.projections]
        return side_by_side(each, windows, buffers)

    def _entering(self, values: Mapping[str, torch.Tensor], buffers: Buffers) -> torch.Tensor:
        """The sources' channels, those of several sources behind one another."""
        each = [values[projection.source] for projection in self.projections]
        if len(each) > 1:
            return torch.from_numpy(self._beside([x.numpy() for x in each], buffers))
        channels = self.projection.geometry.source_channels
        whole = channels is None or self.projection.geometry.kind == "dense"
        return each[0] if whole or channels is None else each[0][..., channels[0] : channels[1]]

    def _rows(self, rows: torch.Tensor, buffers: Buffers) -> torch.Tensor:
        """rows: (n, sources) -> (n, targets)."""
        shape = (len(rows), self.weight.shape[1])
        if self.kernel == "int8":
            return int8_product(even_bytes(rows), self.weight, torch.from_numpy(buffers.take(shape, np.int32)))
        if self.kernel == "gather":
            return _gathered(rows, self.weight, buffers)
        return rows.to(self.weight.dtype) @ self.weight

    def _along(self, x: torch.Tensor, axis: str, buffers: Buffers) -> torch.Tensor:
        """Weights shared along height, width or space: (targets, sources) meet (..., sources, the rest)."""
        samples, steps, height, width, channels = x.shape
        shapes = {
            "height": (samples * steps, height, width * channels),
            "width": (samples * steps * height, width, channels),
            "space": (samples * steps, height * width, channels),
        }
        rows = x.reshape(shapes[axis]).to(self.weight.dtype)
        if x.device.type != "cpu":
            return torch.matmul(self.weight, rows)
        out = buffers.take((len(rows), len(self.weight), rows.shape[2]), rows.numpy().dtype)
        return torch.matmul(self.weight, rows, out=torch.from_numpy(out))

    def _convolved(self, images: torch.Tensor, buffers: Buffers) -> torch.Tensor:
        """images: (n, height, width, channels) -> (n, positions, targets)."""
        geometry = self.projection.geometry
        high, wide = (int(n) for n in self.projection.weight.shape[2:])
        _, rows, columns = geometry.target_window
        size = high * wide * images.shape[-1]
        some = max(1, UNFOLDED // (rows * columns * size))
        parts = []
        for part in torch.split(images, some):
            met = _windows(part, rows, columns, (high, wide), geometry.stride, geometry.padding, buffers)
            parts.append(self._rows(met.reshape(-1, size), buffers).reshape(len(part), rows * columns, -1))
            if met.device.type == "cpu":
                buffers.give(met.numpy())
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def side_by_side(each: Sequence[np.ndarray], windows: Sequence[tuple[int, int] | None], buffers: Buffers) -> np.ndarray:
    """Arrays of one type, (samples, T or 1, ..., channels), as one: of each all channels, or a window of them."""
    ends = [window or (0, array.shape[-1]) for array, window in zip(each, windows, strict=True)]
    lead = np.broadcast_shapes(*(array.shape[:-1] for array in each))
    out = buffers.take((*lead, sum(stop - start for start, stop in ends)), each[0].dtype)
    rows, at = out.reshape(-1, out.shape[-1]), 0
    for array, (start, stop) in zip(each, ends, strict=True):
        if array.shape[:-1] != lead:
            unnoted()
        whole = np.broadcast_to(array, (*lead, array.shape[-1])).reshape(len(rows), -1)
        share(beside, len(rows), len(rows) * (stop - start), whole, start, at, stop - start, rows)
        at += stop - start
    return out


def _bytes(values: torch.Tensor) -> np.ndarray:
    """As unsigned bytes, even in memory, with room behind them."""
    there = values.numpy().view(np.uint8)
    if not there.flags.c_contiguous:
        unnoted()
        held = roomy(there.shape, np.uint8)
        held[...] = there
        return held
    return there


def _gathered(rows: torch.Tensor, weight: torch.Tensor, buffers: Buffers) -> torch.Tensor:
    """The weights of those that spike, added up: rows (n, sources), 0 or 1 -> (n, targets), int32."""
    out = buffers.take((len(rows), weight.shape[1]), np.int32)
    share(kernels.gather, len(rows), rows.numel(), rows.contiguous().numpy(), weight.numpy(), out)
    return torch.from_numpy(out)


def _windows(
    images: torch.Tensor,
    rows: int,
    columns: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    buffers: Buffers,
) -> torch.Tensor:
    """What the kernel meets at every position: (n, rows * columns, kernel height * kernel width * channels)."""
    if images.device.type == "cpu":
        values = images.contiguous().numpy()
        out = buffers.take((len(images), rows * columns, kernel[0] * kernel[1] * images.shape[-1]), values.dtype)
        ends = (np.array(stride), np.array(padding), out)
        share(windows, len(images) * rows, out.size, values, rows, columns, *kernel, *ends)
        return torch.from_numpy(out)
    (ph, pw), (sh, sw) = padding, stride
    padded = torch.nn.functional.pad(images, (0, 0, pw, pw, ph, ph))
    views = padded.unfold(1, kernel[0], sh).unfold(2, kernel[1], sw)[:, :rows, :columns]
    return views.permute(0, 1, 2, 4, 5, 3).reshape(len(images), rows * columns, -1)


def even_bytes(rows: torch.Tensor) -> torch.Tensor:
    """Contiguous int8. Strides of axes of one element may be anything to torch, but ``_int_mm`` reads them."""
    signed = rows if rows.dtype == torch.int8 else rows.view(torch.int8)
    return signed.contiguous().as_strided(signed.shape, (signed.shape[1], 1))


def int8_product(rows: torch.Tensor, weight: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Rows (n, sources) times weights (sources, targets), int8, both even in memory: (n, targets), int32."""
    return torch._int_mm(rows, weight, out=out)


def whole(number: int, unit: int) -> int:
    """Rounded up to a multiple of the unit."""
    return -(-number // unit) * unit
