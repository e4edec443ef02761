"""Running the real command, in a process of its own or in this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from vaebench.cli import main

QUICK = ["trainer.max_epochs=2", "eval.k=5"]


@dataclass(frozen=True)
class Outcome:
    """What a command line came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(tmp_path):
    """`python -m vaebench …` in an empty folder: no terminal, no account, standard input closed."""

    def run(*args: str, cwd: Path = tmp_path, **environment: str) -> Outcome:
        env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
        env |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none")} | environment
        done = subprocess.run(
            [sys.executable, "-m", "vaebench", *args],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def here(tmp_path, monkeypatch, capfd):
    """The same in this process, which spares the imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["vaebench"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")

    def run(*args: str) -> Outcome:
        code = main(list(args))
        return Outcome(code, *capfd.readouterr())

    return run


UNDRAWN = ("vaebench.commands.train.draw_run", lambda *_: [])


@pytest.fixture
def undrawn(monkeypatch):
    """Where a test looks at numbers alone, runs draw no pictures: half of a short run's time."""
    monkeypatch.setattr(*UNDRAWN)


@pytest.fixture(scope="session")
def runs() -> dict[tuple[tuple[str, ...], bool], Path]:
    """Command lines that were trained in this process, and where: modules share them."""
    return {}


@pytest.fixture(scope="module")
def trained(request, tmp_path_factory, runs):
    """Name → folder of a run of the module's RUNS, trained when it is first asked for; with
    pictures where the module is about them (`DRAWN`)."""
    drawn = getattr(request.module, "DRAWN", False)

    def run(name: str) -> Path:
        line = (*request.module.RUNS[name], f"hydra.run.dir={name}")
        if (line, drawn) not in runs:
            root = tmp_path_factory.mktemp("trained")
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(root)
                patch.setattr("sys.argv", ["vaebench"])
                if not drawn:
                    patch.setattr(*UNDRAWN)
                assert main([*line]) == 0
            runs[line, drawn] = root / name
        return runs[line, drawn]

    return run


@pytest.fixture
def copied(trained, tmp_path):
    """Name → a copy of that run, in the empty folder that a test works in."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(trained(name), tmp_path / name))

    return copy


def run_folders(root: Path) -> list[Path]:
    """Folders of runs below a folder."""
    return sorted(path.parent for path in root.rglob(".hydra"))
