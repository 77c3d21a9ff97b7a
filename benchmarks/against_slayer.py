"""The native engine against lava-dl's SLAYER blocks: same network, same images, spikes checked equal.

``python -m benchmarks.against_slayer [--quick]``
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import torch

import neuro_deploy as nd
from benchmarks import networks
from benchmarks.part import Options, command, main, page
from benchmarks.timing import clocked, in_turns, number, ratios, table
from neuro_deploy.engines import get_engine
from neuro_deploy.engines.base import as_sequence
from neuro_deploy.lava_compat import blocks
from neuro_deploy.network import FixedNetwork

TIMESTEPS = (4, 16)
SLAYER, NATIVE, FORWARD, ENGINE = "slayer", "native", "forward", "engine"
"""Two whole calls, and two bare ones."""


def part(options: Options) -> str:
    """Whole calls and bare forwards, for some numbers of timesteps."""
    said = (
        "digits-mlp.net, 64-128-64-10, and its held-out images; all spikes found equal first. SLAYER's forward "
        "computes in float32 and keeps no states; its blocks are made beforehand. The slayer engine makes them anew in "
        "each call and also proves that no state left 24 bits. Medians; ratios: median (lowest to highest)."
    )
    images = (1, 64) if options.quick else (1, 64, 360)
    rows = [_row(timesteps, samples, options) for timesteps in TIMESTEPS for samples in images]
    pairs = [("whole `nd.run`: slayer, ms", "native, ms"), ("forward: SLAYER's, ms", "native engine's `run`, ms")]
    head = ("T", "images", *(cell for pair in pairs for cell in (*pair, "times as long")))
    return page("## Against SLAYER's forward", said, table(head, rows), command("benchmarks.against_slayer"))


def _row(timesteps: int, samples: int, options: Options) -> tuple[object, ...]:
    network = nd.load(networks.DIGITS.format("mlp"), timesteps=timesteps)
    functions = _functions(network, nd.load_data("digits").x[:samples])
    cells: list[object] = [timesteps, samples]
    for slayer, native in ((SLAYER, NATIVE), (FORWARD, ENGINE)):
        seconds = in_turns({name: clocked(functions[name]) for name in (slayer, native)}, options.rounds)
        cells += [number(1e3 * statistics.median(values)) for values in seconds.values()]
        cells.append(ratios(seconds[slayer], seconds[native]))
    return tuple(cells)


def _functions(network: FixedNetwork, x: np.ndarray) -> dict[str, Callable[[], object]]:
    """What is timed, after the spikes of all four have been found equal."""
    engine, encoded = get_engine("native"), network.encode(x)
    made = [blocks.dense_block(network.inputs_of(p.name)[0], p) for p in network.computed]
    entering = torch.tensor(as_sequence(network, encoded).transpose(0, 2, 1), dtype=torch.float32)

    def forward() -> list[torch.Tensor]:
        values, fired = entering, []
        with torch.inference_mode():
            for block in made:
                values = block(values)
                fired.append(values)
        return fired

    runs = {name: nd.run(network, x, engine=name, record=("spikes",)) for name in ("slayer", "native")}
    for population, fired in zip(network.computed, forward(), strict=True):
        native = runs["native"].spikes[population.name]
        np.testing.assert_array_equal(runs["slayer"].spikes[population.name], native)
        np.testing.assert_array_equal(fired.numpy().transpose(0, 2, 1).astype(np.uint8), native)
    return {
        SLAYER: lambda: nd.run(network, x, engine="slayer"),
        NATIVE: lambda: nd.run(network, x),
        FORWARD: forward,
        ENGINE: lambda: engine.run(network, encoded),
    }


if __name__ == "__main__":
    main(__doc__, part)
