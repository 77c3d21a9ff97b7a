"""Where cores can stand: tiles on the meshes of chips, which together are one mesh; hops between them.

A message travels along a row first and then along a column (XY routing), one hop from tile to tile; the links between
chips continue the rows and columns. Source of the mesh: the profile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.network.fan_out import Counts


@dataclass(frozen=True, eq=False)
class Sites:
    """Places of cores, each array (sites,), int64: the chip, and column and row of the tile on the whole mesh.

    columns, rows: of a chip's own mesh.
    """

    chip: Counts
    x: Counts
    y: Counts
    columns: int
    rows: int


def chip_mesh(profile: HardwareProfile) -> tuple[int, int, int]:
    """(columns, rows, cores per tile); without a mesh in the profile a chip is one row of tiles of one core."""
    if "mesh.columns" not in profile.quantities:
        return profile.whole("system.cores_per_chip"), 1, 1
    return profile.whole("mesh.columns"), profile.whole("mesh.rows"), profile.whole("mesh.cores_per_tile")


def sites(profile: HardwareProfile, cores: int, *, curve: bool) -> Sites:
    """As many chips as the cores need, and their places in order: along rows, or along space-filling curves."""
    per_chip = profile.whole("system.cores_per_chip")
    chips = max(1, -(-cores // per_chip))
    columns, rows, per_tile = chip_mesh(profile)
    across = int(profile.get("system.columns") or max(1, profile.whole("system.chips")))
    down = -(-max(chips, profile.whole("system.chips")) // across)
    chip_x, chip_y = (_curve if curve else _rows)(across, down)
    tile_x, tile_y = (_curve if curve else _rows)(columns, rows)
    tile = np.arange(per_chip, dtype=np.int64) // per_tile
    x = chip_x[:chips, None] * columns + tile_x[tile]
    y = chip_y[:chips, None] * rows + tile_y[tile]
    number = np.repeat((chip_y * across + chip_x)[:chips], per_chip)
    return Sites(number, x.reshape(-1), y.reshape(-1), columns, rows)


def _rows(columns: int, rows: int) -> tuple[Counts, Counts]:
    """All (x, y), row after row."""
    y, x = np.divmod(np.arange(columns * rows, dtype=np.int64), columns)
    return x, y


def _curve(columns: int, rows: int) -> tuple[Counts, Counts]:
    """All (x, y) along a Hilbert curve; of rectangles, along that of the square around them, what lies outside left
    out, which keeps neighbours near.
    """
    side = 2 ** max(0, math.ceil(math.log2(max(columns, rows))))
    x, y = _hilbert(np.arange(side * side, dtype=np.int64), side)
    within = (x < columns) & (y < rows)
    return x[within], y[within]


def _hilbert(distance: Counts, side: int) -> tuple[Counts, Counts]:
    """(x, y) of the points of the Hilbert curve that fills a square; side: a power of two."""
    x, y, rest = np.zeros_like(distance), np.zeros_like(distance), distance.copy()
    step = 1
    while step < side:
        right = 1 & (rest // 2)
        up = 1 & (rest ^ right)
        flipped = (up == 0) & (right == 1)
        x, y = np.where(flipped, step - 1 - x, x), np.where(flipped, step - 1 - y, y)
        x, y = np.where(up == 0, y, x), np.where(up == 0, x, y)
        x, y = x + step * right, y + step * up
        rest //= 4
        step *= 2
    return x, y
