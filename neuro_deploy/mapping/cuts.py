"""Where a population is cut: orders of its neurons, equal parts, and the search for the fewest that fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neuro_deploy.network.fan_out import Counts, Order, placement
from neuro_deploy.network.geometry import Shape

PROBED = 8
"""Parts that stand for all while the search halves its interval; every part is looked at before a cut is taken."""
GROWTH = 100
"""Where a cut fails after all, there are then 1/100 more parts (at least one)."""


@dataclass(frozen=True)
class Cut:
    """Equal parts of a population, in whole units of neurons that stand together; the first ones are one unit larger.

    order: how neurons are counted. unit: 1, or a run along the order's last axis, or a plane of its last two.
    whole: parts are as many units as the first one, and the last one is what remains.
    """

    shape: Shape
    order: Order
    unit: int
    parts: int
    whole: int | None = None

    @property
    def units(self) -> int:
        """How many units the population has: the most parts there can be."""
        return math.prod(self.shape) // self.unit

    @property
    def edges(self) -> Counts:
        """Where the parts start, and the end: (parts + 1,), int64."""
        part = np.arange(self.parts + 1, dtype=np.int64)
        if self.whole is not None:
            return np.minimum(part * self.whole * self.unit, math.prod(self.shape))
        size, rest = divmod(self.units, self.parts)
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
Ratio = Callable[[Cut], float]
"""The largest use of a limit by a part, as a share of that limit."""
Events = Callable[[Cut], float]
"""Axon events of a cut."""


def best_cut(shape: Shape, limit: int, fits: Fits, events: Events) -> Cut:
    """The cut with the fewest parts that fit, and of these the one with the fewest axon events.

    limit: neurons that a core takes. Single neurons where no cut fits. Of flat populations the parts are the fewest
    there are, as long as use grows with the part. Of others, use depends on where a part lies too: each order and unit
    is searched by halving, strips of columns then from the best of these downwards.
    """
    found = _fewest(_starts(shape), limit, fits)
    if not found:
        return Cut(shape, "channels first", 1, math.prod(shape))
    for start in _strips(shape):
        cut = _no_more(start, found[0].parts, limit, fits)
        if cut is not None:
            found = [cut, *(other for other in found if other.parts == cut.parts)]
    if found[0].parts == 1 or len(found) == 1:
        return found[0]
    return min(found, key=lambda cut: (events(cut), -cut.unit))


def _fewest(starts: Sequence[Cut], limit: int, fits: Fits) -> list[Cut]:
    """Those with the fewest parts."""
    guesses = sorted((_halved(start, limit, fits) for start in starts), key=lambda cut: cut.parts)
    best: list[Cut] = []
    for guess in guesses:
        if best and best[0].parts < guess.parts:
            break
        cut = _grown(guess, fits, best[0].parts + 1 if best else None)
        if cut is not None:
            best = [*best, cut] if best and best[0].parts == cut.parts else [cut]
    return best


def _starts(shape: Shape) -> list[Cut]:
    """Each order with each unit, as one part; whole neurons in the arrays' order first."""
    if len(shape) == 1:
        return [Cut(shape, "channels first", 1, 1)]
    channels, height, width = shape
    runs = {"channels first": (1, width, height * width), "channels last": (1, channels, width * channels)}
    return list(dict.fromkeys(Cut(shape, order, unit, 1) for order, units in runs.items() for unit in units))


def _strips(shape: Shape) -> list[Cut]:
    """Strips of 1, 2, 4, ... columns, as one part each."""
    if len(shape) == 1:
        return []
    widths = [2**power for power in range(shape[2].bit_length()) if 2**power < shape[2]]
    return [Cut(shape, f"strips of {width}", 1, 1) for width in widths]


def _no_more(start: Cut, parts: int, limit: int, fits: Fits) -> Cut | None:
    """The cut with so many parts, or fewer; None where that does not fit."""
    if not fits(replace(start, parts=parts), None):
        return None
    fewer = _halved(start, limit, fits)
    cut = _grown(fewer, fits, parts) if fewer.parts < parts else None
    return cut or replace(start, parts=parts)


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


def compilers_cut(shape: Shape, limit: int, fits: Fits, ratio: Ratio) -> Cut:
    """The cut of lava-loihi's compiler, as its printed reports show it.

    Populations of three axes: strips of a power of two of columns, all rows and channels, of fewer neurons than the
    limit. Flat ones: as many times more parts as the worst use is above its limit, until all fit. Source: the report
    printed in lava-dl tutorials, netx/pilotnet_snn/benchmark.ipynb ("Final max_ratio=6", "Conv(16, 66, 3)").
    """
    if len(shape) == 3:
        channels, height, width = shape
        power = max(0, width - 1).bit_length()
        while power and (2**power * height * channels >= limit or not fits(_columns(shape, 2**power), None)):
            power -= 1
        return _columns(shape, 2**power)
    cut = Cut(shape, "channels first", 1, 1)
    while (worst := ratio(cut)) > 1 and cut.parts < cut.units:
        cut = replace(cut, parts=min(cut.units, cut.parts * math.ceil(worst)))
    return cut


def _columns(shape: Shape, width: int) -> Cut:
    """Strips of so many columns, one part each."""
    channels, height, columns = shape
    order = "channels last" if width >= columns else f"strips of {width}"
    return Cut(shape, order, 1, -(-columns // width), whole=min(width, columns) * height * channels)
