"""From a checkpoint to a fixed network: settings, calibration, bits, fine-tuning, and the report of all of it."""

from neuro_deploy.conversion.auto import Budget
from neuro_deploy.conversion.convert import converted
from neuro_deploy.conversion.finetune import finetuned
from neuro_deploy.conversion.settings import Settings
from neuro_deploy.conversion.steps import Step, steps

__all__ = ["Budget", "Settings", "Step", "converted", "finetuned", "steps"]
