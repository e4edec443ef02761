"""Codes of a finished run, made where a data set asks for them and they are not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from vaebench.errors import Incompatible, Refusal
from vaebench.progress import doing
from vaebench.runs.layout import codes_of, run_folder

if TYPE_CHECKING:
    from vaebench.data import Part

TARGET = "vaebench.data.Codes"


def make_codes(cfg: DictConfig) -> None:
    """Leaves the parameters of q(z | x) of all splits in the folder of `dataset.run`, as a download
    leaves its files.

    Raises:
        Refusal: there is no such run, or its codes are no Gaussians.
    """
    if OmegaConf.select(cfg, "dataset._target_") != TARGET or OmegaConf.is_missing(
        cfg.dataset, "run"
    ):
        return
    folder = run_folder(cfg.dataset.run)
    every: tuple[Part, ...] = ("train", "val", "test")
    parts = [part for part in every if not codes_of(folder, part).exists()]
    if not parts:
        return
    from vaebench.commands.saved import open_run
    from vaebench.measures.base import Subject
    from vaebench.measures.evaluation import code_table
    from vaebench.runs.results import write_arrays
    from vaebench.runs.write import writing

    chosen = HydraConfig.instance().cfg  # the run's own choices take its place
    try:
        saved = open_run(cfg.dataset.run, data_dir=cfg.data_dir)
        for part in parts:
            with doing(f"codes of the {part} split"):
                table = code_table(Subject(saved.composition, saved.device, part))
            path = codes_of(folder, part)
            with writing(path):
                path.parent.mkdir(exist_ok=True)
            write_arrays(path, table)
    except Incompatible as error:
        raise Refusal(f"dataset.run={cfg.dataset.run}: {error}") from error
    finally:
        HydraConfig.instance().cfg = chosen
