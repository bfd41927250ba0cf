"""`%cave_check`: what is wrong with the access to CAVE, and what mends it."""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Sequence
from typing import Any

from IPython.core.magic_arguments import argument, magic_arguments

from ..credentials import scrub
from ..doctor import next_steps
from ..doctor.model import Command
from ..errors import BadInput, CheckFailed, TokenNotSaved
from .context import NOTHING, Context
from .line import where


@magic_arguments()
@argument("names", nargs="*", metavar="DATASTACK", help="the datastacks to look at")
@argument("-v", "--verbose", action="store_true", help="every row with its evidence")
@argument("-o", "--output", action="store_true", help="return the report as an object")
@argument("--json", action="store_true", help="print the report as JSON and nothing else")
@argument("--report", action="store_true", help="print one block for a forum, with nothing of your own in it")
@argument("--fix", action="store_true", help="offer the repairs that can be made on this computer")
@argument("--yes", action="store_true", help="with --fix: make them without asking")
@argument("--all", action="store_true", help="every datastack that you may see")
@argument("--strict", action="store_true", help="fail the cell if anything failed; nothing is returned then")
@argument("--timeout", type=float, metavar="S", help="the most seconds to wait")
@where
def cave_check(context: Context, args: argparse.Namespace) -> Any:
    """Finds out why access to CAVE does not work, and what mends it. Changes nothing without --fix.

    Examples::

        %cave_check
        %cave_check v1dd_public -v
        report = %cave_check --json -o
    """
    _refuse_contradictions(args)
    found = _look(context, args, _last_error(context.shell))
    _show(context, found.report, args)
    if args.fix and _repair(context, _repairs(context.shell, found), found.report.again, args.yes):
        found = _look(context, args, None)
        _show(context, found.report, args)
    if args.strict and not found.report.ok:
        raise CheckFailed("access does not work as it should; the rows above say why.")
    return found.report if args.output else None


def _refuse_contradictions(args: argparse.Namespace) -> None:
    """Two options of which one would be passed over in silence."""
    if args.all and (args.names or args.datastack):
        raise BadInput("--all looks at every datastack of a server: give --all or a name; --server chooses it.")
    if args.json and args.report:
        raise BadInput("--json and --report are two forms of the same: give one of them.")
    if args.yes and not args.fix:
        raise BadInput("--yes is for repairs: give it together with --fix.")


def _look(context: Context, args: argparse.Namespace, error: BaseException | None) -> Any:
    from ..doctor.diagnose import look
    from ..doctor.evidence import NotebookSession

    seconds = context.seconds(args.timeout)
    names = dict.fromkeys((*args.names, *([args.datastack] if args.datastack else [])))
    targets = [context.target(args, name) for name in names or [None]]
    find_left = functools.partial(scrub.found_anywhere, context.shell)
    notebook = NotebookSession(variables=context.shell.user_ns, find_left=find_left, can_ask=context.front.can_ask)
    with context.front.waiting() as on_wait:
        return look(targets, seconds, on_wait, notebook, error, args.all)


def _last_error(shell: Any) -> BaseException | None:
    """What the cell before this one ended with, or None; an older error is nobody's concern."""
    result = getattr(shell, "last_execution_result", None)
    return getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)


def _show(context: Context, report: Any, args: argparse.Namespace) -> None:
    from ..doctor.diagnose import to_markdown
    from .views.report import report_page

    if args.json:
        context.front.say(json.dumps(report.to_dict(), indent=2))
    elif args.report:
        context.front.say(to_markdown(report))
    else:
        context.show(report_page(report, args.verbose))


def _repairs(shell: Any, found: Any) -> list[Any]:
    """The repairs for a diagnosis: those of files, and the wiping of what lies about in this notebook."""
    tokens = tuple(one.stored.token for one in found.evidence.servers if one.stored.token is not None)
    return [
        *found.repairs,
        *([scrub.Scrubbing(shell=shell, tokens=tokens)] if found.evidence.machine.leftover_tokens else []),
    ]


def _repair(context: Context, repairs: Sequence[Any], again: Command, yes: bool) -> bool:
    """Offers each local repair, makes those that are wanted, and says whether any was made."""
    from ..credentials.token_files import show_path

    say, unasked = context.front.say, f"To repair without being asked: {next_steps.with_option(again, '--fix --yes')}"
    if not repairs:
        say("There is nothing here that --fix can repair.")
    made: list[str] = []
    for repair in repairs:
        say(f"Repair: {repair.words}")
        if not yes and not context.agrees("Do it?", unasked):
            continue
        before, after = _made(made, repairs), _made([*made, repair.words], repairs)
        perhaps = f"{before} This one may have been made: {repair.words}.".lstrip()
        left = f" To see what is left: {again}"
        try:
            with context.changing(after + left, perhaps + left):
                backups = repair.apply()
        except TokenNotSaved as error:
            raise _with_what_was_done(error, before, left) from None
        made.append(repair.words)
        for backup in backups:
            say(f"  kept as it was: {show_path(backup)}")
    if repairs and not made:
        say(NOTHING)
    return bool(made)


def _made(made: Sequence[str], repairs: Sequence[Any]) -> str:
    """Which of the repairs were made; "" for none."""
    if not made:
        return ""
    nouns, were = "repair" if len(repairs) == 1 else "repairs", "was" if len(made) == 1 else "were"
    return f"{len(made)} of {len(repairs)} {nouns} {were} made: {'; '.join(made)}."


def _with_what_was_done(error: TokenNotSaved, before: str, left: str) -> TokenNotSaved:
    """Why a repair could not be made, with those that were made before it."""
    from ..credentials.save import UNCHANGED, NotPutBack, WriteProtected

    done = before or ("" if isinstance(error, NotPutBack) else UNCHANGED)
    then = f" To allow it: {next_steps.make_private(error.path)}" if isinstance(error, WriteProtected) else left
    return TokenNotSaved(f"{error} {done}".rstrip() + then)
