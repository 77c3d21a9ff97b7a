"""Measures everything and writes docs/performance.md: ``make bench``, or ``python -m benchmarks.run``.

    python -m benchmarks.run --quick             tiny sizes, prints the page: tells that all parts work, not how fast
    python -m benchmarks.run --folder FOLDER     keeps what is made (a large network, SpikingJelly) for the next time

Each part is a process of its own with a time limit; all together take 12 minutes at most. A part that fails says so on
the page, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.part import ROOT, end, page

PAGE = ROOT / "docs" / "performance.md"
WHOLE = 720.0
"""Seconds for all parts."""
QUIET = 0.5
"""Processes of others that leave figures as they are."""


@dataclass(frozen=True)
class Part:
    """limit: seconds, after which it is ended."""

    module: str
    title: str
    limit: int
    flags: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """Runs it alone."""
        return " ".join(("python -m", f"benchmarks.{self.module}", *self.flags))


PARTS = (
    Part("against_lava", "Against Lava's simulator", 300),
    Part("against_lava", "Against Lava's simulator, forced to AVX2", 180, ("--avx2",)),
    Part("against_slayer", "Against SLAYER's forward", 90),
    Part("against_spikingjelly", "Against SpikingJelly", 300),
    Part("starting", "From start to result", 120),
    Part("counting", "What counting costs", 180),
    Part("roofline", "How near to the machine's ceilings", 180),
    Part("growth", "How time grows", 120),
)


def main() -> None:
    """Run the parts one after another, write or print the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, prints the page")
    parser.add_argument("--folder", type=Path, help="keep what is made here and use it again")
    parser.add_argument("--output", type=Path, help="the page; docs/performance.md, quick: none")
    told = parser.parse_args()
    output = told.output or (None if told.quick else PAGE)
    start, busy = time.perf_counter(), machine.busy()
    if busy > QUIET and not told.quick:
        _say(f"other work runs here (load {busy:.1f}): figures will be worse than those of a quiet machine")
    with contextlib.ExitStack() as stack:
        folder = told.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        at_once = machine.cores() if told.quick else 1  # with one thread each
        pool = stack.enter_context(ThreadPoolExecutor(at_once))
        texts = list(pool.map(lambda part: _part(part, folder, start + WHOLE, quick=told.quick), PARTS))
    minutes = (time.perf_counter() - start) / 60
    shown = [text or _failed(part) for part, text in zip(PARTS, texts, strict=True)]
    text = _page(shown, busy, minutes, quick=told.quick)
    if output:
        output.write_text(text)
        _say(f"{output} written, {minutes:.1f} minutes")
    else:
        print(text)
    sys.exit(0 if all(texts) else 1)


def _part(part: Part, folder: Path, deadline: float, *, quick: bool) -> str | None:
    """Its Markdown, or None where it failed. deadline: of all parts, as ``time.perf_counter`` counts."""
    start = time.perf_counter()
    arguments = [*part.flags, *(["--quick"] if quick else []), "--folder", str(folder)]
    environment = {**os.environ, **({"OMP_NUM_THREADS": "1"} if quick else {})}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", f"benchmarks.{part.module}", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    try:
        text, _ = process.communicate(timeout=max(1.0, min(part.limit, deadline - start)))
    except subprocess.TimeoutExpired:
        text = ""
    finally:
        end(process)
    done = process.returncode == 0 and text.startswith("#")
    _say(f"{part.title}: {'done' if done else 'FAILED'}, {time.perf_counter() - start:.0f} s")
    return text.strip() if done else None


def _failed(part: Part) -> str:
    return page(f"## {part.title}", f"Not measured: `{part.command}` failed, or took too long.")


def _page(texts: list[str], busy: float, minutes: float, *, quick: bool) -> str:
    said = (
        "Written by `make bench`, which measures all of it anew, with the Python of `.venv`. Each part ends with the "
        "command that gives its figures alone. What is compared runs in turns, A B A B; figures are medians of rounds."
    )
    if quick:
        said += " This is a quick run: its figures have no worth."
    head = "\n".join(
        [*machine.described(), f"- load of others before: {busy:.1f} processes; the whole took {minutes:.1f} minutes"]
    )
    return page("# Performance", said, head, *texts) + "\n"


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
