"""Lava imports and runs, and the patches stay where they belong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import neuro_deploy as nd
from neuro_deploy.errors import MissingError
from neuro_deploy.lava_compat import install, patches


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.lava
def test_importing_the_package_is_all_that_lava_needs() -> None:
    code = """
import dataclasses, sys
before = dataclasses.dataclass
import neuro_deploy.lava_compat
assert not any(name.split(".")[0] in ("lava", "torch") for name in sys.modules)
import lava.lib.dl.netx, lava.lib.dl.slayer, lava.proc.lif.process, lava.magma.compiler.var_model as model
assert dataclasses.dataclass is before
assert model.CoreEncoder().x == model.ByteEncoder()
assert hash(model.ByteEncoder()) is not None
print("well")
"""
    assert python(code).strip() == "well"


@pytest.mark.lava
def test_without_the_patches_lava_does_not_import() -> None:
    done = subprocess.run([sys.executable, "-c", "import lava.proc.lif.process"], capture_output=True, check=False)
    assert done.returncode != 0
    assert b"mutable default" in done.stderr


def test_the_finder_is_put_in_front_once() -> None:
    patches.activate()
    patches.activate()
    assert sum(isinstance(finder, patches.PatchingFinder) for finder in sys.meta_path) == 1


def test_a_missing_lava_is_named_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(patches, "find_spec", absent)
    with pytest.raises(MissingError, match=r"are not installed in this environment\nhint: neuro-deploy setup-lava"):
        patches.require()
    from neuro_deploy.engines import get_engine

    for engine in ("lava", "slayer"):
        with pytest.raises(MissingError):
            nd.run(nd.load(Path(__file__).parents[2] / "netx_models" / "digits-mlp.net"), [[0.0] * 64], engine=engine)
        assert get_engine(engine).name == engine


def test_setup_asks_pip_for_pinned_wheels_by_hash_and_names_its_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refusing_pip(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        asked.extend(command)
        asked.append(Path(command[-1]).read_text())
        return subprocess.CompletedProcess(command, 1, "", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")

    monkeypatch.setattr(install.Wheel, "installed", property(lambda _: None))
    monkeypatch.setattr(install.subprocess, "run", refusing_pip)
    with pytest.raises(MissingError, match="pip could not install lava: ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"):
        install.setup_lava()
    assert {"--require-hashes", "--no-deps", "--ignore-requires-python"} <= set(asked)
    assert f"lava-nc==0.10.0 --hash=sha256:{install.LAVA_NC.sha256}\nlava-dl==0.6.0 --hash=sha256:" in asked[-1]
