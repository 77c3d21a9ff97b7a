"""FixedNetwork + profile -> Mapping: which neurons stand on which core."""

from neuro_deploy.mapping.check import check_mapping, unchecked
from neuro_deploy.mapping.mapper import map_network
from neuro_deploy.mapping.types import ASSUMPTIONS, Core, Limit, Mapping

__all__ = ["ASSUMPTIONS", "Core", "Limit", "Mapping", "check_mapping", "map_network", "unchecked"]
