"""Fine-tuning: the integers of a network learn to do what its real numbers did (forward.py is what they compute)."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from neuro_deploy.errors import DataError, UsageError
from neuro_deploy.network import FixedNetwork, GradedEncoding, Network, state_bounds
from neuro_deploy.passes.fixing import excess
from neuro_deploy.passes.float_states import float_states, in_steps
from neuro_deploy.passes.quantized import Quantized
from neuro_deploy.progress import Progress, silent
from neuro_deploy.training.forward import FixedForward, exact_in

FloatArray = npt.NDArray[np.float64]
BATCH = 64
"""Samples of a step."""
EVALUATED = 500
"""Samples that are evaluated at a time: bounds the memory."""
TEACHER_SPREAD = 4.0
"""Logits are scaled so that those of the float network spread as far: a softmax over them is neither flat nor hard."""


@dataclass(frozen=True)
class Tuning:
    """How integers learn. AdamW with one-cycle learning rate; rates are in parts of the weights' spread.

    The loss is the cross entropy with the labels, and with what the float network predicts, half each. seconds: no
    epoch is begun that would end later. noise: standard deviation added to graded samples, in parts of their range.
    """

    epochs: int = 15
    learning_rate: float = 0.003
    weight_decay: float = 0.0
    noise: float = 0.15
    seconds: float = 100.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or not self.seconds > 0:
            raise UsageError(f"{self.epochs} epochs in {self.seconds:g} s; at least 1, and more than 0 s, are wanted")


@dataclass(frozen=True, eq=False)
class Tuned:
    """The network after fine-tuning.

    accuracies: on what it learns from, 0..1; losses: on noisy copies of that; before, and after each epoch.
    kept: the epoch whose integers these are, 0 for those before. stopped: whether the time was up before all epochs.
    """

    network: FixedNetwork
    accuracies: tuple[float, ...]
    losses: tuple[float, ...]
    kept: int
    stopped: bool


def tune(
    quantized: Quantized,
    source: Network,
    x: npt.NDArray[np.generic],
    y: npt.NDArray[np.int64],
    tuning: Tuning,
    progress: Progress = silent,
) -> Tuned:
    """Fine-tune a network on samples, from the real numbers that it was rounded from. source: the float network.

    Of the integers after each epoch, and of those before, the ones with the smallest loss on noisy copies of the
    samples are kept whose states are as surely within 24 bits as they were.

    Raises:
        DataError: samples or labels that do not fit. UnsupportedError: delays, or currents that decay.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums come in one order, so that a seed gives the same integers every time
    try:
        return _Tuner(quantized, source, x, y, tuning).run(progress)
    finally:
        torch.set_num_threads(threads)


