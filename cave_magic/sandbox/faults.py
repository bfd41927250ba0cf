"""The ways in which a practice service can misbehave, as a text such as `slow:3` or as a custom function."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from cave_magic.sandbox.wire import Connection, Reply, Request, nginx_page

SERVICES = {
    "auth": "/auth",
    "sticky_auth": "/sticky_auth",
    "info": "/info",
    "schema": "/schema",
    "state": "/nglstate",
    "materialize": "/materialize",
    "chunkedgraph": "/segmentation",
    "l2cache": "/l2cache",
    "skeleton": "/skeletoncache",
    "annotation": "/annotation",
}
"""Services and the prefixes of their paths."""

SERVERS = ("all", "global", "local")
"""Servers: all of them, the one with auth and info, and those of the datastacks."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

ODD_JSON = '{"maintenance": true, "eta": [1, 2, 3]}'
ESCAPES = (
    " \x1b]0;title\x07\x1b[31mred\x1b[2J <script>alert('html')</script> [bold red]markup[/bold red] [/auth] \u202e"
)
"""The text that `escapes` adds to every name and message."""

_FLASK_500 = (
    "The server encountered an internal error and was unable to complete your request. Either the server is "
    "overloaded or there is an error in the application."
)
_PLACE = re.compile(r"(https?://[^/\s]+)?(/\S*)?")
_TEXTS = {"name", "display_name", "message", "description", "pi", "tos_name", "image_source"}


class UnknownMisbehaviour(ValueError):
    """An unknown misbehaviour or an invalid argument; the message lists the choices."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to a misbehaving target, at the port with the index `place` among the sandbox's ports.

    `respond` returns the response of a healthy service.
    """

    request: Request
    server: str
    place: int
    connection: Connection
    respond: Callable[[], Reply]
    over: threading.Event
    portal: str

    def pause(self, seconds: float | None) -> None:
        """Waits for some seconds, or with None indefinitely; returns when the misbehaviour ends."""
        self.over.wait(seconds)

    def encode(self, reply: Reply, length: int | None = None) -> bytes:
        """The bytes of a reply to this request."""
        return reply.encode(bodyless=self.request.method == "HEAD", length=length, close=True)


