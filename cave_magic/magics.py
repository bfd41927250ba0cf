"""The four line magics: parse, call, show. Nobody else imports IPython."""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from difflib import get_close_matches
from typing import Any, TypeVar

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from traitlets import Float, Unicode

from . import completion, history
from .errors import (
    BadInput,
    Cancelled,
    CaveMagicError,
    CheckFailed,
    NobodyToAsk,
    NotAToken,
    NoToken,
    ServerInTrouble,
    TokenRejected,
)
from .frontend import Frontend

TRIES = 3
"""So many odd answers to a prompt; then the magic ends and says what to do."""

F = TypeVar("F", bound=Callable[..., Any])


def _where(function: F) -> F:
    """The options that mean the same in every magic."""
    function = argument("-h", "--help", action="store_true", help="show this text")(function)
    function = argument("-d", "--datastack", metavar="NAME", help="the datastack that is meant")(function)
    return argument("-s", "--server", metavar="URL", help="the CAVE server, such as https://global.daf-apis.com")(function)


def _in_one_line(function: F) -> F:
    """Wipes a typed token, reads the line, and turns whatever goes wrong into one line without a traceback."""

    @functools.wraps(function)
    def run(self: CaveMagics, line: str = "") -> Any:
        secrets = _secrets_in(line, function.__name__)
        stuck = history.wipe(self.shell, secrets)
        result: Any = None
        trouble: CaveMagicError | None = None
        try:
            args = _read_line(run, line)
            if args.help:
                _help(run)
            else:
                result = function(self, args)
        except CaveMagicError as error:
            trouble = error
        except KeyboardInterrupt:
            trouble = Cancelled(_STOPPED.get(function.__name__, "stopped. Nothing was changed."))
        except Exception as error:
            trouble = CaveMagicError(
                f"this should not have happened ({_where_in_us(error)}). "
                "Please report it with what you typed, without the token."
            )
        finally:
            self._front.finish()
        if secrets:
            self._say_what_is_left(secrets, stuck, trouble is None)
        if trouble is None:
            return result
        trouble = _bare(trouble, secrets)
        line, secrets, args = "", [], argparse.Namespace()  # what a debugger would show of this frame
        raise trouble

    return run  # type: ignore[return-value]


_STOPPED = dict.fromkeys(("cave_save", "cave_setup"), "stopped. Which token is stored now: %cave_whoami")
"""What an interrupt ends with, where it may come a moment after the token was saved."""


def _bare(error: CaveMagicError, secrets: Sequence[str]) -> CaveMagicError:
    """An error without the frames and errors that led to it, and without what was typed, in which a token may be."""
    error.__cause__ = error.__context__ = None
    error.args = tuple(history.mask(str(word), secrets) for word in error.args)
    return error.with_traceback(None)


def _where_in_us(error: BaseException) -> str:
    """The kind of an error and the place in this package that it passed last; never its message."""
    place, traceback = "", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if traceback.tb_frame.f_globals.get("__name__", "").startswith("cave_magic."):
            place = f" in {os.path.basename(code.co_filename)}, line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return type(error).__name__ + place


