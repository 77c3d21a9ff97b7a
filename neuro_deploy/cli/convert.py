"""neuro-deploy convert."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables


class InputMode(StrEnum):
    """How data enter the network."""

    graded = "graded"
    bias = "bias"


def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A checkpoint of train, or of the released Mixer-SNN.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="NET.net", help="The NetX file to write.")],
    calibrate: Annotated[
        str | None, typer.Option(metavar="D", help="Compare float and fixed network on these samples.")
    ] = None,
    timesteps: options.Timesteps = None,
    input: Annotated[
        InputMode, typer.Option(help="Pixels as graded spikes, or the first layer's current as bias.")
    ] = InputMode.graded,
    skip: options.Skip = "relay",
    token_norm: options.TokenNorm = "multiply",  # noqa: S107
    json: options.Json = False,
) -> None:
    """Convert a checkpoint to a quantized NetX file: a chain by way of SLAYER blocks, any other network as a graph.

    Example: [bold]neuro-deploy convert mlp.pt -o digits.net --calibrate digits[/]
    Example: [bold]neuro-deploy convert mixer.pt -o mixer.net --token-norm shift:3[/]
    """
    nd.check_writable(output, source=source, kind="NetX file")
    with printing.progress() as progress:
        data = nd.load_data(calibrate) if calibrate else None
        network, report = nd.convert(
            source,
            calibrate=data,
            timesteps=timesteps,
            input=input.value,
            skip=skip,
            token_norm=token_norm,
            progress=progress,
        )
        form = nd.save(network, output)
    if json:
        return printing.as_json({"path": output, "format": form, **report.to_dict()})
    return tables.conversion(output, report)
