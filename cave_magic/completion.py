"""Tab completion for the magics: sub-commands, options, known servers and datastacks. Sends no request."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

OptionsOf = Callable[[str], tuple[str, ...]]
"""Returns the options of one of our magics, such as `--json`; nothing for other magics."""

_IDENTIFIER = "cave_magic"
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
    match = re.search(_LINE, text.rpartition("\n")[2])
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
    if magic == "cave_setup":
        return flags if {"new", "existing"} & set(before) else ["new", "existing", *flags]
    if magic == "cave_check":
        return [*(name for name in _values_of("--datastack") or () if name not in before), *flags]
    return [] if fragment else flags


def _values_of(option: str) -> list[str] | None:
    """What to offer as the value of an option: nothing if it is free text; None if the option takes no value."""
    from .credentials.datastack_map import read_map
    from .deployments import KNOWN_DATASTACKS, KNOWN_SERVERS
    from .environment.platforms import TOKEN_VARIABLES

    if option in ("-s", "--server"):
        return list(KNOWN_SERVERS)
    if option in ("-d", "--datastack"):  # also those that caveclient remembers on this computer
        remembered = (name for name in read_map().entries if name.isprintable() and " " not in name)
        return sorted({*KNOWN_DATASTACKS, *remembered})
    if option == "--explain":
        from .doctor.checks import CHECKS

        return [check.id for check in CHECKS]
    if option == "--from-env":  # the variables in which people keep tokens, those that are set first
        return sorted(TOKEN_VARIABLES, key=lambda name: name not in os.environ)
    return {"--from-file": [], "--timeout": [], "--use": ["latest", "new"]}.get(option)