@magics_class
class CaveMagics(Magics):
    """Settings: `%config CaveMagics.server = "https://..."`, likewise `datastack` and `timeout`."""

    shell: Any
    server = Unicode("", help="The CAVE server to use; empty: the one that the datastack is on.").tag(config=True)
    datastack = Unicode("minnie65_public", help="The datastack that is meant when none is named.").tag(config=True)
    timeout = Float(10.0, help="The most seconds that a magic waits for servers.").tag(config=True)

    def __init__(self, shell: Any = None, **settings: Any) -> None:
        super().__init__(shell, **settings)
        self._front = Frontend(shell)

    # ------------------------------------------------------------ %cave_setup

    @line_magic
    @_in_one_line
    @magic_arguments()
    @argument("kind", nargs="?", choices=("new", "existing"), help="new: no account yet; existing: a token somewhere")
    @argument("--paste", action="store_true", help="paste a token instead of signing in through the browser")
    @argument("--use", choices=("latest", "new"), help="take the token used last, or make one, without being asked")
    @_where
    def cave_setup(self, args: argparse.Namespace) -> None:
        """Sets up access to CAVE on this computer, step by step.

        Alone it says which of the two is needed, or that nothing is::

            %cave_setup
            %cave_setup new
            %cave_setup existing --datastack v1dd_public
            %cave_setup existing --use latest
        """
        from .pages import advice_page

        target = self._target(args)
        with self._progress() as progress:
            facts = _facts(target, self.timeout, progress)
        works = facts.account is not None
        if works and (args.kind is None or not self._can_ask()):
            return self._show_status(facts)
        if works and not args.use and self._exchange_stored(facts):
            return None
        if works and not args.use:
            self._confirm(f"{facts.account.label if facts.account else ''} is set up here already. Replace that token?")
        if not works:
            _raise_if_in_trouble(facts)
        if args.kind is None:
            return self._show(advice_page(facts))
        outcome = None if args.paste or not self._can_ask() else self._sign_in(target, args)
        return self._show(self._saved(outcome or self._by_paste(target, args), overwrite=True))

    def _by_paste(self, target: Any, args: argparse.Namespace) -> Any:
        """The way that works everywhere: the pages to go to, and a prompt."""
        from .guide import guide_for
        from .pages import guide_page
        from .place import open_browser

        guide = guide_for(target, args.kind == "new", self._can_ask())
        self._show(guide_page(guide))
        if not self._can_ask():
            raise _nobody_to_ask(target)
        open_browser(guide.first_page)
        return self._prompt_for_token(target, overwrite=True)

    def _show_status(self, facts: Any) -> None:
        from .checks.account import is_login_token
        from .pages import status_page
        from .signin_page import ends_soon, with_lines

        page = status_page(facts, f"%cave_setup existing{facts.target.flags}")
        self._show(with_lines(page, [ends_soon(facts)]) if is_login_token(facts) else page)

    # ------------------------------------------------------------ signing in through the browser

    def _sign_in(self, target: Any, args: argparse.Namespace) -> Any:
        """A token that came by the browser; None where the prompt is to be used."""
        from .signin import by_browser

        return by_browser(self._wish(target, args.use or ("new" if args.kind == "new" else "")), self._front)

    def _exchange_stored(self, facts: Any) -> bool:
        """Offers a permanent token for a stored one that ends by itself; says whether that was done."""
        from .checks.account import is_login_token

        if not is_login_token(facts):
            return False
        checked = self._check(facts.stored.token, facts.target)
        outcome = self._exchanged(checked, overwrite=True)
        if outcome.checked is checked:
            return False
        self._show(self._saved(outcome, overwrite=True))
        return True

    def _exchanged(self, checked: Any, overwrite: bool, text: str = "") -> Any:
        """A permanent token in the place of a log-in token, where the person wants it and it could be saved."""
        from .signin import Outcome, came_by_address, exchange
        from .store import resolve

        stored = resolve(checked.target.server)
        in_the_way = stored.token not in (None, checked.token) and not stored.belongs_to
        if checked.permanent is not False or (in_the_way and not overwrite) or not self._can_ask():
            return Outcome(checked)
        asks = not came_by_address(text)
        return exchange(checked, self._wish(checked.target, "new"), self._front, asks) or Outcome(checked)

    def _wish(self, target: Any, use: str) -> Any:
        from .signin import Wish

        return Wish(target, use, self.timeout)

    def _saved(self, outcome: Any, overwrite: bool) -> Any:
        """Saves what was checked; the card that says so."""
        from .login import save_checked
        from .pages import card_page
        from .signin_page import with_lines

        saved = save_checked(outcome.checked, overwrite or outcome.exchanged)
        return with_lines(card_page(outcome.checked, saved), outcome.remarks)

    # ------------------------------------------------------------ %cave_save

    @no_var_expand
    @line_magic
    @_in_one_line
    @magic_arguments()
    @argument("token", nargs="*", help="$variable, or nothing to be asked (a token typed here is wiped afterwards)")
    @argument("--overwrite", action="store_true", help="replace another token of this server")
    @argument("--from-env", metavar="NAME", help="take it from an environment variable")
    @argument("--from-file", metavar="PATH", help="take it from a file, such as the one that the token page offers")
    @argument("--no-check", action="store_true", help="do not ask the server first (no network here)")
    @_where
    def cave_save(self, args: argparse.Namespace) -> None:
        """Saves a token where CAVEclient and cloud-volume find it, once the server has accepted it.

        Examples::

            %cave_save
            %cave_save --from-env CAVE_TOKEN
            %cave_save --from-file ~/Downloads/token.json --overwrite
        """
        from .login import save_unchecked
        from .pages import unchecked_page

        target = self._target(args)
        typed = " ".join(args.token)
        text = self._given_text(args, typed)
        if text is None and not args.no_check:
            page = self._saved(self._prompt_for_token(target, args.overwrite), args.overwrite)
        elif args.no_check:
            token = self._pick(self._ask_secret(target) if text is None else text, target)
            page = unchecked_page(token, target.server, save_unchecked(token, target, args.overwrite))
        else:
            checked = self._check(self._pick(text or "", target), target)
            page = self._saved(self._exchanged(checked, args.overwrite, text or ""), args.overwrite)
        self._show(page)

    def _given_text(self, args: argparse.Namespace, typed: str) -> str | None:
        """The text that a token was given in on the line, or None if it is to be asked for."""
        given = [bool(typed), args.from_env is not None, args.from_file is not None]
        if sum(given) > 1:
            raise BadInput("give the token in one way only: --from-env, --from-file or $variable.")
        if args.from_env is not None:
            return _from_environment(args.from_env)
        if args.from_file is not None:
            return _from_file(args.from_file)
        return self._from_variable(typed[1:]) if typed.startswith("$") else typed or None

    def _from_variable(self, name: str) -> str:
        name = name.strip("{}")
        value = self.shell.user_ns.get(name) if name.isidentifier() else None
        if value is None:
            shown = name if name.isidentifier() and len(name) < 30 else "of that name"
            raise BadInput(f"there is no variable {shown}.")
        if not isinstance(value, str):
            raise BadInput(f"{name} holds no text (it is of type {type(value).__name__}).")
        return value

    # ------------------------------------------------------------ %cave_whoami

    @line_magic
    @_in_one_line
    @magic_arguments()
    @argument("--reveal", action="store_true", help="print the token itself")
    @_where
    def cave_whoami(self, args: argparse.Namespace) -> None:
        """Says who you are for the server, and which token this computer sends.

        Examples::

            %cave_whoami
            %cave_whoami --reveal
        """
        from .pages import revealed_page, whoami_page

        target = self._target(args)
        with self._progress() as progress:
            facts = _facts(target, self.timeout, progress)
        if args.reveal and facts.stored.token is not None:
            self._show(revealed_page(facts.stored.token))
        if facts.account is None:
            raise _why_nobody(facts)
        self._show(whoami_page(facts))

    # ------------------------------------------------------------ %cave_check

    @line_magic
    @_in_one_line
    @magic_arguments()
    @argument("names", nargs="*", metavar="DATASTACK", help="the datastacks to look at")
    @argument("-v", "--verbose", action="store_true", help="every row with its evidence")
    @argument("-o", "--output", action="store_true", help="return the report as an object")
    @argument("--json", action="store_true", help="print the report as JSON and nothing else")
    @argument("--report", action="store_true", help="print one block for a forum, with nothing of your own in it")
    @argument("--fix", action="store_true", help="offer the repairs that can be made on this computer")
    @argument("--yes", action="store_true", help="with --fix: make them without asking")
    @argument("--all", action="store_true", help="every datastack that you may see")
    @argument("--strict", action="store_true", help="fail the cell if anything failed")
    @argument("--timeout", type=float, metavar="S", help="the most seconds to wait")
    @_where
    def cave_check(self, args: argparse.Namespace) -> Any:
        """Finds out why access to CAVE does not work, and what mends it. Changes nothing.

        Examples::

            %cave_check
            %cave_check v1dd_public -v
            report = %cave_check --json -o
        """
        seconds = self.timeout if args.timeout is None else args.timeout
        if not 0 < seconds < 3600:
            raise BadInput("--timeout takes seconds, more than 0 and less than 3600.")
        found = self._look(args, seconds, self._last_error())
        self._show_report(found.report, args)
        if args.fix and self._repair(self._repairs(found), args.yes):
            found = self._look(args, seconds, None)
            self._show_report(found.report, args)
        report = found.report
        if args.strict and not report.ok:
            raise CheckFailed("access does not work as it should; the rows above say why.")
        return report if args.output else None

    def _look(self, args: argparse.Namespace, seconds: float, error: BaseException | None) -> Any:
        from .diagnosis import look

        targets = self._targets(args)
        with self._progress() as progress:
            return look(targets, seconds, progress, self._session(), error, args.all)

    def _session(self) -> Any:
        from .evidence import Session

        return Session(self.shell.user_ns, functools.partial(history.found_anywhere, self.shell))

    def _repairs(self, found: Any) -> list[Any]:
        """The repairs for a diagnosis: those of files, and the wiping of what lies about in this notebook."""
        tokens = tuple(one.stored.token for one in found.evidence.servers if one.stored.token is not None)
        wiping = [history.Wiping(self.shell, tokens)] if found.evidence.machine.left else []
        return [*found.repairs, *wiping]

    def _show_report(self, report: Any, args: argparse.Namespace) -> None:
        from .diagnosis import to_markdown
        from .report_page import report_page

        if args.json:
            self._front.say(json.dumps(report.to_dict(), indent=2))
        elif args.report:
            self._front.say(to_markdown(report))
        else:
            self._show(report_page(report, args.verbose))

    def _repair(self, repairs: Sequence[Any], unasked: bool) -> bool:
        """Offers each local repair, makes those that are wanted, and says whether any was made."""
        from .store import show_path

        if not repairs:
            self._front.say("There is nothing here that --fix can repair.")
        made = False
        for repair in repairs:
            self._front.say(f"Repair: {repair.words}")
            if not unasked and not self._agrees("Do it?"):
                continue
            for backup in repair.apply():
                self._front.say(f"  kept as it was: {show_path(backup)}")
            made = True
        return made

    def _last_error(self) -> BaseException | None:
        """What the cell before this one ended with, or None; an older error is nobody's concern."""
        result = getattr(self.shell, "last_execution_result", None)
        return getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)

    # ------------------------------------------------------------ what is meant

    def _target(self, args: argparse.Namespace, name: str | None = None) -> Any:
        from .evidence import find_target
        from .servers import check_address, datastack_for

        named = name or args.datastack
        if named and _secrets_in(named):
            raise BadInput("that is no datastack's name. If it is a token: %cave_save asks for it. Nothing was sent.")
        server = check_address(args.server) if args.server is not None else ""
        datastack = named or datastack_for(server or self.server or "", self.datastack)
        return find_target(datastack, server, self.server, asked=named is not None)

    def _targets(self, args: argparse.Namespace) -> list[Any]:
        names = list(dict.fromkeys((*args.names, *([args.datastack] if args.datastack else []))))
        return [self._target(args, name) for name in names or [None]]

    # ------------------------------------------------------------ asking the person

    def _can_ask(self) -> bool:
        return self._front.can_ask

    def _ask_secret(self, target: Any) -> str:
        if not self._can_ask():
            raise _nobody_to_ask(target)
        return _answered(lambda: self._front.ask_secret("Token (hidden): "), target)

    def _confirm(self, question: str) -> None:
        if not self._agrees(question):
            raise Cancelled("nothing was changed.")

    def _agrees(self, question: str) -> bool:
        if not self._can_ask():
            raise NobodyToAsk("nothing can be asked here. To repair without being asked: %cave_check --fix --yes")
        return _answered(lambda: self._front.ask(f"{question} [y/N] "), None, may_be_empty=True).lower() in ("y", "yes")

    def _prompt_for_token(self, target: Any, overwrite: bool) -> Any:
        """Asks until a token works, at most three times; an empty answer cancels."""
        from .pages import again_page

        for left in reversed(range(TRIES)):
            text = self._ask_secret(target)
            try:
                return self._exchanged(self._check(self._pick(text, target), target), overwrite, text)
            except (NotAToken, TokenRejected) as error:
                if not left:
                    raise
                self._show(again_page(str(error)))
        raise AssertionError  # the loop always returns or raises

    def _pick(self, text: str, target: Any) -> Any:
        """The one token in what was pasted."""
        from .tokens import read_pasted, unusual_token

        try:
            found = read_pasted(text)
        except NotAToken as error:
            unusual = unusual_token(text)
            if unusual is None or not _takes_unusual(target.server):
                raise NotAToken(f"this is not a token: {error}") from None
            self._front.say("Note: this does not look like a usual token; the server will say.")
            return self._forgotten(unusual)
        if not found:
            raise Cancelled("no token was given. Nothing was changed.")
        one = found[0] if len(found) == 1 else self._choose(found)
        _refuse_foreign(one.server, target)
        return self._forgotten(one.token)

    def _forgotten(self, token: Any) -> Any:
        """The token, wiped from where it lies in the history, such as the cell that gave it to a variable."""
        manager = self.shell.history_manager
        lies = history.found_in_inputs(manager.input_hist_raw if manager else (), [token.reveal()])
        if stuck := history.wipe(self.shell, [token.reveal()]):
            self._front.say(f"The token could not be taken out of {' and '.join(stuck)}.")
        elif lies:
            self._front.say(f"The token also stood in {lies.where}; it was taken out there.")
        return token

    def _choose(self, found: Sequence[Any]) -> Any:
        if not self._can_ask():
            raise BadInput(f"{len(found)} tokens are in it; give the one to use.")
        for number, one in enumerate(found, 1):
            name = one.description or "(no description)"
            self._front.say(f"{number}. {name}  {one.created[:16]}  ends in {one.token.ending}")
        answer = _answered(lambda: self._front.ask(f"Which one? [1-{len(found)}] "), None)
        if not answer.isdigit() or not 1 <= int(answer) <= len(found):
            raise Cancelled("that is none of them. Nothing was changed.")
        return found[int(answer) - 1]

    def _check(self, token: Any, target: Any) -> Any:
        from .login import check_token

        with self._progress() as progress:
            return check_token(token, target, self.timeout, progress)

    # ------------------------------------------------------------ showing

    def _show(self, page: Any) -> None:
        self._front.show(page)

    def _progress(self) -> AbstractContextManager[Callable[[list[str], float], None]]:
        return self._front.waiting()

    def _say_what_is_left(self, secrets: Sequence[str], stuck: Sequence[str], succeeded: bool) -> None:
        """Takes a typed token out of the cell, where the front end allows it, and says where it still may be."""
        place = "the front end's undo and a checkpoint of the notebook" if self._front.kernel else "the terminal above"
        but = f", but not out of {' and '.join(stuck)}" if stuck else " in memory and on disk"
        self._front.say(
            f"The token that you typed was taken out of the history{but}.\n"
            f"It may still be in {place}; clear it where it can be seen."
        )
        inputs = self.shell.history_manager.input_hist_raw if self.shell.history_manager else []
        if succeeded and self._front.kernel and inputs and history.MASK in inputs[-1]:
            self.shell.set_next_input(_without_typed(inputs[-1]), replace=True)


