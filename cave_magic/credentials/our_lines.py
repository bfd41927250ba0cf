"""The tokens on lines that were typed for this package, although none of its commands saw them.

There are two kinds of such lines. Those that were certainly typed for it are masked by the next magic, unasked: a value
of the user's own must stay. Those that may have been are pointed out by a check, and masked if the person agrees.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from types import FunctionType, ModuleType

from ..token import TokenFormat, find_tokens, formats
from ..ui.redact import find_secrets

_CERTAIN = r"""(?imx)
    ^ %%\ *cave [\s\S]+
    | ^ [\ \t]* (?: \#+\ *(?=%) )? (?: [^\n'"(=]{1,100} =\ * )?
      (?: (?: [%!?] [^\n]{0,1000}? )? %\ *cave | %*config\ +cave
        | (?: [%!?]+\ * )? cave_[a-z]+ (?: \? | \ +(?!(?:and|else|for|if|in|is|not|or)\b) (?=-{0,2}["'{\w]) ) )
      [^\n]+
    | ^ (?: \w+\ *= )? [%!\ \t]{0,40} [^\s(]{0,200} (?: \ -m\ *cave_ | cave- ) magic (?: \.exe )? ["']? \ +[-\w] [^\n]*
    | ^ [^\n]{0,1000}? (?: -m\ *cave_ | \b cave- ) magic (?: \.exe )? ["']? \ +(?:check|save|setup|whoami)\b [^\n]*
    | \b cave[_-]magic (?: \.exe )? (["']) ,\s* (["'])(?:check|save|setup|whoami)\2 [^])]+
    | (?: \b (?: run_(?:line|cell)_magic | magic | run_cell ) \(\s*["'][%!\s]{0,9}cave
        | (?: \b cave_ (?: magic\.\w+ | check | save | setup | whoami ) \ ? | (?<!def\ ) (?<![.\w]) (?-i:NAMES) ) \( )
      (?: [^()]+ | \([^()]*\) | \( )+
"""
"""What was typed for this package: a magic, even a misspelled one or its help, a setting, the program (after other
words: with one of its commands; also as a list of words), a function; not `cave_ids += 1`, nor
`import cave_magic as cm`."""
_LAST_NAME = re.compile(r"(?!\d)\w+(?:\.(?!\d)\w+)*\Z")
"""What IPython keeps of `TOKEN?` beside the line itself."""
_POSSIBLE = re.compile(r"cave_[a-z]+\b([^\n<]{1,10000})")
"""What follows the name of a magic, or of a misspelled one, anywhere in a line, or in a line of a page."""


def own_names(variables: Mapping[str, object]) -> tuple[str, ...]:
    """What this package and its functions are called among these variables: `cm.`, `save`."""
    package, named = __name__.partition(".")[0], list(variables.items())
    modules = (name for name, one in named if type(one) is ModuleType and vars(one).get("__name__") == package)
    functions = (name for name, one in named if type(one) is FunctionType and one.__module__ == package)
    return (*(f"{name}." for name in modules), *functions)


def certain(cell: str, known: Collection[str], names: tuple[str, ...] = ()) -> list[str]:
    """The tokens on certain lines of a cell that are not known; `names`: `own_names()` of the session."""
    if "cave" not in cell.lower() and not any(name in cell for name in names):  # quick, in a long history
        return []
    if not find_tokens(cell):  # nor would there be any in a part of it
        return []
    found = (typed[0] for text in _and_joined(cell) for typed in _certain(names).finditer(text))
    tokens = dict.fromkeys(one.reveal() for typed in found for one in find_tokens(typed))
    new = (one for one in tokens if not any(one.lower() in secret.lower() for secret in known))
    return [part for one in new for part in (one, *_LAST_NAME.findall(one))]


def _and_joined(text: str) -> set[str]:
    """A text, and the same with its lines joined that go on after a backslash."""
    return {text, re.sub(r"\\[ \t]*\r?\n", " ", text)}


@cache
def _certain(names: tuple[str, ...]) -> re.Pattern[str]:
    ours = (re.escape(name) + (r"\w+\ ?" if name.endswith(".") else "") for name in names)  # not `save (…)` in prose
    return re.compile(_CERTAIN.replace("NAMES", "|".join(ours) or "(?!)"))


def possible(text: str, known: Iterable[str]) -> set[str]:
    """The known secrets in a text, the tokens after a word such as `token`, and those on possible lines."""
    shortest = min(one.lengths[0] for one in formats())
    found = {secret for secret in known if secret in text}
    for one in _and_joined(text):
        found |= {secret for line in _POSSIBLE.findall(one) for secret in find_secrets(line) if len(secret) >= shortest}
        found.update(_labelled_token(formats()).findall(one))
    return found


@cache
def _labelled_token(known: tuple[TokenFormat, ...]) -> re.Pattern[str]:
    """A pattern for a token after a word such as `token` on the same line."""
    tokens = "|".join(one.alone for one in known)
    words = r"(?:(?i:token|secret|api_?key|bearer)|(?i:cave[_-][a-z]+)(?![A-Za-z]))"
    return re.compile(rf"{words}[^\n]{{0,40}}?({tokens})")
