"""neuro-deploy profiles."""

from __future__ import annotations

from typing import Annotated

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables


def profiles(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A profile, or a .toml file.")] = None,
    json: options.Json = False,
) -> None:
    """List the hardware profiles, or show one with the source of every number.

    Example: [bold]neuro-deploy profiles loihi2[/]
    """
    chosen = [nd.profile(name)] if name else nd.profiles()
    if json:
        return printing.as_json(chosen[0].to_dict() if name else {"profiles": [p.to_dict() for p in chosen]})
    return tables.profile(chosen[0]) if name else tables.profile_list(chosen)
