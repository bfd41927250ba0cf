"""The commands that a teacher can type at the prompt of a practice server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cave_magic.sandbox.faults import (
    METHODS,
    MISBEHAVIOURS,
    SECONDS,
    SERVERS,
    SERVICES,
    YEARS,
    UnknownMisbehaviour,
    read_target,
)
from cave_magic.sandbox.server import Sandbox


class Quit(Exception):
    """The line was `quit`."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the console; `usage` shows its arguments."""

    usage: str
    about: str
    act: Callable[[Sandbox, list[str]], str]


def obey(cave: Sandbox, line: str) -> str:
    """Runs a line and returns what happened, or a hint if the line is invalid. Raises Quit."""
    words = line.split()
    if not words:
        return ""
    if words[0] in METHODS:
        words[:2] = [" ".join(words[:2])]
    command = COMMANDS.get(words[0].lower())
    try:
        if command:
            return command.act(cave, words[1:])
        return _misbehave(cave, words)
    except UnknownMisbehaviour as wrong:
        return str(wrong)
    except (IndexError, ValueError):
        return f"Type it as: {command.usage if command else 'SERVICE MISBEHAVIOUR'}"
    except LookupError as wrong:
        return str(wrong)


def _misbehave(cave: Sandbox, words: list[str]) -> str:
    try:
        read_target(words[0])
    except UnknownMisbehaviour:
        return f"{words[0]!r} is neither a command nor a service. Type help."
    cave.misbehave(words[0], words[1])
    return f"{words[0]} is {words[1]} now. To end it: behave {words[0]}"


def _behave(cave: Sandbox, words: list[str]) -> str:
    target = " ".join(words)
    if target:
        read_target(target)
    cave.behave(target or None)
    return f"{target} works again." if target else "Everything works again."


def _status(cave: Sandbox, words: list[str]) -> str:
    misbehaving = ", ".join(f"{target} {how}" for target, how in cave.misbehaving.items())
    delay = f" Every response is delayed by {cave.delay:g} s." if cave.delay else ""
    return f"{cave.server} and {', '.join(cave.local_servers)}. {misbehaving or 'Everything works.'}{delay}"


def _withdraw(cave: Sandbox, words: list[str]) -> str:
    cave.withdraw_terms(words[0], words[1])
    return f"{words[0]} has not accepted the terms of {words[1]}."


def _accept(cave: Sandbox, words: list[str]) -> str:
    cave.accept_terms(words[0], words[1])
    return f"{words[0]} has accepted the terms of {words[1]}."


def _grant(cave: Sandbox, words: list[str]) -> str:
    cave.grant(words[0], words[1])
    return f"{words[0]} may view {words[1]}."


def _revoke(cave: Sandbox, words: list[str]) -> str:
    cave.revoke(words[0], words[1])
    return f"{words[0]} may no longer view {words[1]}. Services cache permissions for 300 s, or until you type forget."


def _delete(cave: Sandbox, words: list[str]) -> str:
    rows = cave.tokens(words[0])
    for row in rows:
        cave.delete_token(row["token"])
    return f"{len(rows)} tokens of {words[0]} deleted. Services cache tokens for 300 s, or until you type forget."


def _forget(cave: Sandbox, words: list[str]) -> str:
    cave.forget()
    return "The caches of the services are empty."


def _advance(cave: Sandbox, words: list[str]) -> str:
    seconds = YEARS.read(words[0])
    cave.advance(seconds)
    return f"{seconds:g} s have passed for temporary tokens and for the caches of the services."


def _delay(cave: Sandbox, words: list[str]) -> str:
    cave.delay = SECONDS.read(words[0])
    return f"Every response is delayed by {cave.delay:g} s."


def _people(cave: Sandbox, words: list[str]) -> str:
    return "\n".join(f"  {person.nick:<8} {person.note}" for person in cave.people() if person.note)


def _requests(cave: Sandbox, words: list[str]) -> str:
    count = int(words[0]) if words else 10
    lines = [f"  {r.status or '-':>4} {r.method:<5} {r.path}  {r.user or ''}" for r in cave.requests[-count:]]
    return "\n".join(lines) or "No requests so far."


def _quit(cave: Sandbox, words: list[str]) -> str:
    raise Quit


def _help(cave: Sandbox, words: list[str]) -> str:
    services = ", ".join([*SERVERS, *SERVICES])
    faults = "\n".join(f"  {known.example:<22} {known.about}" for known in MISBEHAVIOURS.values())
    commands = "\n".join(f"  {known.usage:<22} {known.about}" for known in COMMANDS.values())
    return (
        "To make a service misbehave, type SERVICE MISBEHAVIOUR, for example: info silent\n"
        f"Services: {services}, or a path such as /info/version,\n"
        f"optionally after a method, such as POST /auth/api/v1/user/token.\n{faults}\n\nCommands:\n{commands}"
    )


COMMANDS: Mapping[str, Command] = {
    "behave": Command("behave [SERVICE]", "ends misbehaviour", _behave),
    "withdraw": Command("withdraw WHO DATASTACK", "withdraws the acceptance of the terms", _withdraw),
    "accept": Command("accept WHO DATASTACK", "accepts the terms", _accept),
    "grant": Command("grant WHO DATASTACK", "gives the permission to view", _grant),
    "revoke": Command("revoke WHO DATASTACK", "removes that permission", _revoke),
    "delete": Command("delete WHO", "deletes a person's tokens", _delete),
    "forget": Command("forget", "empties the caches of the services (300 s)", _forget),
    "advance": Command("advance SECONDS", "advances the clock for everything that expires", _advance),
    "delay": Command("delay SECONDS", "delays every response", _delay),
    "people": Command("people", "lists the people", _people),
    "requests": Command("requests [N]", "lists the last requests", _requests),
    "status": Command("status", "shows the URLs and what misbehaves", _status),
    "help": Command("help", "shows this text", _help),
    "quit": Command("quit", "stops the server", _quit),
}
"""The commands by name."""
