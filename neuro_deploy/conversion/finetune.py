"""Fine-tuning: a checkpoint or a NetX file into a network whose integers have learned."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_deploy import netx
from neuro_deploy.conversion.compared import Networks, compared
from neuro_deploy.conversion.convert import networks
from neuro_deploy.conversion.settings import Settings, meta
from neuro_deploy.engines.running import run
from neuro_deploy.errors import DataError
from neuro_deploy.network import FixedNetwork, Network
from neuro_deploy.passes import Conversion
from neuro_deploy.passes.as_floats import AsFloats
from neuro_deploy.progress import Progress
from neuro_deploy.training.data import Data

COARSE_RATE = 0.03
"""Learning rate where weights have one bit, which must move far to change. Our own, tried on digits."""

if TYPE_CHECKING:
    from neuro_deploy.training.tuning import Tuned, Tuning


def finetuned(
    source: str | Path,
    settings: Settings,
    *,
    fit: Data,
    held_out: Data,
    tuning: dict[str, Any],
    timesteps: int | None,
    progress: Progress,
) -> tuple[FixedNetwork, Conversion]:
    """Quantize, fine-tune on ``fit``, and compare with the float network on ``held_out``. See ``nd.finetune``."""
    if fit.y is None:
        hint = "np.savez(FILE, x=samples, y=labels)"
        raise DataError("has no labels (y), fine-tuning needs them", where=fit.name, hint=hint)
    network, exact, settings = _source(source, settings, timesteps)
    from neuro_deploy.training.tuning import Tuning, tune

    start = time.monotonic()
    quantized = settings.quantize(fit.x, progress).quantized(network)
    coarse = any(each.learned and each.levels.bits == 1 for each in quantized.synapses)
    wanted = replace(Tuning(**tuning), learning_rate=COARSE_RATE) if coarse else Tuning(**tuning)
    left = max(wanted.seconds - (time.monotonic() - start), 1e-3)
    before = run(quantized.network, held_out.x, progress=progress).accuracy(held_out.y)
    tuned = tune(quantized, network, fit.x, fit.y, replace(wanted, seconds=left), progress)
    conversion = compared(Conversion(quantized.reports), Networks(network, exact, tuned.network), held_out, progress)
    conversion = replace(
        conversion,
        accuracy_finetuned=conversion.accuracy_fixed,
        accuracy_fixed=before,
        finetuning=_told(tuned, wanted, fit),
    )
    more = {"calibrate": fit.name, "finetuned": True}
    return replace(tuned.network, meta=meta(source, settings, conversion.to_dict(), **more)), conversion


def _source(source: str | Path, settings: Settings, timesteps: int | None) -> tuple[Network, Network | None, Settings]:
    """The float network of a checkpoint, or of the integers of a NetX file, with the settings that the file has."""
    if Path(source).suffix != ".net":
        return *networks(source, settings, timesteps), settings
    fixed = netx.read(source, timesteps)
    by_bias = fixed.encoding.mode == "bias"
    said = Settings.of(fixed.meta.get("conversion"))
    kept = replace(settings, input="bias" if by_bias else "graded", skip=said.skip, token_norm=said.token_norm)
    return AsFloats()(fixed), None, kept


def _told(tuned: Tuned, tuning: Tuning, fit: Data) -> dict[str, Any]:
    """How it went, as plain data."""
    return {
        "samples": len(fit.x),
        "epochs": len(tuned.losses) - 1,
        "kept_epoch": tuned.kept,
        "stopped_by_time": tuned.stopped,
        "losses": list(tuned.losses),
        "accuracies": list(tuned.accuracies),
        "seed": tuning.seed,
        "learning_rate": tuning.learning_rate,
    }
