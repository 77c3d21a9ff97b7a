"""neuro-deploy setup-lava."""

from __future__ import annotations

import neuro_deploy as nd
from neuro_deploy.cli import options, printing


def setup_lava(json: options.Json = False) -> None:
    """Install lava-nc 0.10.0 and lava-dl 0.6.0 into this environment, pinned and hash-checked.

    Example: [bold]neuro-deploy setup-lava[/]
    """
    with printing.progress() as progress:
        progress("installing lava-nc and lava-dl", 0, 1)
        state = nd.setup_lava()
    if json:
        return printing.as_json(vars(state))
    return printing.line(f"lava-nc {state.lava_nc}, lava-dl {state.lava_dl}: installed and importing")
