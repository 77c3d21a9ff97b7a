"""Which networks the layers of a NetX chain have a place for. What they have none for is refused, not dropped."""

from __future__ import annotations

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import BiasEncoding, FixedNetwork, FixedProjection


def is_chain(network: FixedNetwork) -> bool:
    """Whether a NetX chain has a place for all of this network, whatever its weights."""
    try:
        chain_layers(network)
    except UnsupportedError:
        return False
    return True


def chain_layers(network: FixedNetwork) -> tuple[FixedProjection, ...]:
    """The projections of a chain, from the first layer to the last.

    Raises:
        UnsupportedError: the network is no chain of dense layers.
    """
    layers = []
    for population, following in zip(network.populations, network.populations[1:], strict=False):
        inputs = network.inputs_of(following.name)
        if [projection.source for projection in inputs] != [population.name]:
            raise UnsupportedError(
                f"is fed by {', '.join(p.source for p in inputs) or 'nothing'}; "
                f"in a NetX chain it would be by {population.name}",
                where=following.name,
            )
        _check_plain(inputs[0])
        layers.append(inputs[0])
    _check_kinds(network)
    _check_populations(network)
    if len(layers) != len(network.projections):
        raise UnsupportedError("has projections into its first population", where=network.populations[0].name)
    return tuple(layers)


def _check_plain(projection: FixedProjection) -> None:
    geometry = projection.geometry
    if geometry.kind != "dense" or geometry.source_channels or geometry.target_channels:
        raise UnsupportedError(f"{geometry.describe()} are not written to a NetX chain", where=projection.name)
    if projection.weight_exp or projection.max_delay or projection.sign is not None:
        raise UnsupportedError(
            "a weight exponent, delays or signs are not written to a NetX chain", where=projection.name
        )


def _check_kinds(network: FixedNetwork) -> None:
    first = "lif" if network.encoding.mode == "bias" else "input"
    for index, population in enumerate(network.populations):
        last = population is network.output
        allowed = (first,) if index == 0 else ("lif", "readout") if last else ("lif",)
        if population.kind not in allowed:
            raise UnsupportedError(
                f"is {population.kind!r}; here in a NetX chain it would be {' or '.join(allowed)}",
                where=population.name,
            )


def _check_populations(network: FixedNetwork) -> None:
    if isinstance(network.encoding, BiasEncoding):
        if network.encoding.weight.ndim != 2:
            raise UnsupportedError("a stock input layer is not written again: the file it came from is NetX already")
        if network.entry != network.populations[0].name:
            raise UnsupportedError("data enter here, in a NetX chain only the first population", where=network.entry)
        if np.any(network.population(network.entry).bias):
            raise UnsupportedError("has a bias of its own beside the data; an input layer has one", where=network.entry)
    for population in network.populations[1:]:
        if len(population.shape) != 1:
            raise UnsupportedError(
                f"has shape {population.shape}; a dense layer's neurons stand in a row", where=population.name
            )
    if not network.projections:
        raise UnsupportedError("a network without projections is not written")