# ---------------------------------------------------------------- facts and pages

def _facts(target: Any, seconds: float, watcher: Any) -> Any:
    from .evidence import gather

    return gather([target], seconds, watcher).servers[0]


def _raise_if_in_trouble(facts: Any) -> None:
    """Ends a set-up before it asks for anything, where the server could not be asked."""
    from .cave import is_cave
    from .checks.token import is_malformed

    good = any(is_cave(answer) for answer in facts.answers)
    first = next(iter(facts.answers), None)  # the auth server's
    if first is not None and not is_cave(first) and not (good and is_malformed(first)):
        command = f"%cave_check{_option(facts.target)}"
        raise ServerInTrouble(f"{first.sentence}. Nothing was changed. To see why: {command}")


def _option(target: Any) -> str:
    return f" --server {target.server}" if target.named_by == "option" else ""


def _why_nobody(facts: Any) -> CaveMagicError:
    """Why `%cave_whoami` cannot say who you are."""
    target = facts.target
    if facts.stored.token is None:
        return NoToken(f"no token is stored for {facts.host}. To begin: %cave_setup new{target.flags}")
    if facts.identity is not None and facts.identity.code == "invalid_token":
        return TokenRejected(f"{facts.host} does not know the stored token. Next: %cave_setup existing{target.flags}")
    sentence = facts.answers[0].sentence if facts.answers else f"{facts.host} was not asked"
    return ServerInTrouble(f"{sentence}. To see why: {target.again}")


