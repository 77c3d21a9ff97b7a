"""A checkpoint into a fixed network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from neuro_deploy.conversion.auto import Budget, search
from neuro_deploy.conversion.compared import Networks, compared
from neuro_deploy.conversion.settings import Settings, meta
from neuro_deploy.network import FixedNetwork, Network
from neuro_deploy.passes import Conversion, lowered
from neuro_deploy.progress import Progress
from neuro_deploy.training.data import Data


def converted(  # what a person may choose, and nothing else
    source: str | Path,
    settings: Settings,
    *,
    calibrate: Data | None,
    evaluate: Data | None,
    budget: Budget | None,
    timesteps: int | None,
    progress: Progress,
) -> tuple[FixedNetwork, Conversion]:
    """The fixed network of a checkpoint, and its report. See ``nd.convert``.

    calibrate: samples that scales and bits are chosen by. evaluate: those that the report speaks of. budget: lowers
    bits until it is spent.
    """
    network, exact = networks(source, settings, timesteps)
    chosen, curve = settings, None
    if budget is not None and calibrate is not None:
        bits, curve = search(network, settings, calibrate, budget, progress)
        chosen = replace(settings, weight_bits=bits)
    samples = None if calibrate is None else calibrate.x
    fixed, populations = chosen.quantize(samples, progress)(network)
    conversion = Conversion(populations, curve=curve)
    if evaluate is not None:
        conversion = compared(conversion, Networks(network, exact, fixed), evaluate, progress)
    more = {"calibrate": None if calibrate is None else calibrate.name}
    return replace(fixed, meta=meta(source, chosen, conversion.to_dict(), **more)), conversion


def networks(source: str | Path, settings: Settings, timesteps: int | None) -> tuple[Network, Network | None]:
    """The float network that is quantized; and the source's own where that rounds gains to powers of two."""
    from neuro_deploy.frontends.source import checkpoint_graph

    graph = checkpoint_graph(source, timesteps)
    shifted = settings.token_norm != "multiply"  # noqa: S105
    return settings.lowered(graph), lowered(graph, settings.skip) if shifted else None
