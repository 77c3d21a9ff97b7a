"""Makes the networks of this folder and MANIFEST.json: ``python netx_models/make.py``."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import neuro_deploy as nd
from neuro_deploy.files import sha256

FOLDER = Path(__file__).parent
SEED = 0


def main() -> None:
    """Train, convert, write, and say how."""
    manifest = {f"digits-{model}.net": make(model) for model in ("mlp", "mixer")}
    text = json.dumps(manifest, indent=2) + "\n"
    (FOLDER / "MANIFEST.json").write_text(text)
    sys.stdout.write(text)


def make(model: str) -> dict[str, Any]:
    """Make one network; returns its entry in the manifest."""
    data, name = nd.load_data("digits"), f"digits-{model}"
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, f"{name}.pt")
        nd.train(model, "digits", checkpoint, seed=SEED)
        network, report = nd.convert(checkpoint, evaluate=data)
    form = nd.save(network, FOLDER / f"{name}.net")
    return {
        "commands": [
            f"neuro-deploy train {model} --data digits -o {name}.pt --seed {SEED}",
            f"neuro-deploy convert {name}.pt -o {name}.net",
        ],
        "format": form,
        "sha256": sha256(FOLDER / f"{name}.net"),
        "accuracy_float": report.accuracy_float,
        "accuracy_fixed": report.accuracy_fixed,
        "held_out_samples": len(data.x),
        "seed": SEED,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("neuro-deploy", "torch", "numpy", "lava-dl", "scikit-learn")},
        },
    }


if __name__ == "__main__":
    main()
