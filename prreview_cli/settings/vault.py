"""The values behind a profile's references."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prreview_cli.core.errors import ProfileError, SecretUnavailable
from prreview_cli.core.profile import Profile, SecretName, SecretRef, SecretScheme
from prreview_cli.secrecy import Secret
from prreview_cli.settings.keyrings import HEADLESS, open_keyring, service_name
from prreview_cli.settings.trust import read_trusted
from prreview_cli.settings.values import MAX_CHARACTERS, as_secret, searched_for

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend


class Vault:
    """One profile's secrets. Values are read when they are first asked for and then kept until `refresh`.

    A keyring is opened only for a reference that begins with `keyring:`, under the service of the
    profile's own environment, so that no other environment's secret can be had through it.
    """

    def __init__(
        self,
        profile: Profile,
        environ: Mapping[str, str] = os.environ,
        keyring: Callable[[], KeyringBackend] = open_keyring,
    ) -> None:
        self._references = profile.secrets | _implied(profile.secrets)
        self._said = frozenset(profile.secrets)
        self._service = service_name(profile.environment)
        self._environ = environ
        self._keyring = keyring
        self._kept: dict[SecretName, Secret] = {}

    def get(self, name: SecretName) -> Secret:
        """The secret; SecretUnavailable, with the remedy and never with the value, if it cannot be had."""
        if name not in self._kept:
            self._kept[name] = as_secret(name, self._raw(name))
        return self._kept[name]

    def try_on(self, name: SecretName, raw: str) -> None:
        """Use this value, in this process and until `refresh`, without keeping it anywhere; SecretUnavailable if it is none."""
        self._kept[name] = as_secret(name, raw)

    def webhook_secrets(self) -> Sequence[Secret]:
        """The current webhook secret and, during a rotation, the previous one; SecretUnavailable without the first."""
        pair = [self.get(SecretName.WEBHOOK_SECRET)]
        with suppress(SecretUnavailable):
            pair.append(self.get(SecretName.WEBHOOK_SECRET_PREVIOUS))
        return pair

    def places(self) -> Mapping[SecretName, SecretRef]:
        """Where each secret is: the profile's references and, if there is a value, that of the previous webhook secret."""
        previous = SecretName.WEBHOOK_SECRET_PREVIOUS
        if previous in self._references and previous not in self._said:
            try:
                self.get(previous)
            except SecretUnavailable:
                return {name: reference for name, reference in self._references.items() if name is not previous}
        return self._references

    def sought(self, name: SecretName) -> Secret:
        """The part of a secret by which it is found in text; SecretUnavailable as `get`."""
        return searched_for(name, self.get(name))

    def known(self) -> Mapping[str, Secret]:
        """What to look for in text, by name, as a `Matcher` takes it, of every secret that can be had now."""
        found: dict[str, Secret] = {}
        for name in self._references:
            try:
                found[name] = self.sought(name)
            except SecretUnavailable:
                continue
        return found

    def refresh(self) -> None:
        """Forget what was read, so that a rotated value is read anew."""
        self._kept.clear()

    def see_that_it_can_be_put(self, name: SecretName) -> None:
        """SecretUnavailable if `put` would refuse this secret, so that nobody types a value in vain."""
        self._account(name)
        try:
            self._keyring()
        except Exception as error:  # noqa: BLE001 - the boundary to foreign back ends, as in `put`
            raise _refused(name, error) from None

    def put(self, name: SecretName, raw: str) -> None:
        """Keep a value in the keyring and see that it can be read back; SecretUnavailable if that is not where it belongs."""
        account = self._account(name)
        secret = as_secret(name, raw)
        try:
            backend = self._keyring()
            backend.set_password(self._service, account, secret.reveal())
            kept = backend.get_password(self._service, account)
        except Exception as error:  # noqa: BLE001 - the boundary to foreign back ends: what they say may hold the value
            raise _refused(name, error) from None
        if kept is None or not secret.equals(kept.encode()):
            raise SecretUnavailable(f"The keyring took {name} and does not give it back.", remedy=HEADLESS)
        self._kept[name] = secret

    def remove(self, name: SecretName) -> bool:
        """Take a value out of the keyring; False if there was none."""
        account = self._account(name)
        self._kept.pop(name, None)
        try:
            backend = self._keyring()
            if backend.get_password(self._service, account) is None:
                return False
            backend.delete_password(self._service, account)
        except Exception as error:  # noqa: BLE001 - as above
            raise _refused(name, error) from None
        return True

    def _raw(self, name: SecretName) -> str:
        reference = self._reference(name)
        match reference.scheme:
            case SecretScheme.KEYRING:
                return self._from_keyring(name, reference.location)
            case SecretScheme.ENV:
                return self._from_environment(name, reference.location)
            case SecretScheme.FILE:
                return _from_file(name, Path(reference.location))

    def _from_keyring(self, name: SecretName, account: str) -> str:
        try:
            value = self._keyring().get_password(self._service, account)
        except Exception as error:  # noqa: BLE001 - as above
            raise _refused(name, error) from None
        if value is None:
            raise SecretUnavailable(
                f"{name} is not in the keyring (service {self._service}, account {account}).",
                remedy=f"Set it with `prreview secret set {name}`.",
            )
        return value

    def _from_environment(self, name: SecretName, variable: str) -> str:
        try:
            return self._environ[variable]
        except KeyError:
            raise SecretUnavailable(
                f"{name} should be in the environment variable {variable}, which is not set.",
                remedy=f"Set {variable} where prreview is started.",
            ) from None

    def _account(self, name: SecretName) -> str:
        """The keyring's account of a secret; SecretUnavailable if the profile keeps it elsewhere."""
        reference = self._reference(name)
        if reference.scheme is not SecretScheme.KEYRING:
            place = "in that environment variable" if reference.scheme is SecretScheme.ENV else "into that file, readable by you alone"
            raise SecretUnavailable(
                f"The profile refers to {name} as {reference}, which prreview only reads.",
                remedy=f"Put the value {place}, or write keyring:{name} into the profile.",
            )
        return reference.location

    def _reference(self, name: SecretName) -> SecretRef:
        try:
            return self._references[name]
        except KeyError:
            raise SecretUnavailable(
                f"The profile has no reference for {name}.", remedy=f'Add {name} = "keyring:{name}" under [secrets].'
            ) from None


