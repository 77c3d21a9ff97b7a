"""Options that several commands share, written once."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

PROFILES = "loihi2, loihi1, kapoho-point, hala-point, or a profile's .toml file."

Net = Annotated[str, typer.Argument(metavar="NET.net", help="A NetX file: of this tool, or a stock chain.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
DataSource = Annotated[str, typer.Option("--data", metavar="D", help="digits (its held-out fifth), or FILE.npz.")]
Samples = Annotated[int | None, typer.Option("--samples", metavar="N", min=1, help="Only the first N samples.")]
Timesteps = Annotated[
    int | None, typer.Option("--timesteps", metavar="T", min=1, max=65_536, help="Timesteps per sample.")
]
Profile = Annotated[
    str,
    typer.Option("--profile", metavar="P", help="loihi2, loihi1, kapoho-point, hala-point, or a profile's .toml file."),
]
TimeLimit = Annotated[float, typer.Option("--time-limit", metavar="S", min=1, help="Seconds that Lava may take.")]
Skip = Annotated[
    Literal["relay", "recompute"],
    typer.Option("--skip", help="Residuals: sent on by relays, or computed anew for each neuron that needs them."),
]
TokenNorm = Annotated[
    str,
    typer.Option(
        "--token-norm",
        metavar="HOW",
        help="Batch norm per token before a residual: multiply, or shift:K (K signed powers of two per gain).",
    ),
]
Scale = Annotated[
    Literal["population", "channel"],
    typer.Option("--scale", help="One scale per population, or per output channel (thresholds per neuron)."),
]
