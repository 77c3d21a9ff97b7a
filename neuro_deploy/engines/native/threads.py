"""Sharing the jobs of a compiled loop among threads.

Threads of our own, as many as torch takes where it is loaded: a compiled loop with OpenMP would bring a second pool of
threads beside torch's, and each waits by spinning on the cores that the other needs.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

WORTH = 2**19
"""Elementary operations for which waking another thread pays."""
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


def share(loop: Callable[..., None], jobs: int, operations: int, *arguments: Any) -> None:
    """Run ``loop(first, last, *arguments)`` over the jobs 0 to jobs - 1, in several threads where that pays."""
    note(share, loop, jobs, operations, *arguments)
    some = min(threads(), jobs, 1 + operations // WORTH)
    if some <= 1:
        return loop(0, jobs, *arguments)
    ends = [jobs * i // some for i in range(some + 1)]
    others = [_pool().submit(loop, ends[i], ends[i + 1], *arguments) for i in range(1, some)]
    loop(0, ends[1], *arguments)
    for other in others:
        other.result()
    return None


def deal(loop: Callable[..., None], jobs: int, operations: int, *arguments: Any) -> None:
    """Run ``loop(turn, jobs, *arguments)``: as ``share``, but each thread takes the next job when it is free.

    turn: (1,), int64, the next job; see ``vectors.next_job``. A thread that wakes late, or is held up, gets fewer jobs.
    """
    note(deal, loop, jobs, operations, *arguments)
    turn = np.zeros(1, np.int64)
    some = min(threads(), jobs, 1 + operations // WORTH)
    others = [_pool().submit(loop, turn, jobs, *arguments) for _ in range(some - 1)]
    loop(turn, jobs, *arguments)
    for other in others:
        if not other.cancel():
            other.result()


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
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, threads()), thread_name_prefix="neurons")
