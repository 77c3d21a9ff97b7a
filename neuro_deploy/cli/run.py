"""neuro-deploy run."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

import neuro_deploy as nd
from neuro_deploy.cli import map_tables, options, printing, tables


class EngineName(StrEnum):
    """Engines that run a network."""

    native = "native"
    reference = "reference"
    lava = "lava"
    slayer = "slayer"


Device = Annotated[str | None, typer.Option(metavar="D", help="torch device of the native engine; cpu is the default.")]
Memory = Annotated[
    str | None, typer.Option(metavar="M", help="What the native engine may take at once, such as 500M or 2G.")
]
Links = Annotated[bool, typer.Option("--links", help="Count messages and bits on every link of the mesh.")]
PerTimestep = Annotated[bool, typer.Option("--per-timestep", help="Counts of every core and timestep, in the JSON.")]
Explain = Annotated[bool, typer.Option("--explain", help="Tell which kernel each part took, and why it is exact.")]


def run(
    net: options.Net,
    data: options.DataSource,
    engine: Annotated[EngineName, typer.Option(help="All of them give the same spikes.")] = EngineName.native,
    profile: options.Profile = "loihi2",
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="DIR", help="Write a run folder.")] = None,
    samples: options.Samples = None,
    timesteps: options.Timesteps = None,
    time_limit: options.TimeLimit = 600.0,
    device: Device = None,
    memory: Memory = None,
    explain: Explain = False,
    links: Links = False,
    per_timestep: PerTimestep = False,
    json: options.Json = False,
) -> None:
    """Run a network on samples and count spikes and synops per core.

    Example: [bold]neuro-deploy run digits.net --data digits -o out[/]
    Example: [bold]neuro-deploy run mixer.net --data digits --memory 500M --explain[/]
    Example: [bold]neuro-deploy run digits.net --data digits --profile loihi1 --links[/]
    """
    chosen_options = engine_options(engine, time_limit, device, memory, explain=explain)
    network, chosen = nd.load(net, timesteps=timesteps), nd.load_data(data).head(samples)
    if output is not None:
        nd.check_folder(output)
    with printing.progress() as progress:
        mapping = nd.map(network, profile, progress=progress)
        result = nd.run(network, chosen.x, engine=engine.value, progress=progress, **chosen_options)
        metrics = nd.measure(network, result, mapping, chosen.y, links=links, per_timestep=per_timestep)
    if output is not None:
        config = {"net": net, "data": data, "samples": len(chosen.x), "engine": engine.value, "profile": profile}
        nd.write_run(output, metrics, {**config, "timesteps": network.timesteps}, chosen.y)
    kernels = nd.explain(network, **chosen_options) if explain else []
    if json:
        return printing.as_json(metrics.to_dict() | ({"kernels": kernels} if explain else {}))
    content = metrics.to_dict()
    tables.metrics(content, output)
    map_tables.loads(content)
    return tables.kernels(kernels) if explain else None


def engine_options(
    engine: EngineName, time_limit: float, device: str | None, memory: str | None, *, explain: bool
) -> dict[str, Any]:
    """What the engine is told; options of another one are refused."""
    if engine is not EngineName.native and (device or memory or explain):
        raise typer.BadParameter("--device, --memory and --explain are for the native engine")
    told = {"device": device, "memory": None if memory is None else printing.bytes_of(memory)}
    limits = {"time_limit": time_limit} if engine is EngineName.lava else {}
    return limits | {name: value for name, value in told.items() if value is not None}
