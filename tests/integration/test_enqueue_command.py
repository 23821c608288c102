"""`prreview enqueue`, as far as it comes without a code host."""

from __future__ import annotations

from pathlib import Path

from support.installed import prreview


def test_a_repository_that_the_profile_leaves_out_is_refused_before_the_host_is_asked(tmp_path: Path) -> None:
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path)}
    settings = ("--set", "host.repositories=octo/*", "--set", "host.api_url=http://127.0.0.1:9")  # where nobody answers
    assert prreview(tmp_path, "profile", "create", "dev", *settings, environ=environ).returncode == 0

    refused = prreview(tmp_path, "enqueue", "other/demo#1", "-p", "dev", environ=environ)

    assert refused.returncode == 2
    assert refused.stderr.startswith("error: other/demo is not among host.repositories.\n")
