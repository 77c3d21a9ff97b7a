"""Source neurons that reach the same target neurons, and so the same cores: sums over them, without listing them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from neuro_deploy.network.fan_out import Counts
from neuro_deploy.network.geometry import Geometry, Shape

Alike = Literal["dense", "one-to-one", "channel", "height", "width", "space"]


@dataclass(frozen=True)
class Groups:
    """Groups of neurons start..stop-1 of a population. window: their shape. alike: what a group is.

    "dense" all of them; "one-to-one" each neuron on its own; "channel" all channels at a position; "height" and "width"
    a column and a row of a channel; "space" a channel. Numbered as ``fan_out.axons`` numbers them.
    """

    start: int
    stop: int
    window: Shape
    alike: Alike

    @property
    def count(self) -> int:
        """How many groups."""
        if self.alike in ("dense", "one-to-one"):
            return 1 if self.alike == "dense" else math.prod(self.window)
        channels, height, width = self.window
        return {"height": channels * width, "width": channels * height, "space": channels}.get(
            self.alike, height * width
        )

    def sums(self, values: Any) -> Any:
        """Sums over each group: (T, groups), int64. values: (T, neurons of the population), or (T, *its shape)."""
        taken, steps = self.taken(values), len(values)
        if self.alike == "one-to-one":
            return taken.reshape(steps, -1).astype(np.int64)
        cube = taken if self.alike == "dense" else taken.reshape(steps, *self.window)
        axes: dict[str, tuple[int, ...]] = {"channel": (1,), "height": (2,), "width": (3,), "space": (2, 3)}
        over = axes.get(self.alike, tuple(range(1, cube.ndim)))
        narrow = values.dtype == np.uint8 and len(over) == 1 and cube.shape[over[0]] <= 256
        sums = np.add.reduce(cube, axis=over, dtype=np.uint16 if narrow else np.int64)
        return sums.reshape(steps, -1).astype(np.int64)

    def taken(self, values: Any) -> Any:
        """Those of the groups: (T, neurons), or whole channels as they are."""
        each = math.prod(values.shape[2:])
        if self.start % each or self.stop % each:
            return values.reshape(len(values), -1)[:, self.start : self.stop]
        return values[:, self.start // each : self.stop // each]

    def index(self) -> Counts:
        """The group of each neuron: (stop - start,), int64."""
        size = self.stop - self.start
        if self.alike == "dense":
            return np.zeros(size, np.int64)
        if self.alike == "one-to-one":
            return np.arange(size, dtype=np.int64)
        channels, height, width = self.window
        c, y, x = np.ogrid[:channels, :height, :width]
        number = {"height": c * width + x, "width": c * height + y, "space": c}.get(self.alike, y * width + x)
        return np.broadcast_to(number, self.window).reshape(-1).astype(np.int64)


def groups_of(geometry: Geometry) -> Groups:
    """The groups of a projection's source neurons."""
    alike: Any = "channel" if geometry.kind == "conv2d" else geometry.axis or geometry.kind
    return Groups(geometry.sources.start, geometry.sources.stop, geometry.source_window, alike)


def single(neurons: int) -> Groups:
    """Every neuron of a population on its own."""
    return Groups(0, neurons, (neurons,), "one-to-one")
