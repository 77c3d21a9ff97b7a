"""Populations and projections: the float Network and the FixedNetwork."""

from neuro_deploy.network.bounds import (
    Bounds,
    Reach,
    check_ranges,
    population_bounds,
    reach,
    sent_by_relay,
    state_bounds,
)
from neuro_deploy.network.encoding import BiasEncoding, GradedEncoding, InputEncoding, SpikeEncoding
from neuro_deploy.network.fixed import FixedNetwork, FixedPopulation, FixedProjection, Kind, weight_bytes
from neuro_deploy.network.floats import Network, Population, Projection
from neuro_deploy.network.geometry import AXES, KINDS, Axis, Geometry, SynapseKind
from neuro_deploy.network.separate import gathered

__all__ = [
    "AXES",
    "KINDS",
    "Axis",
    "BiasEncoding",
    "Bounds",
    "FixedNetwork",
    "FixedPopulation",
    "FixedProjection",
    "Geometry",
    "GradedEncoding",
    "InputEncoding",
    "Kind",
    "Network",
    "Population",
    "Projection",
    "Reach",
    "SpikeEncoding",
    "SynapseKind",
    "check_ranges",
    "gathered",
    "population_bounds",
    "reach",
    "sent_by_relay",
    "state_bounds",
    "weight_bytes",
]
