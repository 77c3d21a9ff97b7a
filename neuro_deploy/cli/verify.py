"""neuro-deploy verify."""

from __future__ import annotations

from typing import Annotated

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables
from neuro_deploy.cli.run import EngineName


def verify(
    net: options.Net,
    data: options.DataSource,
    against: Annotated[
        str, typer.Option(metavar="A,B,...", help="reference, lava, slayer, native, or other .net files.")
    ] = "reference",
    source: Annotated[
        str | None, typer.Option(metavar="CKPT", help="Convert this checkpoint anew and compare with that as well.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="The engine that is compared with.")] = EngineName.native,
    samples: options.Samples = 64,
    timesteps: options.Timesteps = None,
    time_limit: options.TimeLimit = 600.0,
    json: options.Json = False,
) -> None:
    """Compare spikes, u and v of every population between engines, exactly; exit 3 at any difference.

    Example: [bold]neuro-deploy verify digits.net --data digits --against reference,lava,slayer[/]
    """
    network, chosen = nd.load(net, timesteps=timesteps), nd.load_data(data).head(samples)
    names = [name for name in against.split(",") if name]
    with printing.progress() as progress:
        outcome = nd.verify(
            network,
            chosen.x,
            against=names,
            source=source,
            engine=engine.value,
            time_limit=time_limit,
            progress=progress,
        )
    if json:
        printing.as_json(outcome.to_dict())
    else:
        tables.verification(outcome)
    if not outcome.ok:
        raise typer.Exit(3)
