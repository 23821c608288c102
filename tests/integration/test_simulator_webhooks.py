from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.trials.simulators.code_host import CodeHost
from prreview_cli.trials.simulators.webhooks import signed
from support.github_openapi import SAMPLES
from support.simulators import TOKEN, MachineClock

SECRET = "a webhook secret of more than thirty-two characters"
RECORDED = SAMPLES / "webhooks" / "pull_request"


def test_a_delivery_is_signed_over_its_body_and_as_large_as_a_real_one(tmp_path: Path) -> None:
    with CodeHost(tmp_path, MachineClock(), TOKEN) as host:
        shop = host.add_repository("octo/shop", pulls=1)
        delivery = host.delivery(shop, 1, SECRET)
    digest = hmac.new(SECRET.encode(), delivery.body, hashlib.sha256).hexdigest()
    assert delivery.headers["X-Hub-Signature-256"] == f"sha256={digest}"
    assert delivery.headers["X-GitHub-Event"] == "pull_request"
    assert 15_000 < len(delivery.body) < 40_000
    assert json.loads(delivery.body)["pull_request"]["head"]["sha"] == shop.pulls[1].head_sha


def test_the_signature_is_the_one_that_github_documents() -> None:
    signature = signed(b"Hello, World!", "It's a Secret to Everybody").headers["X-Hub-Signature-256"]
    assert signature == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded webhooks are not here")
def test_it_has_every_field_that_a_recorded_one_has(tmp_path: Path) -> None:
    recorded = json.loads((RECORDED / "opened.payload.json").read_text())
    with CodeHost(tmp_path, MachineClock(), TOKEN) as host:
        shop = host.add_repository("octo/shop", pulls=1)
        made = json.loads(host.delivery(shop, 1, SECRET).body)
    assert lacking(recorded, made) == []


def lacking(recorded: Any, made: Any, at: str = "") -> list[str]:
    if not isinstance(recorded, dict) or not isinstance(made, dict):
        return []
    absent = [f"{at}/{key}" for key in recorded.keys() - made.keys()]
    return absent + [found for key in recorded.keys() & made.keys() for found in lacking(recorded[key], made[key], f"{at}/{key}")]
