"""How well local reviews land: the real Claude CLI over real commits, against a scripted model.

    python benchmarks/local_reviews.py [--commits N] [CLONE ...]

Reviews the last N commits (24 unless said) that have one parent, spread over the clones (this project's own unless
others are named), each with `prreview review --local COMMIT~1..COMMIT` as a user would run it. The scripted model does
what a model does: it reads the diff through the tools, names a line that is not there, is told so, and hands in up to six
findings on lines that it was shown. Checked against git's own diff, and not against
ours: each finding stands on a line that the commit shows on that side. The exit code is 1 if one does not, or if a review
fails. Printed beside: seconds a review, and those of one `git diff` of the same commits, the least that reading them costs.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from prreview_cli.trials import temporary_profile
from prreview_cli.trials.simulators.behaviours import finding
from prreview_cli.trials.simulators.conversation import Conversation, Reply, ToolUse, Turn
from prreview_cli.trials.simulators.model_api import ModelApi
from prreview_cli.trials.temporary_profile import Keys
from prreview_cli.wiring import SystemClock

CHANCE = random.Random(20261124)
NOWHERE = "http://127.0.0.1:9"
OWN = Path(__file__).resolve().parents[1]
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def git(clone: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(clone), *words], capture_output=True, check=True).stdout.decode("utf-8", "replace")


def commits(clone: Path, count: int) -> list[str]:
    """The newest commits with one parent."""
    return git(clone, "rev-list", "--max-parents=1", "--min-parents=1", f"--max-count={count}", "HEAD").split()


def shown(clone: Path, commit: str) -> set[tuple[str, str, int]]:
    """(path, side, line) of every line that git shows in the commit's diff."""
    lines, old, new, a, b = set[tuple[str, str, int]](), "", "", 0, 0
    for text in git(clone, "-c", "core.quotePath=false", "diff", "--no-ext-diff", "--no-renames", f"{commit}~1", commit).split("\n"):
        if text.startswith("--- "):
            old = text[4:].split("\t")[0].removeprefix("a/")
        elif text.startswith("+++ "):
            new = text[4:].split("\t")[0].removeprefix("b/")
        elif found := HUNK.match(text):
            a, b = int(found[1]), int(found[3])
        elif text[:1] in {" ", "-", "+"} and (old or new):
            if text[0] != "+":
                lines.add((old, "LEFT", a))
                a += 1
            if text[0] != "-":
                lines.add((new, "RIGHT", b))
                b += 1
    return lines


def script(asked: Conversation) -> Reply:
    """A model that reads the diff, errs once, is told, and then names up to six lines that it has been shown."""
    if asked.turn == 1:
        return Turn("Let me look.", (ToolUse("read_diff", {}),))
    lines = asked.changed_lines()
    if asked.turn == 2 and lines:
        return Turn("", (ToolUse("submit_review", {"summary": "It errs.", "findings": [finding(lines[0][0], 1_000_000)]}),))
    chosen = sorted(CHANCE.sample(lines, min(6, len(lines))))
    if asked.turn <= 3:
        return Turn(
            "", (ToolUse("submit_review", {"summary": "What stands out is named.", "findings": [finding(*line) for line in chosen]}),)
        )
    return Turn("The review is handed in.")


@dataclass
class Tally:
    """What came of all the reviews."""

    reviews: int = 0
    findings: int = 0
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    review_s: list[float] = field(default_factory=list)
    diff_s: list[float] = field(default_factory=list)


def look(clone: Path, commit: str, profile: Path, home: Path, tally: Tally) -> None:
    """One commit, reviewed as a user would have it reviewed."""
    began = time.perf_counter()
    lines = shown(clone, commit)
    tally.diff_s.append(time.perf_counter() - began)
    words = ["review", "--local", f"{commit}~1..{commit}", "--repo", str(clone), "--profile", str(profile), "--json", "--allow-unsandboxed"]
    environment = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TMPDIR": str(home)}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-I", "-m", "prreview_cli", *words], capture_output=True, env=environment, check=False)
    tally.review_s.append(time.perf_counter() - began)
    document = json.loads(done.stdout or "{}")
    if document.get("status") not in {"complete", "partial"}:
        tally.failed.append(f"{clone.name} {commit[:10]}: exit {done.returncode}, {document.get('reason') or done.stderr.decode()[-300:]}")
        return
    tally.reviews += 1
    for each in document["findings"]:
        tally.findings += 1
        if (each["path"], each["side"], each["line"]) not in lines:
            tally.wrong.append(f"{clone.name} {commit[:10]}: {each['path']}:{each['line']}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--commits", type=int, default=24)
    parser.add_argument("clones", nargs="*", type=Path, default=[OWN])
    options = parser.parse_args()
    tally, each = Tally(), -(-options.commits // len(options.clones))
    with tempfile.TemporaryDirectory() as folder, ModelApi(SystemClock(), (keys := Keys()).model_api_key, script) as model:
        home = Path(folder)
        profile = temporary_profile.write(home, keys, model_url=model.url, api_url=NOWHERE, git_url=NOWHERE, workers=1)
        for clone in options.clones:
            for commit in commits(clone, each):
                look(clone.resolve(), commit, profile, home, tally)
    print(f"{tally.reviews} reviews of {len(tally.review_s)} commits in {len(options.clones)} repositories, {tally.findings} findings")
    print(f"wrong anchors: {len(tally.wrong)}, failed: {len(tally.failed)}")
    print(f"seconds a review: median {statistics.median(tally.review_s):.1f}, max {max(tally.review_s):.1f}")
    print(f"git's own diff of the same commit: median {statistics.median(tally.diff_s):.3f} s")
    print("\n".join([*tally.wrong, *tally.failed]))
    return 1 if tally.wrong or tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
