"""What a fault is, and the list of all faults: `@fault` on a function that breaks one thing in a working world.

To add one, write such a function in the module of its axis:

    @fault("variables", names=("network",))
    def proxy_that_is_gone(world: World) -> None:
        world.environ("HTTP_PROXY", "http://127.0.0.1:1")

`names` has the checks that may be named for it, `others=True` says that this user cannot repair it, and `undo` with
`by_hand` what the user does outside of the notebook if the next step names it. It takes part in the next run. No words of the report are written down: what may be said follows from `names`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cave_magic.doctor.checks import CHECKS

if TYPE_CHECKING:
    from .world import World

ORDER = tuple(check.id for check in CHECKS)
"""The checks in the order of cause."""
AXES = ("storage", "variables", "packages", "network", "servers", "token", "history")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is broken, or odd, in a world.

    Attributes:
        id: its name, by which a world is made again.
        axis: what it is about.
        make: does it to a world in which everything works.
        names: the checks that may honestly be named for it; () for a harmless oddity, which must change nothing.
        others: whether only somebody else can repair it; the user comes to a step that says so.
        by_hand: words; a next step that has one of them tells the user what to repair outside of the notebook.
        undo: what the user then does.
        place: what it replaces; a world has one fault of a place.
        tls: whether its world has https and the names of a real server, and the settings of a new user.
        root: whether only an administrator can make it.
        slow: whether its world takes seconds; such worlds are drawn less often.
    """

    id: str
    axis: str
    make: Callable[[World], object] = field(repr=False)
    names: frozenset[str] = frozenset()
    others: bool = False
    by_hand: tuple[str, ...] = ()
    undo: Callable[[World], object] | None = field(default=None, repr=False)
    place: str = ""
    tls: bool = False
    root: bool = False
    slow: bool = False

    @property
    def harmless(self) -> bool:
        """Whether everything works in spite of it."""
        return not self.names

    @property
    def last(self) -> int:
        """The place of the last of its checks in the order of cause."""
        return max(map(ORDER.index, self.names), default=-1)


FAULTS: dict[str, Fault] = {}
"""Every fault by its name."""


def checks(*names: str) -> frozenset[str]:
    """The ids of checks; the name of a group stands for all of its checks. Raises LookupError for an unknown name."""
    found = {name: {one.id for one in CHECKS if name in (one.id, one.group)} for name in names}
    if unknown := [name for name, ids in found.items() if not ids]:
        raise LookupError(f"no check is called {', '.join(unknown)}")
    return frozenset().union(*found.values())


def fault(
    axis: str,
    name: str = "",
    *,
    names: tuple[str, ...] = (),
    others: bool = False,
    by_hand: tuple[str, ...] = (),
    undo: Callable[[World], object] | None = None,
    place: str = "",
    tls: bool = False,
    root: bool = False,
    slow: bool = False,
) -> Callable[[Callable[[World], object]], Callable[[World], object]]:
    """Registers the function below as a fault; its name is `name`, or that of the function. The rest as in `Fault`."""

    def register(make: Callable[[World], object]) -> Callable[[World], object]:
        own = name or make.__name__.replace("_", "-")
        assert own not in FAULTS, own
        assert axis in AXES, axis
        FAULTS[own] = Fault(
            id=own, axis=axis, make=make, names=checks(*names), others=others, by_hand=by_hand, undo=undo,
            place=place or own, tls=tls, root=root, slow=slow,
        )  # fmt: skip
        return make

    return register


def named(world: str) -> tuple[Fault, ...]:
    """The faults of a printed world, such as `proxy-dead + server-file=empty`. Raises LookupError."""
    names = [name.strip() for name in world.split(" + ") if name.strip()]
    if unknown := [name for name in names if name not in FAULTS]:
        raise LookupError(f"there is no fault called {', '.join(unknown)}")
    return tuple(FAULTS[name] for name in names)


def printed(faults: tuple[Fault, ...]) -> str:
    """The name of a world, from which `named` makes it again."""
    return " + ".join(one.id for one in faults)


def draw(seed: int, fast: bool = False) -> tuple[Fault, ...]:
    """The faults of the world with this number: one to three.

    An axis comes first, then a kind of its faults, so that none is drowned by another. A new fault changes only the
    worlds that it is drawn for.

    Args:
        seed: the number of the world.
        fast: whether to leave out the faults that take seconds; else one in five of those drawn stays.
    """
    chosen: list[Fault] = []
    for number in range(int(_choice((seed, "how many"), ("1", "2", "2 again", "3"))[0])):
        axis = _choice((seed, number), AXES)
        faults = [one for one in FAULTS.values() if one.axis == axis]
        kind = _choice((seed, number), {_kind_of(one) for one in faults})
        one = FAULTS[_choice((seed, number), (one.id for one in faults if _kind_of(one) == kind))]
        is_wanted = not one.slow or (not fast and seed % 5 == 0)
        if is_wanted and all(one.place != other.place for other in chosen):
            chosen.append(one)
    return tuple(chosen)


def _kind_of(one: Fault) -> str:
    return one.id.partition("=")[0]


def _choice(seed: object, options: Iterable[str]) -> str:
    """One of the options, at random, which stays the same if others are added and not chosen."""
    return max(options, key=lambda option: hashlib.sha256(f"{seed} {option}".encode()).digest())
