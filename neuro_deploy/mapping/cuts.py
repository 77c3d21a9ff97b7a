"""Where a population is cut: orders of its neurons, equal parts, and the search for the fewest that fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from neuro_deploy.network.fan_out import ORDERS, Counts, Order, placement
from neuro_deploy.network.geometry import Shape

PROBED = 8
"""Parts that stand for all while the search halves its interval; every part is looked at before a cut is taken."""
GROWTH = 100
"""Where a cut fails after all, there are then 1/100 more parts (at least one)."""


@dataclass(frozen=True)
class Cut:
    """Equal parts of a population, in whole units of neurons that stand together; the first ones are one unit larger.

    order: how neurons are counted. unit: 1, or a run along the order's last axis, or a plane of its last two.
    """

    shape: Shape
    order: Order
    unit: int
    parts: int

    @property
    def units(self) -> int:
        """How many units the population has: the most parts there can be."""
        return math.prod(self.shape) // self.unit

    @property
    def edges(self) -> Counts:
        """Where the parts start, and the end: (parts + 1,), int64."""
        size, rest = divmod(self.units, self.parts)
        part = np.arange(self.parts + 1, dtype=np.int64)
        return (part * size + np.minimum(part, rest)) * self.unit

    @property
    def sizes(self) -> Counts:
        """Neurons of each part: (parts,), int64."""
        return np.diff(self.edges)

    def neurons(self, parts: Counts | None = None) -> tuple[Counts, Counts]:
        """(neurons as arrays number them, the part that each is in); parts: only those, then numbered 0, 1, ..."""
        placed = placement(self.shape, self.order)
        if parts is None:
            return placed, np.repeat(np.arange(self.parts, dtype=np.int64), self.sizes)
        edges = self.edges
        pieces = [placed[edges[part] : edges[part + 1]] for part in parts]
        numbers = np.repeat(np.arange(len(parts), dtype=np.int64), [len(piece) for piece in pieces])
        return np.concatenate(pieces), numbers


Fits = Callable[[Cut, Counts | None], bool]
"""Whether these parts of a cut (None: all) keep every limit of a core."""


def fewest_parts(shape: Shape, limit: int, fits: Fits) -> Cut:
    """The cut with the fewest parts that fit; single neurons where none does. limit: neurons that a core takes.

    Of flat populations it is the fewest there are, as long as use grows with the part. Of others, use depends on where
    a part lies too: each order and unit is searched by halving, and the best of them is taken.
    """
    guesses = sorted((_halved(start, limit, fits) for start in _starts(shape)), key=lambda cut: cut.parts)
    best: Cut | None = None
    for guess in guesses:
        if best is not None and best.parts <= guess.parts:
            break
        cut = _grown(guess, fits, best.parts if best else None)
        if cut is not None and (best is None or cut.parts < best.parts):
            best = cut
    return best or Cut(shape, "channels first", 1, math.prod(shape))


def _starts(shape: Shape) -> list[Cut]:
    """Each order with each unit, as one part; whole neurons in the arrays' order first."""
    if len(shape) == 1:
        return [Cut(shape, "channels first", 1, 1)]
    channels, height, width = shape
    runs = {"channels first": (1, width, height * width), "channels last": (1, channels, width * channels)}
    return list(dict.fromkeys(Cut(shape, order, unit, 1) for order in ORDERS for unit in runs[order]))


def _halved(start: Cut, limit: int, fits: Fits) -> Cut:
    low, high = min(start.units, -(-math.prod(start.shape) // limit)), start.units
    while low < high:
        middle = (low + high) // 2
        cut = replace(start, parts=middle)
        probed = np.unique(np.linspace(0, middle - 1, min(middle, PROBED)).astype(np.int64))
        if fits(cut, probed):
            high = middle
        else:
            low = middle + 1
    return replace(start, parts=low)


def _grown(cut: Cut, fits: Fits, below: int | None) -> Cut | None:
    """The cut with as many more parts as it takes; None where that is no longer better, or never fits."""
    while not fits(cut, None):
        parts = min(cut.units, cut.parts + max(1, cut.parts // GROWTH))
        if parts == cut.parts or (below is not None and parts >= below):
            return None
        cut = replace(cut, parts=parts)
    return cut
