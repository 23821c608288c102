"""How fast `audit-logs` searches, what it finds of 200 plants, and how that compares with grepping for the same anchors.

    python benchmarks/audit.py [MIB]

Realistic JSON-lines logs (256 MiB unless said) with 200 plants, eight in each of 25 encodings. `rg -F` (else `grep -F`) then
looks for the anchors, as lines of a file, in the same logs in the same run, counting, one thread: that is the least that
a scanner of known values must do, without decoding, confirming, or naming anything. Each side runs three times, in turn;
the best counts. The exit code is 1 if a plant is missed or something else is found.
"""

from __future__ import annotations

import base64
import html
import json
import random
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from prreview_cli.audit import Search
from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.secrecy.encodings import forms
from prreview_cli.secrecy.shapes import private_part

CHANCE = random.Random(20261124)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
WORDS = ("review", "queued", "attempt", "pull", "request", "head", "snapshot", "model", "call", "tokens", "retry", "lease", "renewed")
PLANTS = 200


def token(prefix: str, length: int, more: str = "") -> str:
    return prefix + "".join(CHANCE.choices(LETTERS + more, k=length))


SECRETS = {
    "prod/model_api_key": token("sk-ant-api03-", 95, "-_"),
    "prod/host_token": token("github_pat_", 82),
    "prod/webhook_secret": token("", 48, "/+&\"' %"),
    "staging/model_api_key": token("sk-ant-api03-", 95, "-_"),
    "staging/host_token": token("ghp_", 36),
    "staging/webhook_secret": token("", 64, "-_"),
}

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "json twice": lambda value: json.dumps(json.dumps(value)),
    "json, slashes": lambda value: json.dumps(value).replace("/", "\\/"),
    "json, every letter": lambda value: "".join(f"\\u{ord(char):04x}" for char in value),
    "python": lambda value: repr({"key": value}),
    "shell": shlex.quote,
    "url": lambda value: quote(value, safe=""),
    "url, every letter": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "html": html.escape,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64, one later": lambda value: base64.b64encode(b"x" + value.encode()).decode(),
    "base64, two later": lambda value: base64.b64encode(b"x:" + value.encode()).decode(),
    "base64url": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "base64 twice": lambda value: base64.b64encode(base64.b64encode(value.encode())).decode(),
    "hex": lambda value: value.encode().hex(),
    "hex, upper case": lambda value: value.encode().hex().upper(),
    "node's buffer": lambda value: f"<Buffer {value.encode()[:50].hex(' ')} ... >",
    "utf-16": lambda value: value.encode("utf-16-le").decode("latin-1"),
    "json, every letter, twice": lambda value: "".join(f"\\\\u{ord(char):04x}" for char in value),
    "backslashes": lambda value: "".join(char if char.isalnum() or char == "_" else f"\\{char}" for char in value),
    "url of json": lambda value: quote(json.dumps({"key": value}), safe=""),
    "a basic header": lambda value: f"Basic {base64.b64encode(b'x-access-token:' + value.encode()).decode()}",
    "wrapped": lambda value: "\\n    ".join(value[at : at + 11] for at in range(0, len(value), 11)),
    "cut short": lambda value: value[: len(value) // 2 + 10] + "…",
}


def anchors() -> list[bytes]:
    """The pieces that the matcher looks for (see `secrecy/matcher.py`)."""
    pieces: dict[bytes, None] = {}
    for form in (form for value in SECRETS.values() for form in forms(private_part(value))):
        length = (form.shortest_leak() + 1) // 2
        pieces.update(dict.fromkeys(form.data[at : at + length] for at in range(0, len(form.data) - length + 1, length)))
    return list(pieces)


