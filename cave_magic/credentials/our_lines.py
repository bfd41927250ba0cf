"""The tokens on lines that were typed for this package, although none of its commands saw them.

There are two kinds of such lines. Those that were certainly typed for it are masked by the next magic, unasked: a value
of the user's own must stay. Those that may have been are pointed out by a check, and masked if the person agrees.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache

from ..token import TokenFormat, find_tokens, formats
from ..ui.redact import find_secrets

_CERTAIN = re.compile(
    r"""(?imx)
    ^ %%\ *cave [\s\S]{1,10000}
    | ^ [\ \t]* (?: \#+\ *(?=%) )? (?: [^\n'"(=]{1,100} =\ * )?
      (?: (?: [%!?] [^\n]{0,1000}? )? %\ *cave | %*config\ +cave
        | (?: [%!?]+\ * )? cave_[a-z]+ (?: \? | \ +(?!(?:and|else|for|if|in|is|not|or)\b) (?=-{0,2}["'{\w]) ) )
      [^\n]{1,10000}
    | ^ (?: \w+\ *= )? [%!\ \t]{0,40} [^\s(]{0,200} (?: \ -m\ *cave_ | cave- ) magic (?: \.exe )? ["']? \ +[-\w]
      [^\n]{0,10000}
    | ^ [^\n]{0,1000}? (?: -m\ *cave_ | \b cave- ) magic (?: \.exe )? ["']? \ +(?:check|save|setup|whoami)\b
      [^\n]{0,10000}
    | \b (?: cave_magic\.\w+\( | cave_(?:check|save|setup|whoami)\( | run_line_magic\(\s*["']cave ) [^)]{1,10000}
    """
)
"""What was typed for this package: a magic, even a misspelled one or its help, a setting, the program (after other
words: with one of its commands), a function; not `cave_ids += 1`, nor `import cave_magic as cm`."""
_LAST_NAME = re.compile(r"(?!\d)\w+(?:\.(?!\d)\w+)*\Z")
"""What IPython keeps of `TOKEN?` beside the line itself."""
_POSSIBLE = re.compile(r"cave_[a-z]+\b([^\n<]{1,10000})")
"""What follows the name of a magic, or of a misspelled one, anywhere in a line, or in a line of a page."""


def certain(cell: str, known: Collection[str]) -> list[str]:
    """The tokens on certain lines of a cell that are not known."""
    if "cave" not in cell.lower():  # quick, in a long history
        return []
    tokens = (one.reveal() for typed in _CERTAIN.findall(cell) for one in find_tokens(typed))
    new = (one for one in tokens if not any(one.lower() in secret.lower() for secret in known))
    return [part for one in new for part in (one, *_LAST_NAME.findall(one))]


def possible(text: str, known: Iterable[str]) -> set[str]:
    """The known secrets in a text, the tokens after a word such as `token`, and those on possible lines."""
    shortest = min(one.lengths[0] for one in formats())
    typed = {one for line in _POSSIBLE.findall(text) for one in find_secrets(line) if len(one) >= shortest}
    return {secret for secret in known if secret in text} | set(_labelled_token(formats()).findall(text)) | typed


@cache
def _labelled_token(known: tuple[TokenFormat, ...]) -> re.Pattern[str]:
    """A pattern for a token after a word such as `token` on the same line."""
    tokens = "|".join(one.alone for one in known)
    return re.compile(rf"(?i:token|secret|api_?key|bearer|cave[_-][a-z]+)[^\n]{{0,40}}?({tokens})")
