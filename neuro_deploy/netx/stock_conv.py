"""What the stock reader ``lava.lib.dl.netx.hdf5.Network`` makes of a conv layer, without Lava.

``create_conv`` (lava-dl 0.6.0) flips and turns the kernel for lava-nc's Conv process (0.10.0), which convolves in
Lava's order (width, height, channels); together this is a cross-correlation in (channels, height, width). The weights
act as written: nothing scales, clips or truncates them. The sums are wrapped to 24 bits, and delays are dropped. The
tests compare this file with Lava's own functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import Geometry
from neuro_deploy.numerics.registers import IntArray

Pair = tuple[int, int]
Shape = tuple[int, ...]

SUM_LIMIT = 2**23
"""Sums lie in [-2^23, 2^23 - 1], beyond which Lava wraps them. Source: lava-nc, ``signed_clamp`` with 24 bits."""


@dataclass(frozen=True)
class ConvShape:
    """The sizes of a conv layer.

    weight: (out channels, in channels of one group, kernel height, kernel width). stride, padding, dilation: (height,
    width).
    """

    weight: Shape
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def kernel(self) -> Pair:
        """Height and width of the kernel with zeros between its taps."""
        height, width = (d * (k - 1) + 1 for d, k in zip(self.dilation, self.weight[2:], strict=True))
        return height, width

    @property
    def dilated(self) -> Shape:
        """Shape of the weights with zeros between their taps."""
        return (*self.weight[:2], *self.kernel)

    def output(self, source: Shape) -> Shape:
        """(channels, height, width) of what the layer makes of a source of that shape."""
        sizes = zip(source[1:], self.padding, self.kernel, self.stride, strict=True)
        return (self.weight[0], *((size + 2 * pad - kernel) // stride + 1 for size, pad, kernel, stride in sizes))

    def geometries(self, source: Shape, target: Shape) -> Iterator[Geometry]:
        """The synapses of one group after the other: windows of channels of both ends.

        Requires: channels of both ends that are multiples of the groups.
        """
        ins, outs = source[0] // self.groups, target[0] // self.groups
        for group in range(self.groups):
            yield Geometry(
                "conv2d",
                source,
                target,
                stride=self.stride,
                padding=self.padding,
                source_channels=(group * ins, (group + 1) * ins),
                target_channels=(group * outs, (group + 1) * outs),
            )


def dilated(weight: IntArray, shape: ConvShape) -> IntArray:
    """The weights with zeros between their taps: (out channels, in channels of one group, *shape.kernel), int64."""
    spread = np.zeros(shape.dilated, np.int64)
    spread[..., :: shape.dilation[0], :: shape.dilation[1]] = weight
    return spread


def stock_conv(weight: IntArray, shape: ConvShape, source: Shape, target: Shape) -> Iterator[tuple[Geometry, IntArray]]:
    """The synapses that run in Lava when a file holds ``weight``: for each group its geometry and its weights.

    weight: of the shape ``shape.weight``, int64. source, target: (channels, height, width), which fit.
    """
    spread = dilated(weight, shape)
    return zip(shape.geometries(source, target), np.split(spread, shape.groups), strict=True)


def check_sums(weight: IntArray, where: str) -> None:
    """Check that no one-bit spikes give a sum that Lava would wrap.

    Raises:
        UnsupportedError: some do.
    """
    rows = weight.reshape(len(weight), math.prod(weight.shape[1:]))
    high, low = int(np.maximum(rows, 0).sum(axis=1).max()), int(np.minimum(rows, 0).sum(axis=1).min())
    if high >= SUM_LIMIT or low < -SUM_LIMIT:
        raise UnsupportedError(
            f"sums of weights span {low:,} to {high:,}; Lava's Conv wraps them beyond 24 bits",
            where=where,
            hint="scale the layer down",
        )