def _takes_unusual(server: str) -> bool:
    from .servers import KNOWN_SERVERS

    return server not in KNOWN_SERVERS or "zetta" in server


def _refuse_foreign(named: str, target: Any) -> None:
    """A downloaded token says whose it is; one of another known server is not sent to this one."""
    from .servers import KNOWN_SERVERS, host_of

    host = host_of(named if "://" in named else f"https://{named}")
    for server in KNOWN_SERVERS:
        if host == host_of(server) and server != target.server:
            raise BadInput(
                f"this token is for {host}, not for {host_of(target.server)}. Nothing was sent. "
                f"Save it with --server {server}"
            )


# ---------------------------------------------------------------- reading the line

_WITH_VALUE = ("-s", "--server", "-d", "--datastack", "--from-env", "--from-file", "--timeout", "--use")


def _secrets_in(line: str, magic: str = "") -> list[str]:
    """The words of a line that are or, where one belongs on the line, may be tokens; longest first."""
    from .tokens import typed_secrets

    return typed_secrets(line, _WITH_VALUE if magic == "cave_save" else None)


def _without_typed(cell: str) -> str:
    """A cell in which a token was masked, with `%cave_save` and its options in place of that line."""

    def rewritten(found: re.Match[str]) -> str:
        rest = re.sub(r"\s*\S*\*{4}\S*", "", found[2])
        return found[1] + ("" if re.search(r"[\"'{}\[\]:=(]", rest.replace("://", "")) else rest)

    return re.sub(r"(?m)^(\s*(?:\w+\s*=\s*)?%?cave_save\b)([^\n]*\*{4}[^\n]*)$", rewritten, cell)


