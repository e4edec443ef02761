"""argv → command. Nothing heavy is imported before it is needed, and every error is one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from vaebench.commands.importing import importing
from vaebench.config.words import BY_THEMSELVES, OF_RUNS
from vaebench.errors import Refusal, RunFailed
from vaebench.paths import conf_dir, find_classes
from vaebench.progress import under_way
from vaebench.streams import patient
from vaebench.suggest import command_line, use

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from vaebench.commands.jobs import Command

DONE, FAILED, REFUSED = 0, 1, 2
HYDRA_VERSION = "1.3"
OWN_DEBUG, HYDRA_DEBUG = "VAEBENCH_TRACEBACK", "HYDRA_FULL_ERROR"

HELP = """\
vaebench trains, evaluates and compares variational autoencoders and their extensions.

usage
  vaebench [CHOICE=… OPTION=…]      compose, train, test and draw one run
  vaebench -m CHOICE=A,B OPTION=…   the same for every cell of a grid
  vaebench check [CHOICE=…]         compose and dry-run: shapes, parameters, ok or the refusal
  vaebench resume RUN               continue a stopped run in its own folder
  vaebench evaluate RUN k=5000      likelihood, inference gaps, information, probes of a finished run
  vaebench sample RUN               samples, interpolations, traversals and maps of a finished run
  vaebench study NAME               a measurement with a table and a plot: flow_energies, flow_gaps,
                                    prior_sampling, gradient_variance, local_reparam
  vaebench compare RUN… | FOLDER    mean ± sd over seeds, and one HTML page; --follow while they train
  vaebench report FOLDER            small files of what runs measured, and one page beside the papers
  vaebench list [GROUP]             what can be chosen, one line each
  vaebench new KIND NAME            class, YAML and test of a part of your own: posterior, objective, …
  vaebench doctor                   versions, devices, data and loggers here, for a bug report
  vaebench --cfg job [CHOICE=…]     print the composed config instead of running it
  vaebench --config-dir DIR …       choices of your own from DIR/GROUP/NAME.yaml
  vaebench -sc install=bash         print tab completion; eval it (also zsh, fish)
  vaebench --hydra-help             Hydra's own options

choices
{choices}

options (all of them: vaebench --cfg job)
  k=…                               samples per example; elbo 1, iwae 5
  seed=0                            all randomness of a run
  data_dir=DIR                      where data lie (VAEBENCH_DATA_DIR)
  model.latent_dim=… nets.hidden=[200,200] objective.beta=1 dataset.binarize=dynamic
  objective.free_bits=0 anneal=none schedule=constant init_from=RUN
  optimizer.lr=1e-3 trainer.max_epochs=100 trainer.max_steps=-1 trainer.batch_size=100
  trainer.clip_norm=0 trainer.patience=0 trainer.average=0 trainer.on_nan=stop|skip|rollback
  trainer.precision=float32|bfloat16 trainer.compile=false trainer.block=auto
  trainer=ddp trainer.devices=2
  eval.measures=[terms,likelihood,classification] eval.k=100 eval.examples=0
  eval.weight_samples=0 eval.checkpoint=best
  hydra.run.dir=…

examples
  vaebench
  vaebench model=iwae k=5
  vaebench model=iwae posterior=full_gaussian prior=vamp dataset=mnist data_dir=~/data
  vaebench -m model=vae,iwae k=1,5 seed=1,2,3
  vaebench evaluate RUN measures=[likelihood,ais] k=5000 examples=1000
  vaebench evaluate RUN outliers=[rotated,noise]
  vaebench sample RUN pictures=[traversals,tsne] seed=1

exit code: 0 done, 1 a run failed, 2 the choice was wrong"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns the exit code."""
    yield_cores()
    args = list(sys.argv[1:] if argv is None else argv)
    if args[:1] == ["train"]:
        args = args[1:]
    try:
        with patient(_without_reader):
            return _main(args)
    except OSError as error:
        return _fail(f"the output cannot be written: {error.strerror}", FAILED)


