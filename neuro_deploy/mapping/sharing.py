"""What weights cost on a core that stores them once for all positions that share them.

    kernel words = lists * ceil(outputs * bits / word_bits)

A list is what one spike fetches: the weights from one source index (a channel and a tap of the kernel, or an index
along the axis) to the outputs (channels, or indices along the axis) that have a neuron on the core. Rows that differ in
sign need the kernel twice, since no core is known to negate a weight.

Which synapses share: conv2d, axial, one-to-one of one weight, and dense ones whose weights are the same at all
positions of a channel (an average over positions before a dense layer): these share a list and its input axon.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neuro_deploy.network.fan_out import Counts
from neuro_deploy.network.geometry import Geometry, Shape

CONVOLUTION = ("conv2d", "axial")


def stored_once(geometry: Geometry, weight_shape: Shape) -> bool:
    """Whether positions share these weights."""
    return geometry.kind in CONVOLUTION or (geometry.kind == "one-to-one" and not weight_shape)


def different_lists(projection: Any) -> int:
    """Lists of a dense projection whose weights are equal at all positions of a channel: its channels. Of others 0."""
    window = projection.geometry.source_window
    if len(window) != 3 or projection.delay.ndim or math.prod(window[1:]) == 1:
        return 0
    by_channel = projection.weight.reshape(len(projection.weight), window[0], -1)
    return window[0] if bool(np.all(by_channel == by_channel[:, :, :1])) else 0


def kernels(projection: Any) -> int:
    """How often the kernel is stored: twice where some rows are added and others subtracted."""
    sign = projection.sign
    return 1 if sign is None else max(1, int(np.any(sign > 0)) + int(np.any(sign < 0)))


def lists(weight_shape: Shape) -> int:
    """Lists of a kernel."""
    return math.prod(weight_shape[1:]) if weight_shape else 1


def outputs_on(geometry: Geometry, offset: Counts, cores: Counts, count: int) -> Counts:
    """Different outputs on each core: (count,), int64. offset: (n,), neurons from the target window's start."""
    if geometry.kind == "one-to-one":
        return (np.bincount(cores, minlength=count) > 0).astype(np.int64)
    channels, height, width = geometry.target_window
    each = {"height": (width, height), "width": (1, width), "space": (1, height * width)}
    step, size = each.get(geometry.axis or "", (height * width, channels))
    here = np.zeros((count, size), bool)
    here[cores, offset // step % size] = True
    counted: Counts = here.sum(axis=1)
    return counted


def kernel_words(each: int, outputs: Counts, bits: int, word_bits: int) -> Counts:
    """Words of the kernel on each core: (cores,), int64. each: lists; outputs: on each core."""
    return each * -(-outputs * bits // word_bits)
