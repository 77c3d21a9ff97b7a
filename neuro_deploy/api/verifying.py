"""The same samples on several engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy.typing as npt

from neuro_deploy.api.making import load
from neuro_deploy.conversion import Settings, converted, steps
from neuro_deploy.engines import get_engine
from neuro_deploy.engines.compare import FIELDS, Agreement, Divergence, Verification, compare
from neuro_deploy.engines.running import run
from neuro_deploy.errors import UsageError
from neuro_deploy.network import FixedNetwork
from neuro_deploy.progress import Progress, silent
from neuro_deploy.training.data import load_data


def verify(
    network: FixedNetwork,
    x: npt.ArrayLike,
    *,
    against: Sequence[str] = ("reference",),
    engine: str = "native",
    source: str | Path | None = None,
    time_limit: float = 600.0,
    progress: Progress = silent,
) -> Verification:
    """Run the same samples several times and compare spikes, u and v of every population, exactly.

    against: names of engines, or paths of other ``.net`` files, which ``engine`` then runs. source: a checkpoint,
    converted anew with the file's settings and run as well, unless that took samples or fine-tuning of its own; its
    torch model, its float network and this network are then compared step by step (``.steps``), which never fails.

    Raises:
        as ``run`` and ``load``; UsageError: nothing to compare with, or networks that cannot be compared.
    """
    files = [name for name in against if name.endswith(".net")]
    for name in set(against) - set(files):
        get_engine(name)
        if name == engine:
            raise UsageError(f"{engine} compared with itself says nothing", hint="--against reference,lava,slayer")
    others = {name: load(name, timesteps=network.timesteps) if name in files else network for name in against}
    again = source is not None and _repeated(network, source, progress)
    if source is not None and again:
        others[str(source)] = again
    if not others:
        raise UsageError("nothing to verify against", hint="--against reference,lava,slayer")
    limits = {"lava": {"time_limit": time_limit}}
    want = run(network, x, engine=engine, record=FIELDS, progress=progress, **limits.get(engine, {}))
    agreements: dict[str, Agreement] = {}
    divergences: list[Divergence] = []
    for label, other in others.items():
        name = label if other is network else engine
        got = run(other, x, engine=name, record=FIELDS, progress=progress, **limits.get(name, {}))
        agreements[label], divergence = compare(network, want, got, label, other)
        divergences += [divergence] if divergence else []
    chain = () if source is None else steps(network, source, x, progress)
    told = tuple(step.to_dict() for step in chain)
    return Verification(want.samples, engine, agreements, divergences[0] if divergences else None, told)


def _repeated(network: FixedNetwork, source: str | Path, progress: Progress) -> FixedNetwork | None:
    """The source converted anew as the file was; None where that takes samples that are not built in."""
    said = network.meta.get("conversion")
    name = said.get("calibrate") if isinstance(said, dict) else None
    if isinstance(said, dict) and (said.get("finetuned") or name not in (None, "digits")):
        return None
    data = None if name is None else load_data(name, "train")
    settings = Settings.of(said)
    return converted(
        source,
        settings,
        calibrate=data,
        evaluate=None,
        budget=None,
        timesteps=network.timesteps,
        progress=progress,
    )[0]
