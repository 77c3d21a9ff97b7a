"""Which kernel a projection's product takes: the fastest one that is proven exact for it.

    dot8      spikes and weights as bytes, sums in int32: even weights are halved. Proof: |sum| < 2^31. Compiled here,
              for processors that multiply bytes, and often together with the neurons that it feeds
    int8      the same by torch
    gather    adds up the weights of those that spike. Proof: |sum| < 2^31. Products of dot8 whose sums fit in 16 bits
              do so by themselves while few of their sources spike, some rows at a time (``gathering``)
    float32   whole numbers in floating point. Proof: the sum of all magnitudes stays below 2^24
    float64   the same, below 2^53

The library that multiplies bytes is tried once per process on sums at the edges, since processors exist on which it
saturates; where it fails, int8 is not taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neuro_deploy.engines.exact import FLOAT64_EXACT, largest_sum
from neuro_deploy.engines.native import dot8
from neuro_deploy.engines.native.layout import inner_shape, to_inner
from neuro_deploy.engines.native.products import KERNELS, Kernel, Product
from neuro_deploy.engines.native.tiles import FOUND
from neuro_deploy.errors import UnsupportedError, UsageError
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.network.encoding import InputEncoding
from neuro_deploy.numerics.registers import FLOAT32_EXACT, IntArray

TYPES: dict[Kernel, Any] = {
    "dot8": np.int8,
    "int8": np.int8,
    "gather": np.int16,
    "float32": np.float32,
    "float64": np.float64,
}
"""Of weights."""
INT8 = (-128, 127)
INT32_END = 2**31


def products(
    network: FixedNetwork, projection: FixedProjection, device: str, forced: Kernel | None = None
) -> tuple[Product, ...]:
    """The products of a projection, one for every delay that occurs. forced: the kernel to take wherever it is exact.

    Raises:
        UnsupportedError: sums too large for exact arithmetic in float64.
        UsageError: no such kernel.
    """
    if forced is not None and forced not in KERNELS:
        raise UsageError(f"no kernel {forced!r}; kernels: {', '.join(KERNELS)}")
    if projection.delay.ndim == 0:
        parts = [(int(projection.delay), projection.weight)]
    else:
        delays = np.unique(projection.delay)
        parts = [(int(d), np.where(projection.delay == d, projection.weight, 0)) for d in delays]
    return tuple(_product(network, projection, delay, weight, device, forced) for delay, weight in parts)


def joined(network: FixedNetwork, alike: Sequence[Product]) -> tuple[Product, ...]:
    """Products along the channels, of bytes and of one factor, as one: fewer sums to add up.

    A factor below 1 rounds each product's sums down, so that only whole factors can be joined.
    """
    groups: dict[float, list[Product]] = {}
    alike, others = _beside(network, alike)
    for product in alike:
        geometry = product.projection.geometry
        along = geometry.axis == "channel" and product.kernel in ("dot8", "int8") and product.factor >= 1
        spikes = network.population(product.projection.source).kind == "lif"
        if along and spikes and not product.delay and product.sign is None and product.channels is None:
            groups.setdefault(product.factor, []).append(product)
        else:
            others.append(product)
    return (*(_joined(group) for group in groups.values()), *others)


def partition(projections: Sequence[FixedProjection], channels: int) -> list[FixedProjection] | None:
    """Projections of whole populations without delay, whose targets are all channels one after another, in order."""
    if any(p.sign is not None or np.any(p.delay) or p.geometry.source_channels is not None for p in projections):
        return None
    windows = {p.geometry.target_channels or (0, channels): p for p in projections}
    starts = [0, *(stop for _, stop in sorted(windows))]
    fits = len(windows) == len(projections) and [start for start, _ in sorted(windows)] == starts[:-1]
    return [windows[window] for window in sorted(windows)] if fits and starts[-1] == channels else None


def _beside(network: FixedNetwork, alike: Sequence[Product]) -> tuple[list[Product], list[Product]]:
    """(those left over; one product of all one-to-one, one of all along an axis, where all channels are reached)."""
    made: list[Product] = []
    rest = list(alike)
    for kind in ("one-to-one", "axial"):
        group = [p for p in rest if p.projection.geometry.kind == kind and p.channels is not None]
        if len(group) < 2 or (kind == "axial" and any(p.kernel != "dot8" or p.target == () for p in group)):
            continue
        if kind == "axial" and group[0].projection.geometry.axis == "channel":
            continue
        channels = network.population(group[0].projection.target).shape[0]
        order = partition([p.projection for p in group], channels)
        if order:
            sorted_ = sorted(group, key=lambda p: order.index(p.projection))
            made.append(_side_by_side(sorted_))
            rest = [p for p in rest if p not in group]
    return rest, made


def _side_by_side(group: Sequence[Product]) -> Product:
    """Of products that reach channels one after another."""
    first = group[0]
    ends = {"target": (*first.target[:-1], sum(p.target[-1] for p in group)), "channels": None, "beside": True}
    projections, largest = tuple(p.projection for p in group), max(p.largest for p in group)
    if first.projection.geometry.kind == "axial":
        return replace(first, projections=projections, largest=largest, **ends)  # type: ignore[arg-type]
    weight = np.concatenate([p.weight * p.factor for p in group], axis=-1)
    return replace(first, projections=projections, largest=largest, weight=weight, factor=1.0, **ends)  # type: ignore[arg-type]


def _joined(group: Sequence[Product]) -> Product:
    first, largest = group[0], sum(product.largest for product in group)
    if len(group) == 1:
        return first
    return replace(
        first,
        projections=tuple(projection for product in group for projection in product.projections),
        weight=np.concatenate([product.weight for product in group]),
        reason=f"joined; values 0..1 and weights are bytes, |sum| <= {largest:,} < 2^31",
        largest=largest,
    )


def _product(
    network: FixedNetwork,
    projection: FixedProjection,
    delay: int,
    weight: IntArray,
    device: str,
    forced: Kernel | None,
) -> Product:
    largest = largest_sum(network, projection)
    exponent = projection.weight_exp
    able = _able(network, projection, weight, largest << max(exponent, 0), device, forced)
    kernel, reason = _chosen(able, forced)
    halved = kernel in ("dot8", "int8") and not np.any(weight % 2)
    arranged = _arranged(network, projection, weight // 2 if halved else weight)
    window, channels = projection.geometry.target_window, projection.geometry.target_channels
    sign = projection.sign
    shape = network.population(projection.target).shape
    if projection.geometry.target != shape:  # dense synapses that see a population otherwise, flat perhaps
        sign = None if sign is None else _spread(sign, projection.geometry.targets, math.prod(shape))
        window, channels = shape, None
    return Product(
        (projection,),
        delay,
        kernel,
        reason,
        np.ascontiguousarray(arranged, TYPES[kernel]),
        float(2.0 ** (exponent + halved)),
        None if sign is None else _inner_window(sign, window).astype(np.float32),
        inner_shape(window),
        channels,
        largest << max(exponent, 0),
        one_bit="gather" in able,
        device=device,
    )


def _able(
    network: FixedNetwork,
    projection: FixedProjection,
    weight: IntArray,
    largest: int,
    device: str,
    forced: Kernel | None,
) -> dict[Kernel, str]:
    """The kernels that are exact here, each with its proof."""
    geometry = projection.geometry
    rows = geometry.kind in ("dense", "conv2d") or geometry.axis == "channel"
    source = network.population(projection.source)
    low, high = sent(network.encoding) if source.kind == "input" else (0, 1)
    spikes = source.kind != "relay" and (low, high) == (0, 1)
    small = np.all(weight % 2 == 0) or (INT8[0] <= weight.min() and weight.max() <= INT8[1])
    able: dict[Kernel, str] = {}
    here = device == "cpu" and largest < INT32_END
    bytes_fit = here and source.kind != "relay" and bool(small)
    reason = f"values {low}..{high} and weights are bytes, |sum| <= {largest:,} < 2^31"
    along = geometry.axis in ("height", "width", "space") and largest < FLOAT32_EXACT and forced in (None, "dot8")
    if (
        bytes_fit
        and (rows or (along and alone(network, projection)))
        and low >= 0
        and FOUND
        and high <= FOUND.top
        and dot8.works()
    ):
        able["dot8"] = f"{FOUND.name}; {reason}"
    wanted = forced == "int8" or (forced is None and "dot8" not in able)
    if wanted and bytes_fit and rows and INT8[0] <= low and high <= INT8[1] and _int8_is_exact():
        able["int8"] = reason
    if here and rows and spikes:
        able["gather"] = f"one-bit spikes, |sum| <= {largest:,} < 2^31"
    if largest < FLOAT32_EXACT:
        able["float32"] = f"|partial sum| <= {largest:,} < 2^24"
    if largest < FLOAT64_EXACT:
        able["float64"] = f"|partial sum| <= {largest:,} < 2^53"
    if not able:
        raise UnsupportedError(
            f"sums reach {largest:,}, beyond exact arithmetic",
            where=projection.name,
            hint="run it on the reference engine",
        )
    return able


def _int8_is_exact() -> bool:
    from neuro_deploy.engines.native.by_torch import int8_is_exact  # torch takes long to load

    return int8_is_exact()


def alone(network: FixedNetwork, projection: FixedProjection) -> bool:
    """Whether nothing else feeds its target but its like: neurons, all of them, at once."""
    target, fed = network.population(projection.target), network.inputs_of(projection.target)
    alike = all(
        p.geometry.axis == projection.geometry.axis
        and p.weight_exp == projection.weight_exp
        and np.array_equal(p.weight, projection.weight)
        for p in fed
    )
    kinds = {network.population(p.source).kind for p in fed}
    if not alike or partition(fed, target.shape[0]) is None or (len(fed) > 1 and kinds != {"lif"}):
        return False
    return target.kind != "relay"


def sent(encoding: InputEncoding) -> tuple[int, int]:
    """Lowest and highest value that samples are sent in with."""
    return (min(encoding.first, 0), max(encoding.levels, 0)) if encoding.mode == "graded" else (0, 1)


def _chosen(able: dict[Kernel, str], forced: Kernel | None) -> tuple[Kernel, str]:
    if forced in able:
        return forced, f"forced; {able[forced]}"
    for kernel in ("dot8", "int8", "float32", "float64"):
        if kernel in able:
            return kernel, able[kernel]
    return "gather", able["gather"]


def _inner_window(values: IntArray, window: tuple[int, ...]) -> IntArray:
    """(neurons of a window,), in the order inside."""
    return np.moveaxis(values.reshape(window), 0, -1).reshape(-1) if len(window) == 3 else values


def _arranged(network: FixedNetwork, projection: FixedProjection, weight: IntArray) -> IntArray:
    """The weights as ``Product`` wants them."""
    geometry = projection.geometry
    if geometry.kind == "one-to-one":
        full = np.broadcast_to(weight, math.prod(geometry.source_window))
        return _inner_window(full, geometry.source_window).reshape(inner_shape(geometry.source_window))
    if geometry.kind == "conv2d":
        return np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0]))
    if geometry.kind == "axial":
        return np.ascontiguousarray(weight.T) if geometry.axis == "channel" else weight
    return _arranged_dense(network, projection, weight)


def _arranged_dense(network: FixedNetwork, projection: FixedProjection, weight: IntArray) -> IntArray:
    """Dense weights over all neurons of the source, both ends in the order inside: (sources, targets)."""
    geometry = projection.geometry
    source, target = (network.population(name).shape for name in (projection.source, projection.target))
    columns = _spread(weight, geometry.sources, math.prod(source)).T
    window = geometry.target_window
    if geometry.target != target:
        columns, window = _spread(columns, geometry.targets, math.prod(target)), target
    inside = to_inner(columns, window)
    return np.ascontiguousarray(to_inner(np.ascontiguousarray(inside.T), source).T)


def _spread(values: IntArray, part: slice, size: int) -> IntArray:
    """(..., part) -> (..., size), 0 elsewhere."""
    whole = np.zeros((*values.shape[:-1], size), values.dtype)
    whole[..., part] = values
    return whole
