"""The wheel in an environment of its own: as somebody installs it who has no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

from tests.commands.test_packaging import ROOT, build
from tests.docs import pages

pytestmark = [pytest.mark.slow, pytest.mark.wheel, pytest.mark.process]


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Runs command lines where the wheel is installed; what it depends on lies where it lies here."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build(ROOT, folder / "dist", "wheel")
    python = folder / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, "-c", where], text=True).strip())
    others = {sysconfig.get_path("purelib"), str(Path(torch.__file__).parents[1])}
    (site / "others.pth").write_text("\n".join(others) + "\n")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)

    def run(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        env = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "WANDB"))}
        env |= {"PATH": f"{python.parent}:{env['PATH']}", "COLUMNS": pages.COLUMNS}
        words = ["bash", "-c", line]
        return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True)

    return run


def test_the_first_ten_minutes_are_as_they_are_told(shell, tmp_path):
    assert "venv" in shell("python -c 'import vaebench; print(vaebench.__file__)'", tmp_path).stdout
    for block in pages.blocks(ROOT / "docs/index.md"):
        for command, shown in block.dialogue if block.kind == "console" else ():
            done = shell(command, tmp_path)
            missing = pages.differs(shown, done.stdout + done.stderr)
            assert not missing, f"{command}\nshown: {missing}\n{done.stdout}{done.stderr}"
    (program,) = (b for b in pages.blocks(ROOT / "docs/index.md") if b.kind == "python")
    (tmp_path / "program.py").write_text(program.text)
    done = shell("python program.py", tmp_path)
    assert done.returncode == 0, done.stderr


def test_it_tells_where_it_is_and_has_its_templates_and_types(shell, tmp_path):
    done = shell("vaebench doctor", tmp_path)
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "/venv/lib/" in told.partition(" system ")[0]
    typed = "import vaebench, pathlib; print((pathlib.Path(vaebench.__file__).parent / 'py.typed').exists())"
    assert shell(f'python -c "{typed}"', tmp_path).stdout.strip() == "True"
    assert shell("vaebench new dataset bars --into mine", tmp_path).returncode == 0
    done = shell("python -m pytest -q -p no:cacheprovider mine", tmp_path)
    assert done.returncode == 0, done.stdout
    shutil.rmtree(tmp_path / "mine")
    assert shell("python -m vaebench --version", tmp_path).stdout.startswith("vaebench ")
