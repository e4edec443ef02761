"""The wheel, and the wheel built from the sdist, carry their configs and run by themselves."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(source: Path, to: Path, kind: str) -> Path:
    """One distribution file, with the build backend that is installed."""
    args = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(to)]
    subprocess.run([*args, str(source)], check=True, capture_output=True)
    return next(to.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


@pytest.fixture(params=["checkout", "sdist"])
def wheel(request, tmp_path):
    source = ROOT
    if request.param == "sdist":
        archive = build(ROOT, tmp_path / "sdist", "sdist")
        subprocess.run(["tar", "xf", str(archive), "-C", str(tmp_path)], check=True)
        source = tmp_path / archive.name.removesuffix(".tar.gz")
    return build(source, tmp_path / "wheel", "wheel")


def test_a_wheel_carries_every_config_and_runs_outside_the_checkout(wheel, command, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    inside = {p.relative_to(site / "vaebench") for p in (site / "vaebench/conf").rglob("*.yaml")}
    assert (site / "vaebench/py.typed").exists()
    assert inside == {p.relative_to(ROOT) for p in (ROOT / "conf").rglob("*.yaml")}
    done = command("model=iwae", "trainer.max_epochs=1", "eval.k=2", PYTHONPATH=str(site))
    assert done.code == 0, done.err
    where = "import vaebench; print(vaebench.__file__)"
    shown = subprocess.run(
        [sys.executable, "-c", where],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert shown.stdout.startswith(str(site))
