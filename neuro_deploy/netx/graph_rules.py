"""What a NetX graph demands beyond its fields: which kind of population stands where, and how large it may be."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import BiasEncoding, FixedNetwork, FixedPopulation, FixedProjection, Geometry
from neuro_deploy.netx import graph_schema as schema
from neuro_deploy.netx.schema import MAX_ELEMENTS
from neuro_deploy.numerics.registers import DECAY_UNITY, NEVER


def population_path(name: str) -> str:
    """The HDF5 path of a population's group."""
    return f"{schema.POPULATIONS}/{name}"


def projection_path(index: int) -> str:
    """The HDF5 path of a projection's group."""
    return f"{schema.PROJECTIONS}/{index}"


def check_roles(network: FixedNetwork) -> None:
    """Check that inputs, readouts and the population that data drive stand where the format wants them.

    Raises:
        UnsupportedError: with the HDF5 path.
    """
    driven = network.encoding.population if isinstance(network.encoding, BiasEncoding) else None
    for index, population in enumerate(network.populations):
        where = population_path(population.name)
        if (population.kind == "input") != (index == 0 and driven is None):
            wanted = "no population is" if driven else "the first population is, and no other,"
            raise UnsupportedError(f"is {population.kind!r}; {wanted} an input here", where=where)
        if population.kind == "readout" and population is not network.output:
            raise UnsupportedError("is a readout, which only the last population is", where=where)
        if population.name == driven and population.kind != "lif":
            raise UnsupportedError(f"is {population.kind!r}; data enter as bias of a lif population", where=where)
    for index, projection in enumerate(network.projections):
        if network.population(projection.source).kind == "readout":
            raise UnsupportedError(
                "leads out of a readout, which never spikes", where=f"{projection_path(index)}/source"
            )


def check_circles(names: Sequence[str], projections: Sequence[FixedProjection]) -> None:
    """Check that populations which feed each other in a circle cannot be cut into too many parts.

    A circle lies between the first population that a later one feeds and the last that feeds an earlier one; each in
    between has at most as many parts as there are ends of windows.

    Raises:
        UnsupportedError: more than MAX_PARTS.
    """
    place = {name: index for index, name in enumerate(names)}
    ends = [(place[projection.source], place[projection.target]) for projection in projections]
    back = [(target, source) for source, target in ends if source >= target]
    if not back:
        return
    first, last = min(target for target, _ in back), max(source for _, source in back)
    cuts = {
        end
        for projection, (source, target) in zip(projections, ends, strict=True)
        if first <= min(source, target) and max(source, target) <= last
        for window in (projection.geometry.source_channels, projection.geometry.target_channels)
        for end in window or ()
    }
    parts = (last - first + 1) * (len(cuts) + 1)
    if parts > schema.MAX_PARTS:
        raise UnsupportedError(
            f"populations {names[first]} to {names[last]} feed each other by windows that end at {len(cuts):,} "
            f"channels: up to {parts:,} parts, {schema.MAX_PARTS:,} are allowed",
            where=schema.PROJECTIONS,
        )


def check_storable(network: FixedNetwork) -> None:
    """Check that nothing of a network's populations would be dropped, renamed or refused when read again.

    Raises:
        UnsupportedError: with the HDF5 path.
    """
    for group, count, limit in (
        (schema.POPULATIONS, len(network.populations), schema.MAX_POPULATIONS),
        (schema.PROJECTIONS, len(network.projections), schema.MAX_PROJECTIONS),
    ):
        if count > limit:
            raise UnsupportedError(f"would hold {count:,} groups, {limit:,} are allowed", where=group)
    check_circles([population.name for population in network.populations], network.projections)
    for population in network.populations:
        problem = schema.name_problem(population.name) or _lost(population)
        if problem:
            raise UnsupportedError(problem, where=f"{schema.POPULATIONS}/{population.name!r}")


def _lost(population: FixedPopulation) -> str | None:
    """What the group of such a population has no place for."""
    if len(population.shape) not in (1, 3):
        return f"has shape {population.shape}; (neurons,) or (channels, height, width) is written"
    if population.kind != "lif" and not (population.threshold.ndim == 0 and population.threshold == NEVER):
        return f"has a threshold, for which a {population.kind} has no place"
    decays = (population.u_decay, population.v_decay)
    if population.kind in ("input", "relay") and any(
        decay.ndim or decay != default for decay, default in zip(decays, (DECAY_UNITY, 0), strict=True)
    ):
        return f"has decays, for which a {population.kind} has no place"
    if population.kind == "input" and np.any(population.bias):
        return "has a bias, for which an input has no place"
    return None


def check_convolution(geometry: Geometry, weight_shape: tuple[int, ...], where: str) -> None:
    """Check that a convolution's padded source and its patches stay within memory, whatever a file claims.

    Raises:
        UnsupportedError: more than MAX_ELEMENTS numbers.
    """
    if geometry.kind != "conv2d":
        return
    channels, *sizes = geometry.source_window
    padded = channels * math.prod(size + 2 * pad for size, pad in zip(sizes, geometry.padding, strict=True))
    patches = math.prod(weight_shape[1:]) * math.prod(geometry.target_window[1:])
    if max(padded, patches) > MAX_ELEMENTS:
        raise UnsupportedError(
            f"pads its source to {padded:,} numbers and cuts it into {patches:,}, at most {MAX_ELEMENTS:,} are allowed",
            where=where,
        )
