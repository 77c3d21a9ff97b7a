"""The passes from a frontend's graph to a float network, in order."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_deploy.errors import UsageError
from neuro_deploy.graph import Graph
from neuro_deploy.network import Network
from neuro_deploy.passes.fold_batch_norm import FoldBatchNorm
from neuro_deploy.passes.fold_head import FoldHead
from neuro_deploy.passes.lower import Lower, Skip
from neuro_deploy.passes.merge_identity_edge import MergeIdentityEdge
from neuro_deploy.passes.norm_into_neuron import NormIntoNeuron
from neuro_deploy.passes.norm_to_scale import MAX_TERMS, NormToScale


@dataclass(frozen=True)
class TokenNorm:
    """What becomes of a batch norm per token before a residual. terms: None multiplies, K shifts and adds K times."""

    terms: int | None = None

    @classmethod
    def parse(cls, text: str) -> TokenNorm:
        """From ``multiply`` or ``shift:K``.

        Raises:
            UsageError: anything else.
        """
        kind, _, number = text.partition(":")
        if text == "multiply":
            return cls()
        if kind == "shift" and number.isdecimal() and 1 <= int(number) <= MAX_TERMS:
            return cls(int(number))
        raise UsageError(f"no token norm {text!r}; multiply, or shift:K with K from 1 to {MAX_TERMS}, is wanted")


def lowered(graph: Graph, skip: Skip = "relay", token_norm: str = "multiply") -> Network:  # noqa: S107
    """Every batch norm and mean into what stands before or behind it, then populations and projections.

    Raises:
        UnsupportedError: an operator that has no exact counterpart. UsageError: no such skip or token norm.
    """
    flow = (
        FoldHead(),
        FoldBatchNorm(),
        MergeIdentityEdge(),
        NormIntoNeuron(),
        NormToScale(TokenNorm.parse(token_norm).terms),
    )
    for change in flow:
        graph = change(graph)
    return Lower(skip)(graph)