def line() -> str:
    return json.dumps({
        "time": f"2026-11-24T09:{CHANCE.randrange(60):02d}:{CHANCE.randrange(60):02d}.{CHANCE.randrange(10**6):06d}Z",
        "level": CHANCE.choice(("debug", "info", "warning")),
        "event": f"{CHANCE.choice(WORDS)}_{CHANCE.choice(WORDS)}",
        "job": f"{CHANCE.getrandbits(128):032x}",
        "head": f"{CHANCE.getrandbits(160):040x}",
        "etag": base64.b64encode(CHANCE.randbytes(CHANCE.choice((12, 24, 48)))).decode(),
        "url": f"https://github.com/octo/shop{CHANCE.randrange(50)}/pull/{CHANCE.randrange(9_000)}?after=%3D{CHANCE.randrange(999)}",
        "message": " ".join(CHANCE.choices(WORDS, k=CHANCE.randrange(3, 24))),
    })  # fmt: skip


def write_logs(path: Path, mib: int) -> dict[int, str]:
    """The logs; which line holds a plant of which encoding. Lines are drawn from a stock of clean ones and stamped anew."""
    stock = [line() for _ in range(20_000)]
    count = (mib << 20) // (sum(map(len, stock)) // len(stock) + 1)
    kinds = [*ENCODINGS] * (PLANTS // len(ENCODINGS))
    plants = dict(zip(sorted(CHANCE.sample(range(1, count + 1), PLANTS)), kinds, strict=True))
    values = list(SECRETS.values())
    with path.open("w", encoding="utf-8", errors="strict") as logs:
        for number in range(1, count + 1):
            text = stock[CHANCE.randrange(len(stock))]
            if number in plants:
                text = f"{text[:60]} {ENCODINGS[plants[number]](values[number % len(values)])} {text[60:]}"
            logs.write(f"{text}\n")
    return plants


def search(matcher: Matcher, path: Path) -> tuple[Search, float]:
    audit, started = Search(matcher), time.perf_counter()
    audit.path(path)
    return audit, time.perf_counter() - started


def grep(pieces: Path, path: Path) -> tuple[str, float] | None:
    """The tool and its seconds; None where there is neither."""
    for tool, words in (("rg", ["-F", "-c", "-a", "--no-mmap", "-j1"]), ("grep", ["-F", "-c", "-a"])):
        if program := shutil.which(tool):
            started = time.perf_counter()
            subprocess.run([program, *words, "-f", pieces, path], env={"LC_ALL": "C"}, stdout=subprocess.DEVNULL, check=False)
            return tool, time.perf_counter() - started
    return None


def main(mib: int) -> int:
    matcher = Matcher({name: Secret(value) for name, value in SECRETS.items()})
    with tempfile.TemporaryDirectory() as folder:
        logs, pieces = Path(folder, "logs"), Path(folder, "anchors")
        plants = write_logs(logs, mib)
        # NULs stand for UTF-16, and grep's file of patterns takes none: it is spared those.
        pieces.write_bytes(b"".join(anchor + b"\n" for anchor in anchors() if b"\0" not in anchor))
        size, ours, theirs, tool = logs.stat().st_size, [], [], ""
        for _ in range(3):
            audit, seconds = search(matcher, logs)
            ours.append(seconds)
            if timed := grep(pieces, logs):
                tool = timed[0]
                theirs.append(timed[1])
    found = {finding.line for finding in audit.report.findings}
    encoded = {finding.line for finding in audit.report.findings if finding.kind == "known" and plants.get(finding.line) != "plain"}
    false = len(found - set(plants))
    rate = size / min(ours) / 1e6
    print(f"logs      {size / 1e6:.0f} MB, {len(plants)} plants in {len(ENCODINGS)} encodings, {len(anchors())} anchors")
    print(f"ours      {rate:.0f} MB/s, found {len(found & set(plants))} of {len(plants)}, {false} false")
    print(f"named     {len(encoded)} of {sum(kind != 'plain' for kind in plants.values())} encoded ones by the secret's name")
    print(f"memory    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at its peak, the benchmark's own included")
    if theirs:
        print(f"{tool} -F     {size / min(theirs) / 1e6:.0f} MB/s; ours is {min(theirs) / min(ours):.2f} times as fast")
    for number in sorted(set(plants) - found):
        print(f"missed    line {number}: {plants[number]}")
    return int(found != set(plants))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 256))
