"""Writes the shells' completion scripts, or with --check says whether they are current.

They are whole: a press of TAB starts no Python, evaluates nothing and opens no profile. Verbs, subcommands, options and
their choices are written down from the command line itself; the profiles' names are looked up by the shell.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prreview_cli.cli import root

ROOT = Path(__file__).resolve().parent.parent
FILES = {"bash": "prreview.bash", "zsh": "_prreview", "fish": "prreview.fish"}
HEAD = "# Written by tools/completions.py (`just completions`)."
FOLDER = '"${PRREVIEW_PROFILES_DIR:-${XDG_CONFIG_HOME:-$HOME/.config}/prreview/profiles}"'


@dataclass(frozen=True)
class Option:
    """An option by its names. `choices`: all the values there are; `takes` says what the value is, "" of a flag."""

    names: tuple[str, ...]
    help: str
    takes: str
    choices: tuple[str, ...]
    repeated: bool

    @property
    def profile(self) -> bool:
        """Whether its value is a profile's name."""
        return "--profile" in self.names


@dataclass(frozen=True)
class Verb:
    """A verb, or a subcommand of one, with what may follow it."""

    name: str
    help: str
    options: tuple[Option, ...]
    verbs: tuple[Verb, ...] = ()


def _option(parameter: Any) -> Option:
    takes = "" if parameter.is_flag or parameter.count else (parameter.metavar or parameter.bare_type()).lower()
    choices = tuple(str(getattr(each, "value", each)) for each in parameter.type_descriptor.choices or ())
    names = tuple(sorted([*parameter.opts, *parameter.secondary_opts], key=len))
    return Option(names, " ".join((parameter.help or "").split()), takes, choices, bool(parameter.multiple))


def _verb(name: str, command: Any, line: str) -> Verb:
    listed = getattr(command, "commands", {})
    options = [_option(each) for each in command.params if each.param_type_name == "option" and not each.hidden]
    verbs = tuple(_verb(each, found, found.get_short_help_str(200)) for each, found in listed.items() if not found.hidden)
    return Verb(name, " ".join(line.split()), (*options, Option(("-h", "--help"), "Show help.", "", (), repeated=False)), verbs)


def tree() -> Verb:
    """The whole command line."""
    verbs = tuple(_verb(name, root.load(name), line) for name, line in root.COMMANDS.items())
    top = (
        Option(("--version",), "Print the version.", "", (), repeated=False),
        Option(("-h", "--help"), "Show help.", "", (), repeated=False),
    )
    return Verb("prreview", "", top, verbs)


def _paths(verb: Verb, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Verb]]:
    yield before, verb
    for each in verb.verbs:
        yield from _paths(each, (*before, each.name))


# -- bash -------------------------------------------------------------------------------------------


def bash(top: Verb) -> str:
    """A function over COMP_WORDS: where are we, what follows there."""
    groups = "|".join(verb.name for verb in top.verbs if verb.verbs)
    values, words = [], []
    for path, verb in _paths(top):
        place = " ".join(path)
        values += [line for option in verb.options if option.takes and (line := _bash_value(place, option)) not in values]
        flags = " ".join(name for option in verb.options for name in option.names)
        names = " ".join(each.name for each in verb.verbs)
        words.append(f"        '{place}') options='{flags}' verbs='{names}' ;;")
    return "\n".join([
        HEAD,
        "_prreview() {",
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} place= options= verbs= word",
        "    # bash takes --option=value for three words.",
        "    if [[ $cur == '=' ]]; then cur=; elif [[ $prev == '=' ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi",
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        "        [[ $word == -* ]] && continue",
        f"        case $place in '') place=$word ;; {groups}) place=\"$place $word\"; break ;; *) break ;; esac",
        "    done",
        '    case "$place:$prev" in',
        *values,
        "    esac",
        "    case $place in",
        *words,
        "    esac",
        '    if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$cur"))',
        '    elif [[ $verbs ]]; then COMPREPLY=($(compgen -W "$verbs" -- "$cur"))',
        "    else compopt -o default; COMPREPLY=()",
        "    fi",
        "}",
        "_prreview_profiles() {",
        "    # compgen expands what it is given, so only a profile's name goes in.",
        f"    local file; for file in {FOLDER}/*.toml; do",
        "        file=${file##*/} file=${file%.toml}",
        '        [[ $file =~ ^[A-Za-z0-9][A-Za-z0-9_-]*$ ]] && echo "$file"',
        "    done",
        "}",
        "complete -F _prreview prreview",
        "",
    ])  # fmt: skip


def _bash_value(place: str, option: Option) -> str:
    """The line of a `case` that completes an option's value; that of a profile is the same everywhere."""
    if option.profile:
        return '        *:-p|*:--profile) COMPREPLY=($(compgen -W "$(_prreview_profiles)" -- "$cur")); return ;;'
    where = "|".join(f"'{place}:{name}'" for name in option.names)
    if option.choices:
        return f"        {where}) COMPREPLY=($(compgen -W '{' '.join(option.choices)}' -- \"$cur\")); return ;;"
    return f"        {where}) {'compopt -o default; ' if _a_file(option) else ''}COMPREPLY=(); return ;;"


