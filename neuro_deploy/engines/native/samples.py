"""Samples on their way into a run."""

from __future__ import annotations

import numpy as np

from neuro_deploy.engines.base import as_sequence
from neuro_deploy.engines.native.buffers import roomy
from neuro_deploy.engines.native.choice import sent
from neuro_deploy.engines.native.images import enter, enter_bytes, tally
from neuro_deploy.engines.native.layout import inner_shape, to_inner
from neuro_deploy.engines.native.threads import EACH, deal, share, threads
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray

PARTS = 4
"""Of the timesteps, for each thread, at most."""


def entering(network: FixedNetwork, sequence: IntArray, counts: dict[str, np.ndarray]) -> np.ndarray:
    """Encoded samples, (samples, T or 1, neurons), in the order inside, as bytes where they fit: (.., *inner shape).

    Data that enter as bias come shifted as biases are. counts: population -> (T or 1, neurons); the input's are added.
    """
    entry, encoding = network.population(network.entry), network.encoding
    if encoding.mode == "bias":
        inside = to_inner(np.ascontiguousarray(sequence), entry.shape)
        return inside << BIAS_EXPONENT
    low, high = sent(encoding)
    fits = np.uint8 if low >= 0 and high <= 255 else np.int8 if low >= -128 and high <= 127 else np.float32
    held = roomy((*sequence.shape[:2], *inner_shape(entry.shape)), fits)
    fill(held, sequence, counts.setdefault(entry.name, np.zeros((sequence.shape[1], entry.neurons), np.uint8)))
    return held


def still(network: FixedNetwork, inputs: IntArray) -> bool:
    """Whether one timestep of encoded samples stands for all of them."""
    return network.timesteps == 1 or as_sequence(network, inputs).strides[1] == 0


def fill(entering: np.ndarray, sequence: IntArray, counts: np.ndarray) -> None:
    """Put samples, (samples, T or 1, neurons), where they enter, (samples, T or 1, *inner shape), and count them."""
    samples, steps, *inner = entering.shape
    channels = inner[-1]
    if entering.itemsize == 1:
        bytes_ = np.ascontiguousarray(sequence if sequence.itemsize == 1 else sequence.astype(entering.dtype))
        values, out = bytes_.reshape(samples, steps, channels, -1), entering.reshape(samples, steps, -1, channels)
        each = -(-steps // (PARTS * threads()))
        deal(enter_bytes, -(-steps // each), values.size, each, values, out, counts)
        return
    frames = samples * steps
    whole = np.ascontiguousarray(sequence).reshape(frames, channels, -1)
    share(enter, frames, EACH * whole.size, whole, entering.reshape(frames, -1, channels))
    share(tally, steps, whole.size, entering.reshape(samples, steps, -1), counts)
