"""What finds and hides a profile's secrets in text."""

from __future__ import annotations

from collections.abc import Sequence

from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.settings.vault import Vault


class Keyhole:
    """What finds and hides our secrets: those of now and, after a rotation, those that this process has known before."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._former: dict[str, Secret] = {}
        self._learnt: dict[str, Secret] = {}
        self._known: dict[str, Secret] | None = None
        self._matcher = Matcher({})

    def redact(self, text: str) -> str:
        """The text without our secrets."""
        return self._current.redact(text)

    def secrets_in(self, text: str) -> Sequence[str]:
        """The names of our secrets that the text holds, whole or in part."""
        return self._current.holds(text)

    def learn(self, name: str, secret: Secret) -> None:
        """Know this one too, which stands in no vault; in the place of the last one of this name."""
        self._learnt[name] = secret
        self._known = None

    def refresh(self) -> None:
        """Look at the vault again. An old key is still a secret, so it stays known."""
        if self._known is not None:
            self._former |= {f"{name} (former {len(self._former)})": secret for name, secret in self._known.items()}
        self._known = None

    @property
    def _current(self) -> Matcher:
        if self._known is None:
            self._known = {str(name): secret for name, secret in self._vault.known().items()}
            values = {secret.reveal() for secret in self._known.values()}
            self._former = {name: secret for name, secret in self._former.items() if secret.reveal() not in values}
            self._matcher = Matcher(self._known | self._former | self._learnt)
        return self._matcher
