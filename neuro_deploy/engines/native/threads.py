"""Sharing the jobs of a compiled loop among threads.

Threads of our own, as many as torch takes where it is loaded: a compiled loop with OpenMP would bring a second pool of
threads beside torch's, and each waits by spinning on the cores that the other needs.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from queue import SimpleQueue
from typing import Any

import numpy as np

WORTH = 2**20
"""Operations of about a tenth of a nanosecond for which waking another thread pays."""
LAST = 1.0
"""Seconds that a thread of ours is waited for when Python ends."""
EACH = 4
"""Of these, about, for a neuron in a timestep, and for a number that is moved."""
Call = tuple[Callable[..., object], tuple[Any, ...]]
"""A function and its arguments."""


class _Notes(threading.local):
    calls: list[Call] | None = None


_NOTES = _Notes()


@contextlib.contextmanager
def noted(calls: list[Call]) -> Iterator[Callable[[], bool]]:
    """Add every call of a loop in this thread to the calls. Yields what tells whether these are all that is done."""
    _NOTES.calls = calls
    try:
        yield lambda: _NOTES.calls is not None
    finally:
        _NOTES.calls = None


def note(function: Callable[..., object], *arguments: Any) -> None:
    """Note a call that is not one of a loop."""
    if _NOTES.calls is not None:
        _NOTES.calls.append((function, arguments))


def do(function: Callable[..., object], *arguments: Any) -> None:
    """Do something quick, and note it."""
    note(function, *arguments)
    function(*arguments)


def unnoted() -> None:
    """Something is done that cannot be noted."""
    _NOTES.calls = None


def alone(operations: int) -> bool:
    """Whether one thread does so many by itself."""
    return operations < WORTH


def _some(jobs: int, operations: int) -> int:
    """Threads that share jobs."""
    return 1 if alone(operations) else min(threads(), jobs, 1 + operations // WORTH)


def share(loop: Callable[..., None], jobs: int, operations: int, *arguments: Any) -> None:
    """Run ``loop(first, last, *arguments)`` over the jobs 0 to jobs - 1, in several threads where that pays."""
    note(share, loop, jobs, operations, *arguments)
    some = _some(jobs, operations)
    ends = [jobs * i // some for i in range(some + 1)]
    others = [_started(loop, ends[i], ends[i + 1], *arguments) for i in range(1, some)]
    loop(0, ends[1], *arguments)
    for other in others:
        other.finish()


def deal(loop: Callable[..., None], jobs: int, operations: int, *arguments: Any) -> None:
    """Run ``loop(turn, jobs, *arguments)``: as ``share``, but each thread takes the next job when it is free.

    turn: (2,), int64, the next job, and how many threads take part; see ``llvm.next_job``. A thread that wakes late,
    or is held up, gets fewer jobs.
    """
    note(deal, loop, jobs, operations, *arguments)
    turn = np.zeros(2, np.int64)
    some = _some(jobs, operations)
    others = [_started(loop, turn, jobs, *arguments) for _ in range(some - 1)]
    loop(turn, jobs, *arguments)
    for other in others:
        if other.taken():
            other.done()


class _Task:
    """A call that whoever takes it first makes. Python's own executors take several times as long to hand it over."""

    def __init__(self, call: Call) -> None:
        self._call, self._free, self._working = call, threading.Lock(), threading.Lock()
        self._failed: BaseException | None = None
        self._working.acquire()

    def make(self) -> None:
        """Make the call, unless somebody has taken it; errors are kept for who waits."""
        if self._free.acquire(blocking=False):
            function, arguments = self._call
            try:
                function(*arguments)
            except BaseException as error:  # noqa: BLE001 - told to the thread that waits
                self._failed = error
            self._working.release()

    def taken(self) -> bool:
        """Whether somebody makes it or has made it; else nobody will."""
        return not self._free.acquire(blocking=False)

    def done(self) -> None:
        """Wait until it is made."""
        with self._working:
            if self._failed:
                raise self._failed

    def finish(self) -> None:
        """Make it, or wait for who does."""
        self.make()
        self.done()


def _started(loop: Callable[..., None], *arguments: Any) -> _Task:
    task = _Task((loop, arguments))
    _waiting().put(task)
    return task


def threads() -> int:
    """How many compute: as many as torch takes, or would take."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch is not None and hasattr(torch, "get_num_threads") else _cores()


@lru_cache(maxsize=1)
def _cores() -> int:
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _waiting() -> SimpleQueue[_Task | None]:
    """Tasks that threads of ours wait for, as many as there may be work for; they end before Python does."""
    tasks: SimpleQueue[_Task | None] = SimpleQueue()

    def work() -> None:
        for task in iter(tasks.get, None):
            task.make()

    ours = [threading.Thread(target=work, name=f"neurons_{n}", daemon=True) for n in range(max(1, threads() - 1))]

    def end() -> None:
        for _ in ours:
            tasks.put(None)
        for one in ours:
            one.join(timeout=LAST)

    for one in ours:
        one.start()
    atexit.register(end)
    return tasks


if hasattr(os, "register_at_fork"):  # threads are not taken over by a forked process, which needs its own
    os.register_at_fork(after_in_child=_waiting.cache_clear)
