"""The command line: one small file per command parses, calls ``neuro_deploy``, and prints."""

from neuro_deploy.cli.app import main

__all__ = ["main"]
