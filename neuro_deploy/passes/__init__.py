"""Passes: Graph -> Graph, Graph -> float Network, Network -> FixedNetwork. One file each; all are pure."""

from neuro_deploy.passes.fidelity import Conversion, differing, fidelity, warnings
from neuro_deploy.passes.flow import TokenNorm, lowered
from neuro_deploy.passes.fold_batch_norm import FoldBatchNorm
from neuro_deploy.passes.fold_head import FoldHead
from neuro_deploy.passes.lower import Lower, Skip
from neuro_deploy.passes.merge_identity_edge import MergeIdentityEdge
from neuro_deploy.passes.norm_into_neuron import NormIntoNeuron
from neuro_deploy.passes.norm_to_scale import NormToScale
from neuro_deploy.passes.quantize import InputMode, Quantize

__all__ = [
    "Conversion",
    "FoldBatchNorm",
    "FoldHead",
    "InputMode",
    "Lower",
    "MergeIdentityEdge",
    "NormIntoNeuron",
    "NormToScale",
    "Quantize",
    "Skip",
    "TokenNorm",
    "differing",
    "fidelity",
    "lowered",
    "warnings",
]
