"""neuro-deploy map."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

import neuro_deploy as nd
from neuro_deploy.cli import map_tables, options, printing

Sharing = Annotated[
    bool, typer.Option("--sharing/--no-sharing", help="Store weights that positions share once per core.")
]
Bits = Annotated[int | None, typer.Option("--weight-bits", metavar="N", min=1, max=8, help="Bits of a stored weight.")]
CutRule = Annotated[
    Literal["fewest", "compiler"],
    typer.Option("--cut", help="For the fewest cores, or as lava-loihi's compiler cuts."),
]
Place = Annotated[
    Literal["curve", "first-fit", "random"],
    typer.Option("--place", help="Along a Hilbert curve with swaps, first come first served, or at random."),
]
Data = Annotated[
    str | None, typer.Option("--data", metavar="D", help="Samples whose spikes decide what stands near what.")
]
Alternatives = Annotated[
    bool | None,
    typer.Option("--alternatives/--no-alternatives", help="What else it could cost; large networks only when asked."),
]
Picture = Annotated[bool, typer.Option("--picture", help="Draw the mesh: which population stands on which tile.")]


def map_command(
    net: options.Net,
    profile: options.Profile = "loihi2",
    sharing: Sharing = True,
    weight_bits: Bits = None,
    cut: CutRule = "fewest",
    place: Place = "curve",
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the placement.")] = 0,
    data: Data = None,
    samples: options.Samples = None,
    alternatives: Alternatives = None,
    picture: Picture = False,
    json: options.Json = False,
) -> None:
    """Put a network on the cores of a chip; exit 3 where it does not fit, with the smallest system that would.

    Example: [bold]neuro-deploy map digits.net --profile loihi2 --picture[/]
    Example: [bold]neuro-deploy map mixer.net --data digits --no-sharing[/]
    """
    network = nd.load(net)
    with printing.progress() as progress:
        result = None if data is None else nd.run(network, nd.load_data(data).head(samples).x, progress=progress)
        mapping = nd.map(
            network,
            profile,
            sharing=sharing,
            weight_bits=weight_bits,
            cut=cut,
            place=place,
            seed=seed,
            result=result,
            progress=progress,
        )
        content = nd.mapping_report(network, mapping, result=result, alternatives=alternatives, progress=progress)
    if json:
        printing.as_json(content)
    else:
        map_tables.mapping(mapping, content, picture=picture)
    if not mapping.fits or content["check"]:
        raise typer.Exit(3)
