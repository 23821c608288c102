"""git over smart HTTP, read only, by git's own `http-backend` as a CGI child; the token is asked for as GitHub does."""

from __future__ import annotations

import asyncio
import base64
import binascii
import subprocess
from pathlib import Path

from prreview_cli.trials.simulators.http import Request, Response
from prreview_cli.trials.simulators.repository import git_environment

_UNAUTHORIZED = Response(401, b"Repository not found.", {"www-authenticate": 'Basic realm="GitHub"', "content-type": "text/plain"})
_NOT_FOUND = Response(404, b"Repository not found.", {"content-type": "text/plain"})


class GitServer:
    """Serves the bare repository of a path such as `/octo/shop.git/info/refs`."""

    def __init__(self) -> None:
        self._backend: Path | None = None

    async def answer(self, request: Request, repository: Path | None, service: str, tokens: frozenset[str]) -> Response:
        """`service` is the path after the repository's; receive-pack is not offered."""
        if _password(request) not in tokens:
            return _UNAUTHORIZED
        if repository is None or "git-receive-pack" in {service, request.query.get("service")}:
            return _NOT_FOUND
        return await self._run(request, repository, service)

    async def _run(self, request: Request, repository: Path, service: str) -> Response:
        if self._backend is None:
            self._backend = await asyncio.to_thread(_find_backend, repository)
        child = await asyncio.create_subprocess_exec(
            self._backend,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**git_environment(repository), **_cgi(request, repository, service)},
        )
        try:
            output, _ = await child.communicate(request.body)
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise
        return _from_cgi(output)


def _find_backend(home: Path) -> Path:
    folder = subprocess.run(["git", "--exec-path"], env=git_environment(home), capture_output=True, text=True, check=True)  # noqa: S607 - git is found on PATH, as everywhere
    return Path(folder.stdout.strip()) / "git-http-backend"


def _password(request: Request) -> str:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _cgi(request: Request, repository: Path, service: str) -> dict[str, str]:
    return {
        "GIT_PROJECT_ROOT": str(repository),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{service}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_string,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
    }


def _from_cgi(output: bytes) -> Response:
    head, _, body = output.partition(b"\r\n\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.decode("latin-1").split("\r\n"))}
    return Response(int(headers.pop("status", "200").split()[0]), body, headers)
