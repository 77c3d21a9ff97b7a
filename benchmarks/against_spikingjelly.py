"""The native engine against SpikingJelly's forward of a Mixer-SNN: same weights, same images, same rate of spikes.

``python -m benchmarks.against_spikingjelly [--quick] [--folder FOLDER]``. pip puts SpikingJelly into a folder of its
own, from which it is used with this environment's torch and numpy; nothing is installed beside them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import neuro_deploy as nd
from benchmarks import mixer, networks
from benchmarks.part import Helper, Options, command, main, page
from benchmarks.timing import Spread, Task, clocked, in_turns, number, percent, ratios, table
from neuro_deploy.frontends.mixer_config import PRESETS
from neuro_deploy.network import FixedNetwork

VERSION = "0.0.0.0.14"
"""The latest release that has ``activation_based`` and takes the published code as it is."""
PIP = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
PIP += ["--retries", "1", "--timeout", "15"]
PIP_SECONDS = 120
MB = 1e6
APART = 0.01
"""Largest difference of firing rates that rounding of float32 explains: in deep networks it moves single spikes."""


def part(options: Options) -> str:
    """A table per batch, and the memory."""
    preset = "mixer-8" if options.quick else "mlp-spe-t"
    pixels = "x".join(str(n) for n in PRESETS[preset].image)
    checkpoint, file = mixer.checkpoint(options.folder, preset), mixer.fixed_file(options.folder, preset)
    network = nd.load(file)
    said = (
        f"{preset}, {pixels} pixels, T = {network.timesteps}, random weights; batch norms calibrated so that it spikes "
        "about as often as the paper's trained networks. SpikingJelly: our PyTorch model with LIFNodes of SpikingJelly "
        f"{VERSION} in place of our LIF (multi-step, torch backend, inference mode), float32. Native: `nd.run` of the "
        "fixed network that `convert` makes of the same checkpoint, spikes counted. The two are not exactly the same "
        "network: weights are rounded to 8 bits, so that spikes near the threshold differ."
    )
    path = _spikingjelly(options.folder / f"spikingjelly-{VERSION}")
    samples = (1,) if options.quick else (1, 4)
    if path is None:
        body = [f"SpikingJelly is not measured: pip could not install {VERSION}.", _alone(network, preset, samples)]
    else:
        rows = [_row(network, checkpoint, preset, n, path, options) for n in samples]
        named = ("seconds", "firing rate")
        pairs = [(f"{what}: SpikingJelly", "native") for what in named]
        head = ("images", *pairs[0], "times as long", *pairs[1], "memory: SpikingJelly")
        body = [table(head, rows)]
    return page(
        "## Against SpikingJelly",
        said,
        *body,
        "Memory of the native engine at most, each line a process of its own:",
        _memory(file, preset, samples),
        command("benchmarks.against_spikingjelly"),
    )


def _spikingjelly(folder: Path) -> Path | None:
    """The folder that it is in."""
    if (folder / "spikingjelly").exists():
        return folder
    try:
        done = subprocess.run(
            [*PIP, "--target", str(folder), f"spikingjelly=={VERSION}"],
            check=False,
            timeout=PIP_SECONDS,
            stdout=sys.stderr,
        )
    except subprocess.TimeoutExpired:
        return None
    return folder if done.returncode == 0 else None


def _row(
    network: FixedNetwork, checkpoint: Path, preset: str, samples: int, path: Path, options: Options
) -> tuple[object, ...]:
    x = mixer.images(preset, samples)
    with ExitStack() as stack:
        helper = stack.enter_context(
            Helper("benchmarks.spikingjelly_forward", str(checkpoint), preset, str(samples), path=path)
        )
        rate = float(helper.ask("rate"))
        tasks: dict[str, Task] = {
            "theirs": lambda: float(helper.ask("time")),
            "ours": clocked(lambda: nd.run(network, x), 0.3),
        }
        seconds = in_turns({"warm": tasks["theirs"]}, 1) | in_turns(tasks, min(options.rounds, 5))
        peak = int(helper.ask("peak"))
        own = float(helper.ask("own"))
    if abs(rate - own) > APART * own:
        raise RuntimeError(f"SpikingJelly's neurons fire at {percent(rate)}, our model's at {percent(own)}")
    medians = [number(statistics.median(seconds[name])) for name in ("theirs", "ours")]
    rates = [percent(rate), percent(networks.rate(network, nd.run(network, x)))]
    return samples, *medians, ratios(seconds["theirs"], seconds["ours"]), *rates, f"{peak / MB:,.0f} MB"


def _alone(network: FixedNetwork, preset: str, samples: tuple[int, ...]) -> str:
    rows = []
    for n in samples:
        x = mixer.images(preset, n)
        rows.append((n, Spread.of(in_turns({"native": clocked(lambda x=x: nd.run(network, x))}, 3)["native"])))  # type: ignore[misc]
    return table(("images", "native, s"), rows)


def _memory(file: Path, preset: str, samples: tuple[int, ...]) -> str:
    rows = []
    for n in samples:
        with Helper("benchmarks.native_memory", str(file), preset, str(n)) as helper:
            rows.append((n, *(f"{int(most) / MB:,.0f} MB" for most in helper.ask("?").split())))
    return table(("images", "when imported", "when the network is loaded", "after a run"), rows)


if __name__ == "__main__":
    main(__doc__, part)