class Act(Protocol):
    """Handles an exchange; None closes the connection."""

    def __call__(self, exchange: Exchange, argument: str) -> Reply | None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """Which requests misbehave; None means any."""

    method: str | None
    server: str | None
    path: str | None

    def covers(self, exchange: Exchange) -> bool:
        """Whether this request is one of them."""
        request = exchange.request
        return (
            self.method in (None, request.method)
            and self.server in (None, exchange.server, "local" if exchange.place else "global")
            and (self.path is None or request.path == self.path or request.path.startswith(self.path + "/"))
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour of one target, until `over` is set."""

    target: str
    text: str
    act: Callable[[Exchange], Reply | None]
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def where(self) -> Target:
        """The requests that misbehave."""
        return read_target(self.target)


def fault(target: str, text: str) -> Fault:
    """The misbehaviour that `text` describes, for a target of `read_target`. Raises UnknownMisbehaviour."""
    read_target(target)
    name, _, argument = text.partition(":")
    known = MISBEHAVIOURS.get(name)
    if known is None:
        raise no_misbehaviour(name)
    if known.takes and argument:
        _check_numbers(name, argument, known)
    elif known.needs:
        raise UnknownMisbehaviour(f"{name!r} needs a number, for example {known.example!r}")
    return Fault(target, text, lambda exchange: known.act(exchange, argument))


def no_misbehaviour(how: object) -> UnknownMisbehaviour:
    """The error for an unknown misbehaviour, which lists the known ones."""
    return UnknownMisbehaviour(f"{how!r} is not a misbehaviour; choose one of: {', '.join(MISBEHAVIOURS)}")


def read_target(target: str) -> Target:
    """Parses a target: a service, a server, or a path with everything below it; a method may precede it.

    `info`, `local`, `http://127.0.0.1:8901`, `/auth/api/v1/logout`, `POST /auth/api/v1/user/token`.
    Raises UnknownMisbehaviour.
    """
    first, _, rest = str(target).partition(" ")
    method, where = (first, rest) if first in METHODS else (None, str(target))
    if where in SERVERS:
        return Target(method, None if where == "all" else where, None)
    if where in SERVICES:
        return Target(method, None, SERVICES[where])
    if where and (found := _PLACE.fullmatch(where)):
        return Target(method, found[1], (found[2] or "").rstrip("/") or None)
    names = ", ".join([*SERVERS, *SERVICES])
    raise UnknownMisbehaviour(f"{target!r} is neither a path (/...) nor one of: {names}")


def _check_numbers(name: str, argument: str, known: Misbehaviour) -> None:
    parts = argument.split(":")
    if len(parts) > len(known.takes) or not all(map(Numbers.has, known.takes, parts)):
        choices = ", then ".join(takes.words for takes in known.takes)
        raise UnknownMisbehaviour(f"{name!r} takes a number, not {argument!r}: {choices}")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers from `least` to `most`, and what they count."""

    what: str
    least: int
    most: int
    whole: bool = False

    @property
    def words(self) -> str:
        """A description for an error message."""
        return f"{self.what} from {self.least} to {self.most}"

    def has(self, text: str) -> bool:
        """Whether `text` is one of them."""
        try:
            return self.least <= (int(text) if self.whole else float(text)) <= self.most
        except ValueError:
            return False

    def read(self, text: str) -> float:
        """The number in `text`. Raises ValueError if it is none of them."""
        if not self.has(text):
            raise ValueError(f"takes {self.words}")
        return float(text)


SECONDS = Numbers("seconds", 0, 86_400)
YEARS = Numbers("seconds", 0, 10**9)
STATUS = Numbers("a status", 200, 599, whole=True)


def _html(title: str, text: str, status: int = 200) -> Reply:
    heading = title.removeprefix(f"{status} ")
    page = f"<!doctype html>\n<html lang=en>\n<title>{title}</title>\n<h1>{heading}</h1>\n<p>{text}</p>\n"
    return Reply(status, (("Content-Type", "text/html; charset=utf-8"),), page.encode())


def _json(data: str, status: int = 200) -> Reply:
    return Reply(status, (("Content-Type", "application/json"),), f"{data}\n".encode())


def _silent(exchange: Exchange, argument: str) -> Reply | None:
    exchange.pause(None)
    return exchange.respond()


def _slow(exchange: Exchange, argument: str) -> Reply | None:
    exchange.pause(float(argument))
    return exchange.respond()


def _drip(exchange: Exchange, argument: str) -> Reply | None:
    data = exchange.encode(exchange.respond())
    for position in range(len(data)):
        if exchange.over.is_set():
            exchange.connection.send(data[position:])
            break
        exchange.connection.send(data[position : position + 1])
        exchange.pause(float(argument or 1))
    return None


def _status(exchange: Exchange, argument: str) -> Reply | None:
    return Reply(int(argument))


def _retry_after(exchange: Exchange, argument: str) -> Reply | None:
    seconds, _, status = argument.partition(":")
    return Reply(int(status or 503), (("Retry-After", seconds),))


def _garbage(exchange: Exchange, argument: str) -> Reply | None:
    return _json(argument or ODD_JSON)


def _error500(exchange: Exchange, argument: str) -> Reply | None:
    if exchange.request.path.startswith(("/auth/", "/sticky_auth/")):
        return _html("500 Internal Server Error", _FLASK_500, 500)
    return _json('{"message": "Internal Server Error"}', 500)


def _redirect(exchange: Exchange, argument: str) -> Reply | None:
    return Reply(302, (("Location", argument or exchange.portal),))


def _loop(exchange: Exchange, argument: str) -> Reply | None:
    return Reply(302, (("Location", exchange.request.path),))


def _reset(exchange: Exchange, argument: str) -> Reply | None:
    exchange.connection.reset()
    return None


def _truncated(exchange: Exchange, argument: str) -> Reply | None:
    reply = exchange.respond()
    exchange.connection.send(exchange.encode(reply, len(reply.body) + 100))
    return None


def _escapes(exchange: Exchange, argument: str) -> Reply | None:
    reply = exchange.respond()
    try:
        data = json.loads(reply.body)
    except ValueError:
        return replace(reply, body=reply.body + ESCAPES.encode())
    return replace(reply, body=json.dumps(_defaced(data)).encode())


def _defaced(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: v + ESCAPES if k in _TEXTS and isinstance(v, str) else _defaced(v) for k, v in data.items()}
    if isinstance(data, list):
        names = bool(data) and all(isinstance(item, str) for item in data)
        return [*map(_defaced, data), *([ESCAPES] if names else [])]
    return data


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """One kind of misbehaviour. `takes` are the numbers after its name; `needs` means that the first is required."""

    act: Act
    about: str
    example: str
    takes: tuple[Numbers, ...] = ()
    needs: bool = False


MISBEHAVIOURS = {
    "silent": Misbehaviour(_silent, "accepts the request and never responds", "silent"),
    "drip": Misbehaviour(_drip, "sends one byte a second", "drip", (SECONDS,)),
    "slow": Misbehaviour(_slow, "responds after some seconds", "slow:3", (SECONDS,), needs=True),
    "down": Misbehaviour(lambda *_: nginx_page(502, "502 Bad Gateway"), "nginx returns 502 Bad Gateway", "down"),
    "missing": Misbehaviour(
        lambda *_: nginx_page(404, "404 Not Found"),
        "nginx returns 404 Not Found, as if no service were installed",
        "missing",
    ),
    "status": Misbehaviour(_status, "returns a status without a body", "status:503", (STATUS,), needs=True),
    "retry-after": Misbehaviour(
        _retry_after,
        "503 (or 429) with a Retry-After in seconds",
        "retry-after:3600:429",
        (SECONDS, STATUS),
        needs=True,
    ),
    "html": Misbehaviour(
        lambda *_: _html("Scheduled maintenance", "We will be back in a few hours."),
        "200 with an HTML page instead of JSON",
        "html",
    ),
    "redirect": Misbehaviour(_redirect, "redirects elsewhere, as a guest network does", "redirect"),
    "loop": Misbehaviour(_loop, "redirects to itself forever", "loop"),
    "reset": Misbehaviour(_reset, "resets the connection", "reset"),
    "close": Misbehaviour(lambda *_: None, "closes the connection without a response", "close"),
    "garbage": Misbehaviour(_garbage, "200 with unexpected JSON", "garbage:[1,2]"),
    "truncated": Misbehaviour(_truncated, "breaks off before the end of the body", "truncated"),
    "big": Misbehaviour(lambda *_: _html("A long page", "All work and no play. " * 240_000), "5 MB of HTML", "big"),
    "error500": Misbehaviour(_error500, "500 from the service itself: JSON, or HTML from auth", "error500"),
    "escapes": Misbehaviour(_escapes, "adds terminal codes, HTML and markup to names", "escapes"),
}
"""Every misbehaviour by name."""
