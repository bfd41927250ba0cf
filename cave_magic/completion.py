"""Tab completion: the words and options of the magics, and datastacks in `CAVEclient("`. Sends no request.

It imports neither caveclient nor any other library, and has nothing to do on other lines.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any

OptionsOf = Callable[[str], tuple[str, ...]]
"""Returns the options of one of our magics, such as `--json`; nothing for other magics."""

_IDENTIFIER = "cave_magic"
_KINDS = ("new", "existing", "replace", "remove")  # of `%cave_setup`
_CLIENT = r"""\bCAVEclient\(\s*(?:datastack_name\s*=\s*)?["']([\w.-]*)$"""
_LINE = r"(?:^|[=;])\s*%?(cave_[a-z]+)\s+(.*)$"  # compiled at the first Tab, not when the extension is loaded


def register(shell: Any, options_of: OptionsOf) -> None:
    """Lets Tab complete the arguments of the magics in an InteractiveShell, with and without jedi."""
    unregister(shell)
    if hasattr(getattr(shell, "Completer", None), "custom_matchers"):
        shell.Completer.custom_matchers.append(_matcher(options_of))


def unregister(shell: Any) -> None:
    """Removes the completion again."""
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
    """The part of a word before the cursor, and the words that begin with it; `text` is the cell up to the cursor."""
    line = text.rpartition("\n")[2]
    if (client := re.search(_CLIENT, line)) is not None:
        return client[1], [name for name in _datastacks() if name.startswith(client[1])]
    match = re.search(_LINE, line)
    options = options_of(match[1]) if match else ()
    if match is None or not options:
        return "", []
    # The last word is the cursor's; `--server=x` counts as two.
    *before, fragment = re.sub(r"(?<=\s)(--[a-z-]+)=", r"\1 ", f" {match[2]}").split(" ")
    offered = _offered(match[1], list(filter(None, before)), fragment, options)
    return fragment, [word for word in offered if word.startswith(fragment)]


def _offered(magic: str, before: list[str], fragment: str, options: tuple[str, ...]) -> list[str]:
    if before and (values := _values_of(before[-1])) is not None:
        return values
    flags = [option for option in options if option not in before]
    if fragment.startswith("-"):
        return flags
    names = [name for name in _datastacks() if name not in before]
    if magic == "cave_save":  # a token is not completed
        return names if fragment else flags
    kinds = [*_KINDS] if magic == "cave_setup" and not set(_KINDS) & set(before) else []
    is_named = magic != "cave_check" and set(_datastacks()) & set(before)
    return [*kinds, *([] if is_named else names), *flags]


def _datastacks() -> list[str]:
    """The datastacks that are known here: the default, those that the account can read, then the others."""
    from .credentials.datastack_map import read_map
    from .deployments import DEFAULT_DATASTACK, KNOWN_DATASTACKS

    memory = getattr(sys.modules.get("cave_magic.doctor.gather_memory"), "MEMORY", None)  # of the checks so far
    opened = {name for _, name in memory.local_servers} if memory is not None else set()
    readable = opened.union(*memory.readable.values()) if memory is not None else set()
    remembered = (name for name in read_map().entries if name.isprintable() and " " not in name)
    names = {*KNOWN_DATASTACKS, *remembered, *opened}
    return sorted(names, key=lambda name: (name != DEFAULT_DATASTACK, name not in readable, name))


def _values_of(option: str) -> list[str] | None:
    """What to offer as the value of an option: nothing if it is free text; None if the option takes no value."""
    from .deployments import KNOWN_SERVERS
    from .environment.platforms import TOKEN_VARIABLES

    if option in ("-s", "--server"):
        return list(KNOWN_SERVERS)
    if option in ("-d", "--datastack"):
        return _datastacks()
    if option == "--explain":
        from .doctor.checks import CHECKS

        return [check.id for check in CHECKS]
    if option == "--from-env":  # the variables in which people keep tokens, those that are set first
        return sorted(TOKEN_VARIABLES, key=lambda name: name not in os.environ)
    return {"--from-file": [], "--timeout": [], "--token": [], "--use": ["latest", "new"]}.get(option)