def _read_line(function: Any, line: str) -> argparse.Namespace:
    try:
        args = parse_argstring(function, _COMMENT.sub("", line))
    except UsageError as error:
        raise BadInput(_without_values(str(error), function)) from None
    except ValueError:
        raise BadInput("a quote is not closed.") from None
    for name, value in vars(args).items():
        setattr(args, name, [_unquoted(one) for one in value] if isinstance(value, list) else _unquoted(value))
    return args


_COMMENT = re.compile(r"(?:^|\s)#(?:\s.*)?$")


def _unquoted(value: Any) -> Any:
    """A word without the quotes around it, which IPython leaves there."""
    is_quoted = isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if is_quoted else value


def _without_values(message: str, function: Any) -> str:
    """argparse's complaint without what was typed, which may be a token, and with the choices."""
    name = f"%{function.__name__}"
    options = [option for action in function.parser._actions for option in action.option_strings]
    if "unrecognized arguments" in message:
        flags = re.findall(r"(?<!\S)(--?[a-z][a-z-]{0,24})(?=[\s=]|$)", message.partition(":")[2])
        near = get_close_matches(flags[0], options, n=1) if flags else []
        hint = f"Did you mean {near[0]}?" if near else f"Its options: {', '.join(o for o in options if o[:2] == '--')}."
        return f"{name} has no {'option ' + flags[0] if flags else 'place for another word'}. {hint}"
    if "invalid choice" in message and "--use" in message:
        return f"{name} --use takes latest or new."
    if "invalid choice" in message:
        return f"{name} takes new or existing: %cave_setup new, %cave_setup existing."
    return f"{name}: {message.partition(': ' + chr(39))[0]}."


