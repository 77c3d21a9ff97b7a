"""neuro-deploy doctor."""

from __future__ import annotations

import typer

import neuro_deploy as nd
from neuro_deploy.cli import options, printing, tables


def doctor(json: options.Json = False) -> None:
    """Tell what is installed, what is missing, and what to type; exit 3 where something needed is missing.

    Example: [bold]neuro-deploy doctor[/]
    """
    with printing.progress() as progress:
        findings = nd.doctor(progress)
    well = all(finding.well for finding in findings if finding.needed)
    if json:
        printing.as_json({"ok": well, "findings": [vars(finding) for finding in findings]})
    else:
        tables.findings(findings)
    if not well:
        raise typer.Exit(3)
