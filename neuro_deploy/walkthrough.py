"""The whole path on real handwritten digits: what ``neuro-deploy demo`` runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuro_deploy import api
from neuro_deploy.files import make_folder, write_json
from neuro_deploy.progress import Progress, silent

VERIFIED_SAMPLES = 64


@dataclass(frozen=True)
class Way:
    """One model's way. against: engines that run its kind of network. epochs: None for the recipe's."""

    model: str
    title: str
    against: tuple[str, ...]
    epochs: int | None = None


WAYS = (
    Way("mlp", "a spiking MLP", ("reference", "lava", "slayer")),
    Way("mixer", "a small Mixer-SNN", ("reference", "lava"), epochs=8),  # half the recipe's: enough for a demo
)


def demo(
    folder: str | Path,
    *,
    seed: int = 0,
    profile: str = "loihi2",
    progress: Progress = silent,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Train, convert, map, run and verify an MLP and a Mixer-SNN; files go to ``folder``.

    say: called with a line before each step. Returns, by model: training, accuracies, mapping, metrics, verification.

    Raises:
        MissingError: lava is not installed.
    """
    folder = make_folder(folder)
    report = {way.model: _walk(way, folder, seed, profile, progress, say or (lambda _: None)) for way in WAYS}
    write_json(folder / "demo.json", report)
    return report


def _walk(
    way: Way, folder: Path, seed: int, profile: str, progress: Progress, tell: Callable[[str], None]
) -> dict[str, Any]:
    checkpoint, net, run_folder = (
        str(folder / name) for name in (f"digits-{way.model}.pt", f"digits-{way.model}.net", f"run-{way.model}")
    )
    tell(f"train {way.title} on 1,437 real handwritten digits")
    trained = api.train(way.model, "digits", checkpoint, seed=seed, epochs=way.epochs, progress=progress)
    data = api.load_data("digits")
    tell("convert: fold batch norms, quantize to 8-bit weights, write a NetX file")
    network, conversion = api.convert(checkpoint, evaluate=data, progress=progress)
    form = api.save(network, net)
    network = api.load(net)
    tell(f"map to {profile} cores")
    mapping = api.map(network, profile)
    tell(f"run {len(data.x)} held-out digits on our own simulator")
    metrics = api.measure(network, api.run(network, data.x, progress=progress), mapping, data.y)
    api.write_run(run_folder, metrics, {"net": net, "data": "digits", "engine": "native", "profile": profile}, data.y)
    tell(f"run {VERIFIED_SAMPLES} of them on {', '.join(way.against)} as well, and compare every spike")
    outcome = api.verify(network, data.head(VERIFIED_SAMPLES).x, against=way.against, progress=progress)
    compared = max(agreement.compared_spikes for agreement in outcome.engines.values())
    return {
        "training": trained,
        "accuracy_float": conversion.accuracy_float,
        "accuracy_fixed": conversion.accuracy_fixed,
        "stored_parameters": network.parameters,
        "format": form,
        "mapping": mapping.to_dict(),
        "metrics": metrics.to_dict(),
        "verification": {**outcome.to_dict(), "compared": compared},
        "divergence": str(outcome.first_divergence) if outcome.first_divergence else None,
        "files": [checkpoint, net, run_folder],
    }
