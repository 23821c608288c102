from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from prreview_cli.audit import Baseline, Finding, Search
from prreview_cli.core.errors import ExitCode, PrreviewError, UsageError
from prreview_cli.secrecy import Matcher, Secret
from support.leaks import BODY, KEY, TOKENS

SECRETS = {"prod/model_api_key": Secret(KEY)}
TOKEN = TOKENS["npm-token"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "logs").mkdir()
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o700)
    return tmp_path


def audit(*, recording: bool = False, secrets: dict[str, Secret] = SECRETS) -> Search:
    baseline = Baseline.of(Path("accepted.json"), secrets, recording=recording)
    search = Search(Matcher(secrets), baseline)
    search.path(Path("logs"))
    if recording:
        baseline.write(Path("accepted.json"))
    return search


def test_what_was_accepted_is_silent_wherever_its_line_has_moved_to(folder: Path) -> None:
    log = folder / "logs" / "a.log"
    log.write_text(f"{KEY}\n{TOKEN}\n")
    assert audit(recording=True).report.exit_code is ExitCode.DONE
    log.write_text(f"new\nlines\n{TOKEN}\nand {KEY}\n")

    search = audit()

    assert (search.report.findings, search.report.accepted, search.report.exit_code) == ([], 2, ExitCode.DONE)
    assert search.report.to_json()["accepted"] == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.log", f"{KEY}\n{KEY}\n"),  # once more
        ("b.log", KEY),  # elsewhere
        ("a.log", f"{KEY} {KEY.encode().hex()}"),  # in another encoding
        ("a.log", f"{KEY}\n{TOKENS['aws-access-key']}"),  # something else
    ],
)
def test_whatever_is_more_than_what_was_accepted_is_a_finding(folder: Path, name: str, text: str) -> None:
    (folder / "logs" / "a.log").write_text(KEY)
    audit(recording=True)
    (folder / "logs" / name).write_text(text)

    report = audit().report

    assert (len(report.findings), report.accepted) == (1, 1)


def test_a_rotated_value_in_an_accepted_place_is_a_finding(folder: Path) -> None:
    rotated = KEY[:20] + KEY[20:][::-1]
    (folder / "logs" / "a.log").write_text(KEY)
    audit(recording=True)
    (folder / "logs" / "a.log").write_text(rotated)

    assert len(audit(secrets={"prod/model_api_key": Secret(rotated)}).report.findings) == 1


def test_another_token_of_the_same_rule_is_a_finding(folder: Path) -> None:
    (folder / "logs" / "a.log").write_text(TOKEN)
    audit(recording=True)
    (folder / "logs" / "a.log").write_text(TOKEN[:4] + TOKEN[4:][::-1])

    assert [finding.name for finding in audit().report.findings] == ["npm-token"]


def test_the_file_tells_what_was_accepted_and_no_part_of_a_value_and_its_salt_stays(folder: Path) -> None:
    (folder / "logs" / f"{KEY}.log").write_text(f"{KEY} {TOKEN}")
    audit(recording=True)
    text = (folder / "accepted.json").read_text()
    audit(recording=True)

    data = json.loads(text)
    assert [(entry["name"], entry["count"]) for entry in data["accepted"]] == [("model_api_key", 1), ("npm-token", 1)]
    assert not [at for at in range(len(BODY) - 7) if BODY[at : at + 8] in text]
    assert TOKEN[4:12] not in text
    assert json.loads((folder / "accepted.json").read_text()) == data
    assert stat.S_IMODE((folder / "accepted.json").stat().st_mode) == 0o600
    assert sorted(entry.name for entry in folder.iterdir()) == ["accepted.json", "logs"]


def test_two_files_of_the_same_findings_have_no_fingerprint_in_common(folder: Path) -> None:
    finding = Finding("a", 1, 0, "known", "model_api_key", "prod", "plain")
    prints = set()
    for name in "ab":
        baseline = Baseline.of(folder / name, SECRETS, recording=True)
        baseline.accepts(finding, b"")
        baseline.write(folder / name)
        prints.add(json.loads((folder / name).read_text())["accepted"][0]["fingerprint"])

    assert len(prints) == 2


def test_what_is_gone_is_counted(folder: Path) -> None:
    (folder / "logs" / "a.log").write_text(KEY)
    audit(recording=True)
    baseline = Baseline.of(Path("accepted.json"), SECRETS, recording=False)

    assert baseline.gone == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema_version": 2}', '{"schema_version": 1, "salt": "x", "accepted": []}', "[" * 100_000]
)
def test_a_file_that_is_no_baseline_is_refused(folder: Path, text: str) -> None:
    (folder / "accepted.json").write_text(text)
    (folder / "accepted.json").chmod(0o600)

    with pytest.raises(UsageError, match="baseline"):
        audit()


def test_one_that_is_not_there_or_that_others_can_write_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        audit()
    (folder / "accepted.json").write_text("{}")
    (folder / "accepted.json").chmod(0o666)
    with pytest.raises(PrreviewError, match="other"):
        audit()


def test_what_is_no_file_is_not_replaced_by_one(folder: Path) -> None:
    os.mkfifo(folder / "accepted.json")
    with pytest.raises(UsageError, match="is not a file"):
        Baseline.of(Path("other.json"), SECRETS, recording=True).write(Path("accepted.json"))
    assert stat.S_ISFIFO((folder / "accepted.json").lstat().st_mode)
