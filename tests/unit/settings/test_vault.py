from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from keyring.backends import fail, null
from keyring.errors import PasswordSetError

from prreview_cli.core.errors import SecretUnavailable
from prreview_cli.core.profile import Profile, SecretName
from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.settings import Keyhole, Vault, read_profile
from support.github_app import private_key, public_key
from support.profiles import MemoryKeyring, profile_file

VALUE = "a-value-of-the-test-0123456789-abcdef"
TOKEN, KEY, HOOK = SecretName.HOST_TOKEN, SecretName.MODEL_API_KEY, SecretName.WEBHOOK_SECRET


def profile_with(folder: Path, reference: str, *, name: str = "test") -> Profile:
    return read_profile(profile_file(folder, {"secrets.host_token": reference}, name=name))


def never() -> MemoryKeyring:
    raise AssertionError("No keyring may be opened here.")


def test_a_value_comes_from_the_environment_and_opens_no_keyring(tmp_path: Path) -> None:
    vault = Vault(profile_with(tmp_path, "env:TOKEN"), {"TOKEN": VALUE}, never)

    assert vault.get(TOKEN).reveal() == VALUE


def test_a_value_comes_from_a_file_without_its_last_newline(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(f"{VALUE}\r\n".encode())
    file.chmod(0o400)

    assert Vault(profile_with(tmp_path, f"file:{file}"), {}, never).get(TOKEN).reveal() == VALUE


def test_a_value_comes_from_the_keyring_of_the_environment(tmp_path: Path) -> None:
    keyring = MemoryKeyring()
    keyring.set_password("prreview/prod", "token", VALUE)

    assert Vault(profile_with(tmp_path, "keyring:token", name="prod"), {}, lambda: keyring).get(TOKEN).reveal() == VALUE
    with pytest.raises(SecretUnavailable, match="service prreview/staging, account token"):
        Vault(profile_with(tmp_path, "keyring:token", name="staging"), {}, lambda: keyring).get(TOKEN)


def test_a_rotated_value_is_seen_after_a_refresh(tmp_path: Path) -> None:
    environ = {"TOKEN": VALUE}
    vault = Vault(profile_with(tmp_path, "env:TOKEN"), environ, never)
    vault.get(TOKEN)
    environ["TOKEN"] = VALUE[::-1]

    assert vault.get(TOKEN).reveal() == VALUE
    vault.refresh()
    assert vault.get(TOKEN).reveal() == VALUE[::-1]


def test_what_cannot_be_had_is_left_out_of_what_is_known(tmp_path: Path) -> None:
    vault = Vault(profile_with(tmp_path, "env:TOKEN"), {"TOKEN": VALUE}, never)

    assert {name: secret.reveal() for name, secret in vault.known().items()} == {TOKEN: VALUE}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("env:UNSET", "UNSET, which is not set"), ("file:/none/there", "No such file"), ("keyring:token", "is not in the keyring")],
)
def test_a_value_that_is_not_there_is_told_with_the_remedy(tmp_path: Path, reference: str, expected: str) -> None:
    with pytest.raises(SecretUnavailable, match=expected) as caught:
        Vault(profile_with(tmp_path, reference), {}, MemoryKeyring).get(TOKEN)

    assert caught.value.remedy


def test_a_secret_without_a_reference_is_told_with_the_line_to_add(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable) as caught:
        Vault(profile_with(tmp_path, "env:TOKEN"), {}, never).get(SecretName.WEBHOOK_SECRET_PREVIOUS)

    assert 'webhook_secret_previous = "keyring:webhook_secret_previous"' in caught.value.remedy


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_gives_no_secret(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "token"
    file.write_text(VALUE)
    file.chmod(mode)

    with pytest.raises(SecretUnavailable, match="can be written by other users"):
        Vault(profile_with(tmp_path, f"file:{file}"), {}, never).get(TOKEN)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (TOKEN, ""),
        (TOKEN, "hunter2"),
        (TOKEN, "hunter2\nhunter2"),
        (TOKEN, "hunter2hunter2\n\n"),
        (TOKEN, " hunter2hunter2"),
        (TOKEN, "hunter2 hunter2"),
        (TOKEN, "hunter2\0hunter2"),
        (TOKEN, "hunter2\x1bhunter2"),
        (TOKEN, "hunter2hünter2"),
        (TOKEN, "hunter2\udcffhunter2"),
        (TOKEN, "hunter2hunter2" * 2000),
        (KEY, "hunter2\thunter2"),
        (HOOK, "hunter2hunter2hunter2hunter2xyz"),
        (HOOK, "hunter2hunter2hunter2hunter2hunter2\n\n"),
    ],
)
def test_a_value_that_is_no_secret_is_refused_and_not_repeated(tmp_path: Path, name: SecretName, value: str) -> None:
    profile = profile_with(tmp_path, "env:PRREVIEW_TEST_HOST_TOKEN")

    with pytest.raises(SecretUnavailable) as caught:
        Vault(profile, {profile.secrets[name].location: value}, never).get(name)

    assert "hunter2" not in f"{caught.value} {caught.value.remedy}"


