"""Faults of the token on the server, of the account, and of the requested datastack."""

from __future__ import annotations

from collections.abc import Callable

from .registry import fault
from .world import World


@fault("token", "token-state=deleted", names=("account", "token-shadow"), place="token")
def _deleted(world: World) -> None:
    world.cave.delete_token(world.token)
    world.cave.forget()


@fault("token", "token-state=lost", names=("account", "token-shadow"), place="token")
def _lost(world: World) -> None:
    world.cave.lose_token(world.token)
    world.cave.forget()


def _is_of(person: str) -> Callable[[World], None]:
    """The stored token is another account's, in each file that has it."""

    def make(world: World) -> None:
        _replace(world, world.cave.new_token(person))

    return make


def _replace(world: World, token: str) -> None:
    for path in world.secrets.iterdir() if world.secrets.is_dir() else ():
        if path.is_file() and path.stat().st_size < 100_000 and path.stat().st_mode & 0o400:
            path.write_bytes(path.read_bytes().replace(world.token.encode(), token.encode()))
    world.token = token


fault("token", "account=without permission", names=("access",), place="token")(_is_of("carol"))
fault("token", "account=with terms to accept", names=("terms",), place="token")(
    lambda world: (_is_of("bob")(world), setattr(world, "person", "bob"))
)
fault("token", "account=an administrator", names=("access",), others=True, place="token")(_is_of("admin"))
fault("token", "account=of a dataset's administrator", place="token")(_is_of("dora"))
fault("token", "account=of a program", place="token")(_is_of("bot"))


@fault("token", "token-state=temporary", place="token")
def _temporary(world: World) -> None:
    _replace(world, world.cave.new_login_token("ada"))


@fault("token", "token-state=expired", names=("account", "token-shadow"), place="token")
def _expired(world: World) -> None:
    _replace(world, world.cave.new_login_token("ada", 0))


@fault("token", "permission=withdrawn", names=("access",), others=True, place="token")
def _withdrawn(world: World) -> None:
    world.cave.revoke("ada", "minnie65_public")
    world.cave.forget()


@fault("token", "permission=terms withdrawn", names=("terms",), place="token")
def _terms(world: World) -> None:
    world.cave.withdraw_terms("ada", "minnie65_public")
    world.cave.forget()


def _asks_for(name: str) -> Callable[[World], None]:
    def make(world: World) -> None:
        world.argument = name

    return make


NAMES = {
    "misspelled": ("minie65_public", False),
    "capitals": ("MINNIE65_PUBLIC", False),
    "an invisible character": ("minnie65\u200b_public", False),
    "a hyphen": ("minnie65-public", False),
    "unlike any": ("zzzz", True),
    "secret": ("secret_ds", True),
    "without information": ("ghost_ds", True),
    "on another server": ("v1dd_public", True),
    "quotes": ("'minnie65_public'", False),
    "an emoji": ("\U0001f9e0", True),
    "long": ("x" * 3000, True),
    "a path": ("../../etc/passwd", True),
    "percent": ("minnie65%5Fpublic", False),
}
for _name, (_typed, _others) in NAMES.items():
    fault("token", f"datastack={_name}", names=("datastack", "access", "network", "account", "map", "token"),
          others=_others, place="argument", by_hand=("lists what you can read",),
          undo=_asks_for("minnie65_public"))(_asks_for(_typed))  # fmt: skip
fault("token", "datastack=another that works", place="argument")(_asks_for("flywire_fafb_public"))
fault("token", "datastack=two", place="argument")(_asks_for("minnie65_public flywire_fafb_public"))
