"""What docs/performance.md says, measured: ``python -m benchmarks.run`` runs every part and writes the page.

Each part is a module that prints its Markdown and can be run alone. Neither the package nor its tests import this.
"""
