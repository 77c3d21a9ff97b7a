"""FixedNetwork + profile -> Mapping: which neurons stand on which core."""

from neuro_deploy.mapping.check import check_mapping
from neuro_deploy.mapping.mapper import map_network
from neuro_deploy.mapping.types import Core, Limit, Mapping

__all__ = ["Core", "Limit", "Mapping", "check_mapping", "map_network"]
