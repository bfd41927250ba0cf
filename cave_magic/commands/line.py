"""Runs one line of a magic: scrubs a typed token, parses the line, and turns every failure into a one-line error."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from traceback import walk_tb
from typing import Any

from ..api.endpoints import tokens_page
from ..credentials.interrupts import uninterrupted
from ..credentials.token_files import show_path
from ..environment.resources import reserve_memory, shortage_in
from ..errors import BadInput, Cancelled, CaveMagicError
from ..ui.document import Line, Span
from ..ui.document import line as spans
from ..ui.door import either
from ..ui.frontend import failure_line
from ..ui.redact import MASK, find_secrets, mask
from .arguments import MagicCommand, read
from .context import NOTHING, Context

_WITH_VALUE = ("-s", "--server", "-d", "--datastack", "--from-env", "--from-file", "--timeout", "--use")


def run(command: MagicCommand, context: Context, line: str | Sequence[str]) -> tuple[Any, CaveMagicError | None]:
    """Scrubs a token from what was typed after the magic, parses it, and runs the command; a line has its own context.

    Args:
        line: what was typed after a magic, or the words that a shell or a function passes.
    Returns:
        What the command returned, and the error if it failed. The error has no frames, and no part of a token.
    """
    text = line if isinstance(line, str) else " ".join(word for word in line if not _is_file(word))
    secrets = find_secrets(text, _WITH_VALUE if command.name == "cave_save" else None)
    with uninterrupted(too_late=True):
        earlier, failed = context.shell.scrub_typed(secrets, too=isinstance(line, str))  # a function could not say so
    result, failure = _run(command, context, line, bool(secrets))
    with uninterrupted(too_late=True):  # a second Ctrl-C is meant for the command too
        if secrets and not context.is_history_kept:
            is_password = all(secret.endswith("@") for secret in secrets)
            _report_scrubbing(context, "password" if is_password else "token", failed)
            shell, inputs = context.shell, context.shell.inputs
            if failure is None and shell.has_cells and inputs and MASK in inputs[-1]:
                shell.replace_cell(_without_typed(inputs[-1]))
        if earlier:
            _report_scrubbing(context, "token", failed, f" in {earlier}")
        context.frontend.finish()
    if failure is not None:  # its frames, its cause and its words may contain what was typed
        failure.__cause__ = failure.__context__ = None
        failure.args = tuple(
            replace(part, text=mask(part.text, *secrets)) if isinstance(part, Span) else mask(str(part), *secrets)
            for part in failure.args
        )
        failure = failure.with_traceback(None)
        failure.rendered = context.frontend.render(failure_line(failure))
    return result, failure


def _run(
    command: MagicCommand, context: Context, line: str | Sequence[str], has_secret: bool
) -> tuple[Any, CaveMagicError | None]:
    try:
        if has_secret and context.is_history_kept:
            raise _typed_in_shell(command, context, line)
        args = read(command, line, context.settings.server)
        if command.name == "cave_save" and args.token and context.is_history_kept:
            raise _typed_in_shell(command, context, line)
        if not args.help and not args.version:
            reserve_memory()  # a thread that starts without memory makes Python wait for it forever (3.11)
            return command.run(context, args), None
        from ..doctor.gather_computer import versions

        found = versions(("cave-magic", "caveclient", "ipython"))
        said = ", ".join(f"{name} {version}" for name, version in found.items())
        context.frontend.say(command.format_help().rstrip() if args.help else said)
        return None, None
    except Cancelled as error:
        context.is_interrupted = isinstance(error.__context__, KeyboardInterrupt)
        return None, Cancelled(f"{str(error) or 'Cancelled.'} ", *spans(context.so_far))
    except CaveMagicError as error:
        return None, error
    except KeyboardInterrupt:
        context.is_interrupted = True
        # not "changed": a sign-in that is stopped may have created a token on the server
        saves = command.name in ("cave_save", "cave_setup") and context.so_far == NOTHING
        return None, Cancelled("Stopped. ", *spans("Nothing was saved." if saves else context.so_far))
    except (Exception, SystemExit) as error:  # a script that shadows a package may call sys.exit()
        done = () if context.so_far == NOTHING else spans(" ", context.so_far)
        return None, CaveMagicError(*spans(_unexpected(error)), *done)


def _is_file(word: str) -> bool:
    """Whether a word is the path of a file, parts of which may look like a token."""
    with suppress(OSError, ValueError):
        return os.path.isfile(os.path.expanduser(word.removeprefix("--from-file=")))
    return False


def _typed_in_shell(command: MagicCommand, context: Context, words: str | Sequence[str]) -> BadInput:
    """The error for a token among the words that a shell passes, with the line that saves one without typing it."""
    from ..doctor import next_steps  # lazily: the requests are sent first

    revoke, save = spans("revoke it"), next_steps.magic("cave_save")
    with suppress(CaveMagicError):
        target = context.target(read(command, words, context.settings.server))
        revoke, save = spans(revoke, " at ", Span(tokens_page(target.server), "link")), next_steps.save(target)
    return BadInput(
        "a token cannot be given as an argument, because it would stay in the shell's history. Nothing was sent or "
        "saved. If you typed one, remove it from the history, or ",
        *revoke,
        ". To be asked for a token: ",
        save,
    )


def _unexpected(error: BaseException) -> str | Line:
    """The message for an unexpected error, with its likely cause if there is one."""
    if (shortage := shortage_in(error)) is not None:
        return f"{shortage.words}. To go on, {shortage.advice}, and try again."
    from ..environment.shadowed import find_culprit

    where = _location(error)
    if (found := find_culprit(error)) is not None:
        path, does, remedy = found
        return f"{show_path(Path(path))} {does} ({where}). {remedy}{either(', restart the kernel,', '')} and try again."
    if isinstance(error, ImportError) and (said := _not_importable((error.name or "").partition(".")[0])):
        return said
    return f"unexpected error ({where}). Please report it with what you typed, without the token."


def _not_importable(module: str) -> Line:
    """Why a package that this one needs cannot be imported, and what repairs that; () if that is unknown."""
    from ..doctor.checks.import_faults import repaired, said_of
    from ..doctor.diagnose import DEFAULT_SECONDS
    from ..environment.attribution import find_fault

    deadline = time.monotonic() + DEFAULT_SECONDS
    fault = find_fault(module, lambda: deadline - time.monotonic()) if module else None
    if fault is None:
        return ()
    return spans(f"{module} cannot be imported: ", said_of(fault, ""), ". Next: ", repaired(fault.repair))


def _location(error: BaseException) -> str:
    """The type of an error and where in this package it was raised; never its message, which may contain a token."""
    place = ""
    for frame, number in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__", "").startswith("cave_magic."):
            place = f" in {os.path.basename(frame.f_code.co_filename)}, line {number}"
    return type(error).__name__ + place


def _report_scrubbing(context: Context, what: str, failed: Sequence[str], where: str = "") -> None:
    """Says where a typed token may still be; `where`: the inputs that had it, unless that was the running one."""
    place = "the terminal"
    if context.shell.has_cells:
        place = f"{'the cell, ' if where else ''}the front end's undo history and a checkpoint of the notebook"
    but = f", but not from {' and '.join(failed)}" if failed else " in memory and on disk"
    context.frontend.say(
        f"The {what} that you typed{where} was removed from the history{but}.\n"
        f"It may still be in {place}; clear it if others can see it."
    )


def _without_typed(cell: str) -> str:
    """A cell with the masked token removed from its `%cave_save` line; the options stay."""

    def rewritten(found: re.Match[str]) -> str:
        rest = re.sub(r"\s*\S*\*{4}\S*", "", found[2])
        return found[1] + ("" if re.search(r"[\"'{}\[\]:=(]", rest.replace("://", "")) else rest)

    return re.sub(r"(?m)^(\s*(?:\w+\s*=\s*)?%?cave_save\b)([^\n]*\*{4}[^\n]*)$", rewritten, cell)
