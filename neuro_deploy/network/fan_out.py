"""How many synapses each source neuron has on a part of the target population, without unrolling the matrix.

A core holds neurons start..stop-1 of a population, counted in an order: "channels first", in which arrays hold them
(channel, height, width); "channels last" (height, width, channel); or "strips of N": strips of N columns one after the
other, each (height, width, channel).

Three countings, each tested against the unrolled matrix:

    fan_out_onto   any part, stored or effective synapses, one number per source neuron
    dense_fan_out  all cores at once, effective synapses of dense projections
    axons          all cores at once, stored synapses; source neurons that are alike stand together in a group
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.network.geometry import Geometry, Shape

Order = str
ORDERS: tuple[Order, ...] = ("channels first", "channels last", "strips of 1", "strips of 2")
"""Those that cuts start from; strips can be wider."""
Counts = npt.NDArray[np.int64]


def placement(shape: Shape, order: Order) -> Counts:
    """The neurons of a population, as arrays number them, in the order in which cores hold them: (neurons,), int64."""
    numbers = np.arange(math.prod(shape), dtype=np.int64)
    if order == "channels first" or len(shape) == 1:
        return numbers
    cube, width = numbers.reshape(shape).transpose(1, 2, 0), strip_width(shape, order)
    return np.concatenate([cube[:, x : x + width].reshape(-1) for x in range(0, shape[2], width)])


def strip_width(shape: Shape, order: Order) -> int:
    """Columns of a strip; all of them where channels come last. shape: (channels, height, width)."""
    return shape[2] if order == "channels last" else int(order.removeprefix("strips of "))


def fan_out_onto(
    projection: Any, start: int, stop: int, *, effective: bool = False, placed: Counts | None = None
) -> Counts:
    """Synapses of each source neuron on target neurons start..stop-1: (source neurons,), int64.

    projection: of a float or a fixed network. placed: ``placement`` of the target, where it is not channels first.
    effective: only weights other than 0, and only rows whose sign is not 0. A row of sign 0 is stored all the same,
    because its weights are those of the other rows.
    """
    geometry: Geometry = projection.geometry
    taken = np.zeros(math.prod(geometry.target))
    taken[slice(start, stop) if placed is None else placed[start:stop]] = 1
    taken = taken[geometry.targets]
    some = np.ones(projection.weight.shape)
    if effective:
        some = (projection.weight != 0).astype(np.float64)
        taken = taken if projection.sign is None else taken * (projection.sign != 0)
    counts = np.zeros(math.prod(geometry.source), np.int64)
    counts[geometry.sources] = np.rint(_back(geometry, some, taken)).reshape(-1)
    return counts


def dense_fan_out(projection: Any, neurons: Counts, cores: Counts, count: int) -> Counts:
    """Effective synapses of each source neuron on each of so many cores: (cores, sources of the window), int64.

    projection: dense. neurons, cores: as in ``axons``. effective: as in ``fan_out_onto``.
    """
    acts = projection.weight != 0
    if projection.sign is not None:
        acts &= (projection.sign != 0)[:, None]
    core_of = np.zeros(math.prod(projection.geometry.target), np.int64)
    core_of[neurons] = cores
    onto = core_of[projection.geometry.targets]
    order = np.argsort(onto, kind="stable")
    there, starts = np.unique(onto[order], return_index=True)
    counts = np.zeros((count, acts.shape[1]), np.int64)
    counts[there] = np.add.reduceat(acts[order], starts, axis=0, dtype=np.int64)
    return counts


def _back(geometry: Geometry, some: npt.NDArray[np.float64], taken: npt.NDArray[np.float64]) -> Any:
    """Sums over the taken targets: the transposed matrix of 0 and 1 times a vector, both of the windows alone."""
    if geometry.kind == "dense":
        return taken @ some
    if geometry.kind == "one-to-one":
        return taken * some
    targets = taken.reshape(geometry.target_window)
    channels = targets.shape[0]
    if geometry.axis == "channel":
        return some.T @ targets.reshape(channels, -1)
    if geometry.axis == "height":
        return some.T @ targets
    if geometry.axis in ("width", "space"):
        return (targets if geometry.axis == "width" else targets.reshape(channels, -1)) @ some
    back = np.zeros(geometry.source_window)
    _, rows, columns = geometry.target_window
    for i in range(some.shape[2]):
        for j in range(some.shape[3]):
            y, row = _met(rows, geometry, 0, i)
            x, column = _met(columns, geometry, 1, j)
            met = np.tensordot(some[:, :, i, j], targets[:, y[:, None], x], axes=(0, 0))
            back[:, row[:, None], column] += met
    return back


def _met(targets: int, geometry: Geometry, axis: int, tap: int) -> tuple[Counts, Counts]:
    """(target positions, source positions) along height (0) or width (1) that a tap of the kernel joins."""
    target = np.arange(targets, dtype=np.int64)
    source = target * geometry.stride[axis] + tap - geometry.padding[axis]
    met = (source >= 0) & (source < geometry.source_window[1 + axis])
    return target[met], source[met]


@dataclass(frozen=True, eq=False)
class Axons:
    """Which groups of source neurons reach which core. Each array: (entries,), int64, a pair of core and group a row.

    synapses: stored synapses that every neuron of the group has on that core. groups: how many groups there are.
    size: source neurons in each group.
    """

    core: Counts
    group: Counts
    synapses: Counts
    groups: int
    size: int


def members(geometry: Geometry) -> Counts:
    """The source neurons of each group: (groups, size), int64, as arrays number the whole population."""
    window = geometry.source_window
    numbers = np.arange(geometry.sources.start, geometry.sources.stop, dtype=np.int64)
    if geometry.kind in ("dense", "one-to-one"):
        return numbers.reshape((1, -1) if geometry.kind == "dense" else (-1, 1))
    cube = numbers.reshape(window)
    if geometry.axis == "height":
        return cube.transpose(0, 2, 1).reshape(-1, window[1])
    if geometry.axis == "width":
        return cube.reshape(-1, window[2])
    if geometry.axis == "space":
        return cube.reshape(window[0], -1)
    return cube.reshape(window[0], -1).T  # channel, conv2d: every channel at a position


def axons(geometry: Geometry, weight_shape: Shape, neurons: Counts, cores: Counts) -> Axons:
    """The stored synapses onto these target neurons, summed up by core and group of source neurons.

    neurons: (n,), of the whole target population. cores: (n,), the core that each stands on.
    """
    offset, cores = inside(geometry, neurons, cores)
    window = geometry.source_window
    groups = _groups(geometry)
    if geometry.kind == "conv2d":
        core, group = _meets(geometry, weight_shape, offset, cores)
    else:
        core, group = cores, _group_of(geometry, offset)
    core, group, synapses = _pairs(core, group, groups)
    return Axons(core, group, synapses.astype(np.int64), groups, math.prod(window) // groups)


def _pairs(core: Counts, group: Counts, groups: int) -> tuple[Counts, Counts, Counts]:
    """Every pair of core and group once, and how often it is there."""
    keys = core * groups + group
    size = (int(core.max(initial=0)) + 1) * groups
    if size > 8 * len(keys):
        distinct, synapses = np.unique(keys, return_counts=True)
    else:
        table = np.bincount(keys, minlength=size)
        distinct = np.flatnonzero(table)
        synapses = table[distinct]
    core, group = np.divmod(distinct, groups)
    return core, group, synapses


def inside(geometry: Geometry, neurons: Counts, cores: Counts) -> tuple[Counts, Counts]:
    """Of the neurons in the target's window: (where each is, from the window's start; the core it stands on)."""
    offset = neurons - geometry.targets.start
    taken = (offset >= 0) & (offset < math.prod(geometry.target_window))
    return offset[taken], cores[taken]


def _groups(geometry: Geometry) -> int:
    window = geometry.source_window
    if geometry.kind in ("dense", "one-to-one"):
        return 1 if geometry.kind == "dense" else math.prod(window)
    own = {"height": window[0] * window[2], "width": window[0] * window[1], "space": window[0]}
    return own.get(geometry.axis or "", window[1] * window[2])


def _group_of(geometry: Geometry, offset: Counts) -> Counts:
    """The one group that reaches a target neuron, counted from the window's start."""
    if geometry.kind == "one-to-one":
        return offset
    if geometry.kind == "dense":
        return np.zeros_like(offset)
    _, height, width = geometry.target_window
    channel, position = np.divmod(offset, height * width)
    if geometry.axis == "channel":
        return position
    if geometry.axis == "space":
        return channel
    return channel * width + position % width if geometry.axis == "height" else offset // width


def _meets(geometry: Geometry, weight_shape: Shape, offset: Counts, cores: Counts) -> tuple[Counts, Counts]:
    """(core, source position) of every tap of every target neuron; taps in the padding are none."""
    _, height, width = geometry.target_window
    y, x = np.divmod(offset % (height * width), width)
    _, rows, columns = geometry.source_window
    found = []
    for i in range(weight_shape[2]):
        for j in range(weight_shape[3]):
            row = y * geometry.stride[0] + i - geometry.padding[0]
            column = x * geometry.stride[1] + j - geometry.padding[1]
            met = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
            found.append((cores[met], row[met] * columns + column[met]))
    return np.concatenate([core for core, _ in found]), np.concatenate([group for _, group in found])
