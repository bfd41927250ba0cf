"""The lines that this package prints to be typed: magics, shell commands, Python. All are built here, from data.

A magic is built from the target that it is about, and names the server and the datastack wherever it would mean
another one without: a token goes where it was meant to go, also when a line is typed in another notebook.
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
"""Characters of a path in a line: none is cut, or the line would name another file."""


# ---------------------------------------------------------------- magics


def check(target: Target, *options: str) -> Command:
    """`%cave_check` of a target."""
    return check_all([target], *options)


def check_all(targets: Sequence[Target], *options: str) -> Command:
    """`%cave_check` of several targets: those of one typed line, which are on one server or each on its own."""
    names = [quoted(one.datastack) for one in targets if one.names_datastack or len(targets) > 1]
    return _magic("cave_check", *names, *_server(targets[0]), *options)


def check_everything(target: Target) -> Command:
    """`%cave_check --all` of the server of a target."""
    return _magic("cave_check", "--all", *_server(target))


def with_option(command: Command, option: str) -> Command:
    """A magic with one more option."""
    return Command(f"{command.text} {option}")


def setup(target: Target, kind: str, *options: str) -> Command:
    """`%cave_setup new` or `%cave_setup existing` for a target."""
    return _magic("cave_setup", kind, *_options(target), *options)


def save(target: Target, *options: str) -> Command:
    """`%cave_save` for the server of a target: at the prompt, unless an option says where the token is.

    A path that cannot be typed behind a magic goes into a variable, whose name the magic takes.
    """
    odd = next((one for one in options if not _can_be_quoted(one)), None)
    if odd is None:
        return _magic("cave_save", *map(quoted, options), *_options(target))
    words = ("$path" if one == odd else one for one in options)
    line = json.dumps(" ".join((*words, *_options(target))))
    return Command(f'path = {_literal(odd)}; get_ipython().run_line_magic("cave_save", {line})')


def save_from(target: Target, file: Path, replaces: bool = True) -> Command:
    """`%cave_save` of the token in a file, in place of the one that is stored, if one may be."""
    options = ("--overwrite",) if replaces else ()
    return save(target, "--from-file", _typed(file), *options)


def whoami(target: Target) -> Command:
    """`%cave_whoami` for the server of a target."""
    return _magic("cave_whoami", *_server(target))


def _magic(name: str, *words: str) -> Command:
    return Command(" ".join((f"%{name}", *filter(None, words))))


def _options(target: Target) -> tuple[str, ...]:
    name = ("--datastack", quoted(target.datastack)) if target.names_datastack else ()
    return (*_server(target), *name)


def _server(target: Target) -> tuple[str, ...]:
    return ("--server", target.server) if target.names_server else ()


def quoted(word: str) -> str:
    """A word as it is typed behind a magic."""
    return f'"{word}"' if set(word) & set(" #;'?") else word


def _can_be_quoted(word: str) -> bool:
    """Whether a word can be typed behind a magic; blanks at an end or in a row do not survive being copied."""
    return word.isprintable() and '"' not in word and " ".join(word.split()) == word


# ---------------------------------------------------------------- Python


def client(variable: str, datastack: str, server: str, opens_on: str) -> Command:
    """The Python that opens a datastack.

    Args:
        variable: the name for the client.
        datastack: its name; "" for a client without one.
        server: the server that is meant.
        opens_on: where CAVEclient goes by itself; where that is another one, the server is named.
    """
    arguments = [json.dumps(datastack)] if datastack else []
    if server != (opens_on if datastack else DEFAULT_SERVER):
        arguments.append(f"server_address={json.dumps(server)}")
    return Command(f"from caveclient import CAVEclient; {variable} = CAVEclient({', '.join(arguments)})")


def go_on(target: Target) -> Command:
    """The line with which work begins."""
    return client("client", target.datastack, target.server, target.opens_on)


def recall(runtime: Runtime, target: Target, *options: str) -> tuple[Command, ...]:
    """The lines that save the token that a platform keeps as CAVE_TOKEN; nobody is asked for anything."""
    if runtime.secrets_name and runtime.python:
        return (Command(runtime.python), save(target, "$token", *options))
    return (save(target, "--from-env", "CAVE_TOKEN", *options),)


def without_variable(name: str) -> Command:
    """Takes an environment variable away in this kernel."""
    return Command(f'import os; os.environ.pop("{name}", None)')


def with_variable(name: str, value: str) -> Command:
    """Sets an environment variable in this kernel."""
    return Command(f"%env {name}={value}")


def with_more_hosts(name: str, hosts: str) -> Command:
    """Adds hosts to an environment variable that is a list of them, such as NO_PROXY."""
    return Command(f'import os; os.environ["{name}"] += ",{hosts}"')


# ---------------------------------------------------------------- shell


def pip_install(*words: str) -> Command:
    """Installs packages into the environment of this kernel."""
    return Command(" ".join(("%pip install", *words)))


def move_away(path: Path) -> Command:
    """Gives what is in the place of a file another name."""
    text = _typed(path)
    if not _shell_takes(text):
        return Command(f"import os; os.rename({_expanded(text)}, {_expanded(text + '.old')})")
    return Command(f"!mv {_for_shell(text)} {_for_shell(text)}.old")


def make_private(path: Path, mode: int = 0o600) -> Command:
    """Gives a file or a folder back to its owner, and to nobody else."""
    text = _typed(path)
    if not _shell_takes(text):
        return Command(f"import os; os.chmod({_expanded(text)}, 0o{mode:o})")
    return Command(f"!chmod {mode:o} {_for_shell(text)}")


def _shell_takes(text: str) -> bool:
    """Whether a path can be typed behind `!`. IPython replaces `$name` and `{name}` there, by rules of its own."""
    return _can_be_quoted(text.replace('"', "")) and not set(text) & set("${}")


def _for_shell(text: str) -> str:
    start = "~/" if text.startswith("~/") else ""
    return start + shlex.quote(text[len(start) :])


def _expanded(text: str) -> str:
    """The Python for a path."""
    return f"os.path.expanduser({_literal(text)})" if text.startswith("~/") else _literal(text)


def _literal(text: str) -> str:
    """The Python for a text, in which no two blanks stand in a row."""
    return repr(text).replace("  ", " \\x20")


# ---------------------------------------------------------------- paths


def _typed(path: Path) -> str:
    """A path to the letter, with `~` for the home; as it is shown where a secret stands in it."""
    text, home = str(path), os.path.expanduser("~")
    text = "~" + text[len(home) :] if text.startswith(home + os.sep) else text
    shown = show_path(path, _LONGEST_PATH)
    return text if " ".join(text.split()) == shown or redact(text) == text else shown


def without_anybody(target: Target, runtime: Runtime, replaces: bool) -> NextStep:
    """How a token gets here where nobody can be asked for it.

    Args:
        target: the server that it is for.
        runtime: where the kernel runs.
        replaces: whether one is stored that it is to replace.
    """
    way = recall(runtime, target, *(["--overwrite"] if replaces else []))
    kept = runtime.secrets_name or "an environment variable"
    return advise(f"keep a token as CAVE_TOKEN in {kept}, then ", joined(", then ", way))
