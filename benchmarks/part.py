"""What every part of the page is told, and how its helpers in other processes are asked."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
LINE = 120
"""Characters of the page."""
ANSWER = "answer: "
"""How a helper's answers begin; what libraries print beside them is passed over."""


@dataclass(frozen=True)
class Options:
    """quick: tiny sizes, figures without worth. rounds: of each comparison. folder: for what is made and used again."""

    quick: bool
    rounds: int
    folder: Path


def command(module: str, *arguments: str) -> str:
    """What gives a part's figures, as a line of Markdown."""
    return f"Measured with `python -m {' '.join((module, *arguments))}`."


def main(doc: str | None, part: Callable[[Options], str], arguments: list[str] | None = None) -> None:
    """Run a part and print its Markdown."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes: tells that it works, not how fast")
    parser.add_argument("--rounds", type=int, default=0, help="alternating rounds; 5, quick: 2")
    parser.add_argument("--folder", type=Path, help="keep what is made here and use it again")
    told = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        folder = told.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        print(part(Options(told.quick, told.rounds or (2 if told.quick else 5), folder)))


def page(*parts: str) -> str:
    """Markdown of these parts: a paragraph each, in lines; headings, tables and lists as they are."""
    return "\n\n".join(
        part if part[:1] in "#|-" else textwrap.fill(part, LINE, break_on_hyphens=False) for part in parts
    )


class Helper:
    """A process of its own that answers one line with one line."""

    def __init__(self, module: str, *arguments: str, path: Path | None = None) -> None:
        paths = [str(ROOT), *([str(path)] if path else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )

    def ask(self, line: str) -> str:
        """The answer to a line.

        Raises:
            RuntimeError: the helper ended.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("no pipes")
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        for said in self._process.stdout:
            if said.startswith(ANSWER):
                return said.removeprefix(ANSWER).strip()
        raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")

    def close(self) -> None:
        """End it and all that it started."""
        end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def end(process: subprocess.Popen[str]) -> None:
    """End a process that leads its own group, and the group."""
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def asked() -> Iterator[str]:
    """In a helper: the lines it is asked."""
    for line in sys.stdin:
        yield line.strip()


def answer(words: object) -> None:
    """In a helper: answer."""
    print(f"{ANSWER}{words}", flush=True)
