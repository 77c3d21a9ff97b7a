"""All output: results on stdout, messages and progress on stderr. The only file that imports rich."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from neuro_deploy import cli
from neuro_deploy.errors import FileError, NeuroDeployError
from neuro_deploy.progress import Progress

PIPED_WIDTH = 160
"""Columns where stdout is no terminal, so that a log keeps its tables."""

CLOSED = 141
"""Exit code where the reader of a pipe has gone: 128 + SIGPIPE, as a shell gives it for other tools."""

out = Console(highlight=False, width=None if sys.stdout is not None and sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, highlight=False)


class Guarded:
    """Standard output or error: quiet where a pipe's reader has gone, and a named error where a disk is full."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream's own; an empty text, with which typer tries streams and ignores what happens, is left out."""
        with self._guard():
            return 0 if text == "" else self._stream.write(text)

    def flush(self) -> None:
        """As the stream's own."""
        with self._guard():
            self._stream.flush()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())  # what is left has nowhere to go
            if isinstance(error, BrokenPipeError):
                sys.exit(CLOSED)
            raise FileError(f"cannot be written: {error.strerror}", where=self._name) from error


def guard() -> None:
    """Guard all that is printed from now on, by whomever."""
    sys.stdout, sys.stderr = (
        stream and Guarded(stream, name)
        for stream, name in ((sys.stdout, "standard output"), (sys.stderr, "standard error"))
    )


def as_json(value: Any) -> None:
    """One JSON object on stdout."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def line(text: str) -> None:
    """A line of result."""
    out.print(plain(text), soft_wrap=True)


def plain(text: str, style: str = "") -> Text:
    """Text as it is: square brackets are no markup, and what the terminal cannot show becomes a question mark."""
    return Text(text.encode("utf-8", "replace").decode("utf-8"), style=style)


def message(text: str) -> None:
    """A line for the person, not part of the result."""
    err.print(plain(text), soft_wrap=True)


def error(problem: NeuroDeployError, *, as_json: bool) -> None:
    """A named error: on stderr, and where JSON was asked for also as an object on stdout."""
    if as_json:
        typer.echo(json.dumps({"error": problem.to_dict()}))
    err.print(Text("error: ", style="bold red") + plain(str(problem)), soft_wrap=True)


def error_line(text: str) -> None:
    """A line of result that is bad news."""
    out.print(plain(text, "red"), soft_wrap=True)


def step(text: str) -> None:
    """A step of the demo, on stderr."""
    err.print(Text("> ", style="bold cyan") + plain(text), soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table: numbers right-aligned and never broken, text left-aligned; without a head where no column has a name."""
    head = any(columns)
    shape = box.SIMPLE_HEAD if head else None
    grid = Table(
        title=plain(title), title_justify="left", title_style="bold", box=shape, show_header=head, padding=(0, 1)
    )
    for index, column in enumerate(columns):
        texts = [row[index] for row in rows if isinstance(row[index], str) and not row[index].endswith("%")]
        words = any(len(text) > 1 for text in texts)
        grid.add_column(plain(column), justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for row in rows:
        grid.add_row(*(plain(show(cell)) for cell in row))
    out.print(grid)


def show(value: Any) -> str:
    """A cell: thousands separated, shares left to the caller."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return str(value)


def percent(share: float | None, digits: int = 1) -> str:
    """A share 0..1 in percent."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


MAX_ROWS = 40
"""Rows of a table that may be shorter than what it is of."""


def few(rows: Sequence[Any], *, every: bool = False) -> Sequence[Any]:
    """The first rows; all of them where every one is wanted."""
    return rows if every else rows[:MAX_ROWS]


def energy(joules: float) -> str:
    """Joules in nJ, uJ or mJ, by size."""
    for unit, size in (("nJ", 1e-9), ("uJ", 1e-6)):
        if abs(joules) < 1000 * size:
            return f"{joules / size:,.4g} {unit}"
    return f"{joules * 1e3:,.4g} mJ"


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress bar per piece of work, on stderr, gone when done; nothing where stderr is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            _go_on()
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report
    _go_on()


def _go_on() -> None:
    """Unless Ctrl-C was pressed, and the exception got lost."""
    if cli.told[0]:
        raise KeyboardInterrupt


def version(wanted: bool) -> None:
    """Print the version and exit, where wanted."""
    if wanted:
        import neuro_deploy

        line(f"neuro-deploy {neuro_deploy.__version__}")
        raise typer.Exit


def whole_numbers(text: str | None, option: str) -> list[int] | None:
    """``"128,64"`` -> [128, 64]; wrong usage where it is anything else."""
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"{text!r}: whole numbers above 0 with commas between are wanted", param_hint=option)
    return [int(part) for part in parts]


def bits(text: str, option: str = "--weight-bits") -> int | Literal["auto"]:
    """``"4"`` -> 4, or ``"auto"``.

    Raises:
        typer.BadParameter: anything else.
    """
    if text == "auto":
        return "auto"
    if not text.isdecimal() or not 1 <= int(text) <= 8:
        raise typer.BadParameter(f"{text!r}: 1 to 8, or auto, is wanted", param_hint=option)
    return int(text)


def bytes_of(text: str, option: str = "--memory") -> int:
    """A size such as 500M or 2G, in bytes.

    Raises:
        typer.BadParameter: anything else.
    """
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    number, unit = (text[:-1], units.get(text[-1:].upper())) if text[-1:].isalpha() else (text, 1)
    if unit is None or not number.isdecimal() or int(number) < 1:
        raise typer.BadParameter(f"{text!r} is no size; such as 500M or 2G", param_hint=option)
    return int(number) * unit
