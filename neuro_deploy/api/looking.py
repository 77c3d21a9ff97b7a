"""What a network or a model is made of."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from neuro_deploy import counters
from neuro_deploy.engines.running import run
from neuro_deploy.errors import UsageError
from neuro_deploy.network import FixedNetwork
from neuro_deploy.passes import Skip, lowered
from neuro_deploy.progress import Progress, silent


def inspect(
    network: FixedNetwork,
    *,
    mfi: bool = False,
    x: npt.ArrayLike | None = None,
    rate: float | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """What a network is made of, as plain data.

    mfi: with the audit of its additions and multiplications. x: samples that are run for it, so that what took place
    stands beside the paper's estimate s * T * A. rate: s, the firing rate of the estimate; of the run, if not told.

    Raises:
        UsageError: samples or a rate without mfi. DataError: samples that do not fit.
    """
    if not mfi and (x is not None or rate is not None):
        raise UsageError("samples and a firing rate are for the audit", hint="--mfi (in Python: mfi=True)")
    summary = {
        "parameters": network.parameters,
        "neurons": network.neurons,
        "timesteps": network.timesteps,
        "encoding": {"mode": network.encoding.mode, "shape": list(network.encoding.shape), "entry": network.entry},
        "populations": [population.to_dict() for population in network.populations],
        "projections": [projection.to_dict() for projection in network.projections],
        "source": network.meta.get("source"),
        "quantization": network.meta.get("quantization"),
    }
    if not mfi:
        return summary
    audited = counters.audit(network.populations, network.projections, network.encoding)
    done = None if x is None else counters.exact(network, run(network, x, progress=progress))
    return {**summary, **audited.to_dict(), **_paper(audited, network.timesteps, rate, done)}


def inspect_model(
    name: str,
    *,
    mfi: bool = False,
    skip: Skip = "relay",
    token_norm: str = "multiply",  # noqa: S107
    rate: float | None = None,
) -> dict[str, Any]:
    """What a model is made of: its float network, with random weights. name: a preset of the Mixer-SNN.

    neurons: of all its LIF modules; neurons_without_duplicates: those that the network has. rate: as ``inspect``.

    Raises:
        UsageError: no such model, skip or token norm; a rate without mfi, or beyond 0..1.
    """
    from neuro_deploy.frontends.random_mixer import neurons, preset, random_mixer, trained_numbers

    if rate is not None and not mfi:
        raise UsageError("a firing rate is for the audit", hint="--mfi (in Python: mfi=True)")
    config = preset(name)
    graph = random_mixer(config)
    network = lowered(graph, skip, token_norm)
    summary = {
        "parameters": trained_numbers(config),
        "neurons": neurons(graph),
        "neurons_without_duplicates": sum(p.neurons for p in network.populations if p.kind == "lif"),
        "timesteps": network.timesteps,
        "populations": [population.to_dict() for population in network.populations],
        "projections": [projection.to_dict() for projection in network.projections],
    }
    if not mfi:
        return summary
    audited = counters.audit(network.populations, network.projections, network.encoding)
    return {**summary, **audited.to_dict(), **_paper(audited, network.timesteps, rate, None)}


def _paper(
    audited: counters.Audit, timesteps: int, rate: float | None, done: dict[str, float] | None
) -> dict[str, Any]:
    """The paper's estimate, what took place beside it, and the arithmetic of the paper's own table."""
    if rate is None and done is not None:
        rate = done["firing_rate"]
    estimate = None if rate is None else counters.paper_estimate(audited, rate, timesteps)
    return {"paper": estimate, "exact": done, "table4": counters.table4()}


def explain(network: FixedNetwork, **options: Any) -> list[dict[str, Any]]:
    """Which kernel the native engine takes for each projection and population, and why that is exact.

    options: as ``run`` takes them for this engine. Returns rows of "part", "kernel", "reason".
    """
    from neuro_deploy.engines.native import Engine

    return Engine(**options).explain(network)
