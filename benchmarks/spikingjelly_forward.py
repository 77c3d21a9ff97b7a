"""A helper: a Mixer-SNN's forward with SpikingJelly's neurons, in float32.

``python -m benchmarks.spikingjelly_forward CHECKPOINT.pt PRESET SAMPLES``: our modules with every LIF replaced by
SpikingJelly's, time first, as the published code runs them. Answers "time" with the seconds of a forward, "rate" with
spikes per neuron and timestep, "own" with that of our own neurons, "peak" with bytes.
"""

from __future__ import annotations

import sys
import time

import torch
from spikingjelly.activation_based import functional, neuron, surrogate  # type: ignore[import-not-found]

from benchmarks import machine, mixer
from benchmarks.part import answer, asked
from neuro_deploy.frontends.mixer_config import PRESETS
from neuro_deploy.models import LIF, Mixer

STRETCH = 0.3
"""Seconds that a timing takes, at least."""


def main() -> None:
    """Load, then answer."""
    path, preset, samples = sys.argv[1], sys.argv[2], int(sys.argv[3])
    model = _model(path, preset)
    _replace(model, model.config.tau, model.config.v_threshold)
    pixels = torch.tensor(mixer.images(preset, samples)) / mixer.LEVELS
    with torch.inference_mode():
        for line in asked():
            if line == "own":
                answer(_rate(_model(path, preset), pixels, LIF))
            elif line == "rate":
                answer(_rate(model, pixels, neuron.LIFNode))
            else:
                answer(machine.peak() if line == "peak" else _seconds(model, pixels))


def _model(path: str, preset: str) -> Mixer:
    model = Mixer(PRESETS[preset]).eval()
    model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    return model


def _replace(module: torch.nn.Module, tau: float, v_threshold: float) -> None:
    for name, child in module.named_children():
        if not isinstance(child, LIF):
            _replace(child, tau, v_threshold)
            continue
        theirs = neuron.LIFNode(
            tau=tau,
            decay_input=True,
            v_threshold=v_threshold,
            v_reset=0.0,
            surrogate_function=surrogate.Sigmoid(alpha=child.alpha),
            detach_reset=True,
            step_mode="m",
            backend="torch",
        )
        setattr(module, name, theirs.eval())


def _forward(model: Mixer, pixels: torch.Tensor) -> torch.Tensor:
    """Logits (samples, classes). Inside, time is the first axis and samples the second, as SpikingJelly has it."""
    x = pixels[None].expand(model.config.timesteps, -1, -1, -1, -1)
    for stage in range(model.config.stages):
        x = model._stage(x, stage)
    logits: torch.Tensor = model.mlp_head(model._head(x)).mean(dim=0)
    functional.reset_net(model)
    return logits


def _rate(model: Mixer, pixels: torch.Tensor, kind: type[torch.nn.Module]) -> float:
    """Spikes per neuron and timestep, of neurons of this kind."""
    fired, neurons = 0.0, 0

    def note(_module: torch.nn.Module, _inputs: object, spikes: torch.Tensor) -> None:
        nonlocal fired, neurons
        fired, neurons = fired + float(spikes.sum(dtype=torch.float64)), neurons + spikes.numel()

    nodes = [module for module in model.modules() if isinstance(module, kind)]
    hooks = [node.register_forward_hook(note) for node in nodes]
    _forward(model, pixels) if kind is neuron.LIFNode else model(pixels)
    for hook in hooks:
        hook.remove()
    return fired / neurons


def _seconds(model: Mixer, pixels: torch.Tensor) -> float:
    calls, start = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - start < STRETCH:
        _forward(model, pixels)
        calls += 1
    return (time.perf_counter() - start) / calls


if __name__ == "__main__":
    main()
