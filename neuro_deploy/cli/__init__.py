"""The command line: one small file per command parses, calls ``neuro_deploy``, and prints."""

import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""Exit code after Ctrl-C, as typer gives it."""

told = [False]
"""Whether Ctrl-C was pressed. Code that Python calls from a library's callbacks loses its exception."""

__all__ = ["main"]


def main() -> None:
    """Run the command line; Ctrl-C ends it with one word, also while it is still being loaded."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from neuro_deploy.cli import app

        app.main()
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _interrupted()
        raise


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    told[0] = True
    raise KeyboardInterrupt


def _interrupted() -> None:
    sys.stderr.write("interrupted\n")
    # Ctrl-C inside text that a library runs with exec (dataclasses do) makes CPython kill itself with SIGINT when it
    # exits, though the interrupt was caught: pythonrun.c, run_eval_code_obj. Its next run clears that mark.
    exec("")  # noqa: S102
    sys.exit(INTERRUPTED)
