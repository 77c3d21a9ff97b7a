"""neuro-deploy: from a trained spiking network to a neuromorphic chip, in one command, on a laptop.

    import neuro_deploy as nd

    net, quantization = nd.convert("mlp.pt")
    result = nd.run(net, x)
    metrics = nd.measure(net, result, nd.map(net, profile="loihi2"))

Names are loaded when they are first used, so that ``import neuro_deploy`` loads neither torch nor lava.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from neuro_deploy.errors import NeuroDeployError
from neuro_deploy.version import __version__

if TYPE_CHECKING:
    from neuro_deploy.api import (
        check,
        convert,
        explain,
        finetune,
        fit_time,
        inspect,
        inspect_model,
        load,
        load_data,
        lower,
        map,
        mapping_report,
        measure,
        profile,
        profiles,
        run,
        save,
        train,
        verify,
        write_run,
    )
    from neuro_deploy.files import check_folder, check_writable
    from neuro_deploy.lava_compat import doctor, setup_lava
    from neuro_deploy.walkthrough import demo

HOMES = {
    "check_writable": "neuro_deploy.files",
    "demo": "neuro_deploy.walkthrough",
    "doctor": "neuro_deploy.lava_compat",  # not by way of the api, so that it runs where a library is missing
    "check_folder": "neuro_deploy.files",
    "setup_lava": "neuro_deploy.lava_compat",
}

__all__ = [
    "NeuroDeployError",
    "__version__",
    "check",
    "check_folder",
    "check_writable",
    "convert",
    "demo",
    "doctor",
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
    "setup_lava",
    "train",
    "verify",
    "write_run",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in __all__:
        found = globals()[name] = getattr(importlib.import_module(HOMES.get(name, "neuro_deploy.api")), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
