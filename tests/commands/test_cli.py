"""Help, listing, configs, completion: what answers without training anything."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from vaebench.cli import conf_dir, main

YAMLS = sorted(conf_dir().glob("*/*.yaml"))
HEAVY = {"torch", "pytorch_lightning", "wandb", "sklearn", "matplotlib", "hydra"}


@pytest.mark.process
@pytest.mark.parametrize("args", [["--help"], ["list"], ["list", "model"], ["--version"]])
def test_answers_that_need_no_torch_import_none(args):
    code = f"import sys; from vaebench.cli import main; main({args!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.splitlines()[-1].split())


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="another OpenMP")
@pytest.mark.parametrize("own", ["", "ACTIVE"])
def test_threads_sleep_while_they_wait_unless_their_owner_says_otherwise(own):
    """As OpenMP itself tells how many rounds it spins before it sleeps, which it decides once."""
    code = "from vaebench.cli import main; main(['--version']); import torch"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    env |= {"OMP_DISPLAY_ENV": "VERBOSE"} | ({"OMP_WAIT_POLICY": own} if own else {})
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert ("GOMP_SPINCOUNT = '0'" in done.stderr) == (not own)
    assert "GOMP_SPINCOUNT" in done.stderr


def test_help_names_every_group_and_choice(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for path in YAMLS:
        assert path.parent.name in text
        assert path.stem in text


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: f"{p.parent.name}={p.stem}")
def test_every_choice_has_a_title_and_its_listing_names_it(path, capsys):
    assert main(["list", path.parent.name]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.split()[0] == path.stem)
    assert len(line.split()) > 3


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: f"{p.parent.name}={p.stem}")
def test_every_target_exists(path):
    def targets(node):
        if OmegaConf.is_dict(node):
            for key, value in node.items_ex(resolve=False):
                if key == "_target_":
                    yield value
                yield from targets(value)

    for target in targets(OmegaConf.load(path)):
        assert get_object(target)


def test_cfg_job_prints_the_composed_config(command):
    done = command("--cfg", "job", "model=iwae", "k=7")
    assert done.code == 0, done.err
    cfg = OmegaConf.create(done.out)
    assert cfg.k == 7
    assert cfg.objective._target_.endswith("IWAE")


def test_tab_completion_knows_the_choices(command):
    line = "vaebench model="
    done = command("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert {"model=autoencoder", "model=iwae", "model=vae"} <= set(done.out.split())


UNHURRIED = [("k=0", "torch"), ("check logger=csv", "pytorch_lightning"), ("check", "sklearn")]


@pytest.mark.process
@pytest.mark.parametrize(("line", "slow"), UNHURRIED)
def test_nothing_slow_is_imported_before_it_is_needed(line, slow, tmp_path):
    text = (
        "import sys; from vaebench.cli import main; slow, *words = sys.argv[1:]; main(words); "
        "sys.exit(slow in sys.modules)"
    )
    words = [sys.executable, "-c", text, slow, *line.split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