def _help(function: Any) -> None:
    print(function.__doc__)


def _from_environment(name: str) -> str:
    safe = name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,40}", name) else "that name"
    value = os.environ.get(name, "")
    if not value.strip():
        raise BadInput(f"the environment variable {safe} is not set, or is empty. Nothing was changed.")
    return value


def _from_file(path: str) -> str:
    from .store import read_any_file

    text, problem = read_any_file(path)
    if problem:
        raise BadInput(f"the file {problem}. Nothing was changed.")
    return text


def _nobody_to_ask(target: Any) -> NobodyToAsk:
    return NobodyToAsk(
        "nothing can be asked here. Put the token in an environment variable or a secret of the platform, "
        f"then: %cave_save --from-env CAVE_TOKEN{target.flags}"
    )


def _answered(ask: Callable[[], str], target: Any, may_be_empty: bool = False) -> str:
    """The person's answer; an empty one and an interrupt cancel."""
    try:
        answer = ask().strip()
    except (KeyboardInterrupt, EOFError):
        raise Cancelled("nothing was changed.") from None
    except StdinNotImplementedError:
        raise NobodyToAsk("nothing can be asked here.") if target is None else _nobody_to_ask(target) from None
    if not answer and not may_be_empty:
        raise Cancelled("nothing was changed.")
    return answer


# ---------------------------------------------------------------- loading

NAMES = ("cave_setup", "cave_save", "cave_whoami", "cave_check")


def load(shell: Any) -> None:
    """Registers the magics; a second time changes nothing."""
    if CaveMagics.__name__ not in shell.magics_manager.registry:
        shell.register_magics(CaveMagics)
    completion.register(shell, [getattr(CaveMagics, name) for name in NAMES])


def unload(shell: Any) -> None:
    """Takes away every trace of them."""
    completion.unregister(shell)
    manager = shell.magics_manager
    magics = manager.registry.pop(CaveMagics.__name__, None)
    for name in NAMES:
        manager.magics["line"].pop(name, None)
    if magics in shell.configurables:
        shell.configurables.remove(magics)
