"""neuro-deploy inspect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables

Net = Annotated[str | None, typer.Argument(metavar="NET.net", help="A NetX file; or --model.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="A model by name, with random weights.")]
Mfi = Annotated[bool, typer.Option("--mfi", help="Audit additions and multiplications of one dense timestep.")]
Skip = Annotated[
    Literal["relay", "recompute"], typer.Option("--skip", help="With --model: how residual sums reach their targets.")
]


def inspect(
    net: Net = None,
    model: Model = None,
    mfi: Mfi = False,
    skip: Skip = "relay",
    timesteps: options.Timesteps = None,
    json: options.Json = False,
) -> None:
    """Show a network's populations, projections, parameters and bits; --mfi: what is added and multiplied.

    Example: [bold]neuro-deploy inspect digits.net --mfi[/]
    """
    if (net is None) == (model is None):
        raise typer.BadParameter("one of NET.net and --model NAME is wanted", param_hint="NET.net")
    if (net is None and timesteps is not None) or (model is None and skip != "relay"):
        raise typer.BadParameter("--timesteps goes with NET.net, --skip with --model")
    summary = _summary(net, model, mfi, skip, timesteps)
    if json:
        return printing.as_json(summary)
    name = net or str(model)
    tables.network(name, summary)
    return tables.mfi(name, summary) if mfi else None


def _summary(net: str | None, model: str | None, mfi: bool, skip: str, timesteps: int | None) -> dict[str, Any]:
    if net is None:
        summary: dict[str, Any] = nd.inspect_model(str(model), mfi=mfi, skip=skip, token_norm="multiply")  # noqa: S106
        return {"model": model, **summary}
    network = nd.load(net, timesteps=timesteps)
    return {"path": net, **(nd.inspect(network, mfi=True) if mfi else nd.inspect(network))}
