from __future__ import annotations

from pathlib import Path

from prreview_cli.secrecy import Secret
from prreview_cli.settings import Keyhole, Vault, read_profile
from support.profiles import profile_file

OLD, NEW = "Qm7rT2xV9kLw4ZsB8nYc", "hJ3dF6gP1uXeRoA5iMtK"


def test_a_rotated_key_is_hidden_like_the_one_that_replaced_it(tmp_path: Path) -> None:
    environ = {"PRREVIEW_TEST_MODEL_API_KEY": OLD}
    vault = Vault(read_profile(profile_file(tmp_path)), environ)
    keyhole = Keyhole(vault)
    assert keyhole.secrets_in(f"x {OLD} y") == ["model_api_key"]
    assert keyhole.secrets_in(f"x {NEW} y") == []

    environ["PRREVIEW_TEST_MODEL_API_KEY"] = NEW
    vault.refresh()
    keyhole.refresh()

    assert NEW not in keyhole.redact(f"x {NEW} y")
    assert OLD not in keyhole.redact(f"x {OLD} y")
    assert len(keyhole.secrets_in(f"{OLD} {NEW}")) == 2


def test_of_what_was_minted_the_last_one_is_hidden_beside_the_present_one(tmp_path: Path) -> None:
    keyhole = Keyhole(Vault(read_profile(profile_file(tmp_path)), {}))
    for minted in (OLD, NEW):
        keyhole.learn("app token of 7", Secret(minted))
    assert len(keyhole.secrets_in(f"{OLD} {NEW}")) == 2


def test_a_key_is_hidden_though_a_token_was_minted_just_before_the_key_was_rotated(tmp_path: Path) -> None:
    environ = {"PRREVIEW_TEST_MODEL_API_KEY": OLD}
    vault = Vault(read_profile(profile_file(tmp_path)), environ)
    keyhole = Keyhole(vault)
    assert keyhole.secrets_in(OLD)

    keyhole.learn("app token of 7", Secret("sT4vW8xY1zB5cD9eF2gH"))
    environ["PRREVIEW_TEST_MODEL_API_KEY"] = NEW
    vault.refresh()
    keyhole.refresh()

    assert len(keyhole.secrets_in(f"{OLD} {NEW}")) == 2


def test_what_cannot_be_had_is_nothing_to_hide(tmp_path: Path) -> None:
    keyhole = Keyhole(Vault(read_profile(profile_file(tmp_path)), {}))
    assert keyhole.redact("plain text") == "plain text"
