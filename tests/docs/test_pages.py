"""Whatever README.md and docs/ show is run, and what they show of it is what it prints."""

from __future__ import annotations

import doctest
import io
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import vaebench
from tests.commands.conftest import UNDRAWN
from tests.docs import pages
from tests.docs.pages import PAGES, Block, alike, arguments, blocks, differs
from vaebench.cli import NOWHERE, carry_out, main
from vaebench.commands.jobs import check_early
from vaebench.config.choices import choices
from vaebench.config.signatures import check_options
from vaebench.config.words import BY_THEMSELVES, OF_RUNS
from vaebench.paths import conf_dir

SLOW = {"README.md", "guide/grids.md"}
"""Pages whose dialogues take longer than a few seconds."""


def name_of(path: Path) -> str:
    return path.relative_to(pages.ROOT).as_posix().removeprefix("docs/")


def some(kinds: set[str]) -> list:
    """The pages that have a block of these kinds, the slow ones marked."""
    found = [p for p in PAGES if any(b.kind in kinds and not b.excused for b in blocks(p))]
    marks = {name: [pytest.mark.slow] for name in SLOW}
    return [pytest.param(p, id=name_of(p), marks=marks.get(name_of(p), [])) for p in found]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty one, of a program of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("COLUMNS", pages.COLUMNS)
    return tmp_path


# --------------------------------------------------------------------------------------- dialogues
@pytest.mark.parametrize("page", some({"console"}))
def test_what_is_shown_of_a_command_is_what_it_prints(page, folder, monkeypatch):
    monkeypatch.setattr("vaebench.commands.heartbeat.SILENCE", math.inf)  # on a slow machine too
    monkeypatch.setattr(*UNDRAWN)
    for block in blocks(page):
        if block.file:
            pages.write(block)
        for command, shown in block.dialogue if block.kind == "console" else ():
            if block.excused:
                continue
            said = pages.run(command)
            missing = differs(shown, said.text)
            told = f"{page}:{block.line}: {command}\nshown: {missing}\nprinted:\n{said.text}"
            assert not missing, told


# --------------------------------------------------------------------------------------- programs
@pytest.mark.parametrize("page", some({"python"}))
def test_programs_run_and_give_what_they_show(page, folder, monkeypatch):
    monkeypatch.setattr(*UNDRAWN)
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.file:
            pages.write(block)
        elif block.kind != "python" or block.excused:
            continue
        elif ">>> " in block.text:
            example = doctest.DocTestParser().get_doctest(
                block.text, names, page.name, str(page), block.line
            )
            runner, out = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS), io.StringIO()
            runner.run(example, out=out.write, clear_globs=False)
            names |= example.globs
            assert runner.failures == 0, out.getvalue()
        else:
            exec(compile(block.text, f"{page}:{block.line}", "exec"), names)


# ----------------------------------------------------------------------------------------- choices
NOT_COMPOSED = (*OF_RUNS, *BY_THEMSELVES, "study", "list")


def commands(page: Path) -> list[str]:
    """Those that a page lists."""
    found = (b.commands for b in blocks(page) if b.kind == "sh" and not b.excused)
    return [command for each in found for command in each if command.startswith("vaebench ")]


COMPOSED = sorted({c for page in PAGES for c in commands(page) if c.split()[1] not in NOT_COMPOSED})


def first_job(command: str) -> list[str]:
    """The words of a command's first job, but for those about where it runs."""
    words = arguments(command)
    kept = [w for w in words if w not in ("-m", "check") and not w.startswith("hydra")]
    kept = [re.sub(r"=range\(.*\)", "=0", w) for w in kept]
    kept = [re.sub(r"=interval\((.*?),.*", r"=\1", w).replace("=RUN", "=run") for w in kept]
    return [re.sub(r"=([^\[{(]*?),.*", r"=\1", w) if "-m" in words else w for w in kept]


@pytest.mark.parametrize("command", COMPOSED)
def test_every_command_composes_and_its_options_are_read(command, folder, capfd):
    def looked(cfg, choices, folder) -> None:
        check_early(cfg)
        check_options(cfg)

    words = first_job(command)
    carry_out(words, looked, [*words, *NOWHERE])


FEW = {"trainer.max_steps": "3", "eval.k": "2", "eval.examples": "10", "logger": "csv"}
FEW_MEASURED = ["k=20", "examples=10", "ais.temperatures=5", "ais.examples=4"]
FEW_MEASURED += ["gap.examples=2", "gap.steps=2", "gap.k=20"]
ELSEWHERE = ("experiment", "hydra/launcher", "hydra/sweeper")
"""What has tests of its own: days of training, and other engines."""
LACKING = ("~/photos", "omniglot", "cifar", "fashion_mnist", "trainer=gpu", "RUN,RUN", "OTHER")
"""Data, devices and runs that are not here."""


def few(words: list[str]) -> list[str]:
    """The words of a run with a few steps in place of many."""
    given = {word.partition("=")[0] for word in words}
    longer = [word for word in words if not word.startswith("trainer.max_epochs=")]
    small = ["prior.components=10"] if "prior=vamp" in words else []  # of 500, gigabytes
    return [*longer, *small, *(f"{n}={value}" for n, value in FEW.items() if n not in given)]


