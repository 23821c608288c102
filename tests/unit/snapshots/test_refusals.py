from __future__ import annotations

import pytest

from prreview_cli.core import errors
from prreview_cli.snapshots import refusals

URL = "https://github.com/octo/hello.git/"


def failure(*lines: str, with_token: bool = True) -> errors.Failure:
    return refusals.failure("\n".join(lines).encode(), "octo/hello", with_token=with_token, redact=lambda text: text.replace("canary", "…"))


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"fatal: could not read Username for '{URL}': terminal prompts disabled", errors.HostTokenRejected),
        (f"fatal: Authentication failed for '{URL}'", errors.HostTokenRejected),
        (f"fatal: repository '{URL}' not found", errors.RepositoryForbidden),
        (f"fatal: unable to access '{URL}': The requested URL returned error: 403", errors.RepositoryForbidden),
        (f"fatal: unable to access '{URL}': The requested URL returned error: 429", errors.HostRateLimited),
        (f"fatal: unable to access '{URL}': The requested URL returned error: 502", errors.HostUnreachable),
        (f"fatal: unable to access '{URL}': Could not resolve host: github.com", errors.HostUnreachable),
        (f"fatal: unable to access '{URL}': Failed to connect to github.com port 443: Connection refused", errors.HostUnreachable),
        (f"fatal: unable to access '{URL}': server certificate verification failed. CAfile: none CRLfile: none", errors.HostUnreachable),
        ("error: RPC failed; curl 56 GnuTLS recv error (-9)\nfatal: early EOF", errors.HostUnreachable),
        (f"fatal: unable to access '{URL}': The requested URL returned error: 301", errors.SnapshotFailed),
        ("fatal: unable to access 'https://github.com/octo/openSSL-TLS/': The requested URL returned error: 400", errors.SnapshotFailed),
        ("fatal: pack has bad object at offset 12", errors.SnapshotFailed),
        ("", errors.SnapshotFailed),
    ],
)
def test_what_git_says_has_its_class(line, kind):
    assert type(failure(line)) is kind


def test_without_a_token_a_login_concerns_the_repository():
    assert type(failure("fatal: Authentication failed for 'x'", with_token=False)) is errors.RepositoryForbidden


def test_what_the_server_adds_decides_nothing():
    assert (
        type(failure("remote: Authentication failed, repository 'x' not found, error: 403", "fatal: protocol error"))
        is errors.SnapshotFailed
    )
    assert not refusals.no_such_commit(b"remote: upload-pack: not our ref\nfatal: x")


def test_what_is_shown_is_redacted_bounded_and_harmless():
    said = str(
        failure("remote: \x1b[2J\x1b]52;c;aGk=\x07 canary \u202e", "x" * 5_000, f"fatal: unable to access '{URL}': error: 403 canary")
    )
    assert "canary" not in said
    assert len(said) < 500
    assert said.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        b"fatal: remote error: upload-pack: not our ref 0123456789012345678901234567890123456789",
        b"error: Server does not allow request for unadvertised object 0123456789012345678901234567890123456789",
        b"fatal: couldn't find remote ref 0123456789012345678901234567890123456789",
    ],
)
def test_a_commit_that_the_server_does_not_give_is_seen(line):
    assert refusals.no_such_commit(line)


def test_a_missing_ref_is_named():
    assert refusals.missing_ref(b"fatal: couldn't find remote ref HEAD\n") == "HEAD"
    assert refusals.missing_ref(b"fatal: nothing") is None
