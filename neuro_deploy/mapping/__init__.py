"""FixedNetwork + profile -> Mapping: which neurons stand on which core, and where."""

from neuro_deploy.mapping.check import check_mapping, unchecked
from neuro_deploy.mapping.mapper import Choice, CutRule, map_network
from neuro_deploy.mapping.places import Place, across_chips, hop_weighted, place
from neuro_deploy.mapping.reach import Traffic, traffic
from neuro_deploy.mapping.types import ASSUMPTIONS, Core, Limit, Mapping

__all__ = [
    "ASSUMPTIONS",
    "Choice",
    "Core",
    "CutRule",
    "Limit",
    "Mapping",
    "Place",
    "Traffic",
    "across_chips",
    "check_mapping",
    "hop_weighted",
    "map_network",
    "place",
    "traffic",
    "unchecked",
]
