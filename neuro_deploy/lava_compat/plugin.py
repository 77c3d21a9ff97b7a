"""``pytest -p neuro_deploy.lava_compat.plugin``: run tests that import Lava directly, such as Lava's own."""

from neuro_deploy.lava_compat.patches import require_dl

require_dl()
