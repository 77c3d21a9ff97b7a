"""Makes the tables of docs/quantization.md: ``python -m benchmarks.quantization [--golden FOLDER]``.

Trains the digits MLP and Mixer, converts them at 8 to 2 bits, fine-tunes them, searches bits; and, where the official
code's arrays are, converts those. Writes the tables between the marks in docs/quantization.md.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import neuro_deploy as nd
from neuro_deploy.network import FixedNetwork, Network, weight_bytes
from neuro_deploy.passes import Quantize
from neuro_deploy.passes.alone import alone

DOCUMENT = Path(__file__).parents[1] / "docs" / "quantization.md"
BITS = (8, 6, 5, 4, 3, 2)
SEED = 0
Row = list[Any]


def main() -> None:
    """Make every table and put it into its place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--golden", default=str(Path(__file__).parents[2] / "shared" / "golden" / "mixer"))
    parser.add_argument("--only", choices=("mlp", "mixer", "goldens"), help="one part; all, if not told")
    told = parser.parse_args()
    golden = Path(told.golden)
    with tempfile.TemporaryDirectory() as folder:
        for model in ("mlp", "mixer") if told.only is None else {told.only} & {"mlp", "mixer"}:
            checkpoint = Path(folder, f"{model}.pt")
            nd.train(model, "digits", checkpoint, seed=SEED)
            place(model, HEAD, bits_table(checkpoint))
            if model == "mlp":
                place("auto", AUTO, auto_table(checkpoint))
        if golden.is_dir() and told.only in (None, "goldens"):
            place("goldens", GOLDEN, golden_table(golden, Path(folder)))


HEAD = (
    "bits",
    "accuracy float",
    "nearest, no samples",
    "calibrated",
    "differing spikes",
    "fine-tuned",
    "seconds of it",
    "bytes of weights",
    "cores on loihi2",
)


def bits_table(checkpoint: Path) -> Iterator[Row]:
    """One row for each number of bits."""
    data, fit = nd.load_data("digits"), nd.load_data("digits", "train")
    real = nd.lower(checkpoint)
    accuracy = nd.run(real, data.x).accuracy(data.y)
    for bits in BITS:
        nearest, _ = nd.convert(checkpoint, weight_bits=bits)
        calibrated, _ = nd.convert(checkpoint, calibrate=fit, evaluate=data, weight_bits=bits)
        start = time.monotonic()
        _, tuned = nd.finetune(checkpoint, "digits", weight_bits=bits, seed=SEED)
        seconds = time.monotonic() - start
        yield [
            bits,
            percent(accuracy),
            percent(nd.run(nearest, data.x).accuracy(data.y)),
            percent(nd.run(calibrated, data.x).accuracy(data.y)),
            percent(differing(real, calibrated, data.x)),
            percent(tuned.accuracy_finetuned),
            f"{seconds:.0f}",
            f"{weight_bytes(calibrated):,}",
            len(nd.map(calibrated, "loihi2").cores),
        ]


AUTO = ("bits of the projections", "accuracy, calibration samples", "loss, points", "bytes of weights", "cores")


def auto_table(checkpoint: Path) -> Iterator[Row]:
    """The curve of the search for fewer bits, and where it ended on held-out digits."""
    data, fit = nd.load_data("digits"), nd.load_data("digits", "train")
    _, report = nd.convert(checkpoint, calibrate=fit, evaluate=data, weight_bits="auto", max_loss=0.5)
    curve = report.curve or ()
    for point in curve:
        bits = ", ".join(str(n) for n in point["weight_bits"].values())
        yield [bits, percent(point["accuracy"]), point["loss"], f"{point['synapse_bytes']:,}", point["cores"]]
    share = curve[-1]["synapse_bytes"] / curve[0]["synapse_bytes"]
    held_out = f"held-out: float {percent(report.accuracy_float)}, fixed {percent(report.accuracy_fixed)}"
    yield [held_out, "", "", f"{100 * share:.0f} % of 8 bits", ""]


GOLDEN = (
    "network",
    "residuals",
    "scales",
    "alone, mean of populations",
    "alone, worst population",
    "differing spikes, without samples",
    "calibrated",
    "worst population",
    "calibrated, other images",
)
OTHER_IMAGES = 32


def golden_table(golden: Path, folder: Path) -> Iterator[Row]:
    """Random networks of the official code at 8 bits; samples are digitised the same for both networks.

    Other images are normal noise, as those of the files are.
    """
    for path in sorted(golden.glob("*.npz")):
        with np.load(path) as file:
            state = {key[3:]: torch.tensor(file[key]) for key in file.files if key.startswith("sd/")}
            x = file["input"]
        checkpoint = folder / f"{path.stem}.pt"
        torch.save(state, checkpoint)
        for skip in ("relay", "recompute"):
            real = nd.lower(checkpoint, skip=skip)
            levels = real.encoding.encode(x).reshape(x.shape)
            other = np.random.default_rng(SEED).normal(size=(OTHER_IMAGES, *x.shape[1:]))  # as x was made
            others = real.encoding.encode(other).reshape(other.shape)
            for scale in ("population", "channel"):
                plain, _ = Quantize(scale=scale)(real)
                fixed, _ = Quantize(scale=scale, samples=levels)(real)
                each = alone(real, plain, levels)
                yield [
                    path.stem,
                    skip,
                    scale,
                    percent(float(np.mean(list(each.values()))), 3),
                    percent(max(each.values()), 3),
                    percent(differing(real, plain, levels)),
                    percent(differing(real, fixed, levels)),
                    percent(max(by_population(real, fixed, levels).values())),
                    percent(differing(real, fixed, others)),
                ]


def by_population(network: Network, fixed: FixedNetwork, x: np.ndarray) -> dict[str, float]:
    """Share of differing spikes of every population."""
    want, got = (nd.run(net, x, record=("spikes",)).spikes for net in (network, fixed))
    return {name: float(np.mean(want[name] != got[name])) for name in want}


def differing(network: Network, fixed: FixedNetwork, x: np.ndarray) -> float:
    """Share of differing spikes of the whole network."""
    sizes = {p.name: p.neurons for p in network.populations if p.kind == "lif"}
    shares = by_population(network, fixed, x)
    return sum(shares[name] * size for name, size in sizes.items()) / sum(sizes.values())


def percent(share: float | None, digits: int = 2) -> str:
    """In percent."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def place(mark: str, head: tuple[str, ...], rows: Iterator[Row]) -> None:
    """Put a table between its marks, and print it."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for row in rows:
        lines.append(f"| {' | '.join(str(cell) for cell in row)} |")
        sys.stdout.write(lines[-1] + "\n")
        sys.stdout.flush()
    text = DOCUMENT.read_text()
    pattern = rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)"
    DOCUMENT.write_text(re.sub(pattern, lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text, flags=re.S))


if __name__ == "__main__":
    main()
