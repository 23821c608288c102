"""Writes the lock files from pyproject.toml, or with --check says whether they still fit it.

The files name versions and hashes and no index host, so that whoever installs decides where from.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"requirements.lock": ["build"], "requirements-dev.lock": ["build", "dev"]}
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def write(name: str, groups: list[str]) -> None:
    """Resolve for every platform that Python 3.11 and later runs on; versions in the present file are kept where they fit."""
    chosen = [word for group in groups for word in ("--group", group)]
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *chosen, "--output-file", name]
    options = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
    quiet = ["--no-emit-index-url", "--no-emit-find-links", "--no-annotate"]
    subprocess.run([*command, *options, *quiet], cwd=ROOT, check=True)


def check(name: str, groups: list[str]) -> list[str]:
    """Sentences that say what does not fit; nothing is resolved anew, so no index is asked."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    text = (ROOT / name).read_text()
    wrong = [f"{name} names an index host." for word in ("://", "--index-url", "--find-links") if word in text]
    locked = {canonicalize_name(found[1]): found[2] for found in PINNED.finditer(text)}
    wanted = project["project"]["dependencies"] + [line for group in groups for line in project["dependency-groups"][group]]
    for requirement in map(Requirement, wanted):
        version = locked.get(canonicalize_name(requirement.name))
        if version is None or version not in requirement.specifier:
            wrong.append(f"{name} does not fit {requirement}: run `just lock`.")
    return wrong


def main() -> int:
    """Exit 1 if a lock file does not fit."""
    if "--check" not in sys.argv:
        for name, groups in LOCKS.items():
            write(name, groups)
        return 0
    wrong = [sentence for name, groups in LOCKS.items() for sentence in check(name, groups)]
    print("\n".join(wrong) or "The lock files fit pyproject.toml.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
