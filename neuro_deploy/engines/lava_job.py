"""A network as a job for the lava worker: plain data, and arrays.

One LIFReset per LIF or readout population, one Relay per relay; one synapse process per projection: DelayDense where
delays differ between synapses, else Dense for dense synapses and Sparse, on the unrolled matrix, for all others. A
DelayLine holds back what a source sends where a projection skips levels (passes/balance_delays.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuro_deploy.engines.exact import INT32_END, largest_states, largest_sum
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import FixedNetwork, FixedPopulation, FixedProjection, state_bounds
from neuro_deploy.numerics.registers import BIAS_EXPONENT, IntArray
from neuro_deploy.passes.balance_delays import balance_delays

MAX_SYNAPSES = 2**26
"""Synapses of one projection that are unrolled for Lava: about 1 GB. Our own limit."""
LAVA_WEIGHT = 255
"""The largest weight that Lava does not clip. Source: ``clip_weights`` with 8 bits and mixed signs."""

Plain = dict[str, Any]
Arrays = dict[str, np.ndarray]


def lava_job(network: FixedNetwork, sequence: IntArray, *, with_states: bool) -> tuple[Plain, Arrays]:
    """What the worker needs. sequence: (samples, T, entry neurons). with_states: u and v of all populations.

    Raises:
        UnsupportedError: sums beyond the 32 bits in which Lava computes, weights that it would change, or more synapses
            than we unroll.
    """
    samples, steps = sequence.shape[:2]
    for projection in network.projections:
        _check_sums(network, projection)
    arrays: Arrays = {}
    if network.encoding.mode != "bias":
        arrays["input"] = sequence.reshape(samples * steps, -1).T.astype(np.int32)
    populations = []
    for index, population in enumerate(network.computed):
        _check_states(network, population)
        is_relay = population.kind == "relay"
        plain, own = _relay(network, population) if is_relay else _neurons(network, population, sequence)
        plain["states"] = not is_relay and (with_states or population is network.output)
        populations.append(plain)
        arrays |= {f"{index}.{key}": array for key, array in own.items()}
    projections = []
    for number, (projection, extra) in enumerate(zip(network.projections, balance_delays(network), strict=True)):
        plain, own = _synapses(network, projection)
        projections.append(plain | {"held": plain["held"] + extra})
        arrays |= {f"{key}.{number}": array for key, array in own.items()}
    job = {
        "input": network.populations[0].name,
        "interval": steps,
        "steps": samples * steps + max(network.depths.values()),
        "populations": populations,
        "projections": projections,
    }
    return job, arrays


def _check_states(network: FixedNetwork, population: FixedPopulation) -> None:
    driven = network.encoding.reach if network.encoding.mode == "bias" and network.driven(population) else 0
    largest = max(largest_states(population, state_bounds(network)[population.name], network.timesteps, driven))
    if largest >= INT32_END:
        raise UnsupportedError(
            f"u or v can reach {largest:,} before wrap and clip; Lava computes them in 32 bits",
            where=population.name,
            hint="verify against reference",
        )


def _relay(network: FixedNetwork, population: FixedPopulation) -> tuple[Plain, Arrays]:
    """A relay is silent before its first timestep: what it sent then would arrive, delayed, within the sample."""
    start = network.depths[population.name]
    plain = {"kind": "relay", "name": population.name, "neurons": population.neurons, "start": start, "biases": None}
    return plain | _fed_by(network, population), {"bias": population.bias.astype(np.int32)}


def _fed_by(network: FixedNetwork, population: FixedPopulation) -> Plain:
    return {"projections": [i for i, p in enumerate(network.projections) if p.target == population.name]}


def _neurons(network: FixedNetwork, population: FixedPopulation, sequence: IntArray) -> tuple[Plain, Arrays]:
    steps, depth = sequence.shape[1], network.depths
    driven = network.driven(population)
    arrays: Arrays = {
        "vth": population.threshold,
        "du": population.u_decay - 1,
        "dv": population.v_decay,
        "bias": population.bias + (sequence[0, 0] if driven else 0),
    }
    biases = None
    if driven:  # the next sample's, written at the end of the timestep before it starts
        biases = {"interval": steps, "offset": steps - 1}
        arrays["biases"] = np.roll(population.bias + sequence[:, 0], -1, axis=0).astype(np.int32)
    elif depth[population.name] and np.any(population.bias) and any(p.max_delay for p in network.projections):
        # none before the first timestep: spikes that it caused would arrive, delayed, within the sample
        biases = {"interval": steps + max(depth.values()), "offset": depth[population.name] - 1}
        arrays["biases"] = population.bias[None].astype(np.int32)
        arrays["bias"] = np.zeros_like(population.bias)
    plain = {
        "kind": "neurons",
        "name": population.name,
        "neurons": population.neurons,
        "bias_exp": BIAS_EXPONENT,
        "reset_offset": depth[population.name] + 1,
        "biases": biases,
    }
    return plain | _fed_by(network, population), arrays


def _synapses(network: FixedNetwork, projection: FixedProjection) -> tuple[Plain, Arrays]:
    """One projection. held: timesteps for which a delay line holds back what the source sends."""
    geometry = projection.geometry
    matrix = geometry.matrix(projection.weight.astype(np.int32), sign=projection.sign).tocsr()
    exponent = projection.weight_exp
    if matrix.max() > LAVA_WEIGHT:  # a sign made +256 of -256
        if np.any(matrix.data % 2):
            raise UnsupportedError(
                "holds the weight 256 beside odd ones, which Lava would clip",
                where=projection.name,
                hint="verify against reference",
            )
        matrix.data //= 2
        exponent += 1
    own: Arrays = {}
    if projection.delay.ndim:
        delay = np.zeros(matrix.shape, np.int64)
        delay[geometry.targets, geometry.sources] = projection.delay
        own["delay"] = delay
    if geometry.kind == "dense":
        own["weight"] = matrix.toarray()
    else:
        own |= {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
    plain = {
        "source": projection.source,
        "shape": matrix.shape,
        "weight_exp": exponent,
        "message_bits": _message_bits(network, projection.source),
        "num_weight_bits": 9 if np.any(matrix.data % 2) else 8,  # with 9 and mixed signs, Lava truncates nothing
        "max_delay": projection.max_delay,
        "held": 0 if projection.delay.ndim else int(projection.delay),
    }
    return plain, own


def _check_sums(network: FixedNetwork, projection: FixedProjection) -> None:
    largest = largest_sum(network, projection) << max(projection.weight_exp, 0)
    if largest >= INT32_END:
        raise UnsupportedError(
            f"sums of weights can reach {largest:,}; Lava computes them in 32 bits",
            where=projection.name,
            hint="verify against reference",
        )
    synapses = int(projection.fan_out.sum())
    if synapses > MAX_SYNAPSES:
        raise UnsupportedError(
            f"{synapses:,} synapses; {MAX_SYNAPSES:,} are unrolled for Lava at most",
            where=projection.name,
            hint="verify against reference",
        )


def _message_bits(network: FixedNetwork, source: str) -> int:
    """Bits of a graded spike's payload; 0 for one-bit spikes. Lava takes payloads as they are where this is not 0."""
    kind, encoding = network.population(source).kind, network.encoding
    if kind == "relay":
        return 24
    if kind != "input" or encoding.mode != "graded":
        return 0
    return 16 if encoding.first < 0 and encoding.levels > 127 else 8
