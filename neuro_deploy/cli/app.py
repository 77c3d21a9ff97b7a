"""The Typer app and the one place that catches errors."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import typer

from neuro_deploy.cli import (
    convert,
    demo,
    doctor,
    finetune,
    fit_time,
    inspect,
    map_command,
    printing,
    profiles,
    run,
    setup_lava,
    train,
    verify,
)
from neuro_deploy.errors import DataError, NeuroDeployError, UsageError

app = typer.Typer(
    name="neuro-deploy",
    help="From a trained spiking network to a neuromorphic chip, in one command, on a laptop.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
WrongUsage: Any = typer.BadParameter.__base__
"""What typer finds wrong in a command line, which has no public name of its own."""
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "train": train.train,
    "convert": convert.convert,
    "finetune": finetune.finetune,
    "inspect": inspect.inspect,
    "map": map_command.map_command,
    "run": run.run,
    "verify": verify.verify,
    "profiles": profiles.profiles,
    "fit-time": fit_time.fit_time,
    "doctor": doctor.doctor,
    "setup-lava": setup_lava.setup_lava,
}


def _naming_data(command: Callable[..., None]) -> Callable[..., None]:
    """The command; where samples do not fit, its error names the file that they are of."""

    @functools.wraps(command)
    def named(**arguments: Any) -> None:
        try:
            command(**arguments)
        except DataError as error:
            error.where = error.where or arguments.get("data") or arguments.get("calibrate")
            raise

    return named


for name, function in COMMANDS.items():
    app.command(name)(_naming_data(function))


@app.callback()
def options(
    _version: bool = typer.Option(
        False, "--version", callback=printing.version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """From a trained spiking network to a neuromorphic chip, in one command, on a laptop."""


def main() -> None:
    """Run the command line.

    Exit 0 done, 1 a named error, 2 wrong usage, 3 a check that did not hold, 130 interrupted, 141 the reader has gone.
    """
    printing.guard()
    as_json = "--json" in sys.argv
    try:
        sys.exit(app(standalone_mode=not as_json))
    except NeuroDeployError as error:
        printing.error(error, as_json=as_json)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except WrongUsage as error:  # where it is to be JSON; else typer says it
        hint = f"{error.ctx.command_path} --help" if error.ctx else None
        printing.error(UsageError(error.format_message(), hint=hint), as_json=True)
        sys.exit(2)
