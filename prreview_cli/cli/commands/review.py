"""`prreview review`: one review now, for whoever waits for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from prreview_cli.cli.actions import ActionsRun, actions_run
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import AgentOption, ProfileOption, UnsandboxedOption
from prreview_cli.cli.output import say
from prreview_cli.cli.pull_requests import PullRequestName, expect_covered, looked_up, pull_request_name
from prreview_cli.cli.review_output import Format, Output, Subject, counts_of, document, format_of, print_document, say_failure
from prreview_cli.cli.review_progress import Watcher, watching
from prreview_cli.cli.running import house_of
from prreview_cli.cli.whole import run_whole
from prreview_cli.core import errors
from prreview_cli.core.errors import SecretUnavailable, UsageError
from prreview_cli.core.gate import FailOn, exit_code
from prreview_cli.core.ports.agent import AgentKind
from prreview_cli.core.ports.host import PullRequest
from prreview_cli.core.ports.store import Store
from prreview_cli.core.profile import SecretName
from prreview_cli.core.review import ReviewStatus
from prreview_cli.services.foreground import LOCAL, Foreground, Result, local_target
from prreview_cli.wiring import Cell, House, cell, foreground, resolve_range

app = new_app()

EXAMPLES = """Example: prreview review octo/demo#12 -p ci --fail-on error

Before you push: prreview review --local main..HEAD -p dev"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: a pull request, or a range of a local clone."""

    name: PullRequestName | None
    run: ActionsRun | None
    range: str | None
    clone: Path
    post: bool
    again: bool

    @property
    def subject(self) -> Subject:
        """As far as it is known before anybody was asked."""
        if self.name is None:
            return Subject(f"local/{local_name(self.clone)}", 0)
        return Subject(self.name.repository, self.name.number, (self.run and self.run.head_sha) or "")


@app.command(epilog=EXAMPLES)
def review(
    pull_request: Annotated[
        str | None,
        typer.Argument(metavar="OWNER/REPO#N", help="The pull request, or its address. In GitHub Actions it is found.", show_default=False),
    ] = None,
    profile: ProfileOption = None,
    local: Annotated[
        str | None,
        typer.Option("--local", metavar="BASE..HEAD", help="Review a range of a local clone; posts nothing.", show_default=False),
    ] = None,
    repo: Annotated[Path, typer.Option("--repo", metavar="FOLDER", help="The clone of --local.")] = Path(),
    post: Annotated[bool | None, typer.Option("--post/--no-post", help="Post the review. Default: yes.", show_default=False)] = None,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="End with 1 if a finding is as bad as this, or worse.")] = FailOn.NEVER,
    require: Annotated[bool, typer.Option("--require", help="End with 5 unless the review is complete; a skip is not.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Review a head once more that was reviewed already.")] = False,
    format_: Annotated[str, typer.Option("--format", metavar="FORMAT", help="What stdout gets: text or json.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    outputs: Annotated[
        list[str] | None,
        typer.Option("--output", metavar="FORMAT=FILE", help="Write it to a file too; may be repeated.", show_default=False),
    ] = None,
    allow_unsandboxed: UnsandboxedOption = False,
    agent: AgentOption = AgentKind.CLAUDE,
) -> None:
    """Review one pull request now and wait for it: no queue, under the same pause, bounds, bill and once.

    Exit codes: 0 done; 1 findings (--fail-on); 2 usage; 3 try again later; 4 key, token, permission or pause; 5 incomplete;
    6 superseded by a newer head.
    """
    format_chosen = Format.JSON if as_json else format_of(format_)
    house = house_of(profile)
    found = cell(house.profile, allow_unsandboxed=allow_unsandboxed)
    files = [Output.of(option) for option in outputs or []]
    wish = _wish(house, pull_request, local, repo, post=post, again=again)
    with house.log("review", quiet=True):
        subject, result = _reviewed(house, wish, found, agent)
    url = _url(house, subject, result)
    made = document(house.profile, subject, result, fail_on, url)
    for file in files:
        file.write(made)
    print_document(made, format_chosen)
    if result.failure is not None:
        say_failure(result.failure, format_chosen)
    kept = None if result.failure is None else result.failure.exit_code
    code = exit_code(result.status, counts_of(result), fail_on, kept, require=require)
    if code:
        raise typer.Exit(int(code))


# -- what is to be reviewed ------------------------------------------------------------------------


