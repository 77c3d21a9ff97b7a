"""The paper's LIF neuron with a surrogate gradient."""

from __future__ import annotations

from typing import Any

import torch


class SigmoidSpike(torch.autograd.Function):
    """Forward: 1 where x >= 0, else 0. Backward: the derivative of sigmoid(alpha * x).

    Source: the surrogate of the paper's experiments, alpha = 4 (its gradient at the threshold is then 1).
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, alpha: float) -> torch.Tensor:
        """x: distance from the threshold."""
        ctx.save_for_backward(x)
        ctx.alpha = alpha
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Gradient for x; none for alpha."""
        (x,) = ctx.saved_tensors
        soft = torch.sigmoid(ctx.alpha * x)
        return gradients[0] * ctx.alpha * soft * (1 - soft), None


class LIF(torch.nn.Module):
    """Leaky integrate-and-fire with decaying input and hard reset (paper, eq. 1 to 4).

        u += (z - u) / tau;  spike where u >= v_threshold;  u = 0 there

    The reset is detached from the gradient. Input and output: (samples, T, ...).
    """

    def __init__(self, tau: float = 2.0, v_threshold: float = 1.0, alpha: float = 4.0) -> None:
        super().__init__()
        self.tau = tau
        self.v_threshold = v_threshold
        self.alpha = alpha

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Spikes, 0 or 1, for the synaptic input z."""
        u = torch.zeros_like(z[:, 0])
        spikes = []
        for t in range(z.shape[1]):
            u = u + (z[:, t] - u) / self.tau
            spike: torch.Tensor = SigmoidSpike.apply(u - self.v_threshold, self.alpha)  # type: ignore[no-untyped-call]
            u = u * (1 - spike.detach())
            spikes.append(spike)
        return torch.stack(spikes, dim=1)
