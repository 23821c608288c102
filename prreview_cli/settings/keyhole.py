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
        self._matcher: Matcher | None = None
        self._changes = 0

    def redact(self, text: str) -> str:
        """The text without our secrets."""
        return self._current.redact(text)

    def secrets_in(self, text: str) -> Sequence[str]:
        """The names of our secrets that the text holds, whole or in part."""
        return self._current.holds(text)

    def learn(self, name: str, secret: Secret) -> None:
        """Know this one too, which stands in no vault, and the last one of this name: it may be good for a while yet."""
        if (last := self._learnt.get(name)) is not None:
            self._learnt[f"{name} (former)"] = last
        self._learnt[name] = secret
        self._changed()

    def refresh(self) -> None:
        """Look at the vault again. An old key is still a secret, so it stays known."""
        if self._known is not None:
            self._former |= {f"{name} (former {len(self._former)})": secret for name, secret in self._known.items()}
        self._known = None
        self._changed()

    def _changed(self) -> None:
        self._changes += 1
        self._matcher = None

    @property
    def _current(self) -> Matcher:
        if (matcher := self._matcher) is None:
            known, changes = self._known, self._changes
            if known is None:
                known = {str(name): secret for name, secret in self._vault.known().items()}
                values = {secret.reveal() for secret in known.values()}
                self._former = {name: secret for name, secret in self._former.items() if secret.reveal() not in values}
            matcher = Matcher(known | self._former | self._learnt)
            if changes == self._changes:  # else another thread has made it old meanwhile
                self._known, self._matcher = known, matcher
        return matcher