def test_a_webhook_secret_may_be_a_sentence(tmp_path: Path) -> None:
    profile = profile_with(tmp_path, "env:TOKEN")
    sentence = "It's a secret to everybody, and a longer one: é"

    assert Vault(profile, {profile.secrets[HOOK].location: sentence}, never).get(HOOK).reveal() == sentence


def test_a_value_that_was_put_can_be_had_until_it_is_removed(tmp_path: Path) -> None:
    keyring = MemoryKeyring()
    profile = profile_with(tmp_path, "keyring:token")
    Vault(profile, {}, lambda: keyring).put(TOKEN, VALUE + "\n")

    assert keyring.kept == {("prreview/test", "token"): VALUE}
    vault = Vault(profile, {}, lambda: keyring)
    assert vault.get(TOKEN).reveal() == VALUE
    assert vault.remove(TOKEN)
    assert not vault.remove(TOKEN)
    with pytest.raises(SecretUnavailable):
        vault.get(TOKEN)


@pytest.mark.parametrize("reference", ["env:TOKEN", "file:/run/token"])
def test_only_what_the_keyring_keeps_can_be_put(tmp_path: Path, reference: str) -> None:
    vault = Vault(profile_with(tmp_path, reference), {}, never)

    for attempt in (lambda: vault.put(TOKEN, VALUE), lambda: vault.remove(TOKEN), lambda: vault.see_that_it_can_be_put(TOKEN)):
        with pytest.raises(SecretUnavailable, match=reference):
            attempt()


