"""Random synapses of every kind from one population to another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro_deploy.network import FixedProjection, Geometry, Kind
from neuro_deploy.numerics.registers import IntArray

Shape = tuple[int, ...]
Window = tuple[int, int]
ROWS = ("dense", "channel", "conv2d")
"""Kinds that reach every channel from every channel: rows of sources meet a matrix."""


@dataclass
class Draft:
    """A population that is being drawn: its parameters depend on all that feeds it.

    sends: about how large its spikes are. circle: whether it feeds its own later channels, maybe through others.
    """

    name: str
    kind: Kind
    shape: Shape
    sends: float = 1.0
    circle: bool = False

    @property
    def channels(self) -> int:
        """Of neurons without channels: the neurons."""
        return self.shape[0]


def pick(rng: np.random.Generator, *options: Any) -> Any:
    """One of the options, whatever they are."""
    return options[rng.integers(len(options))]


def possible(source: Shape, target: Shape) -> list[str]:
    """The kinds that can lead from one shape to the other: dense, one-to-one, conv2d, or an axis. Some more often."""
    kinds = ["dense"]
    if source[1:] == target[1:]:
        kinds += 2 * ["one-to-one"]
    if len(source) == len(target) == 3:
        same_height, same_width = source[1] == target[1], source[2] == target[2]
        kinds += ["conv2d", "conv2d", "space"] + ["height"] * same_width + ["width"] * same_height
        kinds += ["channel"] * (3 * same_height * same_width)
    return kinds


def typical(projection: FixedProjection, sends: float) -> float:
    """About how much arrives through it, if a source sends so much."""
    weight = np.abs(projection.weight)
    fan_in = projection.geometry.fan_in(weight.shape)
    return float(weight.mean()) * math.sqrt(fan_in) * sends * 2.0**projection.weight_exp


@dataclass(frozen=True)
class Synapses:
    """Draws projections.

    plain: no delays, no windows but those that are asked for, and the kinds that the native engine computes fastest.
    extreme: the largest weights.
    """

    rng: np.random.Generator
    plain: bool
    extreme: bool

    def between(self, source: Draft, target: Draft) -> FixedProjection:
        """Of any kind, on any windows."""
        kinds = possible(source.shape, target.shape)
        if self.plain:
            fast = ("one-to-one",) if source.kind == "relay" else ("one-to-one", *ROWS)
            kinds = [kind for kind in kinds if kind in fast] or ["dense"]
        kind = str(pick(self.rng, *kinds))
        if kind in ROWS:
            some = 0.0 if self.plain else 0.4
            ends = [self.window(end.channels) if self.rng.random() < some else None for end in (source, target)]
        else:
            count = min(source.channels, target.channels)
            if not self.plain and self.rng.random() < 0.3:
                count = int(self.rng.integers(1, count + 1))
            ends = [self.window(source.channels, count), self.window(target.channels, count)]
        return self.of(kind, source, target, *ends)

    def of(
        self,
        kind: str,
        source: Draft,
        target: Draft,
        taken: Window | None = None,
        reached: Window | None = None,
        *,
        weight: IntArray | None = None,
        exponent: int | None = None,
    ) -> FixedProjection:
        """Of one kind, from some channels to some. weight, exponent: drawn where not given.

        No exponent below 0 that shifts each part of a population by itself (docs/netx_format.md, One timestep).
        """
        geometry, shape = self.geometry(kind, source, target, taken, reached)
        if weight is None:
            weight = self.weight(shape)
        if exponent is None:
            exponent = self.exponent(source)
        if source.circle and not geometry.coupled:
            exponent = max(0, exponent)
        delay, sign = np.asarray(0), None
        if not self.plain and self.rng.random() < 0.25:
            delay = self.rng.integers(0, 4, shape if kind == "dense" and self.rng.random() < 0.7 else ())
        if self.rng.random() < 0.1:
            sign = self.rng.integers(-1, 2, math.prod(geometry.target_window))
        return FixedProjection(source.name, target.name, weight, exponent, delay, geometry, sign)

    def window(self, channels: int, count: int | None = None) -> Window:
        """Some of the channels: so many, or any number."""
        count = count or int(self.rng.integers(1, channels + 1))
        start = int(self.rng.integers(channels - count + 1))
        return start, start + count

    def geometry(
        self, kind: str, source: Draft, target: Draft, taken: Window | None, reached: Window | None
    ) -> tuple[Geometry, Shape]:
        """With the shape of its weights."""
        ends = [(source.shape, taken), (target.shape, reached)]
        if kind == "dense" and not (source.circle or target.circle):
            ends = [self.seen_otherwise(*end) for end in ends]
        (seen, taken), (made, reached) = ends
        options: dict[str, Any] = {"source_channels": taken, "target_channels": reached}
        if kind == "conv2d":
            (high, *down), (wide, *across) = (self.taps(seen[axis], made[axis]) for axis in (1, 2))
            options["stride"], options["padding"] = zip(down, across, strict=True)
            geometry = Geometry("conv2d", seen, made, **options)
            return geometry, (geometry.target_window[0], geometry.source_window[0], high, wide)
        if kind in ("dense", "one-to-one"):
            geometry = Geometry(kind, seen, made, **options)  # type: ignore[arg-type]
            neurons = math.prod(geometry.source_window)
            each = (neurons,) if self.rng.random() < 0.5 else ()
            return geometry, each if kind == "one-to-one" else (math.prod(geometry.target_window), neurons)
        geometry = Geometry("axial", seen, made, axis=kind, **options)  # type: ignore[arg-type]
        return geometry, (along(kind, geometry.target_window), along(kind, geometry.source_window))

    def seen_otherwise(self, shape: Shape, window: Window | None) -> tuple[Shape, Window | None]:
        """Now and then dense synapses see a whole population flat or in another shape, and maybe a window of that."""
        if window or self.rng.random() < 0.7:
            return shape, window
        other = pick(self.rng, (math.prod(shape),), shape[::-1], (*shape[1:], shape[0]))
        return other, None if self.plain else self.window(other[0])

    def taps(self, source: int, target: int) -> tuple[int, int, int]:
        """A convolution's kernel, stride and padding along one axis."""
        every = ((size, stride, padding) for size in range(1, 5) for stride in range(1, 4) for padding in range(3))
        fits = [(k, s, p) for k, s, p in every if k <= source + 2 * p and (source + 2 * p - k) // s + 1 == target]
        return pick(self.rng, *fits)  # type: ignore[no-any-return]

    def weight(self, shape: Shape) -> IntArray:
        """Even ones, as ours are; odd ones, as those of stock files are; or the largest."""
        if self.extreme:
            return self.rng.choice([-256, 254, 254, 0], shape)
        low, high = pick(self.rng, (-8, 9), (-8, 9), (0, 10), (-128, 128))
        if self.plain or self.rng.random() < 0.7:
            return 2 * self.rng.integers(low, high, shape)
        return self.rng.integers(*pick(self.rng, (-100, 101), (-255, 256)), shape)

    def exponent(self, source: Draft) -> int:
        """A weight exponent, mostly such that large sums of relays come to less."""
        if source.sends > 2**20 or (source.sends > 2**8 and self.rng.random() < 0.9):
            return -min(8, int(math.log2(source.sends)) - 4)
        return int(pick(self.rng, 0, 0, 0, 0, 1, 2, 5, -1, -2, -3))


def along(axis: str, shape: Shape) -> int:
    """The length of an axis."""
    return math.prod({"channel": shape[:1], "height": shape[1:2], "width": shape[2:], "space": shape[1:]}[axis])
