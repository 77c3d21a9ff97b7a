"""Samples on their way into a run."""

from __future__ import annotations

import numpy as np

from neuro_deploy.engines.native.buffers import roomy
from neuro_deploy.engines.native.choice import sent
from neuro_deploy.engines.native.images import enter
from neuro_deploy.engines.native.layout import inner_shape, to_inner
from neuro_deploy.engines.native.threads import share
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray


def entering(network: FixedNetwork, sequence: IntArray) -> tuple[np.ndarray, np.ndarray]:
    """Encoded samples, (samples, T or 1, neurons), in the order inside, as bytes where they fit; as ``fill`` sees them.

    Data that enter as bias come shifted as biases are.
    """
    entry, encoding = network.population(network.entry), network.encoding
    if encoding.mode == "bias":
        inside = to_inner(np.ascontiguousarray(sequence), entry.shape)
        return inside << BIAS_EXPONENT, inside
    low, high = sent(encoding)
    fits = np.uint8 if low >= 0 and high <= 255 else np.int8 if low >= -128 and high <= 127 else np.float32
    channels = entry.shape[0] if len(entry.shape) == 3 else entry.neurons
    samples, steps = sequence.shape[:2]
    held = roomy((samples, steps, *inner_shape(entry.shape)), fits)
    flat = held.reshape(samples * steps, -1, channels)
    fill(flat, sequence)
    return held, flat


def fill(entering: np.ndarray, sequence: IntArray) -> None:
    """Put samples, (samples, T or 1, neurons), where they enter."""
    frames, _, channels = entering.shape
    values = np.ascontiguousarray(sequence).reshape(frames, channels, -1)
    share(enter, frames, values.size, values, entering)