def test_what_a_failing_keyring_says_is_not_repeated(tmp_path: Path) -> None:
    class Loud(MemoryKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            raise PasswordSetError(f"could not store {password}")

    with pytest.raises(SecretUnavailable) as caught:
        Vault(profile_with(tmp_path, "keyring:token"), {}, Loud).put(TOKEN, VALUE)

    assert "PasswordSetError" in str(caught.value)
    assert VALUE not in f"{caught.value} {caught.value.remedy}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_back_end_that_cannot_be_loaded_is_told_by_its_type_before_a_value_is_asked_for(tmp_path: Path) -> None:
    def unloadable() -> MemoryKeyring:
        raise ModuleNotFoundError(f"No module named {VALUE!r}")

    with pytest.raises(SecretUnavailable, match="ModuleNotFoundError") as caught:
        Vault(profile_with(tmp_path, "keyring:token"), {}, unloadable).see_that_it_can_be_put(TOKEN)

    assert VALUE not in str(caught.value)


def test_a_keyring_that_keeps_nothing_is_noticed_at_once(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match="does not give it back"):
        Vault(profile_with(tmp_path, "keyring:token"), {}, null.Keyring).put(TOKEN, VALUE)


def test_a_keyring_that_is_none_is_told_by_its_type(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match="NoKeyringError"):
        Vault(profile_with(tmp_path, "keyring:token"), {}, fail.Keyring).get(TOKEN)


def test_a_private_key_is_kept_whole_and_sought_by_what_no_other_key_has(tmp_path: Path) -> None:
    pem = private_key()
    changes = {"host.auth": "app", "host.app_id": 7, "secrets.app_private_key": "env:PEM"}
    vault = Vault(read_profile(profile_file(tmp_path, changes)), {"PEM": pem.replace("\n", "\r\n")})
    assert vault.get(SecretName.APP_PRIVATE_KEY).reveal() == pem.strip()
    sought = vault.known()[SecretName.APP_PRIVATE_KEY].reveal()
    assert sought in "".join(pem.splitlines())
    assert sought not in "".join(private_key(1).splitlines())
    for wrong in ("-----BEGIN PUBLIC KEY-----\n" + "A" * 80 + "\n-----END PUBLIC KEY-----", pem.replace("\n", " "), "ghp_token-0123456789"):
        with pytest.raises(SecretUnavailable) as caught:
            Vault(read_profile(profile_file(tmp_path, changes)), {"PEM": wrong}).get(SecretName.APP_PRIVATE_KEY)
        assert wrong[-20:] not in str(caught.value)


PRIVATE = ("d", "p", "q", "dmp1", "dmq1", "iqmp")
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "json": json.dumps,
    "python": repr,
    "base64": lambda pem: base64.b64encode(pem.encode()).decode(),
    "url": lambda pem: quote(pem, safe=""),
    "without its frame": lambda pem: "".join(pem.splitlines()[1:-1]),
    "from the middle on": lambda pem: pem[len(pem) // 2 :],
}


@cache
def private_parts() -> Matcher:
    """Finds each quarter of each private number, however it stands in base64: half of a prime gives the rest away (Coppersmith)."""
    key = serialization.load_pem_private_key(private_key().encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    quarters: dict[str, Secret] = {}
    for name in PRIVATE:
        value = getattr(numbers, name)
        raw = value.to_bytes((value.bit_length() + 7) // 8)
        for number in range(name == "d", 4):  # the exponent's first quarter follows from the public key
            part = raw[len(raw) * number // 4 : len(raw) * (number + 1) // 4]
            quarters |= {f"{name} {number} {before}": Secret(_within(part, before)) for before in range(3)}
    return Matcher(quarters, ())


@pytest.mark.parametrize("kind", [serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8])
def test_nothing_private_of_a_private_key_is_left_where_it_is_hidden(tmp_path: Path, kind: serialization.PrivateFormat) -> None:
    key = serialization.load_pem_private_key(private_key().encode(), None)
    pem = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()
    changes = {"host.auth": "app", "host.app_id": 7, "secrets.app_private_key": "env:PEM"}
    keyhole = Keyhole(Vault(read_profile(profile_file(tmp_path, changes)), {"PEM": pem}))

    for way, encode in WAYS.items():
        told = f"key: {encode(pem)}"
        assert private_parts().holds(told), way
        assert keyhole.secrets_in(told) == ["app_private_key"], way
        assert private_parts().holds(keyhole.redact(told)) == [], way


def _within(part: bytes, before: int) -> str:
    """The letters of base64 that depend on these bytes alone, if so many bytes stand before them in their group of three."""
    return base64.b64encode(bytes(before) + part).decode()[-(-8 * before // 6) : 8 * (before + len(part)) // 6]


def test_a_public_key_is_not_taken_for_the_private_one(tmp_path: Path) -> None:
    changes = {"host.auth": "app", "host.app_id": 7, "secrets.app_private_key": "env:PEM"}
    keyhole = Keyhole(Vault(read_profile(profile_file(tmp_path, changes)), {"PEM": private_key()}))
    public = public_key(private_key()).public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    assert keyhole.secrets_in(public.decode()) == []


def test_the_previous_webhook_secret_stands_beside_the_current_one_unless_the_profile_says_otherwise(tmp_path: Path) -> None:
    keyring = MemoryKeyring()
    vault = Vault(read_profile(profile_file(tmp_path, {"secrets.webhook_secret": "keyring:hook"})), {}, lambda: keyring)
    vault.put(HOOK, "the-current-webhook-secret-0123456789")
    assert len(vault.webhook_secrets()) == 1
    assert SecretName.WEBHOOK_SECRET_PREVIOUS not in vault.places()
    vault.put(SecretName.WEBHOOK_SECRET_PREVIOUS, "the-former-webhook-secret-0123456789")
    assert keyring.kept["prreview/test", "hook_previous"].startswith("the-former")
    assert [secret.reveal()[:11] for secret in vault.webhook_secrets()] == ["the-current", "the-former-"]
    assert SecretName.WEBHOOK_SECRET_PREVIOUS in vault.places()