def yield_cores() -> None:
    """Threads that wait for each other sleep, of this process and of those that it starts.

    Left to itself OpenMP spins for milliseconds at the end of each product: where other work holds
    the cores, a step of a small net takes ten times as long, all of it spent on waiting. It reads this
    once, as torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _main(args: list[str]) -> int:
    try:
        return _dispatch(args)
    except (Refusal, RunFailed) as error:
        return _fail(in_a_line(error, args), REFUSED if isinstance(error, Refusal) else FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted", FAILED)
    except Exception as error:
        return _fail(_unexpected(error), FAILED)


def _without_reader() -> None:
    """Says so where work goes on; who asked for the first lines of a list has what they wanted."""
    if under_way():
        print("vaebench: nobody reads the output any more; the work goes on", file=sys.stderr)


def _unexpected(error: Exception) -> str:
    """An error that nobody foresaw in one line."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return what if os.environ.get(OWN_DEBUG) else f"{what} ({OWN_DEBUG}=1 shows where)"


def in_a_line(error: Refusal | RunFailed, args: Sequence[str]) -> str:
    """An error in one line; a refusal with what to use instead."""
    line = " ".join(str(error).split())
    if isinstance(error, RunFailed):
        return line
    from vaebench.config.advise import advise

    return advise(line, folders_of(args), args, _composing(args))


def _composing(args: Sequence[str]) -> Sequence[str] | None:
    """The words that compose a run; None for a command with nothing but options of its own."""
    if "study" in args[:1]:
        from vaebench.commands.study import choices_in

        return choices_in(args[1:])
    return None if {"list", *OF_RUNS, *BY_THEMSELVES} & set(args[:1]) else args


def _fail(line: str, code: int) -> int:
    print(f"vaebench: {line}", file=sys.stderr)
    if os.environ.get(OWN_DEBUG):
        import traceback

        traceback.print_exc()
    return code


NOWHERE = ("hydra.mode=RUN", "hydra.run.dir=.", "hydra.output_subdir=null")
"""No run folder: Hydra is told to write nothing, here."""


def _dispatch(args: list[str]) -> int:
    if "--help" in args or "-h" in args:
        print(_help(args))
        return DONE
    if "--version" in args:
        from vaebench import __version__

        print(f"vaebench {__version__}")
        return DONE
    if args[:1] == ["list"]:
        return _list(args[1:])
    if args[:1] == ["study"]:
        return _study(args[1:])
    if args and args[0] in (*OF_RUNS, *BY_THEMSELVES):
        find_own_classes(args)
        _called(args[0])(args[1:])
        return DONE
    if args[:1] == ["check"]:
        if {"-m", "--multirun"} & set(args):
            instead = use(command_line(*args[1:]))
            raise Refusal(f"vaebench check looks at one choice at a time, without -m.{instead}")
        words = [*args[1:], *NOWHERE]
        from vaebench.commands.jobs import check_job

        return carry_out(args, check_job, words)
    from vaebench.commands.jobs import train_job

    return carry_out(args, train_job, args)


def _called(command: str) -> Callable[..., Any]:
    """The function of a command, once it is needed."""
    with importing():
        return getattr(import_module(f"vaebench.commands.{command}"), command)


def _study(args: list[str]) -> int:
    from vaebench.commands.study import choices_in, study

    words = choices_in(args)
    if words is None:
        study(args)
        return DONE
    own = [a for a in args if a not in words]
    return carry_out(["study", *args], lambda cfg, *_: study(own, cfg, words), [*words, *NOWHERE])


def _help(args: list[str]) -> str:
    from vaebench.config.choices import choices

    found = choices(folders_of(args))
    lines = [f"  {group:<12}{' '.join(names)}" for group, names in found.items()]
    return HELP.format(choices="\n".join(lines))


def _list(args: list[str]) -> int:
    from vaebench.config.choices import listing

    extra = _config_dir(args)
    if extra is not None and not Path(extra).is_dir():
        raise Refusal(f"--config-dir {extra}: no such folder")
    groups = [a for a in args if not a.startswith(("--config-dir", "-cd")) and a != extra]
    if len(groups) > 1:
        instead = use(command_line("list"))
        raise Refusal(f"vaebench list takes one group, not {' '.join(groups)}.{instead}")
    print(listing(folders_of(args), groups[0] if groups else None))
    return DONE


