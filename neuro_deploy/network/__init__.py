"""Populations and projections: the float Network and the FixedNetwork."""

from neuro_deploy.network.bounds import Bounds, check_readout, population_bounds, state_bounds
from neuro_deploy.network.encoding import BiasEncoding, GradedEncoding, InputEncoding, SpikeEncoding
from neuro_deploy.network.fixed import FixedNetwork, FixedPopulation, FixedProjection, Kind
from neuro_deploy.network.floats import Network, Population, Projection

__all__ = [
    "BiasEncoding",
    "Bounds",
    "FixedNetwork",
    "FixedPopulation",
    "FixedProjection",
    "GradedEncoding",
    "InputEncoding",
    "Kind",
    "Network",
    "Population",
    "Projection",
    "SpikeEncoding",
    "check_readout",
    "population_bounds",
    "state_bounds",
]
