"""Typing commands."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from neuro_deploy.cli import main


@dataclass(frozen=True)
class Done:
    """What a command printed."""

    stdout: str
    stderr: str


def cli(*arguments: object, code: int = 0) -> Done:
    """Type a command, in this process: a process of its own would import torch each time, for seconds."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        patch.setattr(sys, "argv", ["neuro-deploy", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
    done = Done(stdout.getvalue(), stderr.getvalue())
    assert (left.value.code or 0) == code, f"{arguments}: exit {left.value.code}\n{done.stdout}\n{done.stderr}"
    return done


def cli_json(*arguments: object, code: int = 0) -> Any:
    return json.loads(cli(*arguments, "--json", code=code).stdout)
