"""Samples on their way into a run."""

from __future__ import annotations

import numpy as np

from neuro_deploy.engines.base import as_sequence
from neuro_deploy.engines.native.choice import sent
from neuro_deploy.engines.native.images import enter, enter_bytes, tally
from neuro_deploy.engines.native.layout import to_inner
from neuro_deploy.engines.native.threads import EACH, deal, share, threads
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray

PARTS = 4
"""Of the timesteps, for each thread, at most."""


def biases(network: FixedNetwork, sequence: IntArray) -> np.ndarray:
    """Data that enter as bias, (samples, T or 1, neurons), in the order inside, shifted as biases are."""
    inside = to_inner(np.ascontiguousarray(sequence), network.population(network.entry).shape)
    return inside << BIAS_EXPONENT


def entry_type(network: FixedNetwork) -> type:
    """Of encoded samples inside: bytes where they fit."""
    low, high = sent(network.encoding)
    return np.uint8 if low >= 0 and high <= 255 else np.int8 if low >= -128 and high <= 127 else np.float32


def still(network: FixedNetwork, inputs: IntArray) -> bool:
    """Whether one timestep of encoded samples stands for all of them."""
    return network.timesteps == 1 or as_sequence(network, inputs).strides[1] == 0


def fill(entering: np.ndarray, sequence: IntArray, start: int, counts: np.ndarray) -> None:
    """Put some timesteps of samples, from start on, where they enter, and count them.

    entering: (samples, timesteps, *inner shape). sequence: (samples, T or 1, neurons). counts: (timesteps, neurons).
    """
    samples, steps, *inner = entering.shape
    channels = inner[-1]
    if entering.itemsize == 1:
        given = sequence
        if sequence.itemsize > 1 or not sequence.flags.c_contiguous:
            given, start = sequence[:, start : start + steps].astype(entering.dtype, order="C"), 0
        values = given.view(np.uint8).reshape(samples, given.shape[1], channels, -1)
        out = entering.view(np.uint8).reshape(samples, steps, -1, channels)
        each = -(-steps // (PARTS * threads()))
        deal(enter_bytes, -(-steps // each), out.size, each, values, start, out, counts)
        return
    frames = samples * steps
    given = np.ascontiguousarray(sequence[:, start : start + steps]).reshape(frames, channels, -1)
    share(enter, frames, EACH * given.size, given, entering.reshape(frames, -1, channels))
    share(tally, steps, given.size, entering.reshape(samples, steps, -1), counts)
