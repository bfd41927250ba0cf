"""Which datastack on which server is meant, and what a printed line has to name so that it means the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..api.urls import holds_secret
from ..deployments import (
    DEFAULT_DATASTACK,
    DEFAULT_SERVER,
    AddressFault,
    AddressProblem,
    check_address,
    datastack_for,
    deployment_of,
    meant_address,
    problem_with_address,
    server_meant,
)
from ..errors import BadInput
from ..redact import MASK, find_secrets
from . import datastack_map
from .datastack_map import ServerMap

NamedBy = Literal["option", "setting", "map", "known", "default"]
"""Who named a server: the line, `%config`, caveclient's datastack map, our table of deployments, or nobody."""

_NOT_TYPED = frozenset("{}$\"'`\\;")
"""Characters that IPython or the reader of a magic's line takes for something else; no datastack has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds in a kernel where nothing is typed: `%config CaveMagics.server` and `.datastack`."""

    server: str = ""
    datastack: str = DEFAULT_DATASTACK


FRESH = Settings()
"""A kernel in which nobody has set anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A datastack to look at, and the server on which caveclient would look for it.

    Attributes:
        datastack: its name.
        server: address of its server, in the one form.
        named_by: who named the server.
        map_problem: what is wrong with the address that the datastack map has for it, or None.
        asked: whether the person named the datastack.
        opens_on: where `CAVEclient(datastack)` goes without an address: what its map says, else its default.
        by_name: the servers that the datastack's name alone means, in a fresh kernel and with this one's settings.
        settings: the settings of this kernel.
        is_guess: whether nothing says which server is meant: the map's entry cannot be used, and the datastack is not
            a known one.
    """

    datastack: str
    server: str
    named_by: NamedBy = "default"
    map_problem: AddressProblem | None = None
    asked: bool = False
    opens_on: str = DEFAULT_SERVER
    by_name: tuple[str, ...] = (DEFAULT_SERVER,)
    settings: Settings = FRESH
    is_guess: bool = False

    @property
    def names_server(self) -> bool:
        """Whether a line has to name the server, or the person did."""
        return self.named_by == "option" or any(server != self.server for server in self.by_name)

    @property
    def names_datastack(self) -> bool:
        """Whether a line has to name the datastack, or the person did."""
        server = self.server if self.names_server else ""
        unnamed = (datastack_for(server or one.server, one.datastack) for one in (FRESH, self.settings))
        return self.asked or any(name != self.datastack for name in unnamed)

    def on(self, server: str) -> Target:
        """The same datastack, looked for on another server."""
        return replace(self, server=server, named_by="option", is_guess=False)


def find_target(datastack: str, server: str = "", settings: Settings = FRESH, asked: bool = False) -> Target:
    """Where caveclient would look for a datastack.

    Args:
        datastack: its name.
        server: the address from `--server`, or "".
        settings: what is set in this kernel.
        asked: whether the person named the datastack.
    Raises:
        BadInput: an address that was typed or set is malformed, or the name cannot be a datastack's.
    """
    _refuse_bad_name(datastack)
    return _target(datastack, server, settings, asked, datastack_map.read_map())


def siblings(target: Target, names: tuple[str, ...], server_map: ServerMap) -> tuple[Target, ...]:
    """Other datastacks on the server of a target, by what the datastack map says of them."""
    found = (_target(name, target.server, target.settings, True, server_map) for name in names)
    return tuple(replace(one, named_by=target.named_by) for one in found)


def again(target: Target) -> Target:
    """The same target, by what the datastack map says now."""
    here = _target(target.datastack, target.server, target.settings, target.asked, datastack_map.read_map())
    return replace(here, named_by=target.named_by)


def _refuse_bad_name(datastack: str) -> None:
    if not isinstance(datastack, str):
        raise BadInput("the name of a datastack is text, such as minnie65_public.")
    if find_secrets(datastack) or MASK in datastack:
        raise BadInput("that is not the name of a datastack. Nothing was sent. A token goes to cave_save.")
    if "," in datastack:
        raise BadInput("expected one datastack name; names cannot contain commas.")
    if "/" in datastack or datastack in (".", ".."):
        raise BadInput("that is not the name of a datastack. If it is the address of a server, put --server before it.")
    if not datastack.strip() or not datastack.isprintable() or _NOT_TYPED & set(datastack):
        raise BadInput("that is not the name of a datastack: names have letters, digits, and the signs _ . -")


def _target(datastack: str, server: str, settings: Settings, asked: bool, server_map: ServerMap) -> Target:
    """The target on a server that was given, else configured, else meant by the datastack's name."""
    by_name = _target_by_name(datastack, server_map)
    target = replace(by_name, asked=asked, settings=settings)
    if not server and not settings.server:
        return target
    address = check_address(server or settings.server)
    named = replace(target, server=address, map_problem=None, is_guess=False)
    if server:
        return replace(named, named_by="option")
    return replace(named, named_by="setting", by_name=(by_name.server, address))


def _target_by_name(datastack: str, server_map: ServerMap) -> Target:
    """Where a fresh kernel would look for a datastack: on the server in the map, else on the known one."""
    known, problem, is_guess = deployment_of(datastack), None, False
    server = known.server if known else DEFAULT_SERVER
    named_by: NamedBy = "known" if known else "default"
    if datastack in server_map.entries:
        entry = server_map.entries[datastack]
        problem, named_by = _problem_with_entry(entry), "map"
        if problem is None or problem.fault is AddressFault.BLANKS:
            server = meant_address(entry)
        else:  # nobody is asked at an address that holds a secret
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


def _problem_with_entry(entry: object) -> AddressProblem | None:
    """What is wrong with an address in the map, which caveclient takes as it stands, blanks included."""
    problem = problem_with_address(entry)
    if problem is None and entry != str(entry).strip():
        return AddressProblem(fault=AddressFault.BLANKS)
    return problem
