"""`prreview secret`: values go from a prompt or from stdin into the keyring; no command prints one."""

from __future__ import annotations

import getpass
import sys
import warnings
from typing import Annotated

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_table, say
from prreview_cli.core.errors import SecretUnavailable, UsageError
from prreview_cli.core.profile import Profile, SecretName
from prreview_cli.settings import Vault, load_profile
from prreview_cli.telemetry import harden_process

app = new_app()

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(SecretName)}.", show_default=False)]


@app.callback(epilog="Example: prreview secret set host_token -p prod")
def secret() -> None:
    """Put secrets into the keyring, and list or remove them."""


@app.command("set", epilog="Example: openssl rand -hex 32 | prreview secret set webhook_secret -p prod")
def set_(
    name: NameArgument,
    profile: ProfileOption = None,
    value: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
) -> None:
    """Ask for a value, or read it from stdin, and keep it in the keyring of the profile's environment."""
    harden_process()
    if value:
        raise UsageError(
            "A value on the command line is in the shell's history and in the process list, so it was not taken.",
            remedy=f"Issue a new one, and give it to `prreview secret set {_named(name)}` at its prompt or on stdin.",
        )
    secret_name = _named(name)
    chosen = load_profile(profile)
    vault = Vault(chosen)
    vault.see_that_it_can_be_put(secret_name)
    vault.put(secret_name, _ask(secret_name))
    say(f"{secret_name} is in the keyring of {chosen.environment}. Run `prreview profile check` to see what is still missing.")


@app.command("list", epilog="Example: prreview secret list -p prod --json")
def list_(profile: ProfileOption = None, as_json: JsonOption = False) -> None:
    """List the secrets that the profile refers to, and whether each can be had; never a value."""
    harden_process()
    chosen = load_profile(profile)
    rows = [_row(chosen, Vault(chosen), name) for name in SecretName if name in chosen.secrets]
    if as_json:
        print_json({"environment": chosen.environment, "secrets": rows})
        return
    print_table(
        ["NAME", "REFERENCE", "PRESENT"],
        [(row["name"], row["reference"], "yes" if row["present"] else f"no: {row['reason']}") for row in rows],
    )


@app.command("remove", epilog="Example: prreview secret remove webhook_secret_previous -p prod")
def remove(name: NameArgument, profile: ProfileOption = None) -> None:
    """Take a value out of the keyring."""
    secret_name = _named(name)
    chosen = load_profile(profile)
    if not Vault(chosen).remove(secret_name):
        raise SecretUnavailable(f"{secret_name} is not in the keyring of {chosen.environment}.", remedy="There is nothing to remove.")
    say(f"{secret_name} is no longer in the keyring of {chosen.environment}. It is still valid wherever it was issued: revoke it there.")


def _named(name: str) -> SecretName:
    """The secret of this name; what was typed instead is not repeated, since it may be a value."""
    try:
        return SecretName(name)
    except ValueError:
        raise UsageError("That is not the name of a secret.", remedy=f"The names are {', '.join(SecretName)}.") from None


def _ask(name: SecretName) -> str:
    """The value: typed twice and unseen at a terminal, else all of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.read()
    first = _typed(f"Value of {name}: ")
    if _typed("The same again: ") != first:
        raise UsageError("The two values are not the same, so nothing was kept.", remedy="Run the command again.")
    return first


def _typed(prompt: str) -> str:
    """A line typed at the terminal; the prompt comes only once the terminal shows nothing any more."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except (EOFError, getpass.GetPassWarning):
            raise UsageError("No value could be asked for unseen.", remedy="Give it on stdin, from a file or a pipe.") from None


def _row(profile: Profile, vault: Vault, name: SecretName) -> dict[str, object]:
    try:
        vault.get(name)
        reason = None
    except SecretUnavailable as error:
        reason = str(error)
    return {"name": name, "reference": str(profile.secrets[name]), "present": reason is None, "reason": reason}
