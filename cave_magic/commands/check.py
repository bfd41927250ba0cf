"""`%cave_check`: diagnoses access to CAVE and offers fixes."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ..credentials.target import Target
from ..credentials.token_files import show_path
from ..doctor.diagnose import diagnose_each, look
from ..doctor.session import NotebookSession
from ..errors import BadInput, CheckFailed, TokenNotSaved
from ..ui.document import Page, line
from ..ui.prompts import confirm
from .arguments import DATASTACK, argument, command, examples
from .context import NOTHING, Context

if TYPE_CHECKING:
    from ..doctor.judge import Diagnosis
    from ..doctor.model import Command, Fix
    from ..doctor.report import Report


@command(
    DATASTACK,
    argument("-v", "--verbose", action="store_true", help="show every check and what it found"),
    argument("-o", "--output", action="store_true", help="return the report as an object", only_in_notebooks=True),
    argument("--json", action="store_true", help="print the report as JSON and nothing else"),
    argument("--report", action="store_true", help="print a summary to paste into a forum post, without personal data"),
    argument("--fix", action="store_true", help="offer fixes for problems on this computer"),
    argument("--yes", action="store_true", help="with --fix: apply the fixes without asking"),
    argument("--all", action="store_true", help="check every datastack that you can see"),
    argument("--all-servers", action="store_true", help="check every server for which this computer has a token"),
    argument(
        "--strict",
        action="store_true",
        help="make the cell fail, and return nothing, if any check failed",
        only_in_notebooks=True,
    ),
    argument("--timeout", type=float, metavar="S", help="wait this many seconds at most"),
    argument(
        "--workers",
        "--scheduler",
        metavar="CLUSTER",
        help="check each worker of a Dask cluster: its client, or the address of its scheduler",
    ),
    argument("--explain", metavar="CHECK", help="explain what a check means and what fixes it; checks nothing"),
    examples=[examples("Examples:", "", "v1dd_public -v", report="--json -o")],
)
def cave_check(context: Context, args: argparse.Namespace) -> Any:
    """Finds out why access to CAVE does not work, and how to fix it. Changes nothing without --fix."""
    _refuse_contradictions(args)
    if args.explain:
        return _explain(context, args.explain)
    if args.workers:
        return _check_workers(context, args)
    if args.all_servers:
        return _check_all_servers(context, args)
    found = _look(context, args, context.shell.last_error)
    if not (args.json and args.fix):  # two reports would not be JSON
        _show(context, found.report, args)
    if not args.json and not args.report and _goes_on(context, args, found.report):
        found = _look(context, args, None)
        _show(context, found.report, args)
    if args.fix and (_apply(context, found.fixes, found.report.again, args.yes) or args.json):
        found = _look(context, args, None)
        _show(context, found.report, args)
    context.outcome, context.is_well = found.report, found.report.ok
    _fail_if_strict(args, found.report)
    return found.report if args.output else None


def _check_all_servers(context: Context, args: argparse.Namespace) -> Any:
    """Checks all servers at the same time; the reports are a list, one for each."""
    from .everywhere import say_json, targets_everywhere
    from .views.everywhere import reports_page

    start, targets = time.monotonic(), targets_everywhere(context, args.json, seconds=0.0)
    with context.frontend.waiting() as on_wait:
        found = diagnose_each(targets, context.seconds(args.timeout), on_wait, _session(context))
    seconds, reports = time.monotonic() - start, [one.report for one in found]
    context.outcome, context.is_well = reports, all(one.ok for one in reports)
    if args.json:
        say_json(context, reports, seconds=round(seconds, 2))
    else:
        context.frontend.show(reports_page(reports))
    _fail_if_strict(args, *reports)
    return reports if args.output else None


def _explain(context: Context, name: str) -> None:
    from ..doctor.checks import CHECKS
    from ..doctor.reference import explanation

    checks = {check.id: check for check in CHECKS}
    check = checks.get(name.partition(":")[0])  # an id of a report may end in a datastack
    if check is None:
        near = get_close_matches(name, checks, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(checks)}."
        raise BadInput(f"there is no check with that name. {hint}")
    context.frontend.show(explanation(check))


_CONTRADICTIONS = (
    ("all names datastack", "give --all or a datastack, not both. To choose the server for --all, use --server."),
    (
        "all_servers all names datastack server",
        "--all-servers checks every server: leave out the datastack, --server and --all.",
    ),
    (
        "all_servers fix report verbose",
        "--fix, --report and -v work with one server at a time, not with --all-servers.",
    ),
    ("json report", "give --json or --report, not both."),
    (
        "workers all all_servers fix report",
        "--workers can only be combined with -v, -o, --json, --strict and --timeout.",
    ),
)
"""An option with those that it cannot be combined with, and the message."""


def _refuse_contradictions(args: argparse.Namespace) -> None:
    for names, message in _CONTRADICTIONS:
        option, *others = (getattr(args, name) for name in names.split())
        if option and any(others):
            raise BadInput(message)
    if args.yes and not args.fix:
        raise BadInput("--yes works only with --fix: it applies the fixes without asking.")


def _check_workers(context: Context, args: argparse.Namespace) -> Any:
    from ..dask.check import check_workers  # lazily: few check a cluster

    targets, seconds = _targets(context, args), context.seconds(args.timeout)
    with context.frontend.waiting() as on_wait:
        report = check_workers(args.workers, targets, seconds, on_wait, context.shell.variables)
    context.outcome, context.is_well = report, report.ok
    if args.json:
        context.frontend.say_data(json.dumps(report.to_dict(), indent=2))
    elif not (args.output and context.shell.shows_result("cave_check")):
        context.frontend.show(report.page(args.verbose))
    if args.strict and not report.ok:
        bad = next(one for one in report.groups if not one.is_well)
        then = line(" Next: ", report.next.line) if report.next is not None else ()
        raise CheckFailed(f"{bad.who}: {bad.evidence}.", *then)
    return report if args.output else None


def _targets(context: Context, args: argparse.Namespace) -> list[Target]:
    """What the line names, which a fix of the datastack map changes."""
    names = dict.fromkeys((*args.names, *([args.datastack] if args.datastack else [])))
    return [context.target(args, name) for name in names or [None]]


def _goes_on(context: Context, args: argparse.Namespace, report: Report) -> bool:
    """Waits if the next step is to accept the terms of the one datastack; returns whether they were accepted."""
    from ..doctor.checks.datastack import TERMS  # lazily: the requests are sent first

    if len(report.datastacks) != 1:
        return False
    cause = report.cause
    if cause is None or cause.next_step is None or not cause.id.startswith(TERMS.id) or cause.next_step.url is None:
        return False
    from .acceptance import is_accepted_meanwhile  # lazily: it imports what a sign-in needs

    return is_accepted_meanwhile(context, _targets(context, args)[0], cause.next_step.url)


def _look(context: Context, args: argparse.Namespace, error: BaseException | None) -> Diagnosis:
    seconds, targets = context.seconds(args.timeout), _targets(context, args)

    def on_rows(report: Report) -> None:
        passed = sum(row.status.passed for row in report.rows)
        context.frontend.draft(report.draft(), f"{passed} checks passed, importing caveclient …")

    waits = args.json or args.report or args.output or args.verbose  # what is kept, or asked for in full, is complete
    early = None if waits else on_rows
    with context.frontend.waiting() as on_wait:
        return look(targets, seconds, on_wait, _session(context), error, args.all, early, args.verbose)


def _session(context: Context) -> NotebookSession:
    shell, can_ask = context.shell, context.frontend.can_ask
    return NotebookSession(
        variables=shell.variables, find_left=shell.find_tokens, scrub_left=shell.scrub_tokens, can_ask=can_ask
    )


def _show(context: Context, report: Report, args: argparse.Namespace) -> None:
    if args.json:
        context.frontend.say_data(json.dumps(report.to_dict(), indent=2))
    elif args.report:
        from ..doctor.report import to_markdown

        context.frontend.say_to_copy(to_markdown(report, context.frontend.name))
    elif not (args.output and context.shell.shows_result("cave_check")):  # a cell's value is shown by IPython
        from ..doctor import next_steps  # lazily: the requests are sent first
        from ..doctor.model import advise

        taken = ("--fix", "--fix --yes") if args.fix else ()
        offered = [advise(next_steps.with_option(report.again, option)) for option in taken]
        context.frontend.show(report.page(args.verbose, offered))


def _fail_if_strict(args: argparse.Namespace, *reports: Report) -> None:
    """Raises the first cause with its next step: a log may have no page above the error."""
    for report in reports:
        if args.strict and (cause := report.cause) is not None:
            others = len(report.failures) - 1
            more = f" ({others} more did not pass.)" if others else ""
            then = line(" Next: ", cause.next_step.line) if cause.next_step is not None else ()
            raise CheckFailed(f"{cause.title}: {cause.status.value}: ", *cause.found, f".{more}", *then)


def _apply(context: Context, fixes: Sequence[Fix], again: Command, yes: bool) -> bool:
    """Offers each fix; returns whether any was applied."""
    from ..doctor import next_steps  # lazily: the requests are sent first

    say = context.frontend.say
    unasked = line(next_steps.with_option(again, "--fix --yes"), " applies the fixes without asking")
    if not fixes:
        say("There is nothing that --fix can fix.")
    made: list[str] = []
    for fix in fixes:
        say(f"Fix: {fix.words}")
        if not yes and not confirm(context.frontend, "Apply it?", unasked):
            continue
        before, after = _made(made, fixes), _made([*made, fix.words], fixes)
        perhaps = f"{before} This fix may have been applied: {fix.words}.".lstrip()
        left = line(" To see what is left: ", again)
        try:
            with context.changing(line(after, left), line(perhaps, left)):
                backups = fix.apply()
        except TokenNotSaved as error:
            raise _with_what_was_done(error, before, again) from None
        made.append(fix.words)
        for backup in backups:
            say(f"  backup: {show_path(backup)}")
        if fix.advice:
            context.frontend.show(Page((fix.advice,)))
    if fixes and not made:
        say(NOTHING)
    return bool(made)


def _made(made: Sequence[str], fixes: Sequence[Fix]) -> str:
    """Which fixes were applied; "" if none was."""
    if not made:
        return ""
    nouns, were = "fix" if len(fixes) == 1 else "fixes", "was" if len(made) == 1 else "were"
    return f"{len(made)} of {len(fixes)} {nouns} {were} applied: {'; '.join(made)}."


def _with_what_was_done(error: TokenNotSaved, before: str, again: Command) -> TokenNotSaved:
    """The error of a fix, with the fixes that were applied before it."""
    from ..credentials.save import UNCHANGED, NotPutBack
    from ..doctor.feasible import after

    done = before or ("" if isinstance(error, NotPutBack) else UNCHANGED)
    then = after(error, again, line(" To see what is left: ", again))
    return TokenNotSaved(*error.args, *line(f" {done}" if done else "", then))
