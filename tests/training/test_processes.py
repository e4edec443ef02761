"""The other processes of a run on several devices, as their first one sees them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from subprocess import PIPE

import pytest

from vaebench.training import processes


@pytest.mark.process
def test_nothing_of_a_worker_stays_open(monkeypatch, tmp_path):
    words = [sys.executable, "-c", "print('ready')"]
    child = subprocess.Popen(words, stdin=PIPE, stdout=PIPE)
    log = tempfile.TemporaryFile()  # noqa: SIM115 - who waits for the worker closes it
    monkeypatch.setattr(processes, "_start", lambda *_: (child, log))
    with processes.workers(2, tmp_path, None):
        assert not child.stdin.closed
    assert child.stdin.closed
    assert child.stdout.closed
    assert log.closed