def _implied(said: Mapping[SecretName, SecretRef]) -> dict[SecretName, SecretRef]:
    """Where a rotation keeps the previous webhook secret unless the profile says otherwise: beside the current one."""
    current = said.get(SecretName.WEBHOOK_SECRET)
    if current is None or current.scheme is not SecretScheme.KEYRING or SecretName.WEBHOOK_SECRET_PREVIOUS in said:
        return {}
    return {SecretName.WEBHOOK_SECRET_PREVIOUS: SecretRef(SecretScheme.KEYRING, f"{current.location}_previous"[:100])}


def _from_file(name: SecretName, path: Path) -> str:
    try:
        return read_trusted(path, MAX_CHARACTERS * 4, secret=True).decode()
    except ProfileError as error:
        raise SecretUnavailable(f"{name} cannot be taken from its file: {error}", remedy=error.remedy) from None
    except UnicodeDecodeError:
        raise SecretUnavailable(f"{name} cannot be taken from {path}: it is not UTF-8 text.", remedy="Write it anew.") from None
    except OSError as error:
        raise SecretUnavailable(
            f"{name} cannot be taken from {path}: {error.strerror}.", remedy="Put the value there, readable by you alone."
        ) from None


def _refused(name: SecretName, error: Exception) -> SecretUnavailable:
    """What to raise for a failing keyring: a foreign error is named by its type alone."""
    if isinstance(error, SecretUnavailable):
        return error
    return SecretUnavailable(f"The keyring failed at {name} with {type(error).__name__}.", remedy=HEADLESS)
