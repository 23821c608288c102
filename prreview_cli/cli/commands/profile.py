"""`prreview profile`: one TOML file an environment."""

from __future__ import annotations

import os
import tomllib
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_table, print_text, say
from prreview_cli.core.errors import ExitCode, PrreviewError, UsageError
from prreview_cli.core.profile import ENVIRONMENT_PATTERN
from prreview_cli.settings import (
    TEMPLATES,
    Report,
    Vault,
    as_toml,
    check_profile,
    find_profile,
    is_there,
    profile_paths,
    profiles_folder,
    read_profile,
    read_text,
    template_for,
    template_text,
    to_mapping,
    with_value,
    write_profile,
    write_text,
)
from prreview_cli.telemetry import harden_process

app = new_app()

NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="The profile; default: the chosen one.", show_default=False)]


@app.callback(epilog="Example: prreview profile create prod --template prod")
def profile() -> None:
    """Create, show, check and change profiles."""


@app.command("create", epilog="Example: prreview profile create prod --set host.repositories='octo/*'")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The profile's and its environment's name.", show_default=False)],
    template: Annotated[str | None, typer.Option(help=f"What to begin with: {', '.join(TEMPLATES)}.", show_default=False)] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key at once; may be repeated.")] = None,
) -> None:
    """Make a profile from a template."""
    if not ENVIRONMENT_PATTERN.fullmatch(name):
        raise UsageError(
            "A profile's name is 1 to 40 of a-z, 0-9, - and _, beginning with a letter or digit.", remedy="Choose such a name."
        )
    path = profiles_folder(os.environ) / f"{name}.toml"
    if is_there(path):
        raise UsageError(f"There is a profile at {path} already.", remedy="Change it with `prreview profile set`, or remove the file.")
    text = template_text(template_for(name, template), name)
    document = _with_settings(tomllib.loads(text), settings or [])
    if settings:
        write_profile(path, document)
    else:
        write_text(path, text)
    print_text(str(path))
    say(f"Next: {_next(name, document)}.")


@app.command("list", epilog="Example: prreview profile list --json")
def list_(as_json: JsonOption = False) -> None:
    """List the profiles there are."""
    rows = [_row(path) for path in profile_paths(os.environ)]
    if as_json:
        print_json({"folder": str(profiles_folder(os.environ)), "profiles": rows})
    elif rows:
        print_table(
            ["NAME", "ENVIRONMENT", "FILE", "USABLE"],
            [(row["name"], row["environment"] or "?", row["path"], "yes" if row["usable"] else "no: see `profile check`") for row in rows],
        )
    else:
        say(f"There is none yet in {profiles_folder(os.environ)}. Make one with `prreview profile create NAME`.")


@app.command("show", epilog="Example: prreview profile show prod")
def show(name: NameArgument = None, profile: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Show a profile with all defaults, as TOML; secrets as references."""
    found = read_profile(find_profile(name or profile, os.environ))
    if as_json:
        print_json({"name": found.name, "path": str(found.path), "profile": to_mapping(found)})
    else:
        print_text(f"# {found.path}\n{as_toml(to_mapping(found))}".rstrip())


@app.command("check", epilog="Example: prreview profile check prod")
def check(name: NameArgument = None, profile: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Check the file, who can write it, that its secrets are there, and that no other profile shares them."""
    harden_process()
    report = check_profile(find_profile(name or profile, os.environ), os.environ, Vault)
    if as_json:
        print_json(_report_json(report))
    else:
        _print_report(report)
    if report.problems:
        raise typer.Exit(int(ExitCode.USAGE))


@app.command("set", epilog="Example: prreview profile set prod workers.count 6")
def set_(
    words: Annotated[list[str], typer.Argument(metavar="[NAME] KEY VALUE", help="What to set; without NAME, in the chosen profile.")],
    profile: ProfileOption = None,
) -> None:
    """Set one key. The file is written anew: its comments go, and the former file stays beside it."""
    if len(words) not in {2, 3}:
        raise UsageError("A key and a value are needed.", remedy="For example: prreview profile set prod workers.count 6")
    key, value = words[-2:]
    path = find_profile(words[0] if len(words) == 3 else profile, os.environ)
    former = write_profile(path, with_value(_document(path), key, value))
    say(f"{key} is set in {path}. Comments in the file are gone; the former file is {former}.")


def _document(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}.", remedy="Mend it by hand first.") from None


def _next(name: str, document: dict[str, Any]) -> str:
    """What a new profile still needs: its values, of which `secret set` takes those of the keyring alone."""
    kept = [key for key, reference in document.get("secrets", {}).items() if str(reference).startswith("keyring:")]
    first = f"`prreview secret set NAME -p {name}` for {', '.join(kept)}, then " if kept else ""
    return f"{first}`prreview profile check {name}`"


def _with_settings(document: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError("--set needs KEY=VALUE.", remedy="For example: --set workers.count=6")
        document = with_value(document, key.strip(), value)
    return document


def _row(path: Path) -> dict[str, Any]:
    try:
        found = read_profile(path)
    except PrreviewError as error:
        return {"name": path.stem, "environment": None, "path": str(path), "usable": False, "problem": str(error)}
    return {"name": found.name, "environment": found.environment, "path": str(path), "usable": True, "problem": None}


def _report_json(report: Report) -> dict[str, Any]:
    references = report.profile.secrets if report.profile else {}
    return {
        "name": report.path.stem,
        "path": str(report.path),
        "environment": report.profile.environment if report.profile else None,
        "ok": not report.problems,
        "problems": [
            {"key": problem.key or None, "line": problem.line, "message": problem.message, "remedy": problem.remedy or None}
            for problem in report.problems
        ],
        "notes": report.notes,
        "secrets": [
            {"name": name, "reference": str(references[name]) if name in references else None, "present": present}
            for name, present in report.present.items()
        ],
    }


def _print_report(report: Report) -> None:
    lines = [str(report.path)]
    lines += [f"  ok    {name}" for name, present in report.present.items() if present]
    lines += [f"  note  {note}" for note in report.notes]
    for remedy, problems in groupby(report.problems, key=lambda problem: problem.remedy):
        lines += [f"  bad   {problem}" for problem in problems]
        lines += [f"        {remedy}"] if remedy else []
    lines.append(f"{len(report.problems)} to mend." if report.problems else "This profile can be used.")
    print_text("\n".join(lines))
