"""neuro-deploy train."""

from __future__ import annotations

from typing import Annotated

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing


def train(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="mlp, mixer (both for digits), or a Mixer-SNN preset: mixer-32, mlp-spe-t, ..."
        ),
    ],
    data: Annotated[str, typer.Option("--data", metavar="D", help="digits, or FILE.npz with x and y.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="CKPT.pt", help="The checkpoint to write.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights.", min=0, max=2**32 - 1)] = 0,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.", min=1, max=1_000_000)] = None,
    timesteps: options.Timesteps = None,
    hidden: Annotated[str | None, typer.Option(metavar="N,N,...", help="Widths of an mlp's hidden layers.")] = None,
    json: options.Json = False,
) -> None:
    """Train a spiking network; every fifth sample is held out for the accuracy.

    Example: [bold]neuro-deploy train mlp --data digits -o mlp.pt[/]
    """
    widths = printing.whole_numbers(hidden, "--hidden")
    with printing.progress() as progress:
        report = nd.train(
            model, data, output, seed=seed, epochs=epochs, timesteps=timesteps, hidden=widths, progress=progress
        )
    if json:
        return printing.as_json(report)
    seconds = f"{report['seconds']:.1f} s"
    printing.line(f"{report['path']}: {report['parameters']:,} parameters of the model, trained in {seconds}")
    return printing.line(f"accuracy on {report['held_out']} held-out samples: {printing.percent(report['accuracy'])}")
