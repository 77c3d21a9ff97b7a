"""neuro-deploy fit-time."""

from __future__ import annotations

from typing import Annotated

import typer

import neuro_deploy as nd
from neuro_deploy.cli import map_tables, options, printing

Measurements = Annotated[
    str,
    typer.Argument(
        metavar="MEASUREMENTS.csv",
        help="Columns: seconds_per_timestep, and loads of the busiest core and link as run --json gives them: "
        "neuron_updates, synops, memory_reads, link_messages.",
    ),
]


def fit_time(
    measurements: Measurements,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE.toml", help="Where the profile goes.")],
    profile: options.Profile = "loihi2",
    json: options.Json = False,
) -> None:
    """Fit the time model's costs to your own measurements on hardware, and write a profile that has them.

    Example: [bold]neuro-deploy fit-time measured.csv --profile loihi2 -o mine.toml[/]
    """
    fitted = nd.fit_time(measurements, profile, output)
    if json:
        return printing.as_json({**fitted.to_dict(), "path": output})
    return map_tables.time_fit(fitted, output)