def files(folder: Path, page: Path) -> None:
    """What the pages call a user's own."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (400, 1, 8, 8), dtype=np.uint8)
    arrays = {
        "x": (grey // 128).astype(np.float32),
        "image": grey,
        "mask": grey > 100,
        "pose": rng.normal(size=(400, 2)),
    }
    arrays |= {name: rng.integers(0, 3, 400) for name in ("identity", "light")}
    if page.stem == "arrays":  # elsewhere models learn from every label
        arrays["labelled"] = arrays["light"] > 0
    for name in ("faces", "other"):
        np.savez(folder / f"{name}.npz", **arrays)


def interrupted(*_) -> None:
    """What `compare --follow` waits for."""
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=name_of)
def test_every_command_of_a_page_runs(page, folder, capfd, monkeypatch):
    """In order, with a few steps and examples in place of many; RUN is the page's last one."""
    monkeypatch.setattr(*UNDRAWN)
    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", interrupted)
    files(folder, page)
    run, failed = folder / "runs/first", []
    assert main([*few([]), f"hydra.run.dir={run}"]) == 0
    for number, command in enumerate(commands(page)):
        if any(word in command for word in (*ELSEWHERE, *LACKING)):
            continue
        words = [word.replace("RUN", str(run)) for word in arguments(command)]
        if words[:1] == ["resume"]:
            (run / "summary.json").unlink()
        if words[:1] == ["evaluate"]:
            words = [word for word in words if not word.startswith("k=")] + FEW_MEASURED
        trains = words[0] not in NOT_COMPOSED and words[0] != "check"
        if trains and "-m" not in words:
            words += [f"hydra.run.dir={folder / f'runs/{number}'}"]
        if main(few(words) if trains else words) != 0:
            failed.append(f"{command}\n{capfd.readouterr().err}")
        elif trains and "-m" not in words:
            run = folder / f"runs/{number}"
    assert not failed, "\n".join(failed)


# ------------------------------------------------------------------------------------- the pages
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_of_a_page_are_there(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not re.match(r"https?:|mailto:", target) and "systems/" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_of_a_page_has_a_kind(page):
    fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert all(fences[::2]), f"{page.name}: say text, sh, console, python or yaml"
    assert not any(fences[1::2])


def test_the_choices_that_the_readme_names_are_there():
    found, rows = (
        choices([conf_dir()]),
        re.findall(
            r"^\| `(\w+)` \| (.+) \|$", (pages.ROOT / "README.md").read_text("utf-8"), re.MULTILINE
        ),
    )
    assert len(rows) > 6
    for group, told in rows:
        named = [n for n in re.findall(r"`([^`]+)`", told) if "=" not in n and n not in found]
        assert set(named) <= set(found[group]), group


def test_the_list_of_choices_is_what_can_be_chosen(monkeypatch):
    monkeypatch.syspath_prepend(pages.ROOT / "docs")
    from systems import choices_page

    kept = (pages.ROOT / "docs" / "choices.md").read_text(encoding="utf-8")
    assert kept == choices_page(), "python docs/systems.py writes it anew"


def test_each_experiment_has_a_page_of_what_its_head_says(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(pages.ROOT / "docs")
    from systems import write_pages

    write_pages(tmp_path)
    heads = [p for p in (pages.ROOT / "conf/experiment").glob("*.yaml") if p.stem != "none"]
    assert {p.stem for p in tmp_path.glob("*.md")} == {p.stem for p in heads} | {"index"}
    for path in heads:
        page = (tmp_path / f"{path.stem}.md").read_text(encoding="utf-8")
        lines = path.read_text(encoding="utf-8").splitlines()
        head = [line for line in lines if line.startswith("#")][2:]
        told = set(re.findall(r"[\w.±]+", page))
        assert set(re.findall(r"[\w.±]+", " ".join(head))) <= told


# -------------------------------------------------------------------------------- the comparison
@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("test/nll 23.104", "test/nll 23.101", True),
        ("test/nll 23.104", "test/nll 24.104", False),
        ("5.8 s of training on cpu", "12 s of training on cpu", True),
        (
            "run folder  runs/vae/2026-11-21_22-05-39-979424",
            "run folder runs/vae/2027-01-01_00-00-00-1",
            True,
        ),
        ("n │ 3 │", "n │ 4 │", False),
    ],
)
def test_lines_are_alike_up_to_time_and_rounding(shown, printed, same):
    assert alike(shown, printed) == same


def test_a_line_that_is_shown_and_not_printed_is_found():
    printed = "a\nb\nc\nd\n"
    assert not differs(["a", "b", "c", "d"], printed)
    assert not differs(["a", "…", "d"], printed)
    assert not differs(["…", "c", "…"], printed)
    assert differs(["a", "c"], printed) == "c"
    assert differs(["…", "e"], printed) == "e"
    assert differs(["a", "b"], printed)


def test_a_command_is_taken_apart_as_a_shell_would(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "one").touch()
    words = arguments("vaebench evaluate runs/* 'pictures=[a,b]' k=5  # comment")
    assert words == ["evaluate", "runs/one", "pictures=[a,b]", "k=5"]
    block = Block("sh", "vaebench a=1 \\\n    b=2  # more\n\n# nothing\nvaebench\n", False, 1)
    assert block.commands == ["vaebench a=1 b=2", "vaebench"]
    assert vaebench.__version__
