"""What Tab offers behind a magic: sub-commands, options, known servers and datastacks. Asks no server."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

OptionsOf = Callable[[str], tuple[str, ...]]
"""The options of a magic, such as `--json`; none for one that is not ours."""

_IDENTIFIER = "cave_magic"
_LINE = r"(?:^|[=;])\s*%?(cave_[a-z]+)\s+(.*)$"  # compiled at the first Tab, not while the extension is loaded


def register(shell: Any, options_of: OptionsOf) -> None:
    """Lets Tab complete the arguments of these magics, in a notebook and in a terminal, with jedi and without.

    Args:
        shell: the InteractiveShell.
        options_of: asked when Tab is pressed behind a magic.
    """
    unregister(shell)
    completer = getattr(shell, "Completer", None)
    if completer is not None and hasattr(completer, "custom_matchers"):
        completer.custom_matchers.append(_matcher(options_of))


def unregister(shell: Any) -> None:
    """Takes the completion away again."""
    matchers = getattr(getattr(shell, "Completer", None), "custom_matchers", [])
    matchers[:] = [one for one in matchers if getattr(one, "matcher_identifier", "") != _IDENTIFIER]


def _matcher(options_of: OptionsOf) -> Callable[[Any], Any]:
    from IPython.core.completer import SimpleCompletion, context_matcher

    def complete(context: Any) -> dict[str, Any]:
        fragment, words = candidates(context.text_until_cursor, options_of)
        found = [SimpleCompletion(word, type="param") for word in words]
        return {"completions": found, "suppress": bool(found), "ordered": True, "matched_fragment": fragment}

    return context_matcher(identifier=_IDENTIFIER)(complete)  # type: ignore[no-any-return]


def candidates(text: str, options_of: OptionsOf) -> tuple[str, list[str]]:
    """What may stand at the cursor.

    Args:
        text: the cell up to the cursor.
        options_of: the options of a magic.
    Returns:
        The part of a word that is there already, and the whole words that begin with it.
    """
    match = re.search(_LINE, text.rpartition("\n")[2])
    options = options_of(match[1]) if match else ()
    if match is None or not options:
        return "", []
    before, fragment = _last_word(match[2])
    return fragment, [word for word in _offered(match[1], before, fragment, options) if word.startswith(fragment)]


def _last_word(text: str) -> tuple[list[str], str]:
    """The words before the cursor's, and what there is of it; `--server=x` counts as two."""
    words = re.sub(r"(?<=\s)(--[a-z-]+)=", r"\1 ", f" {text}").split(" ")
    return [word for word in words[:-1] if word], words[-1]


def _offered(magic: str, before: list[str], fragment: str, options: tuple[str, ...]) -> list[str]:
    if before and (values := _VALUES.get(before[-1])):
        return values()
    flags = [option for option in options if option not in before]
    if fragment.startswith("-"):
        return flags
    if magic == "cave_setup":
        return flags if {"new", "existing"} & set(before) else ["new", "existing", *flags]
    if magic == "cave_check":
        return [*(name for name in _datastacks() if name not in before), *flags]
    return [] if fragment else flags


def _datastacks() -> list[str]:
    """The known datastacks and those that caveclient remembers on this computer."""
    from .credentials.datastack_map import read_map
    from .deployments import KNOWN_DATASTACKS

    return sorted({*KNOWN_DATASTACKS, *(name for name in read_map().entries if name.isprintable() and " " not in name)})


def _servers() -> list[str]:
    from .deployments import KNOWN_SERVERS

    return list(KNOWN_SERVERS)


def _variables() -> list[str]:
    """The variables that people put a token in, those first that are set."""
    from .environment.platforms import TOKEN_VARIABLES

    return sorted(TOKEN_VARIABLES, key=lambda name: name not in os.environ)


_VALUES: dict[str, Callable[[], list[str]]] = {
    "-s": _servers,
    "--server": _servers,
    "-d": _datastacks,
    "--datastack": _datastacks,
    "--from-env": _variables,
    "--from-file": list,
    "--timeout": list,
    "--use": lambda: ["latest", "new"],
}
