"""Small real repositories, written object by object (so that any hostile name can stand in a tree),
and a loopback server that lets `git http-backend` serve them, with a token and all that can go wrong."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import subprocess
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

FILE, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
GIT = shutil.which("git") or "git"
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}

Files = Mapping[str | bytes, bytes | tuple[str, bytes]]
"""Path → content, or (mode, content); a submodule's content is its commit in hexadecimal."""


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git there and return what it printed."""
    done = subprocess.run([GIT, *arguments], cwd=folder, env=ENVIRONMENT, input=stdin, capture_output=True, check=True, timeout=60)
    return done.stdout


class Repository:
    """A bare repository at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("objects/pack", "refs/heads", "refs/pull"):
            (path / name).mkdir(parents=True)
        (path / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        (path / "HEAD").write_text("ref: refs/heads/main\n")

    @classmethod
    def at(cls, path: Path) -> Repository:
        """One that is there already."""
        repository = cls.__new__(cls)
        repository.path = path
        return repository

    def commit(self, files: Files, *parents: str, author: str = "A U Thor", message: str = "x") -> str:
        """A commit of exactly these files."""
        who = f"{author} <a@example.com> 1700000000 +0000"
        above = "".join(f"parent {parent}\n" for parent in parents)
        return self.write("commit", f"tree {self.tree(files)}\n{above}author {who}\ncommitter {who}\n\n{message}\n".encode())

    def tree(self, files: Files) -> str:
        """A tree of these files, whatever their names."""
        here: dict[bytes, tuple[str, str]] = {}
        below: dict[bytes, dict[str | bytes, bytes | tuple[str, bytes]]] = {}
        for path, content in files.items():
            name, slash, rest = (path.encode() if isinstance(path, str) else path).partition(b"/")
            if slash:
                below.setdefault(name, {})[rest] = content
                continue
            mode, data = content if isinstance(content, tuple) else (FILE, content)
            here[name] = (mode, data.decode() if mode == SUBMODULE else self.write("blob", data))
        for name, inner in below.items():
            here[name] = ("40000", self.tree(inner))
        ordered = sorted(here.items(), key=lambda item: item[0] + (b"/" if item[1][0] == "40000" else b""))
        return self.write("tree", b"".join(b"%s %s\0%s" % (mode.encode(), name, bytes.fromhex(oid)) for name, (mode, oid) in ordered))

    def write(self, kind: str, data: bytes) -> str:
        """Store an object; its id."""
        whole = f"{kind} {len(data)}".encode() + b"\0" + data
        oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        target = self.path / "objects" / oid[:2] / oid[2:]
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(zlib.compress(whole, 1))
        return oid

    def set(self, ref: str, sha: str) -> None:
        """Let a ref name a commit."""
        target = self.path / ref
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{sha}\n")


class LoopClock:
    """Real time, for tests whose other side is a real process."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(asyncio.get_running_loop().time(), UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        handle = loop.call_later(seconds, over.set_result, None)
        try:
            await over
        finally:
            handle.cancel()


@dataclass
class GitServer:
    """What the server does, and what it was asked. `gate` holds fetches back while it is not set."""

    root: Path
    token: str | None = None
    status: int | None = None  # answer everything with this status
    redirect: str | None = None  # answer everything with a redirect to this address
    shas: bool = True  # give commits by SHA, as protocol v2 does
    url: str = ""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Event = field(default_factory=threading.Event)

    def repository(self, name: str = "octo/hello") -> Repository:
        """A new, empty repository under this server."""
        return Repository(self.root / f"{name}.git")


@contextmanager
def serving(root: Path, **behaviour: object) -> Iterator[GitServer]:
    """A server for the repositories in `root`, at `server.url`."""
    server = GitServer(root, **behaviour)  # type: ignore[arg-type]
    server.gate.set()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"git": server}))
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        http.shutdown()
        thread.join()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    git: GitServer
    protocol_version = "HTTP/1.1"
    timeout = 20

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        self.git.requests.append((self.command, self.path, dict(self.headers.items())))
        if self.git.redirect is not None:
            return self._say(302, b"", {"Location": self.git.redirect + self.path})
        if self.git.status is not None:
            return self._say(self.git.status, b"")
        if self.git.token is not None:
            wanted = "Basic " + base64.b64encode(f"x-access-token:{self.git.token}".encode()).decode()
            if self.headers.get("Authorization") != wanted:
                return self._say(401, b"", {"WWW-Authenticate": 'Basic realm="git"'})
        if b"want " in body:
            self.git.waiting.set()
            self.git.gate.wait(20)
        return self._backend(body)

    def _backend(self, body: bytes) -> None:
        url = urlsplit(self.path)
        settings = {"uploadpack.allowFilter": "true", "safe.directory": "*"}
        environment = {
            **ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") if self.git.shas else "",
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for number, (key, value) in enumerate(settings.items()):
            environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        done = subprocess.run([GIT, "http-backend"], env=environment, input=body, capture_output=True, check=False, timeout=30)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self._say(int(headers.pop("Status", "200").split()[0]), content, headers)

    def _say(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True
