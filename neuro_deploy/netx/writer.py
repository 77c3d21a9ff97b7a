"""FixedNetwork -> NetX chain, written by the export of lava-dl's own SLAYER blocks.

Before anything is written, the stock reader is emulated on every matrix; a matrix that it would change is refused.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.lava_compat import blocks, require
from neuro_deploy.network import BiasEncoding, FixedNetwork, FixedPopulation, FixedProjection, check_ranges
from neuro_deploy.netx.chain_rules import chain_layers
from neuro_deploy.netx.image import written
from neuro_deploy.netx.meta import meta_text, write_meta
from neuro_deploy.netx.stock import unchanged
from neuro_deploy.numerics.registers import THRESHOLD, WEIGHT


def write(network: FixedNetwork, path: str | Path) -> None:
    """Write a chain of dense layers, whole or not at all.

    Raises:
        MissingError: lava-dl is not installed.
        UnsupportedError: not a chain, or a layer that the stock reader would change.
        RangeError: weights that are not even, or a readout whose v can reach the largest threshold.
        FileError: the file cannot be written.
    """
    layers = chain_layers(network)
    for projection in layers:
        _check_synapses(projection)
    check_ranges(network)
    meta_text(network)
    require()
    with written(path) as file:
        chain = file.create_group("layer")
        _export_input(network, chain.create_group("0"))
        spatial = len(network.populations[0].shape) > 1
        if spatial:
            blocks.flatten_block(network.populations[0].shape).export_hdf5(chain.create_group("1"))
        for index, projection in enumerate(layers, start=1 + spatial):
            population = _with_hardware_threshold(network.population(projection.target))
            group = chain.create_group(str(index))
            blocks.dense_block(projection, _with_one_threshold(population)).export_hdf5(group)
            if population.threshold.ndim:
                del group["neuron/vThMant"]
                group.create_dataset("neuron/vThMant", data=population.threshold.astype(np.int32))
        write_meta(network, file)


def _check_synapses(projection: FixedProjection) -> None:
    WEIGHT.check(projection.weight, projection.name)
    if not unchanged(projection.weight.astype(np.int64), projection.name):
        raise UnsupportedError(
            "the stock NetX reader would change these weights (none is positive, the lowest is a power of two)",
            where=projection.name,
            hint="keep one weight above 0",
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


def _with_one_threshold(population: FixedPopulation) -> FixedPopulation:
    """SLAYER's blocks take one threshold; where neurons have their own, they are written in its place."""
    return replace(population, threshold=population.threshold.max()) if population.threshold.ndim else population


def _export_input(network: FixedNetwork, group: h5py.Group) -> None:
    first = network.populations[0]
    driven = isinstance(network.encoding, BiasEncoding)
    blocks.input_block(first if driven else None, first.shape).export_hdf5(group)
