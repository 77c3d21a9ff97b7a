"""How long-running work reports how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as ``progress(what, done, total)``; the caller decides whether and how to show it."""


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""
