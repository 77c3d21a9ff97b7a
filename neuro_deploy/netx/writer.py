"""FixedNetwork -> NetX chain, written by the export of lava-dl's own SLAYER blocks.

Before anything is written, the stock reader is emulated on every matrix; a matrix that it would change is refused.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from neuro_deploy.errors import RangeError, UnsupportedError
from neuro_deploy.files import atomic_write
from neuro_deploy.lava_compat import blocks, require
from neuro_deploy.network import BiasEncoding, FixedNetwork, FixedPopulation, FixedProjection, state_bounds
from neuro_deploy.netx import schema
from neuro_deploy.netx.meta import meta_document
from neuro_deploy.netx.stock import unchanged
from neuro_deploy.numerics.registers import THRESHOLD, THRESHOLD_SHIFT, WEIGHT


def write(network: FixedNetwork, path: str | Path) -> None:
    """Write a chain of dense layers, whole or not at all.

    Raises:
        MissingError: lava-dl is not installed.
        UnsupportedError: not a chain, or a layer that the stock reader would change.
        RangeError: weights that are not even, or a readout whose v can reach the largest threshold.
        FileError: the file cannot be written.
    """
    layers = _chain(network)
    for projection in layers:
        _check_synapses(projection)
    last = network.output
    if last.kind == "readout":
        _check_readout(network, last)
    require()
    with atomic_write(path) as temporary, h5py.File(temporary, "w") as file:
        chain = file.create_group("layer")
        _export_input(network, chain.create_group("0"))
        for index, projection in enumerate(layers, start=1):
            block = blocks.dense_block(projection, _with_hardware_threshold(network.population(projection.target)))
            block.export_hdf5(chain.create_group(str(index)))
        _write_meta(network, file)


def _chain(network: FixedNetwork) -> tuple[FixedProjection, ...]:
    for population, following in zip(network.populations, network.populations[1:], strict=False):
        sources = [projection.source for projection in network.inputs_of(following.name)]
        if sources != [population.name]:
            raise UnsupportedError(
                f"is fed by {', '.join(sources) or 'nothing'}; in a NetX chain it would be by {population.name}",
                where=following.name,
            )
    return network.projections


def _check_synapses(projection: FixedProjection) -> None:
    WEIGHT.check(projection.weight, projection.name)
    if projection.weight_exp or projection.max_delay:
        raise UnsupportedError("a weight exponent or delays are not written to a NetX chain", where=projection.name)
    if not unchanged(projection.weight.astype(np.int64), projection.name):
        raise UnsupportedError(
            "the stock NetX reader would change these weights (none is positive, the lowest is a power of two)",
            where=projection.name,
            hint="keep one weight above 0",
        )


def _check_readout(network: FixedNetwork, readout: FixedPopulation) -> None:
    reach = state_bounds(network)[readout.name].v
    if reach > THRESHOLD.high << THRESHOLD_SHIFT:
        raise RangeError(
            f"v can reach {reach:,}, but hardware spikes above {THRESHOLD.high << THRESHOLD_SHIFT:,} at the latest",
            where=readout.name,
            hint="fewer timesteps, or smaller weights",
        )


def _with_hardware_threshold(population: FixedPopulation) -> FixedPopulation:
    if population.kind != "readout":
        return population
    return FixedPopulation(
        population.name,
        "lif",
        population.shape,
        population.bias,
        np.asarray(THRESHOLD.high),
        population.u_decay,
        population.v_decay,
    )


def _export_input(network: FixedNetwork, group: h5py.Group) -> None:
    first = network.populations[0]
    driven = isinstance(network.encoding, BiasEncoding)
    blocks.input_block(first if driven else None, first.shape).export_hdf5(group)


def _write_meta(network: FixedNetwork, file: h5py.File) -> None:
    text = json.dumps(meta_document(network), allow_nan=False)
    file.create_dataset(schema.META_DOCUMENT, data=text, dtype=h5py.string_dtype())
    if isinstance(network.encoding, BiasEncoding):
        file.create_dataset(schema.META_WEIGHT, data=network.encoding.weight)
        file.create_dataset(schema.META_OFFSET, data=network.encoding.offset)