def folders_of(args: Sequence[str]) -> list[Path]:
    """Of the configs: a user's own before the package's."""
    extra = _config_dir(args)
    return [*([Path(extra)] if extra else []), conf_dir()]


def _config_dir(args: Sequence[str]) -> str | None:
    for i, arg in enumerate(args):
        if arg in ("--config-dir", "-cd") and i + 1 < len(args):
            return args[i + 1]
        if arg.startswith("--config-dir="):
            return arg.partition("=")[2]
    return None


def carry_out(args: Sequence[str], command: Command, words: Sequence[str]) -> int:
    """Has Hydra compose the config of each job and call the command with it.

    Args:
        args: the whole command line, for what is said of it.
        command: what is done with each job's config.
        words: of the command line, those that are Hydra's.

    Returns:
        The exit code.

    Raises:
        Refusal, RunFailed: what ended a single run, or kept it from beginning.
    """
    import hydra

    from vaebench.commands.fused import register as register_launcher
    from vaebench.commands.jobs import Job, outcome, run_job
    from vaebench.commands.pace import Pace
    from vaebench.config.gate import Stop
    from vaebench.config.parts import register as register_sweeper
    from vaebench.config.schema import register

    words = _in_a_row(words, _check_words(args, words))
    find_own_classes(args)
    register()
    register_sweeper()
    register_launcher()
    jobs, pace = list[Job](), Pace()

    def task(cfg: DictConfig) -> float | None:
        find_own_classes(args)
        with patient(_without_reader):  # another process's, where jobs run beside each other
            jobs.append(job := run_job(cfg, command, pace))
        return job.value

    main = hydra.main(str(conf_dir()), config_name="config", version_base=HYDRA_VERSION)(task)
    try:
        with _read_by_hydra(words):
            main()
    except Exception as error:
        _raise_in_a_line(error, args)
    except Stop as stop:
        _raise_in_a_line(stop.cause, args)
    failed = outcome(jobs)
    return DONE if failed is None else FAILED if failed else REFUSED


def find_own_classes(args: Sequence[str]) -> None:
    """A user's own, where the command is called and where their choices are."""
    extra = _config_dir(args)
    find_classes(*([Path(extra).absolute()] if extra else []))


@contextmanager
def _read_by_hydra(words: Sequence[str]) -> Iterator[None]:
    """While open, Hydra finds these words where it looks for them: a program's own come back."""
    argv, debug = sys.argv, os.environ.get(HYDRA_DEBUG)
    # Hydra prints its own multi-line messages unless it believes that it is being debugged.
    sys.argv, os.environ[HYDRA_DEBUG] = [*argv[:1], *words], "1"
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.pop(HYDRA_DEBUG)
        if debug is not None:
            os.environ[HYDRA_DEBUG] = debug


def _check_words(args: Sequence[str], words: Sequence[str]) -> Sequence[str]:
    """Refuses before Hydra starts what it would take, or would say in lines of its own.

    Returns:
        Those of the words that are overrides.
    """
    from hydra._internal.utils import get_args_parser

    from vaebench.config.choices import choices
    from vaebench.config.words import check_words

    parser = get_args_parser()
    vars(parser).update(error=_refuse_usage)
    overrides = parser.parse_args([word for word in words if word not in NOWHERE]).overrides
    check_words(overrides, choices(folders_of(args)), args)
    return overrides


def _in_a_row(words: Sequence[str], overrides: Sequence[str]) -> Sequence[str]:
    """Flags first: Hydra does not read overrides on both sides of one, and `NOWHERE` comes last."""
    flags = [word for word in words if word not in (*overrides, *NOWHERE)]
    return [*flags, *(word for word in words if word not in flags)]


def _raise_in_a_line(error: Exception, args: Sequence[str]) -> None:
    """Raises what Hydra objects to in one line; nothing where it had nothing left to run."""
    from vaebench.config.explain import explain
    from vaebench.config.gate import NothingLeft

    if isinstance(error, NothingLeft):
        return
    if isinstance(error, Refusal | RunFailed):
        raise error from None
    line = explain(error, folders_of(args), args)
    raise error if line is None else Refusal(line) from error


def _refuse_usage(message: str) -> NoReturn:
    raise Refusal(f"{message}; see vaebench --help")
