"""neuro-deploy map."""

from __future__ import annotations

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables


def map_command(net: options.Net, profile: options.Profile = "loihi2", json: options.Json = False) -> None:
    """Put a network on the cores of a chip; exit 3 where it does not fit.

    Example: [bold]neuro-deploy map digits.net --profile loihi2[/]
    """
    from neuro_deploy.mapping import unchecked

    network = nd.load(net)
    mapping = nd.map(network, profile)
    problems = nd.check(network, mapping) if mapping.fits else []
    skipped = unchecked(network) if mapping.fits else "not checked: it does not fit"
    if json:
        printing.as_json({**mapping.to_dict(), "check": problems, "unchecked": skipped})
    else:
        tables.mapping(mapping, problems, skipped)
    if not mapping.fits or problems:
        raise typer.Exit(3)
