"""neuro-deploy finetune."""

from __future__ import annotations

from typing import Annotated

import typer

import neuro_deploy as nd
from neuro_deploy.cli import conversion_tables, options, printing
from neuro_deploy.cli.convert import InputMode


def finetune(
    source: Annotated[str, typer.Argument(metavar="NET_OR_CKPT", help="A checkpoint, or a NetX file to go on from.")],
    data: Annotated[str, typer.Option("--data", metavar="D", help="digits, or FILE.npz with x and y.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="NET.net", help="The NetX file to write.")],
    weight_bits: Annotated[int, typer.Option(metavar="N", min=1, max=8, help="Bits of every weight.")] = 4,
    scale: options.Scale = "population",
    epochs: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="Times through the samples.")] = 15,
    time_limit: Annotated[float, typer.Option(metavar="S", min=1, help="No epoch begins that would end later.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same integers.", min=0, max=2**32 - 1)] = 0,
    timesteps: options.Timesteps = None,
    input: Annotated[InputMode, typer.Option(help="As for convert; a NetX file keeps its own.")] = InputMode.graded,
    skip: options.Skip = "relay",
    token_norm: options.TokenNorm = "multiply",  # noqa: S107
    json: options.Json = False,
) -> None:
    """Convert and let the integers learn on the arithmetic of the chip; every fifth sample is held out.

    Example: [bold]neuro-deploy finetune mlp.pt --data digits --weight-bits 4 -o mlp4.net[/]
    Example: [bold]neuro-deploy finetune digits.net --data digits --weight-bits 2 -o digits2.net[/]
    """
    nd.check_writable(output, source=source, kind="NetX file")
    with printing.progress() as progress:
        network, report = nd.finetune(
            source,
            data,
            weight_bits=weight_bits,
            scale=scale,
            timesteps=timesteps,
            input=input.value,
            skip=skip,
            token_norm=token_norm,
            epochs=epochs,
            seconds=time_limit,
            seed=seed,
            progress=progress,
        )
        form = nd.save(network, output)
    if json:
        return printing.as_json({"path": output, "format": form, **report.to_dict()})
    return conversion_tables.conversion(output, report)
