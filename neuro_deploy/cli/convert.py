"""neuro-deploy convert."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

import neuro_deploy as nd
from neuro_deploy.cli import conversion_tables, options, printing


class InputMode(StrEnum):
    """How data enter the network."""

    graded = "graded"
    bias = "bias"


def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A checkpoint of train, or of the released Mixer-SNN.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="NET.net", help="The NetX file to write.")],
    calibrate: Annotated[
        str | None,
        typer.Option(metavar="D", help="Choose scales by the spikes of these samples, and compare float with fixed."),
    ] = None,
    weight_bits: Annotated[
        str, typer.Option(metavar="N", help="Bits of every weight, 1 to 8, or auto: as few as --max-loss allows.")
    ] = "8",
    max_loss: Annotated[float, typer.Option(metavar="P", help="For auto: points of accuracy that may be lost.")] = 0.5,
    scale: options.Scale = "population",
    profile: options.Profile = "loihi2",
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
    Example: [bold]neuro-deploy convert mlp.pt -o small.net --calibrate digits --weight-bits auto --max-loss 0.5[/]
    """
    nd.check_writable(output, source=source, kind="NetX file")
    bits = printing.bits(weight_bits)
    with printing.progress() as progress:
        data = nd.load_data(calibrate, "train" if calibrate == "digits" else None) if calibrate else None
        network, report = nd.convert(
            source,
            calibrate=data,
            evaluate=nd.load_data(calibrate) if calibrate else None,
            weight_bits=bits,
            max_loss=max_loss,
            scale=scale,
            profile=profile,
            say=conversion_tables.point,
            timesteps=timesteps,
            input=input.value,
            skip=skip,
            token_norm=token_norm,
            progress=progress,
        )
        form = nd.save(network, output)
    if json:
        return printing.as_json({"path": output, "format": form, **report.to_dict()})
    return conversion_tables.conversion(output, report)
