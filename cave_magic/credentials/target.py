"""Which datastack on which server is meant, and what a printed line has to name so that it means the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..api.urls import holds_secret
from ..deployments import DEFAULT_DATASTACK, DEFAULT_SERVER, check_address, datastack_for, deployment_of, server_meant
from ..errors import BadInput
from ..redact import MASK
from ..token import typed_secrets
from . import datastack_map

BLANKS = "a blank or a line break stands around it"

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
        named_by: who named the server: "option", "setting", "map", "known" or "default".
        map_problem: what is wrong with the address that the map has for it, or "".
        asked: whether the person named the datastack.
        opens_on: where `CAVEclient(datastack)` goes without an address: what its map says, else its default.
        by_name: the servers that the datastack's name alone means, in a fresh kernel and with this one's settings.
        settings: the settings of this kernel.
        is_guess: whether nothing says which server is meant: the map's entry cannot be used, and no table has the name.
    """

    datastack: str
    server: str
    named_by: str = "default"
    map_problem: str = ""
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
    return _found(datastack, server, settings, asked, datastack_map.read_map())


def siblings(target: Target, names: tuple[str, ...], map_file: datastack_map.ServerMap) -> tuple[Target, ...]:
    """Other datastacks on the server of a target, by what the datastack map says of them."""
    found = []
    for name in names:
        here = _found(name, target.server, target.settings, True, map_file)
        found.append(replace(here, named_by=target.named_by))
    return tuple(found)


def again(target: Target) -> Target:
    """The same target, by what the datastack map says now."""
    here = _found(target.datastack, target.server, target.settings, target.asked, datastack_map.read_map())
    return replace(here, named_by=target.named_by)


def _refuse_bad_name(datastack: str) -> None:
    if not isinstance(datastack, str):
        raise BadInput("the name of a datastack is text, such as minnie65_public.")
    if typed_secrets(datastack) or MASK in datastack:
        raise BadInput("that is not the name of a datastack. Nothing was sent. A token goes to cave_save.")
    if "," in datastack:
        raise BadInput("expected one datastack name; names cannot contain commas.")
    if "/" in datastack or datastack in (".", ".."):
        raise BadInput("that is not the name of a datastack. If it is the address of a server, put --server before it.")
    if not datastack.strip() or not datastack.isprintable() or _NOT_TYPED & set(datastack):
        raise BadInput("that is not the name of a datastack: names have letters, digits, and the signs _ . -")


def _found(datastack: str, server: str, settings: Settings, asked: bool, map_file: datastack_map.ServerMap) -> Target:
    opens = map_file.opens_on(datastack)
    fresh, *_ = _by_name(datastack, "", map_file)
    if server:
        return Target(
            datastack=datastack,
            server=check_address(server),
            named_by="option",
            map_problem="",
            asked=asked,
            opens_on=opens,
            by_name=(fresh,),
            settings=settings,
        )
    address, named_by, problem = _by_name(datastack, settings.server, map_file)
    is_guess = named_by == "map" and not _meant(datastack, map_file) and problem not in ("", BLANKS)
    return Target(
        datastack=datastack,
        server=address,
        named_by=named_by,
        map_problem=problem,
        asked=asked,
        opens_on=opens,
        by_name=(fresh, address),
        settings=settings,
        is_guess=is_guess,
    )


def _meant(datastack: str, map_file: datastack_map.ServerMap) -> str:
    """The server that a wrong entry means; "" where it cannot be read, or has a secret in it: nobody is asked there."""
    entry = map_file.entries[datastack]
    return server_meant(datastack, "" if holds_secret(entry) else entry)


def _by_name(datastack: str, configured: str, map_file: datastack_map.ServerMap) -> tuple[str, str, str]:
    """The server that a datastack's name means, who named it, and what is wrong with the map's entry."""
    if configured:
        return check_address(configured), "setting", ""
    if datastack not in map_file.entries:
        known = deployment_of(datastack)
        return (known.server, "known", "") if known else (DEFAULT_SERVER, "default", "")
    entry = map_file.entries[datastack]
    try:
        address = check_address(entry if isinstance(entry, str) else "")
    except BadInput as error:
        return _meant(datastack, map_file) or DEFAULT_SERVER, "map", str(error)
    return address, "map", "" if entry == str(entry).strip() else BLANKS
