"""neuro-deploy inspect."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import neuro_deploy as nd
from neuro_deploy.cli import audit_tables, options, printing, tables

Net = Annotated[str | None, typer.Argument(metavar="NET.net", help="A NetX file; or --model.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="A model by name, with random weights.")]
Mfi = Annotated[bool, typer.Option("--mfi", help="Audit additions and multiplications of one dense timestep.")]


Data = Annotated[str | None, typer.Option("--data", metavar="D", help="With --mfi: count what takes place on samples.")]
Rate = Annotated[
    float | None, typer.Option("--rate", metavar="S", help="With --mfi: firing rate of the estimate s T A.")
]
Every = Annotated[bool, typer.Option("--all", help="With --mfi: every population and projection, however many.")]


def inspect(
    net: Net = None,
    model: Model = None,
    mfi: Mfi = False,
    skip: options.Skip = "relay",
    token_norm: options.TokenNorm = "multiply",  # noqa: S107
    data: Data = None,
    samples: options.Samples = None,
    rate: Rate = None,
    timesteps: options.Timesteps = None,
    every: Every = False,
    json: options.Json = False,
) -> None:
    """Show a network's populations, projections, parameters and bits; --mfi: what is added and multiplied.

    Example: [bold]neuro-deploy inspect digits.net --mfi --data digits[/]
    Example: [bold]neuro-deploy inspect --model mlp-spe-t --mfi --rate 0.14[/]
    """
    _check_ends(net, model, [timesteps, data], [skip != "relay", token_norm != "multiply"])  # noqa: S105
    with printing.progress() as progress:
        if net is None:
            progress(f"looking through {model}", 0, 1)
            summary = nd.inspect_model(str(model), mfi=mfi, skip=skip, token_norm=token_norm, rate=rate)
        else:
            x = nd.load_data(data).head(samples).x if data else None
            network = nd.load(net, timesteps=timesteps)
            summary = nd.inspect(network, mfi=mfi, x=x, rate=rate, progress=progress)
    if json:
        return printing.as_json({"model": model} | summary if net is None else {"path": net} | summary)
    tables.network(net or str(model), summary, every=every or not mfi)
    return audit_tables.mfi(net or str(model), summary, every=every) if mfi else None


def _check_ends(net: str | None, model: str | None, of_net: list[Any], of_model: list[bool]) -> None:
    if (net is None) == (model is None):
        raise typer.BadParameter("one of NET.net and --model NAME is wanted", param_hint="NET.net")
    if (net is None and any(of_net)) or (model is None and any(of_model)):
        raise typer.BadParameter("--timesteps and --data go with NET.net, --skip and --token-norm with --model")
