"""Makes the networks of this folder and MANIFEST.json: ``python netx_models/make.py``."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import neuro_deploy as nd
from neuro_deploy.files import sha256

FOLDER = Path(__file__).parent
SEED = 0


def main() -> None:
    """Train, convert, write, and say how."""
    data = nd.load_data("digits")
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "digits-mlp.pt")
        nd.train("mlp", "digits", checkpoint, seed=SEED)
        network, report = nd.convert(checkpoint, calibrate=data)
    nd.save(network, FOLDER / "digits-mlp.net")
    entry = {
        "commands": [
            f"neuro-deploy train mlp --data digits -o digits-mlp.pt --seed {SEED}",
            "neuro-deploy convert digits-mlp.pt -o digits-mlp.net --calibrate digits",
        ],
        "sha256": sha256(FOLDER / "digits-mlp.net"),
        "accuracy_float": report.accuracy_float,
        "accuracy_fixed": report.accuracy_fixed,
        "held_out_samples": len(data.x),
        "seed": SEED,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("neuro-deploy", "torch", "numpy", "lava-dl", "scikit-learn")},
        },
    }
    (FOLDER / "MANIFEST.json").write_text(json.dumps({"digits-mlp.net": entry}, indent=2) + "\n")
    sys.stdout.write(json.dumps(entry, indent=2) + "\n")


if __name__ == "__main__":
    main()
