"""The page while runs train: served to this machine alone, and asked again for what is new."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from vaebench.runs.find import Found, Run, find
from vaebench.runs.layout import BEGUN, CLOCK, ERROR, EVALUATION, EXAMPLES, GRID, HISTORY, SUMMARY
from vaebench.runs.live import DONE, Job, jobs_in
from vaebench.runs.page.build import SERVER, as_json, page
from vaebench.runs.page.data import Data, gather

HERE = "127.0.0.1"
NAMES = (HERE, "localhost")
"""What a browser on this machine may call it. A page from elsewhere whose name has been made to point
here sends its own name, and gets nothing."""

WATCHED = (SUMMARY, ERROR, BEGUN, HISTORY, CLOCK, EVALUATION, EXAMPLES, GRID)
SHARE = 4
"""Times as long as it took to gather the data they are kept, however often somebody asks."""


class Followed:
    """What a page shows of some folders, gathered anew when one of their files has changed.

    Args:
        paths: of runs, or folders that hold some.
        title: of the page.
    """

    def __init__(self, paths: Iterable[Path], title: str) -> None:
        self.paths, self.title = [*paths], title
        self.lock = threading.Lock()
        self.seen: Any = None
        self.until = 0.0
        self.data = gather([], [], title, jobs=[])

    def now(self) -> Data:
        """As the folders are at the moment, or were a moment ago."""
        with self.lock:
            if time.monotonic() >= self.until:
                with contextlib.suppress(
                    OSError
                ):  # somebody moves a folder: the next look finds out
                    self._look()
            return self.data

    def _look(self) -> None:
        begun = time.monotonic()
        jobs = jobs_in(self.paths)
        seen = [_stamps(self.paths), [(job.folder, job.state) for job in jobs]]
        if seen != self.seen:
            self.data, self.seen = gathered(self.paths, self.title, jobs), seen
        took = time.monotonic() - begun
        self.until = begun + took * (1 + SHARE)


def gathered(paths: Iterable[Path], title: str, jobs: list[Job]) -> Data:
    """Finished runs, and those on their way with what they have so far."""
    found = find(paths)
    return gather([*_with_jobs(found, jobs)], _skipped(found, jobs), title, jobs=jobs)


def _with_jobs(found: Found, jobs: Iterable[Job]) -> list[Run]:
    """In the order of their folders, as if all had finished."""
    done = {run.folder: run for run in found.runs}
    ordered = [done.get(job.folder, job.run) for job in jobs]
    return [run for run in ordered if run is not None]


def _skipped(found: Found, jobs: Iterable[Job]) -> list[str]:
    """What is no run, without those that are on their way."""
    on_their_way = tuple(f"{job.folder}: " for job in jobs if job.state != DONE)
    return [line for line in found.skipped if not line.startswith(on_their_way)]


def _stamps(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Name, time and size of every file whose change would show."""
    found = []
    for path in paths:
        for folder, inside, names in os.walk(path):
            inside[:] = [
                name for name in inside if name not in ("checkpoints", "wandb", "pictures")
            ]
            for name in names:
                if name not in WATCHED:
                    continue
                with contextlib.suppress(
                    FileNotFoundError
                ):  # a run that begins anew takes some away
                    stat = os.stat(os.path.join(folder, name))
                    found.append((os.path.join(folder, name), stat.st_mtime_ns, stat.st_size))
    return sorted(found)


def server(followed: Followed, port: int = 0) -> ThreadingHTTPServer:
    """A server of this page, bound to this machine, which nobody has started yet.

    Args:
        followed: what it shows.
        port: 0 for one that is free.

    Raises:
        OSError: the port is taken.
    """
    handler = type("Handler", (_Handler,), {"followed": followed})
    made = ThreadingHTTPServer((HERE, port), handler)
    made.daemon_threads = True
    return made


class _Handler(BaseHTTPRequestHandler):
    """Answers to `/`, the page, and `/data`, what is new."""

    followed: Followed

    def do_GET(self) -> None:
        if not self._from_here():
            return self._send(HTTPStatus.FORBIDDEN, "text/plain", b"not from here\n")
        answers: dict[str, Callable[[], None]] = {
            "/": self._page,
            "/data": self._data,
            "/favicon.ico": self._icon,
        }
        answer = answers.get(self.path.partition("?")[0])
        return answer() if answer else self._send(HTTPStatus.NOT_FOUND, "text/plain", b"not here\n")

    def _from_here(self) -> bool:
        port = cast(ThreadingHTTPServer, self.server).server_port
        return self.headers.get("Host", "") in [f"{name}:{port}" for name in NAMES]

    def _page(self) -> None:
        text = page(self.followed.now(), SERVER).encode()
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", text)

    def _data(self) -> None:
        data = self.followed.now()
        text = as_json({"data": data.told, "numbers": data.numbers}).encode()
        mark = f'"{hashlib.sha256(text).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == mark:
            return self._send(HTTPStatus.NOT_MODIFIED, "application/json", b"", mark)
        return self._send(HTTPStatus.OK, "application/json", text, mark)

    def _icon(self) -> None:
        """A browser asks for one whether or not there is any."""
        self._send(HTTPStatus.NO_CONTENT, "image/x-icon", b"")

    def _send(self, status: HTTPStatus, kind: str, body: bytes, mark: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        if mark:
            self.send_header("ETag", mark)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 10_000:
            body = gzip.compress(body, 1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """The terminal is for those who typed the command."""
