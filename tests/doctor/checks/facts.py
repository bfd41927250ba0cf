"""Cases for the checks: the facts that differ from a healthy computer, and the expected finding."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any
from unittest.mock import patch

import pytest

from cave_magic.api import endpoints
from cave_magic.api.responses import PAGE, Response
from cave_magic.credentials.datastack_map import ServerMap
from cave_magic.credentials.file_problems import FileFault, FileProblem
from cave_magic.credentials.stored_tokens import StoredToken
from cave_magic.credentials.target import Target
from cave_magic.credentials.token_files import State, TokenFile
from cave_magic.deployments import DEFAULT_SERVER
from cave_magic.doctor import fixes, healthy
from cave_magic.doctor.checks import import_faults  # noqa: F401  a check imports it only if an import failed
from cave_magic.doctor.evidence import DatastackFacts, Machine, ServerFacts
from cave_magic.doctor.model import Check, Finding, Fix
from cave_magic.token import Token
from cave_magic.ui.document import plain_text, shareable_text
from cave_magic.ui.redact import Untrusted

HOST, LOCAL = "global.daf-apis.com", "minnie.microns-daf.com"
FOLDER = "~/.cloudvolume/secrets"
OWN, DEFAULT, LEGACY = f"{HOST}-cave-secret.json", "cave-secret.json", "chunkedgraph-secret.json"
OTHER = Token("f" * 28 + "9c8d")
MINE = Target(
    datastack="minnie65_public",
    server="https://cave.example.org",
    named_by="option",
    by_name=("https://cave.example.org",),
)
"""A target on an unknown server."""

CHECK = "%cave_check"
EXISTING, NEW = "%cave_setup existing", "%cave_setup new"
SAVE_OWN = f"%cave_save --from-file {FOLDER}/{OWN} --overwrite"
SAVE_DEFAULT = f"%cave_save --from-file {FOLDER}/{DEFAULT} --overwrite"


# ---------------------------------------------------------------- facts


def token_file(name: str = OWN, token: Token | None = None, **facts: Any) -> TokenFile:
    """A token file that exists."""
    return TokenFile(**{"path": healthy.FOLDER / name, "state": State.READ, "token": token} | facts)


def stored(
    own: TokenFile | None = None,
    default: TokenFile | None = None,
    legacy: TokenFile | None = None,
    belongs_to: str = "",
) -> StoredToken:
    """The token files of the server; those that are not given do not exist."""
    return StoredToken(
        server=DEFAULT_SERVER,
        server_file=own or token_file(OWN, state=State.ABSENT),
        default_file=default or token_file(DEFAULT, state=State.ABSENT),
        legacy_file=legacy or token_file(LEGACY, state=State.ABSENT),
        belongs_to=belongs_to,
    )


def problem(fault: FileFault, *details: str) -> FileProblem:
    """What is wrong with a file."""
    return FileProblem(fault=fault, details=details)


def response(
    status: int = 200, body: object = None, url: str = endpoints.identity_url(DEFAULT_SERVER), **facts: Any
) -> Response:
    """A response in JSON, or one without data if there is no body."""
    facts |= {name: Untrusted(text) for name in ("opening", "location") if (text := facts.get(name))}
    return Response(
        **{"url": url, "status": status, "body": body, "is_json": body is not None, "seconds": 0.1, "at": 0.0} | facts
    )


def error(status: int, code: str, url: str = endpoints.identity_url(DEFAULT_SERVER), **data: object) -> Response:
    """An error response of a CAVE service."""
    return response(status, {"error": code, "data": data}, url)


def page(status: int = 200, words: str = "Welcome", **facts: Any) -> Response:
    """A web page instead of data."""
    return response(status, form=PAGE, opening=words, **facts)


REJECTED = error(401, "invalid_token")
NO_TOKEN: dict[str, Any] = {
    "stored": stored(), "identity": None, "account": None, "listed_tokens": None, "info": None,
    "anonymous_identity": error(401, "no_token"), "caveclient_disagrees": False,
}  # fmt: skip
"""The facts about a server for which no token is stored."""


# ---------------------------------------------------------------- what a check says


def said(finding: Finding) -> str:
    """The evidence as the user reads it."""
    return plain_text(finding.evidence)


def shared(finding: Finding) -> str:
    """The evidence as it is shared."""
    return shareable_text(finding.evidence)


def advice_of(finding: Finding) -> str:
    """The sentence of the next step, or ""."""
    return finding.next_step.text if finding.next_step else ""


def commands_of(finding: Finding) -> tuple[str, ...]:
    """The commands of the next step."""
    return finding.next_step.commands if finding.next_step else ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """Facts and the expected finding.

    Attributes:
        id: a description of the facts.
        check: the check.
        facts: the facts.
        status: the status of the finding; "nothing" for no finding.
        says: words that the evidence contains.
        advises: words that the next step contains.
        types: all commands of the next step, in order.
        fix: the id of the fix, or "".
        url: the link of the next step, or None.
    """

    id: str
    check: Check
    facts: Machine | ServerFacts | DatastackFacts
    status: str
    says: tuple[str, ...] = ()
    advises: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    fix: str = ""
    url: str | None = None

    def run(self) -> None:
        """Runs the check and asserts that it gives the expected finding."""
        found = finding(self.check, self.facts)
        if found is None:
            assert self.status == "nothing"
            return
        assert (found.status.value, said(found)) == (self.status, said(found))
        assert not [words for words in self.says if words not in said(found)], said(found)
        assert not [words for words in self.advises if words not in advice_of(found)], advice_of(found)
        assert commands_of(found) == self.types
        assert (found.fix.id if found.fix else "") == self.fix
        assert (found.next_step.url if found.next_step else None) == self.url


def case(
    id: str,
    check: Check,
    facts: Any,
    status: str,
    says: str | tuple[str, ...] = (),
    *types: str,
    advises: str | tuple[str, ...] = (),
    fix: str = "",
    url: str | None = None,
) -> Case:
    """A case in one line: the facts, the status, words of the evidence, and the commands of the next step."""
    says = (says,) if isinstance(says, str) else says
    advises = (advises,) if isinstance(advises, str) else advises
    return Case(
        id=id, check=check, facts=facts, status=status, says=says, advises=advises, types=types, fix=fix, url=url
    )


def each(cases: list[Case]) -> pytest.MarkDecorator:
    """Runs a test for each case."""
    return pytest.mark.parametrize("case", cases, ids=[one.id for one in cases])


# ---------------------------------------------------------------- nothing but facts


class LookedElsewhere(AssertionError):
    """A check used something other than its facts."""


_TOUCHES = ("open", "os.", "socket.", "subprocess.", "shutil.", "sqlite3.")
_guarded: int | None = None
"""The thread that may touch nothing; those that other tests have left may do as they like."""


def _refuse(event: str, args: tuple[object, ...]) -> None:
    if _guarded == threading.get_ident() and event.startswith(_TOUCHES):
        raise LookedElsewhere(event)


sys.addaudithook(_refuse)


def _fix(name: str, *args: object, **options: object) -> Fix | None:
    is_map = isinstance(args[0], ServerMap)
    return None if is_map and args[0].state is not State.MALFORMED else Fix(id=name, words="", apply=tuple)


@contextmanager
def nothing_but_facts() -> Iterator[None]:
    """Raises `LookedElsewhere` at any access to the disk, the network or another program.

    Some fixes read files to say what they would change; they are replaced with fixes that do nothing.
    """
    global _guarded
    unseen = {name: _refusing(name, getattr(os, name)) for name in ("stat", "lstat", "access", "readlink")}
    planned = {f"fix_{name}": partial(_fix, name) for name in ("permissions", "copies", "map")}
    with patch.multiple(os, **unseen), patch.multiple(fixes, **planned):
        gc.disable()  # what is done about garbage is not done by the check: Dask reads /proc each time
        _guarded = threading.get_ident()
        try:
            yield
        finally:
            _guarded = None
            gc.enable()


def _refusing(name: str, real: Callable[..., object]) -> Callable[..., object]:
    """A function of `os` that makes no audit event, so it has to refuse by itself."""

    @wraps(real)
    def call(*args: object, **options: object) -> object:
        _refuse(f"os.{name}", args)
        return real(*args, **options)

    return call


def finding(check: Check, facts: object) -> Finding | None:
    """The finding of a check on facts alone."""
    with nothing_but_facts():
        found: Finding | None = check.look(facts)
    return found
