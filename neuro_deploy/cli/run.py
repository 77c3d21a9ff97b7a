"""neuro-deploy run."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables


class EngineName(StrEnum):
    """Engines that run a network."""

    native = "native"
    reference = "reference"
    lava = "lava"
    slayer = "slayer"


def run(
    net: options.Net,
    data: options.DataSource,
    engine: Annotated[EngineName, typer.Option(help="All of them give the same spikes.")] = EngineName.native,
    profile: options.Profile = "loihi2",
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="DIR", help="Write a run folder.")] = None,
    samples: options.Samples = None,
    timesteps: options.Timesteps = None,
    time_limit: options.TimeLimit = 600.0,
    json: options.Json = False,
) -> None:
    """Run a network on samples and count spikes and synops per core.

    Example: [bold]neuro-deploy run digits.net --data digits -o out[/]
    """
    network, chosen = nd.load(net, timesteps=timesteps), nd.load_data(data).head(samples)
    mapping = nd.map(network, profile)
    if output:
        nd.check_folder(output)
    limits: dict[str, Any] = {"time_limit": time_limit} if engine is EngineName.lava else {}
    with printing.progress() as progress:
        result = nd.run(network, chosen.x, engine=engine.value, progress=progress, **limits)
        metrics = nd.measure(network, result, mapping, chosen.y)
    if output:
        config = {"net": net, "data": data, "samples": len(chosen.x), "engine": engine.value, "profile": profile}
        nd.write_run(output, metrics, {**config, "timesteps": network.timesteps}, chosen.y)
    if json:
        return printing.as_json(metrics.to_dict())
    return tables.metrics(metrics.to_dict(), output)
