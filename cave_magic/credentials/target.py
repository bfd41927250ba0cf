"""Which datastack on which server a command is about, and what a printed command has to name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..api.urls import holds_secret
from ..deployments import (
    DEFAULT_DATASTACK,
    DEFAULT_SERVER,
    AddressFault,
    check_address,
    datastack_for,
    deployment_of,
    meant_address,
    problem_with_address,
    server_meant,
)
from ..errors import BadInput
from ..ui.door import name_here
from ..ui.redact import MASK, Untrusted, find_secrets, odd_characters
from . import datastack_map
from .datastack_map import ServerMap

NamedBy = Literal["option", "setting", "map", "known", "default"]
"""Where a server's address comes from: the line, `%config`, the datastack map, the known deployments, the default."""

_ALLOWED = "names consist of letters, digits, and the characters _ . -"
_NOT_TYPED = frozenset("{}$\"'`\\;")
"""Characters with a special meaning for IPython or on the line of a magic; no datastack has one in its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The defaults of a kernel: `%config CaveMagics.server` and `.datastack`."""

    server: str = ""
    datastack: str = DEFAULT_DATASTACK


FRESH = Settings()
"""The settings of a new kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A datastack, and the server on which caveclient would look for it.

    Attributes:
        server: the normalized address of its server.
        named_by: where this address comes from.
        map_problem: what is wrong with its address in the datastack map, or None.
        asked: whether the person named the datastack.
        opens_on: the server that `CAVEclient(datastack)` uses: that of the map, else the default.
        by_name: the servers that its name alone leads to: in a new kernel, and with the settings of this one.
        settings: the settings of this kernel.
        is_guess: whether the server is only a guess: the map's entry cannot be used, and the datastack is unknown.
    """

    datastack: str
    server: str
    named_by: NamedBy = "default"
    map_problem: AddressFault | None = None
    asked: bool = False
    opens_on: str = DEFAULT_SERVER
    by_name: tuple[str, ...] = (DEFAULT_SERVER,)
    settings: Settings = FRESH
    is_guess: bool = False

    @property
    def names_server(self) -> bool:
        """Whether a printed command names the server, because it has to or the person did."""
        return self.named_by == "option" or any(server != self.server for server in self.by_name)

    @property
    def names_datastack(self) -> bool:
        """Whether a printed command names the datastack, because it has to or the person did."""
        server = self.server if self.names_server else ""
        unnamed = (datastack_for(server or one.server, one.datastack) for one in (FRESH, self.settings))
        return self.asked or any(name != self.datastack for name in unnamed)

    def on(self, server: str) -> Target:
        """The same datastack on another server."""
        return replace(self, server=server, named_by="option", is_guess=False)


def find_target(datastack: str, server: str = "", settings: Settings = FRESH, asked: bool = False) -> Target:
    """The server on which caveclient would look for a datastack; `server` is the address from `--server`, or "".

    Raises:
        BadInput: the address from the line is malformed, or the name cannot be a datastack's.
    """
    if problem := _problem_with_name(datastack):
        raise BadInput(problem)
    return _target(datastack, server, settings, asked, datastack_map.read_map())


def siblings(target: Target, names: tuple[str, ...], server_map: ServerMap) -> tuple[Target, ...]:
    """Other datastacks on the server of a target, with their entries in the datastack map."""
    found = (_target(name, target.server, target.settings, True, server_map) for name in names)
    return tuple(replace(one, named_by=target.named_by) for one in found)


def again(target: Target) -> Target:
    """The same target with the current datastack map."""
    here = _target(target.datastack, target.server, target.settings, target.asked, datastack_map.read_map())
    return replace(here, named_by=target.named_by)


def is_name(text: str) -> bool:
    """Whether a text, such as a key of the datastack map, can be the name of a datastack."""
    return not _problem_with_name(text)


def _problem_with_name(datastack: object) -> str:
    """What is wrong with the name of a datastack, and what to type instead; "" if nothing is."""
    if not isinstance(datastack, str):
        return "a datastack name must be a string, such as minnie65_public."
    if find_secrets(datastack) or MASK in datastack:
        return f"that is not the name of a datastack. Nothing was sent. To save a token, use {name_here('cave_save')}."
    if "," in datastack:
        return "expected one datastack name; names cannot contain commas."
    if "/" in datastack or datastack in (".", ".."):
        return "that is not the name of a datastack. If it is a server's address, put --server before it."
    if odd := [one for one in odd_characters(Untrusted(datastack)) if one != "U+0020 SPACE"]:
        return f"the name contains {' and '.join(odd)}. Type the name again: {_ALLOWED}"
    if datastack.startswith("-"):
        return "that is not the name of a datastack: names do not begin with -, as options do."
    is_odd = not any(map(str.isalnum, datastack)) or _NOT_TYPED & set(datastack)
    return f"that is not the name of a datastack: {_ALLOWED}" if is_odd else ""


def _target(datastack: str, server: str, settings: Settings, asked: bool, server_map: ServerMap) -> Target:
    """The target on the server that the line names, or the settings, or that the datastack's name leads to."""
    target = replace(_target_by_name(datastack, server_map), asked=asked, settings=settings)
    if server:
        return replace(target.on(check_address(server)), map_problem=None)
    if setting := meant_address(settings.server):
        named = target.on(setting)
        return replace(named, named_by="setting", map_problem=None, by_name=(target.server, setting))
    return target


def _target_by_name(datastack: str, server_map: ServerMap) -> Target:
    """Where a new kernel would look for a datastack: on the server in the map, else on the known one."""
    known, problem, is_guess = deployment_of(datastack), None, False
    server = known.server if known else DEFAULT_SERVER
    named_by: NamedBy = "known" if known else "default"
    if datastack in server_map.entries:
        entry = server_map.entries[datastack]
        problem, named_by = problem_with_address(entry), "map"
        if problem is None and entry != str(entry).strip().strip("\"'<>?#"):
            problem = AddressFault.SURROUNDED  # caveclient uses the entry unchanged
        if problem is None or problem is AddressFault.SURROUNDED:
            server = meant_address(entry)
        else:  # no request is sent to an address with a secret
            meant = server_meant(datastack, "" if holds_secret(entry) else entry)
            server, is_guess = meant or DEFAULT_SERVER, not meant
    return Target(
        datastack=datastack,
        server=server,
        named_by=named_by,
        map_problem=problem,
        opens_on=server_map.opens_on(datastack),
        by_name=(server,),
        is_guess=is_guess,
    )
