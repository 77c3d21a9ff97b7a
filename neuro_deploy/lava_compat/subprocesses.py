"""Starting Python again for work of our own: with this interpreter and this package, and nothing else on the path."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def own_python(*arguments: str) -> list[str]:
    """The command. ``-P`` keeps the current folder off the path: a ``numpy.py`` there is not for us."""
    return [sys.executable, "-P", *arguments]


def own_environment() -> dict[str, str]:
    """The environment, with the folder of this package in front of the path, so that a checkout finds itself."""
    folder = str(Path(__file__).parents[2])
    paths = [folder, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
