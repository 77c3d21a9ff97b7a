"""One function per command; plain data in and out. The command line only parses, calls these, and prints."""

from neuro_deploy.api.looking import explain, inspect, inspect_model
from neuro_deploy.api.making import convert, finetune, load, lower, save, train
from neuro_deploy.api.placing import (
    check,
    fit_time,
    map,
    mapping_report,
    measure,
    profile,
    profiles,
    write_run,
)
from neuro_deploy.api.verifying import verify
from neuro_deploy.engines.compare import Verification
from neuro_deploy.engines.running import run
from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.lava_compat import Finding, LavaState
from neuro_deploy.mapping import Mapping
from neuro_deploy.passes import Conversion
from neuro_deploy.training.data import Data, load_data

__all__ = [
    "Conversion",
    "Data",
    "Finding",
    "HardwareProfile",
    "LavaState",
    "Mapping",
    "Verification",
    "check",
    "convert",
    "explain",
    "finetune",
    "fit_time",
    "inspect",
    "inspect_model",
    "load",
    "load_data",
    "lower",
    "map",
    "mapping_report",
    "measure",
    "profile",
    "profiles",
    "run",
    "save",
    "train",
    "verify",
    "write_run",
]