def _a_file(option: Option) -> bool:
    return any(word in option.takes for word in ("file", "path", "folder"))


# -- zsh --------------------------------------------------------------------------------------------


def zsh(top: Verb) -> str:
    """Functions in the words of _arguments, one a verb; the file's name makes it autoload."""
    functions = [line for path, verb in _paths(top) for line in _zsh_function(path, verb)]
    return "\n".join([
        "#compdef prreview",
        HEAD,
        "_prreview_profiles() {",
        f"  local -a names=({FOLDER}/*.toml(N:t:r))",
        "  compadd -a names",
        "}",
        *functions,
        'if [ "$funcstack[1]" = "_prreview" ]; then _prreview "$@"; else compdef _prreview prreview; fi',
        "",
    ])  # fmt: skip


def _zsh_function(path: tuple[str, ...], verb: Verb) -> list[str]:
    name = "_".join(["_prreview", *path])
    specs = [f"    {_zsh_option(option)} \\" for option in verb.options]
    if not verb.verbs:
        return [f"{name}() {{", "  _arguments -s \\", *specs, "    '*:argument:_default'", "}"]
    described = [f"        {_quoted(f'{each.name}:{each.help}')}" for each in verb.verbs]
    return [
        f"{name}() {{",
        "  local curcontext=$curcontext state line; typeset -A opt_args; local -a verbs",
        "  _arguments -C \\",
        *specs,
        "    '1: :->verb' '*:: :->rest' && return",
        "  case $state in",
        "    verb)",
        "      verbs=(",
        *described,
        "      )",
        "      _describe -t verbs verb verbs ;;",
        f"    rest) (( $+functions[{name}_$words[1]] )) && {name}_$words[1] ;;",
        "  esac",
        "}",
    ]


def _zsh_option(option: Option) -> str:
    told = option.help.replace("[", "\\[").replace("]", "\\]")
    names = [f"{name}{'=' if option.takes and name.startswith('--') else '+' if option.takes else ''}" for name in option.names]
    listed = "{" + ",".join(names) + "}" if len(names) > 1 else names[0]
    before = _quoted("*") if option.repeated else _quoted(f"({' '.join(option.names)})")
    return f"{before}{listed}{_quoted(f'[{told}]{_zsh_value(option)}')}"


def _zsh_value(option: Option) -> str:
    if not option.takes:
        return ""
    action = (
        "_prreview_profiles"
        if option.profile
        else f"({' '.join(option.choices)})"
        if option.choices
        else "_files"
        if _a_file(option)
        else " "
    )
    return f":{option.takes.replace(':', ' ')}:{action}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# -- fish -------------------------------------------------------------------------------------------


def fish(top: Verb) -> str:
    """One line a word that may follow, with the condition under which it may."""
    lines = [
        HEAD,
        "function __prreview_at",
        "    set -l words",
        "    for word in (commandline -opc)[2..]",
        "        string match -q -- '-*' $word; or set -a words $word",
        "    end",
        '    set -l place (string join " " $words[1..(count $argv)])',
        '    test "$place" = "$argv"',
        "end",
        "function __prreview_profiles",
        "    set -l folder $PRREVIEW_PROFILES_DIR",
        '    test -n "$folder"; or set folder (test -n "$XDG_CONFIG_HOME"; and echo $XDG_CONFIG_HOME; or echo ~/.config)/prreview/profiles',
        "    for file in $folder/*.toml",
        "        string replace -r '.*/(.*)\\.toml$' '$1' $file",
        "    end",
        "end",
    ]
    for path, verb in _paths(top):
        at = f"__prreview_at {' '.join(path)}" if path else "__fish_use_subcommand"
        inner = " ".join(each.name for each in verb.verbs)
        alone = f"{at}; and not __fish_seen_subcommand_from {inner}" if path and inner else at
        lines += [f"complete -c prreview -n {_fish(alone)} -f -a {each.name} -d {_fish(each.help)}" for each in verb.verbs]
        lines += [f"complete -c prreview -n {_fish(alone)} {_fish_option(option)}" for option in verb.options]
    return "\n".join([*lines, ""])


def _fish_option(option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    value = ""
    if option.takes:
        listed = "(__prreview_profiles)" if option.profile else " ".join(option.choices)
        value = " -r -F" if _a_file(option) else f" -x{f' -a {_fish(listed)}' if listed else ''}"
    return f"{names}{value} -d {_fish(option.help)}"


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main() -> int:
    """Exit 1 if a script is not current."""
    top, stale = tree(), []
    for write, name in ((bash, FILES["bash"]), (zsh, FILES["zsh"]), (fish, FILES["fish"])):
        path, wanted = ROOT / "completions" / name, write(top)
        if "--check" not in sys.argv:
            path.write_text(wanted)
        elif not path.exists() or path.read_text() != wanted:
            stale.append(name)
    print(f"Not current: {', '.join(stale)}; run `just completions`." if stale else "The completions are current.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
