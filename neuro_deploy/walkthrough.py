"""The whole path on real handwritten digits: what ``neuro-deploy demo`` runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from neuro_deploy import api
from neuro_deploy.files import make_folder, write_json
from neuro_deploy.progress import Progress, silent

VERIFIED_SAMPLES = 64
AGAINST = ("reference", "lava", "slayer")


def demo(
    folder: str | Path,
    *,
    seed: int = 0,
    profile: str = "loihi2",
    progress: Progress = silent,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Train, convert, map, run and verify; files go to ``folder``. say: called with a line before each step.

    Raises:
        MissingError: lava is not installed.
    """
    tell = say or (lambda _: None)
    folder = make_folder(folder)
    checkpoint, net, run_folder, report_file = (
        str(folder / name) for name in ("digits-mlp.pt", "digits-mlp.net", "run", "demo.json")
    )
    tell("train a spiking MLP on 1,437 real handwritten digits")
    trained = api.train("mlp", "digits", checkpoint, seed=seed, progress=progress)
    data = api.load_data("digits")
    tell("convert: fold batch norms, quantize to 8-bit weights, write a NetX file by way of SLAYER blocks")
    network, conversion = api.convert(checkpoint, calibrate=data, progress=progress)
    api.save(network, net)
    network = api.load(net)
    tell(f"map to {profile} cores")
    mapping = api.map(network, profile)
    tell(f"run {len(data.x)} held-out digits on our own simulator")
    metrics = api.measure(network, api.run(network, data.x, progress=progress), mapping, data.y)
    api.write_run(run_folder, metrics, {"net": net, "data": "digits", "engine": "native", "profile": profile}, data.y)
    tell(f"run {VERIFIED_SAMPLES} of them on Lava's simulator, on SLAYER and on the reference, and compare every spike")
    outcome = api.verify(network, data.head(VERIFIED_SAMPLES).x, against=AGAINST, progress=progress)
    compared = max(agreement.compared_spikes for agreement in outcome.engines.values())
    report = {
        "training": trained,
        "accuracy_float": conversion.accuracy_float,
        "accuracy_fixed": conversion.accuracy_fixed,
        "mapping": mapping.to_dict(),
        "metrics": metrics.to_dict(),
        "verification": {**outcome.to_dict(), "compared": compared},
        "divergence": str(outcome.first_divergence) if outcome.first_divergence else None,
        "files": [checkpoint, net, run_folder, report_file],
    }
    write_json(report_file, report)
    return report
