"""`%cave_save`: saves a token from a prompt, a variable, the environment, a file or the line."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from pathlib import PurePath

from ..credentials import save
from ..credentials.stored_tokens import resolve
from ..credentials.target import Target
from ..credentials.token_files import read_any_file, server_file
from ..doctor import next_steps
from ..errors import BadInput, NotAToken, TokenExists
from ..login import pages, verify
from ..login.exchange import is_from_address
from ..ui.document import Page
from ..ui.door import in_shell
from . import token_input
from .arguments import argument, command, examples
from .context import Context
from .views import access, guide

PIPE_SECONDS = 60.0
"""How long a program that pipes a token in may take, such as a password manager that asks for a password first."""


@command(
    argument(
        "token",
        nargs="*",
        help="$variable or {variable}; without it you are asked (a token typed here is removed from the history)",
        only_in_notebooks=True,
    ),
    argument("--overwrite", action="store_true", help="replace another token of this server"),
    argument("--from-env", metavar="NAME", help="read it from an environment variable"),
    argument(
        "--from-file",
        metavar="PATH",
        help="read it from a file, such as a download from the tokens page; - is what is piped in",
    ),
    argument("--no-check", action="store_true", help="save it without checking it with the server (no network)"),
    examples=[examples("Examples:", "", "--from-env CAVE_TOKEN", "--from-file ~/Downloads/token.json --overwrite")],
)
def cave_save(context: Context, args: argparse.Namespace) -> None:
    """Saves a token where CAVEclient and cloud-volume find it, after checking it with the server."""
    names = context.shell.variables
    for option in ("server", "datastack", "from_file"):
        if (variable := _variable_in(getattr(args, option) or "")) is not None:
            setattr(args, option, _from_variable(variable, names))
    target = context.target_of_token(args)
    text, given = _given(args, names, target)
    try:
        with token_input.cleaning_up(context):
            if text is not None and not args.no_check and in_shell() and not context.frontend.can_ask:
                return _save_in_turn(context, target, args, text, given)
            _save(context, target, args, text, given)
        if args.token and not given:
            context.frontend.show(Page((token_input.if_shared(context, target),)))
    except TokenExists as error:
        unchecked = ("--no-check",) if args.no_check else ()
        replace = next_steps.save(target, *given, "--overwrite", *unchecked)
        raise TokenExists(*error.args, " To replace it: ", replace) from None


def _save(context: Context, target: Target, args: argparse.Namespace, text: str | None, given: list[str]) -> None:
    verify.try_saving(target)
    if text is None and context.frontend.can_ask:
        context.frontend.show(guide.prompt_page(target, is_first=resolve(target.server).token is None))
    if args.no_check:
        text = token_input.ask(context, target) if text is None else text
        return _save_unchecked(context, text, target, args)
    if text is None:
        new = token_input.by_prompt(context, target, args.overwrite)
    else:
        again = [*given, *["--overwrite"] * args.overwrite]
        new = token_input.accepted(context, text, target, args.overwrite, again)
    return token_input.finish(context, new, args.overwrite)


def _save_in_turn(context: Context, target: Target, args: argparse.Namespace, text: str, given: list[str]) -> None:
    """Saves a token for a script. If many start at once with the same token, only the first one asks the server."""
    token = token_input.pick(context, text, target)
    with save.job(token, target.server, target.datastack) as is_saved:
        if not is_saved:
            return _save(context, target, args, text, given)
    saved = save.Saved(written=(server_file(target.server),), unchanged=True)
    return token_input.conclude(context, token, target, saved, access.saved_by_another_page(token, target, saved))


def _save_unchecked(context: Context, text: str, target: Target, args: argparse.Namespace) -> None:
    token = token_input.pick(context, text, target)
    agreed = None if args.overwrite else token_input.agrees_to_replace(context, token, target)
    with token_input.saving(context, token, target):
        saved = verify.save_and_prove(token, target, args.overwrite or agreed is not None, replaces=agreed)
    page = access.unchecked_page(token, target, saved)
    if is_from_address(text):
        page = pages.with_lines(page, [pages.expires_soon(target, context.frontend.can_ask)])
    token_input.conclude(context, token, target, saved, page)


def _given(args: argparse.Namespace, names: Mapping[str, object], target: Target) -> tuple[str | None, list[str]]:
    """The text that contains the token, and the options that say where it is, to repeat them in a suggested line.

    The text is None if the command has to ask for it.
    """
    typed = " ".join(args.token)
    if sum([bool(typed), args.from_env is not None, args.from_file is not None]) > 1:
        raise BadInput("give just one of --from-env, --from-file and $variable.")
    if args.from_env is not None:
        return _from_environment(args.from_env), ["--from-env", args.from_env]
    if args.from_file is not None:
        text, problem = read_any_file(args.from_file, PIPE_SECONDS)
        if problem:
            raise BadInput(f"the file {problem}. Nothing was changed.")
        is_there_again = args.from_file != "-" and not args.from_file.startswith(("/dev/", "/proc/"))
        return text, ["--from-file", args.from_file] if is_there_again else []
    if (variable := _variable_in(typed)) is not None:
        return _from_variable(variable, names), [f"${variable}"]
    if isinstance(names.get(typed), str):
        meant = next_steps.save(target, f"${typed}")
        raise BadInput(f"there is a variable {typed}. To save the token in it: ", meant)
    return typed or None, []


def _variable_in(text: str) -> str | None:
    """The name in `$name`, `{name}` or `${name}`; None for other texts, such as a JSON object.

    IPython fills in the values for the other magics. Here the value may be a token, which must stay out of the line.

    Raises:
        BadInput: it is an expression.
    """
    found = re.fullmatch(r"\$(\w+)|\$?\{\s*(\w+)\s*\}", text)
    if found is None and re.match(r"\$|\{(?!\s*[\"'])", text):
        raise BadInput("$ and braces take the name of a variable, not an expression.")
    return (found[1] or found[2]) if found else None


def _from_environment(name: str) -> str:
    safe = name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,40}", name) else "with that name"
    value = os.environ.get(name, "")
    if not value.strip():
        raise BadInput(f"the environment variable {safe} is not set, or is empty. Nothing was changed.")
    return value


def _from_variable(name: str, names: Mapping[str, object]) -> str:
    value = names.get(name) if name.isidentifier() else None
    if value is None:
        shown = name if name.isidentifier() and len(name) < 30 else "with that name"
        raise BadInput(f"there is no variable {shown}.")
    if isinstance(value, PurePath):
        return str(value)
    if not isinstance(value, str):
        raise BadInput(f"the variable {name} is not a string (its type is {type(value).__name__}).")
    if not value.strip():
        raise NotAToken("this is not a token: the text is empty. Nothing was changed.")
    return value
