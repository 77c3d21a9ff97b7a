"""Products of bytes arranged for compiled loops, and which of them are computed with what they feed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuro_deploy.engines.native import along8, dot8
from neuro_deploy.engines.native.gathering import BLOCK, BLOCKS, FEW, LEAST, TOP, grouped, in_lines
from neuro_deploy.engines.native.products import NO_SEGMENTS, Packed, Product, Turned, whole
from neuro_deploy.engines.native.threads import alone, threads
from neuro_deploy.engines.native.tiles import PANEL, QUAD, ROWS, lined
from neuro_deploy.engines.native.tiles import packed as tiled
from neuro_deploy.network import FixedNetwork, FixedPopulation

JOBS = 4
"""For each thread, at least: so that all are done at about the same time."""
FEWEST, MOST = 2, 8
"""Groups of samples for each thread."""
TOGETHER, SUMS = 2**13, 2**15
"""Neurons, and sums, that are computed together while both are in the cache."""
NO_WEIGHTS = np.empty(0, np.int8)


@dataclass(frozen=True, eq=False)
class Fused:
    """A loop that computes a product with what it feeds.

    sizes: its first arguments after the jobs. width: neurons that a job computes together, at most. period: neurons
    after which parameters may repeat in all jobs alike. more: arguments after the product's own. many: jobs and sizes
    where samples are shared out among threads, and not only neurons.
    """

    loop: Callable[..., None]
    product: Product
    jobs: int
    sizes: tuple[int, ...]
    width: int
    period: int
    more: tuple[Any, ...] = ()
    many: tuple[int, tuple[int, ...]] | None = None

    def shared(self, samples: int, timesteps: int) -> tuple[int, int, tuple[int, ...]]:
        """(groups of samples, jobs of each, sizes): what one thread does takes no more jobs than it must."""
        some, packed = threads(), self.product.packed
        if self.many is None or packed is None:
            return 1, self.jobs, self.sizes
        if some == 1 or alone(samples * timesteps * packed.work):
            return 1, *self.many
        if samples < FEWEST * some:
            return 1, self.jobs, self.sizes
        return min(samples, MOST * some), *self.many


def arranged(network: FixedNetwork, product: Product) -> Product:
    """The product with its weights as compiled loops read them."""
    if product.kernel != "dot8":
        return product
    geometry, weight = product.projection.geometry, product.weight
    source = network.population(product.projection.source).shape
    made: Packed | Turned
    if geometry.kind == "dense":
        made = Packed(tiled(weight, 1), weight.shape[1], NO_SEGMENTS, NO_SEGMENTS, _quads(len(weight)), len(weight))
    elif geometry.kind == "conv2d":
        made = _convolution(product, source, weight)
    elif geometry.axis == "channel":
        made = _along_channels(network, product, weight)
    else:
        (_, height, width), channels = source, product.target[-1]
        parts, long = {"height": (1, width * channels), "width": (height, channels)}.get(
            str(geometry.axis), (1, channels)
        )
        made = Turned(lined(weight), parts, long, weight.shape[1])
    if isinstance(made, Turned) or not product.one_bit or weight.shape[1] < LEAST:
        return replace(product, packed=made, weight=NO_WEIGHTS)
    limit = gathered_up_to(weight)
    reason = f"{product.reason}; gathered while at most {FEW:.0%} of its sources spike"
    reason += ", |sum| < 2^15" if limit == len(weight) else f" and no more than {limit} of a row, |sum| < 2^15"
    group = grouped(weight)
    made = replace(made, sparse=in_lines(weight, group), limit=limit, group=group)
    return replace(product, packed=made, weight=NO_WEIGHTS, reason=reason)


def gathered_up_to(weight: np.ndarray) -> int:
    """Spikes of a row whose weights may be added up in 16 bits. weight: (sources, targets), int8."""
    magnitudes = np.abs(weight.astype(np.int64))
    every = int(magnitudes.sum(axis=0).max()) <= TOP
    return len(weight) if every else TOP // int(magnitudes.max())


def _along_channels(network: FixedNetwork, product: Product, weight: np.ndarray) -> Packed:
    """Several sources with equally many channels are segments of a row, wherever they lie; others are put together."""
    channels, height, width = network.population(product.projection.source).shape
    windows = [projection.geometry.source_channels for projection in product.projections]
    shapes = {network.population(projection.source).shape for projection in product.projections}
    segments = len(windows) if len(shapes) == 1 and windows == [None] * len(windows) else 1
    beside = segments < len(windows)
    each = len(weight) if beside else channels
    start = 0 if beside else (windows[0] or (0, 0))[0]
    places = np.arange(height * width) * each + start
    quads = _quads(len(weight) // segments)
    per, offsets = each * height * width, np.zeros(segments, np.int64)
    return Packed(tiled(weight, segments), weight.shape[1], places, offsets, quads, per)


def _convolution(product: Product, source: tuple[int, ...], weight: np.ndarray) -> Packed:
    """A segment is a row of the kernel."""
    geometry = product.projection.geometry
    start, stop = geometry.source_channels or (0, source[0])
    high, wide = (int(n) for n in product.projection.weight.shape[2:])
    (ph, pw), (sh, sw), each = geometry.padding, geometry.stride, stop - start
    height, width = source[1] + 2 * ph, source[2] + 2 * pw
    _, rows, columns = geometry.target_window
    places = (np.arange(rows)[:, None] * sh * width + np.arange(columns) * sw).reshape(-1) * each
    segments, per = np.arange(high) * width * each, height * width * each
    made = Packed(tiled(weight, high), weight.shape[1], places, segments, _quads(wide * each), per)
    return replace(made, margin=(ph, pw), channels=geometry.source_channels)


def _quads(sources: int) -> int:
    return -(-sources // QUAD)


def neurons_too(population: FixedPopulation, product: Product, timesteps: int) -> Fused | None:
    """How neurons are computed with the only product that feeds them."""
    if isinstance(product.packed, Turned):
        return _along(product, product.packed)
    if product.packed is None:
        return None
    channels = product.packed.targets
    positions = population.neurons // channels
    if positions > 1:
        some, steps = _some(positions, channels, timesteps)
        sizes, width = (some, channels, steps), some * channels
        return Fused(dot8.lif8, product, -(-positions // some), sizes, width, channels, _gathering(product.packed))
    parts = threads(), -(-channels // (BLOCKS * BLOCK))
    each = math.lcm(PANEL, BLOCK) if product.packed.sparse.size else PANEL
    part, wide = (min(channels, whole(-(-channels // n), each)) for n in parts)
    (jobs, sizes), many = ((-(-channels // n), (1, n, max(1, min(timesteps, SUMS // n)))) for n in (part, wide))
    return Fused(dot8.lif8, product, jobs, sizes, max(part, wide), 1, _gathering(product.packed), many)


def relay_too(population: FixedPopulation, product: Product, timesteps: int) -> Fused | None:
    """How a relay is computed with the only product that feeds it but one-to-one."""
    if not isinstance(product.packed, Packed):
        return None
    channels = product.packed.targets
    positions = population.neurons // channels
    some, steps = _some(positions, channels, timesteps)
    jobs, more = -(-positions // some), _gathering(product.packed)
    return Fused(dot8.relay8, product, jobs, (some, steps), some * channels, channels, more)


def _gathering(packed: Packed) -> tuple[np.ndarray, int, int]:
    return packed.sparse, packed.limit, packed.group


def _some(positions: int, channels: int, timesteps: int) -> tuple[int, int]:
    """Positions and timesteps that are computed together."""
    some = max(1, min(TOGETHER // channels, -(-positions // (JOBS * threads()))))
    some = some // ROWS * ROWS or some
    return some, max(1, min(timesteps, SUMS // (some * channels)))


def _along(product: Product, turned: Turned) -> Fused:
    targets, long = len(turned.weight), turned.long
    jobs = max(1, JOBS * threads() // turned.parts)
    wide = min(long, whole(-(-long // jobs), PANEL), max(PANEL, SUMS // 2 // targets // PANEL * PANEL))
    sizes = (turned.parts, wide, long, turned.deep)
    return Fused(along8.along8, product, turned.parts * -(-long // wide), sizes, targets * wide, 1)
