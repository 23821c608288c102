"""`prreview secret`: values go from a prompt or from stdin into the keyring; no command prints one."""

from __future__ import annotations

import getpass
import sys
import warnings
from typing import Annotated

import typer

from prreview_cli.cli import rotating
from prreview_cli.cli.formats import moment
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_table, say
from prreview_cli.cli.periods import age
from prreview_cli.cli.running import house_of
from prreview_cli.core.errors import SecretUnavailable, UsageError
from prreview_cli.core.profile import SecretName
from prreview_cli.settings import Vault, load_profile
from prreview_cli.telemetry import harden_process
from prreview_cli.wiring import House

app = new_app()

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(SecretName)}.", show_default=False)]


@app.callback(epilog="Example: prreview secret set host_token -p prod")
def secret() -> None:
    """Put secrets into the keyring, list, rotate or remove them."""


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
    vault = Vault(chosen)
    places = vault.places()
    rows = [_row(str(places[name]), vault, name) for name in SecretName if name in places]
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


@app.command(epilog="Example: openssl rand -hex 32 | prreview secret rotate webhook_secret -p prod")
def rotate(
    name: NameArgument,
    profile: ProfileOption = None,
    retire_after: Annotated[str | None, typer.Option(metavar="AGE", help="Retire the previous webhook secret by itself: 24h, 7d.")] = None,
    retire: Annotated[bool, typer.Option("--retire", help="Retire the previous webhook secret now.")] = False,
    anyhow: Annotated[bool, typer.Option("--anyhow", help="With --retire: though the last delivery was verified by it.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say which webhook secret verified the last deliveries.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Replace a secret without a gap. The webhook's previous one stays valid until it is retired, and `serve` needs no
    restart; a key or token is replaced once the new one is seen to work."""
    secret_name = _named(name)
    house = house_of(profile)
    if secret_name is SecretName.WEBHOOK_SECRET:
        if retire:
            rotating.retire(house, anyhow=anyhow)
        elif not status:
            until = None if retire_after is None else house.clock.now() + age(retire_after)
            rotating.rotate_webhook(house, lambda: _ask(secret_name), until)
        _tell(house, as_json=as_json)
        return
    if secret_name is SecretName.WEBHOOK_SECRET_PREVIOUS or retire or status or retire_after:
        raise UsageError("Only webhook_secret has a previous one.", remedy="Name webhook_secret, or leave the option out.")
    rotating.rotate_proven(house, secret_name, lambda: _ask(secret_name))
    say(f"{secret_name} was accepted by its service and is in the keyring of {house.profile.environment}.")


def _tell(house: House, *, as_json: bool) -> None:
    """Where the rotation of the webhook's secret stands."""
    now = rotating.standing(house)
    previous = now.rotation.previous_verifies(house.clock.now())
    data = {
        "environment": house.profile.environment,
        "rotations": now.rotation.number,
        "since": moment(now.rotation.since),
        "current_last_verified": moment(now.current),
        "previous_valid": previous,
        "previous_until": moment(now.rotation.until),
        "previous_last_verified": moment(now.previous),
    }
    if as_json:
        print_json(data)
        return
    say(f"current: {_last(data['current_last_verified'])}")
    if previous:
        ends = f"until {data['previous_until']}" if now.rotation.until else "until it is retired"
        say(f"previous: valid {ends}; {_last(data['previous_last_verified'])}")
        say("Set the new secret at the code host; when `--status` shows that it verifies, retire the previous one with `--retire`.")
    else:
        say("previous: there is none that verifies.")


def _last(at: object) -> str:
    return f"last verified a delivery at {at}" if at else "has verified no delivery yet"


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
    if name is SecretName.APP_PRIVATE_KEY:
        raise UsageError("A private key has many lines, and a prompt takes one.", remedy="Give its file on stdin: < key.pem.")
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


def _row(reference: str, vault: Vault, name: SecretName) -> dict[str, object]:
    try:
        vault.get(name)
        reason = None
    except SecretUnavailable as error:
        reason = str(error)
    return {"name": name, "reference": reference, "present": reason is None, "reason": reason}
