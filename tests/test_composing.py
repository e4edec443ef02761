"""What the tests remember of Hydra is what Hydra composes."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import OmegaConf

from vaebench.cli import conf_dir
from vaebench.config.schema import register


def composed(*words):
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", [*words], return_hydra_config=True)


@pytest.mark.parametrize("line", ["", "model=iwae k=3", "k=3 hydra.mode=RUN", "experiment=darn"])
def test_words_come_to_the_same_config_as_without_a_memory(line, monkeypatch):
    once = ConfigLoaderImpl._load_configuration_impl
    found = [composed(*line.split()) for _ in range(2)]
    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", once.__wrapped__)
    expected = composed(*line.split())
    assert found == [expected, expected]
    assert OmegaConf.to_yaml(found[0]) == OmegaConf.to_yaml(expected)


def test_what_becomes_of_a_config_is_not_remembered(tmp_path, monkeypatch):
    composed("seed=5").model.latent_dim = 99
    monkeypatch.chdir(tmp_path)
    again = composed("seed=5")
    assert again.model.latent_dim != 99
    assert again.hydra.runtime.cwd == str(tmp_path)


def test_a_folder_of_ones_own_is_read_each_time(tmp_path):
    for title in ("one", "two"):
        (tmp_path / "logger").mkdir(exist_ok=True)
        (tmp_path / "logger" / "mine.yaml").write_text(f"# {title}\nname: {title}\n")
        found = composed(f"hydra.searchpath=[file://{tmp_path}]", "logger=mine")
        assert found.logger.name == title
