"""Timing in turns, A B A B, and the numbers and tables of the page."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

Task = Callable[[], float]
"""Works, and tells the seconds of one call."""
MOST_CALLS = 2000


@dataclass(frozen=True)
class Spread:
    """Of some rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Median, lowest and highest."""
        every = list(values)
        return cls(statistics.median(every), min(every), max(every))

    def __str__(self) -> str:
        """The median, and how far the rounds lie apart."""
        return f"{number(self.median)} ({number(self.low)} to {number(self.high)})"


def clocked(function: Callable[[], object], stretch: float = 0.1) -> Task:
    """A task that calls a function for as long as the stretch (seconds), so that short calls are timed well.

    It is called twice first: what is made once per process or per network is made then.
    """
    function()
    start = time.perf_counter()
    function()
    once = max(time.perf_counter() - start, 1e-7)
    calls = min(MOST_CALLS, max(1, math.ceil(stretch / once)))

    def task() -> float:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - start) / calls

    return task


def in_turns(tasks: Mapping[str, Task], rounds: int) -> dict[str, list[float]]:
    """name -> seconds of a call, round by round; every round goes through all tasks."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            seconds[name].append(task())
    return seconds


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """How many times as long, round by round."""
    return Spread.of(a / b for a, b in zip(above, below, strict=True))


def number(value: float) -> str:
    """Three digits: 1,230,000; 123; 12.3; 0.0123."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(places, 0)}f}"


def percent(share: float) -> str:
    """A share of 1: 12.3 %."""
    return f"{100 * share:.1f} %"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
