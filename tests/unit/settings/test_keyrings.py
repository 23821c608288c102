from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from keyring.backends import fail, null

from prreview_cli.core.errors import SecretUnavailable
from prreview_cli.settings.keyrings import open_keyring
from support.profiles import MemoryKeyring


def a_backend(name: str) -> Any:
    """An object whose class has this full name."""
    module, _, qualname = name.rpartition(".")
    return type(qualname, (SimpleNamespace,), {"__module__": module})()


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)


def choose(monkeypatch: pytest.MonkeyPatch, backend: Any) -> None:
    monkeypatch.setattr("keyring.get_keyring", lambda: backend)


@pytest.mark.parametrize(
    "name", ["SecretService.Keyring", "libsecret.Keyring", "kwallet.DBusKeyring", "macOS.Keyring", "Windows.WinVaultKeyring"]
)
def test_a_keyring_of_the_system_is_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    backend = a_backend(f"keyring.backends.{name}")
    choose(monkeypatch, backend)

    assert open_keyring() is backend


@pytest.mark.parametrize(
    "backend",
    [
        fail.Keyring(),
        null.Keyring(),
        a_backend("keyrings.alt.file.PlaintextKeyring"),
        a_backend("keyrings.alt.file.EncryptedKeyring"),
        MemoryKeyring(),
    ],
    ids=lambda backend: f"{type(backend).__module__}.{type(backend).__name__}",
)
def test_what_is_no_keyring_is_refused_with_what_to_do_without_a_desktop(monkeypatch: pytest.MonkeyPatch, backend: Any) -> None:
    choose(monkeypatch, backend)

    with pytest.raises(SecretUnavailable, match="no usable keyring") as caught:
        open_keyring()

    for way in ("gnome-keyring", "dbus-run-session", "LoadCredential", "env:"):
        assert way in caught.value.remedy


def test_of_a_chain_only_a_safe_link_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    chain, safe = a_backend("keyring.backends.chainer.ChainerBackend"), a_backend("keyring.backends.SecretService.Keyring")
    chain.backends = [a_backend("keyrings.alt.file.PlaintextKeyring"), safe]
    choose(monkeypatch, chain)
    assert open_keyring() is safe

    chain.backends = chain.backends[:1]
    with pytest.raises(SecretUnavailable):
        open_keyring()


def test_another_backend_is_used_only_where_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = MemoryKeyring()
    choose(monkeypatch, backend)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "support.profiles.MemoryKeyring")
    assert open_keyring() is backend

    choose(monkeypatch, null.Keyring())
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(SecretUnavailable, match="in the open or not at all"):
        open_keyring()
