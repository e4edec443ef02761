"""What Hydra reads and composes of the package's own folder, once in a process.

A command composes its words twice, once to learn whether it is a grid, and reads sixty YAMLs each
time: more than half of the time of a dry run. The same words come to the same config here too, each
time a new copy; words that reach beyond the package's folder are composed as ever.
"""

from __future__ import annotations

import functools
import os
import pickle
from collections.abc import Iterator

import pytest
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobRuntime
from hydra.plugins.config_source import ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig

from vaebench.cli import conf_dir

FOLDER = str(conf_dir())
ELSEWHERE = ("searchpath", "???")
"""Words that reach into other folders, or that mean something else to a grid."""
ONE_RUN = "hydra.mode=RUN"
"""What Hydra adds to the words once it has learnt that they are no grid."""


@pytest.fixture(scope="session", autouse=True)
def composed_once() -> Iterator[None]:
    """Hydra remembers, until the tests end."""
    Plugins.instance()  # it imports its plugins anew
    source = SourcesRegistry.instance().resolve("file")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "load_config", _reader(source.load_config))
        compose = _composer(ConfigLoaderImpl._load_configuration_impl)
        patch.setattr(ConfigLoaderImpl, "_load_configuration_impl", compose)
        yield


def _reader(read):
    """`load_config` of a folder, which reads each YAML of the package once."""
    known: dict[str, bytes] = {}

    def load_config(self: ConfigSource, config_path: str):
        if self.path != FOLDER:
            return read(self, config_path)
        if config_path not in known:
            known[config_path] = pickle.dumps(read(self, config_path))
        return pickle.loads(known[config_path])

    return load_config


def _composer(compose):
    """`_load_configuration_impl`, which composes the same words once."""
    known: dict[tuple[str, ...], bytes] = {}

    @functools.wraps(compose)
    def once(
        self: ConfigLoaderImpl,
        config_name: str,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        how = (run_mode, from_shell, validate_sweep_overrides)
        if not _of_the_package(self, overrides):
            return compose(self, config_name, overrides, *how)
        if validate_sweep_overrides:
            words = OverridesParser.create().parse_overrides(overrides)
            self.validate_sweep_overrides_legal(words, run_mode, from_shell)
        one_run = overrides[-1:] == [ONE_RUN]
        words = overrides[:-1] if one_run else overrides
        key = (config_name, str(version.getbase()), JobRuntime().get("name"), *words)
        if key not in known:
            known[key] = pickle.dumps(compose(self, config_name, words, *how[:2], False))
        cfg = pickle.loads(known[key])
        cfg.hydra.runtime.cwd = os.getcwd()
        if one_run:
            cfg.hydra.mode = RunMode.RUN
            cfg.hydra.overrides.hydra.append(ONE_RUN)
        return cfg

    return once


def _of_the_package(loader: ConfigLoaderImpl, overrides: list[str]) -> bool:
    """Whether nothing but the package's folder and its own words decide what is composed."""
    own = [source.path for source in loader.get_sources() if source.scheme() == "file"]
    return own == [FOLDER] and not any(word in o for o in overrides for word in ELSEWHERE)