def _wish(house: House, pull_request: str | None, local: str | None, repo: Path, *, post: bool | None, again: bool) -> Wish:
    if local is not None:
        if pull_request is not None:
            raise UsageError("A pull request and --local were given.", remedy="Leave one of them out.")
        if post:
            raise UsageError("--local never posts: there is nowhere to post to.", remedy="Leave --post out.")
        return Wish(None, None, local, repo, post=False, again=again)
    name, run = None, None
    if pull_request is not None:
        name = pull_request_name(pull_request, house.profile.host.git_url)
    else:
        run = actions_run(os.environ)
        if run is None:
            raise UsageError("No pull request was named.", remedy="Write OWNER/REPO#N, its address, or --local BASE..HEAD.")
        name = PullRequestName(run.repository, run.number)
        if run.warning is not None:
            say(f"warning: {run.warning}")
    expect_covered(house.profile, name.repository)
    return Wish(name, run, None, repo, post=post is not False, again=again)


def local_name(clone: Path) -> str:
    """What a clone is called in a review: its folder's name, in plain characters."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", clone.resolve().name) or "clone"


def _lacks_secrets(house: House) -> bool:
    try:
        for name in (SecretName.MODEL_API_KEY, SecretName.HOST_TOKEN):
            house.vault.get(name)
    except SecretUnavailable:
        return True
    return False


# -- reviewing it ----------------------------------------------------------------------------------


def _reviewed(house: House, wish: Wish, found: Cell, agent: AgentKind) -> tuple[Subject, Result]:
    """What it came to; a failure is told in the document as well."""
    if wish.run is not None and wish.run.fork and _lacks_secrets(house):
        return wish.subject, Result(ReviewStatus.SKIPPED, "The pull request comes from a fork, whose workflow runs are given no secrets.")
    known = [wish.subject]

    def learn(subject: Subject) -> None:
        known[0] = subject

    with watching() as watcher:
        try:
            result = run_whole(_review(house, wish, found, agent, watcher, learn))
        except errors.Failure as failure:
            result = Result(ReviewStatus.FAILED, str(failure), failure=failure)
    return known[0], result


async def _review(house: House, wish: Wish, found: Cell, agent: AgentKind, watcher: Watcher, learn: Callable[[Subject], None]) -> Result:
    clone = wish.clone if wish.range is not None else None
    async with (
        house.store() as store,
        foreground(
            house, store, agent=agent, cell=found, posts=wish.post, told=watcher.told, stepped=watcher.stepped, clone=clone
        ) as front,
    ):
        if wish.name is None:
            return await _of_range(house, front, wish, learn)
        return await _of_pull_request(house, store, front, wish, wish.name, learn)


async def _of_pull_request(
    house: House, store: Store, front: Foreground, wish: Wish, name: PullRequestName, learn: Callable[[Subject], None]
) -> Result:
    await front.ask_host(lambda: house.introduce(store))
    pull = await front.ask_host(lambda: looked_up(house.host, name))
    learn(Subject(pull.repository, pull.number, pull.head_sha))
    run = wish.run
    if run is not None and run.head_sha not in {None, pull.head_sha}:
        return Result(ReviewStatus.SUPERSEDED, f"The pull request has another head now, {pull.head_sha[:10]}, than this workflow run.")
    admitted = run is None or run.asked or run.label == house.profile.review.allow_label
    target = pull.target(house.clock.now(), admitted=admitted, again=wish.again)
    return await front.review(target)


async def _of_range(house: House, front: Foreground, wish: Wish, learn: Callable[[Subject], None]) -> Result:
    named = await resolve_range(wish.clone, wish.range or "")
    repository = wish.subject.repository
    learn(Subject(repository, 0, named.head_sha))
    title, _, body = named.message.partition("\n")
    pull = PullRequest(
        repository_id=LOCAL,
        repository=repository,
        number=0,
        title=title,
        body=body.strip(),
        author="",
        open=True,
        draft=False,
        head_sha=named.head_sha,
        base_sha=named.base_tip,
        base_ref=(wish.range or "").partition("..")[0],
        updated_at=None,
    )
    target = replace(local_target(repository, named.head_sha, named.merge_base, house.clock.now()), again=wish.again)
    return await front.review(target, lambda lease, record: front.reviewer.review_range(lease, pull, named.merge_base, record))


def _url(house: House, subject: Subject, result: Result) -> str | None:
    if result.review_id is None:
        return None
    return house.host.review_page(subject.repository, subject.number, result.review_id)
