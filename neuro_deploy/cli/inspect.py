"""neuro-deploy inspect."""

from __future__ import annotations

from typing import Annotated

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables

Net = Annotated[str | None, typer.Argument(metavar="NET.net", help="A NetX file; or --model.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="A model by name, with random weights.")]
Mfi = Annotated[bool, typer.Option("--mfi", help="Audit additions and multiplications of one dense timestep.")]


def inspect(
    net: Net = None,
    model: Model = None,
    mfi: Mfi = False,
    skip: options.Skip = "relay",
    token_norm: options.TokenNorm = "multiply",  # noqa: S107
    timesteps: options.Timesteps = None,
    json: options.Json = False,
) -> None:
    """Show a network's populations, projections, parameters and bits; --mfi: what is added and multiplied.

    Example: [bold]neuro-deploy inspect digits.net --mfi[/]
    """
    if (net is None) == (model is None):
        raise typer.BadParameter("one of NET.net and --model NAME is wanted", param_hint="NET.net")
    changed = skip != "relay" or token_norm != "multiply"  # noqa: S105
    if (net is None and timesteps is not None) or (model is None and changed):
        raise typer.BadParameter("--timesteps goes with NET.net, --skip and --token-norm with --model")
    if net is None:
        summary = {"model": model, **nd.inspect_model(str(model), mfi=mfi, skip=skip, token_norm=token_norm)}
    else:
        summary = {"path": net, **nd.inspect(nd.load(net, timesteps=timesteps), mfi=mfi)}
    if json:
        return printing.as_json(summary)
    name = net or str(model)
    tables.network(name, summary)
    return tables.mfi(name, summary) if mfi else None