class _Tuner:
    def __init__(
        self,
        quantized: Quantized,
        source: Network,
        x: npt.NDArray[np.generic],
        y: npt.NDArray[np.int64],
        tuning: Tuning,
    ) -> None:
        self.tuning = tuning
        self.forward = FixedForward(quantized)
        self.network = quantized.network
        encoded = self.network.encode(x)
        static = encoded.ndim == 1 + len(self.network.population(self.network.entry).shape)
        self.inputs = torch.tensor(encoded.reshape(len(encoded), 1 if static else encoded.shape[1], -1))
        teacher = self._teacher(source, x)
        self.labels = torch.tensor(_labels(y, len(encoded), teacher.shape[1]))
        wide = float(teacher.std())
        self.teacher = torch.softmax(torch.tensor(teacher * (TEACHER_SPREAD / wide if wide else 1.0)), dim=1)
        self.teacher = self.teacher.to(self.forward.dtype)
        with torch.no_grad():
            self.gain = TEACHER_SPREAD / max(float(self._outputs(self.inputs).std()), 1e-9)
        self.generator = torch.Generator().manual_seed(tuning.seed)
        self.tested = self._noisy(self.inputs)

    def run(self, progress: Progress) -> Tuned:
        tuning, start = self.tuning, time.monotonic()
        steps = -(-len(self.inputs) // BATCH) * tuning.epochs
        optimizer = torch.optim.AdamW(
            self.forward.parameters(), lr=tuning.learning_rate, weight_decay=tuning.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, tuning.learning_rate, total_steps=steps)
        best, kept, found = self.network, 0, [self._evaluated()]
        for epoch in range(1, tuning.epochs + 1):
            if epoch > 1 and (time.monotonic() - start) * epoch / (epoch - 1) > tuning.seconds:
                return self._tuned(best, found, kept, stopped=True)
            for chosen in torch.split(torch.randperm(len(self.inputs), generator=self.generator), BATCH):
                self._step(chosen, optimizer)
                schedule.step()
            network = self.forward.fixed()
            holds = _as_sure(network, self.network, self.forward.dtype)
            found.append(self._evaluated())
            if holds and found[epoch][1] < found[kept][1]:
                best, kept = network, epoch
            progress("fine-tuning", epoch, tuning.epochs)
        return self._tuned(best, found, kept, stopped=False)

    def _tuned(self, best: FixedNetwork, found: list[tuple[float, float]], kept: int, *, stopped: bool) -> Tuned:
        accuracies, losses = zip(*found, strict=True)
        return Tuned(best, accuracies, losses, kept, stopped)

    def _step(self, chosen: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        loss = self._loss(self.forward(self._noisy(self.inputs[chosen])), self.labels[chosen], self.teacher[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        self.forward.keep_within()

    def _noisy(self, inputs: torch.Tensor) -> torch.Tensor:
        encoding = self.network.encoding
        if not isinstance(encoding, GradedEncoding) or not self.tuning.noise:
            return inputs
        reach = self.tuning.noise * (encoding.levels - encoding.first)
        noise = reach * torch.randn(inputs.shape, generator=self.generator)
        return torch.clamp(torch.round(inputs + noise), encoding.first, encoding.levels)

    def _outputs(self, inputs: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([self.forward(part) for part in torch.split(inputs, EVALUATED)])

    def _loss(self, outputs: torch.Tensor, labels: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        logits = outputs * self.gain
        hard = torch.nn.functional.cross_entropy(logits, labels)
        return 0.5 * hard + 0.5 * torch.nn.functional.cross_entropy(logits, teacher)

    def _evaluated(self) -> tuple[float, float]:
        """Accuracy on the samples, and loss on noisy copies of them."""
        right = (self._outputs(self.inputs).argmax(dim=1) == self.labels).double().mean()
        return float(right), float(self._loss(self._outputs(self.tested), self.labels, self.teacher))

    def _teacher(self, source: Network, x: npt.NDArray[np.generic]) -> FloatArray:
        """What the float network gives: (samples, classes)."""
        sequence = in_steps(source.encoding.model_units(x), source.timesteps)
        found = []
        for part in np.array_split(sequence, -(-len(sequence) // EVALUATED)):
            *_, last = float_states(source, part)
            found.append(last.sent.mean(axis=1))
        outputs: FloatArray = np.concatenate(found)
        return outputs


def _labels(y: npt.NDArray[np.int64], samples: int, classes: int) -> npt.NDArray[np.int64]:
    if y.shape != (samples,) or y.min() < 0 or y.max() >= classes:
        raise DataError(
            f"labels have shape {y.shape} and go from {y.min()} to {y.max()}; ({samples},) from 0 to {classes - 1} are "
            "wanted"
        )
    return y


def _as_sure(network: FixedNetwork, before: FixedNetwork, dtype: torch.dtype) -> bool:
    """Whether every state is within 24 bits as surely as before, and sums are exact in this floating point."""
    now, then = state_bounds(network), state_bounds(before)
    return (exact_in(network) == torch.float32 or dtype == torch.float64) and all(
        excess(p, now[p.name]) <= max(1.0, excess(before.population(p.name), then[p.name])) for p in network.computed
    )
