"""neuro-deploy demo."""

from __future__ import annotations

from typing import Annotated

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables


def demo(
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="Where the files go.")] = "demo-output",
    seed: Annotated[int, typer.Option(help="Seed of the training.", min=0, max=2**32 - 1)] = 0,
    json: options.Json = False,
) -> None:
    """Train an MLP and a Mixer-SNN on real digits, convert, map to Loihi 2 cores, run, and check against Lava.

    Example: [bold]neuro-deploy demo[/]
    """
    with printing.progress() as progress:
        report = nd.demo(output, seed=seed, progress=progress, say=None if json else printing.step)
    if json:
        printing.as_json(report)
    else:
        tables.demo(report)
    if not all(way["verification"]["ok"] for way in report.values()):
        raise typer.Exit(3)
