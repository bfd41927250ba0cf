"""Tab completion: the words and options of the magics, and datastacks in `CAVEclient("`. Sends no request.

In a shell, `cave-magic completion bash` prints a script that asks this program for the same words.

It imports neither caveclient nor any other library, and has nothing to do on other lines.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import KINDS, NAMES, find_command

_IDENTIFIER = "cave_magic"
_CLIENT = r"""\bCAVEclient\(\s*(?:datastack_name\s*=\s*)?["']([\w.-]*)$"""
_LINE = r"(?:^|[=;])\s*%?(cave_[a-z]+)\s+(.*)$"  # compiled at the first Tab, not when the extension is loaded


def register(shell: Any) -> None:
    """Lets Tab complete the arguments of the magics in an InteractiveShell, with and without jedi.

    Raises:
        UsageError: IPython is older than 8.6, and has no such completion; `%load_ext` shows the message in one line.
    """
    unregister(shell)
    if hasattr(getattr(shell, "Completer", None), "custom_matchers"):
        try:
            shell.Completer.custom_matchers.append(_matcher())
        except ImportError:
            from IPython.core.error import UsageError

            from ..doctor.next_steps import install
            from ..environment.installer import find_installer

            line = "".join(one.text for one in install(find_installer(), "ipython>=8.6"))
            raise UsageError(f"IPython is too old for cave_magic: {line}") from None


def unregister(shell: Any) -> None:
    """Removes the completion again."""
    matchers = getattr(getattr(shell, "Completer", None), "custom_matchers", [])
    matchers[:] = [one for one in matchers if getattr(one, "matcher_identifier", "") != _IDENTIFIER]


def _matcher() -> Callable[[Any], Any]:
    from IPython.core.completer import SimpleCompletion, context_matcher

    def complete(context: Any) -> dict[str, Any]:
        fragment, words = candidates(context.text_until_cursor)
        found = [SimpleCompletion(word, type="param") for word in words]
        return {"completions": found, "suppress": bool(found), "ordered": True, "matched_fragment": fragment}

    return context_matcher(identifier=_IDENTIFIER)(complete)


def candidates(text: str) -> tuple[str, list[str]]:
    """The part of a word before the cursor, and the words that begin with it; `text` is the cell up to the cursor."""
    line = text.rpartition("\n")[2]
    if (client := re.search(_CLIENT, line)) is not None:
        return client[1], [name for name in _datastacks() if name.startswith(client[1])]
    match = re.search(_LINE, line)
    if match is None or match[1] not in NAMES:
        return "", []
    # The last word is the cursor's; `--server=x` counts as two.
    *before, fragment = re.sub(r"(?<=\s)(--[a-z-]+)=", r"\1 ", f" {match[2]}").split(" ")
    offered = _offered(match[1], list(filter(None, before)), fragment)
    return fragment, [word for word in offered if word.startswith(fragment)]


def _offered(magic: str, before: list[str], fragment: str) -> list[str]:
    if before and (values := _values_of(before[-1])) is not None:
        return values
    flags = [one for one in find_command(magic).options if one.startswith("--") and one not in before]
    if fragment.startswith("-"):
        return flags
    names = [name for name in _datastacks() if name not in before]
    if magic == "cave_save":  # a token is not completed
        return names if fragment else flags
    kinds = [*KINDS] if magic == "cave_setup" and not set(KINDS) & set(before) else []
    is_named = magic != "cave_check" and set(_datastacks()) & set(before)
    return [*kinds, *([] if is_named else names), *flags]


def _datastacks() -> list[str]:
    """The datastacks that are known here: the default, those that the account can read, then the others."""
    from ..credentials.datastack_map import read_map
    from ..deployments import DEFAULT_DATASTACK, KNOWN_DATASTACKS

    memory = getattr(sys.modules.get("cave_magic.doctor.gather_memory"), "MEMORY", None)  # of the checks so far
    opened = {name for _, name in memory.local_servers} if memory is not None else set()
    readable = opened.union(*memory.readable.values()) if memory is not None else set()
    remembered = (name for name in read_map().entries if name.isprintable() and " " not in name)
    names = {*KNOWN_DATASTACKS, *remembered, *opened}
    return sorted(names, key=lambda name: (name != DEFAULT_DATASTACK, name not in readable, name))


def _values_of(option: str) -> list[str] | None:
    """What to offer as the value of an option: nothing if it is free text; None if the option takes no value."""
    from ..deployments import KNOWN_SERVERS
    from ..environment.platforms import TOKEN_VARIABLES

    if option in ("-s", "--server"):
        return list(KNOWN_SERVERS)
    if option in ("-d", "--datastack"):
        return _datastacks()
    if option == "--explain":
        from ..doctor.checks import CHECKS

        return [check.id for check in CHECKS]
    if option == "--from-env":  # the variables in which people keep tokens, those that are set first
        return sorted(TOKEN_VARIABLES, key=lambda name: name not in os.environ)
    return {"--from-file": [], "--timeout": [], "--token": [], "--use": ["latest", "new"]}.get(option)


# ---------------------------------------------------------------- shells

_SCRIPTS = {
    "bash": """\
_cave_magic() {
    local IFS=$'\\n'
    COMPREPLY=($("${COMP_WORDS[0]/#\\~/$HOME}" complete "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null))
}
complete -o default -F _cave_magic cave-magic
""",
    "zsh": """\
#compdef cave-magic
_cave_magic() {
    local -a found
    found=(${(f)"$(${~words[1]} complete "${BUFFER[1,CURSOR]}" 2>/dev/null)"})
    (( $#found )) && compadd -Q -- $found || _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _cave_magic cave-magic
""",
    "fish": """\
complete -c cave-magic -f -a '(cave-magic complete (commandline -cp | string collect) 2>/dev/null)'
complete -c cave-magic -n '__fish_contains_opt from-file' -F
""",
}


def script(*shells: str) -> str:
    """The script with which a shell completes `cave-magic`. Raises BadInput for a shell that is not one of them."""
    if len(shells) != 1 or shells[0] not in _SCRIPTS:
        from ..errors import BadInput

        raise BadInput(f"completion takes the name of a shell: {', '.join(_SCRIPTS)}.")
    return _SCRIPTS[shells[0]]


def complete_words(given: Sequence[str]) -> list[str]:
    """The words that can take the place of the last one of a line.

    `given`: the line up to the cursor; for bash also the characters at which it splits words.
    """
    line, breaks = (*given, "", "")[:2]
    command, _, rest = line.partition(" ")[2].lstrip().partition(" ")
    word = line.rpartition(" ")[2]
    if not line.partition(" ")[2].strip() or (not rest and not line.endswith(" ")):
        commands = [*(name.removeprefix("cave_") for name in NAMES), "completion"]
        return [one for one in commands if one.startswith(word)]
    if command == "completion":
        return [one for one in _SCRIPTS if one.startswith(word)]
    fragment, found = candidates(f"cave_{command} {rest}")
    head = word.removesuffix(fragment)  # `--server=`
    cut = max(word.rfind(one) for one in breaks) + 1 if breaks else 0  # bash replaces only what follows a colon
    return [f"{head}{one}"[cut:] for one in found]
