"""Sweeps move a factor's own latents alone, to where its values are, beside the same move rendered."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from torch.testing import assert_close

from vaebench.cli import conf_dir
from vaebench.composition import compose
from vaebench.config.schema import register
from vaebench.measures.base import Inapplicable, Subject
from vaebench.measures.disentanglement.base import coded
from vaebench.pictures import View
from vaebench.pictures.meaning import equivariances, sweeps

MODULE = sys.modules[sweeps.__module__]
GRID = (3, 4, 1, 3)
HEADS = ["dataset=heads", "dataset.size=16", f"dataset.grid=[{','.join(map(str, GRID))}]"]
HEADS += ["dataset.split.val=4", "dataset.split.test=6", "nets=mlp", "nets.hidden=[8]"]


def view(tmp_path, *words):
    torch.set_default_dtype(torch.float32)  # what data are made of
    register()
    with initialize_config_dir(str(conf_dir()), version_base=None):
        made = compose(hydra_compose("config", [*words, "name=pictures"]))
    return View(Subject(made, torch.device("cpu")), tmp_path, 2)


def of_dcign(tmp_path):
    latents = ["objective.latents={light:2}", "dataset.vary={identity:1,azimuth:1,light:1}"]
    return view(tmp_path, "model=dcign", "model.latent_dim=4", *HEADS, *latents)


def test_a_sweep_moves_own_latents_alone_and_renders_the_same_move(tmp_path, monkeypatch):
    monkeypatch.setattr(MODULE, "EXAMPLES", 500)
    shown, sheets, codes = of_dcign(tmp_path), [], []
    decode = View.decode
    monkeypatch.setattr(
        View, "decode", lambda self, z, i: codes.append(z["z"]) or decode(self, z, i)
    )
    monkeypatch.setattr(MODULE, "save_sheet", lambda *a: sheets.append(a))
    sweeps(shown)
    _, images, rows, columns, _ = sheets[0]
    # Elevation has one value, and light has two latents; azimuth has the one that tells most.
    assert rows[::2][2:] == ["light: z.0, z.1"] * 2
    assert rows[0].startswith("azimuth: z.")
    images = images.unflatten(0, (len(rows), len(columns)))
    assert len(columns) == 4  # azimuths; of three lights, the last place is left white
    assert (images[4:, 3] == 1).all()
    found, names = coded(shown.subject, 500)
    k = names.index("light")
    means = [found.z[found.v[:, k] == v, :2].mean(0) for v in range(3)]
    of_first = codes[2]
    assert_close(of_first[:, :2], torch.from_numpy(np.stack(means)).float())
    assert_close(of_first[:, 2:], shown.codes["z"][:1, 2:].expand(3, 2))
    batch, data = shown.batch, shown.subject.composition.data
    values = torch.stack([batch[name][:1].repeat(3) for name in data.levels], 1)
    values[:, 3] = torch.arange(3)
    assert_close(images[5, :3], data.render(values))


def test_curves_are_drawn_of_each_ordered_factor_and_other_data_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(MODULE, "EXAMPLES", 500)
    (path,) = equivariances(of_dcign(tmp_path))
    assert path.stat().st_size > 1000
    other = view(tmp_path, "nets.hidden=[8]")
    for picture in (equivariances, sweeps):
        with pytest.raises(Inapplicable, match="no known factors"):
            picture(other)
