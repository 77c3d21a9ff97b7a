"""neuro-deploy inspect."""

from __future__ import annotations

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables


def inspect(net: options.Net, timesteps: options.Timesteps = None, json: options.Json = False) -> None:
    """Show a network's populations, projections, parameters and bits.

    Example: [bold]neuro-deploy inspect digits.net[/]
    """
    summary = nd.inspect(nd.load(net, timesteps=timesteps))
    if json:
        return printing.as_json({"path": net, **summary})
    return tables.network(net, summary)
