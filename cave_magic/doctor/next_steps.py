"""Builds the lines to type that this package prints: magics, shell commands and Python.

A magic names the server and the datastack unless it means the same without them, in a fresh kernel and in this one.
So a token goes to the right server even if the line is typed in another notebook.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from ..credentials.target import Target
from ..credentials.token_files import show_path
from ..deployments import DEFAULT_SERVER
from ..environment.platforms import Runtime
from ..redact import redact
from ..ui.document import joined
from .model import Command, NextStep, advise

_LONGEST_PATH = 4096
"""The most characters of a path, so that no path is cut: the line would name another file."""


# ---------------------------------------------------------------- magics


def check(target: Target, *options: str) -> Command:
    """`%cave_check` for a target."""
    return check_all([target], *options)


def check_all(targets: Sequence[Target], *options: str) -> Command:
    """`%cave_check` for the targets of one typed line."""
    names = [quoted(one.datastack) for one in targets if one.names_datastack or len(targets) > 1]
    return magic("cave_check", *names, *_server(targets[0]), *options)


def check_everything(target: Target) -> Command:
    """`%cave_check --all` for the server of a target."""
    return magic("cave_check", "--all", *_server(target))


def with_option(command: Command, option: str) -> Command:
    """A magic with one more option."""
    return Command(f"{command.text} {option}")


def setup(target: Target, kind: str, *options: str) -> Command:
    """`%cave_setup new` or `%cave_setup existing` for a target."""
    return magic("cave_setup", kind, *_options(target), *options)


def save(target: Target, *options: str) -> Command:
    """`%cave_save` for the server of a target: with a prompt, unless an option says where the token is.

    A path that cannot be typed after a magic goes into a variable.
    """
    odd = next((one for one in options if not _can_be_quoted(one)), None)
    if odd is None:
        return magic("cave_save", *map(quoted, options), *_options(target))
    words = ("$path" if one == odd else one for one in options)
    line = json.dumps(" ".join((*words, *_options(target))))
    return Command(f'path = {_literal(odd)}; get_ipython().run_line_magic("cave_save", {line})')


def save_from(target: Target, file: Path, replaces: bool = True) -> Command:
    """`%cave_save` for the token in a file; it replaces a stored one unless `replaces` is false."""
    options = ("--overwrite",) if replaces else ()
    return save(target, "--from-file", _typed(file), *options)


def whoami(target: Target) -> Command:
    """`%cave_whoami` for the server of a target."""
    return magic("cave_whoami", *_server(target))


def magic(name: str, *words: str) -> Command:
    """A magic with these words, those that are not empty."""
    return Command(" ".join((f"%{name}", *filter(None, words))))


def _options(target: Target) -> tuple[str, ...]:
    name = ("--datastack", quoted(target.datastack)) if target.names_datastack else ()
    return (*_server(target), *name)


def _server(target: Target) -> tuple[str, ...]:
    return ("--server", target.server) if target.names_server else ()


def quoted(word: str) -> str:
    """A word as it is typed after a magic."""
    return f'"{word}"' if set(word) & set(" #;'?") else word


def _can_be_quoted(word: str) -> bool:
    """Whether a word can be typed after a magic; copying loses leading, trailing and repeated spaces."""
    return word.isprintable() and '"' not in word and " ".join(word.split()) == word


# ---------------------------------------------------------------- Python


def client(variable: str, datastack: str, server: str, opens_on: str) -> Command:
    """The Python that opens a datastack.

    Args:
        variable: the name for the client.
        datastack: its name; "" for a client without one.
        server: the address of its server.
        opens_on: the server that CAVEclient opens without `server_address`.
    """
    arguments = [json.dumps(datastack)] if datastack else []
    if server != (opens_on if datastack else DEFAULT_SERVER):
        arguments.append(f"server_address={json.dumps(server)}")
    return Command(f"from caveclient import CAVEclient; {variable} = CAVEclient({', '.join(arguments)})")


def go_on(target: Target) -> Command:
    """The line to start work with."""
    return client("client", target.datastack, target.server, target.opens_on)


def recall(runtime: Runtime, target: Target, *options: str) -> tuple[Command, ...]:
    """The lines that save the token that a platform keeps as CAVE_TOKEN, without a prompt."""
    if runtime.secrets_name and runtime.python:
        return (Command(runtime.python), save(target, "$token", *options))
    return (save(target, "--from-env", "CAVE_TOKEN", *options),)


def without_variable(name: str) -> Command:
    """Unsets an environment variable in this kernel."""
    return Command(f'import os; os.environ.pop("{name}", None)')


def with_variable(name: str, value: str) -> Command:
    """Sets an environment variable in this kernel."""
    return Command(f"%env {name}={value}")


def with_more_hosts(name: str, hosts: str) -> Command:
    """Adds hosts to a list in an environment variable, such as NO_PROXY."""
    return Command(f'import os; os.environ["{name}"] += ",{hosts}"')


# ---------------------------------------------------------------- shell


def pip_install(*words: str) -> Command:
    """Installs packages into the environment of this kernel."""
    return Command(" ".join(("%pip install", *words)))


def move_away(path: Path) -> Command:
    """Renames a file or folder to `.old`."""
    text = _typed(path)
    if not _shell_takes(text):
        return Command(f"import os; os.rename({_expanded(text)}, {_expanded(text + '.old')})")
    return Command(f"!mv {_for_shell(text)} {_for_shell(text)}.old")


def make_private(path: Path, mode: int = 0o600) -> Command:
    """Makes a file or a folder owner-only."""
    text = _typed(path)
    if not _shell_takes(text):
        return Command(f"import os; os.chmod({_expanded(text)}, 0o{mode:o})")
    return Command(f"!chmod {mode:o} {_for_shell(text)}")


def _shell_takes(text: str) -> bool:
    """Whether a path can be typed after `!`, where IPython expands `$name` and `{name}`."""
    return _can_be_quoted(text.replace('"', "")) and not set(text) & set("${}")


def _for_shell(text: str) -> str:
    start = "~/" if text.startswith("~/") else ""
    return start + shlex.quote(text[len(start) :])


def _expanded(text: str) -> str:
    """The Python for a path."""
    return f"os.path.expanduser({_literal(text)})" if text.startswith("~/") else _literal(text)


def _literal(text: str) -> str:
    """The Python for a text, without repeated spaces, which copying loses."""
    return repr(text).replace("  ", " \\x20")


# ---------------------------------------------------------------- paths


def _typed(path: Path) -> str:
    """A path in full, with `~` for the home; redacted if it contains a secret."""
    text, home = str(path), os.path.expanduser("~")
    text = "~" + text[len(home) :] if text.startswith(home + os.sep) else text
    shown = show_path(path, _LONGEST_PATH)
    return text if " ".join(text.split()) == shown or redact(text) == text else shown


def without_anybody(target: Target, runtime: Runtime, replaces: bool) -> NextStep:
    """How to save a token without a prompt.

    Args:
        target: the server that it is for.
        runtime: where the kernel runs.
        replaces: whether it replaces a stored token.
    """
    commands = recall(runtime, target, *(["--overwrite"] if replaces else []))
    place = runtime.secrets_name or "an environment variable"
    return advise(f"keep a token as CAVE_TOKEN in {place}, then ", joined(", then ", commands))
