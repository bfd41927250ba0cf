"""The lines that this package prints to be typed: magics, shell commands, Python. All are built here, from data.

A magic is built from the target that it is about, and names the server and the datastack wherever it would mean
another one without: a token goes where it was meant to go, also when a line is typed in another notebook.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from .doctor import Command
from .place import Place
from .servers import DEFAULT_SERVER
from .store import show_path
from .target import Target

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
    return Command(f"{command} {option}")


def setup(target: Target, kind: str, *options: str) -> Command:
    """`%cave_setup new` or `%cave_setup existing` for a target."""
    return _magic("cave_setup", kind, *_options(target), *options)


def save(target: Target, *options: str) -> Command:
    """`%cave_save` for the server of a target: at the prompt, unless an option says where the token is."""
    return _magic("cave_save", *options, *_options(target))


def save_from(target: Target, file: Path, replaces: bool = True) -> Command:
    """`%cave_save` of the token in a file, in place of the one that is stored, if one may be."""
    options = ("--overwrite",) if replaces else ()
    return save(target, "--from-file", quoted(show_path(file, _LONGEST_PATH)), *options)


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
    return f'"{word}"' if set(word) & set(" #;'") else word


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


def recall(place: Place, target: Target, *options: str) -> tuple[Command, ...]:
    """The lines that save the token that a platform keeps as CAVE_TOKEN; nobody is asked for anything."""
    if place.store and place.code:
        return (Command(place.code), save(target, "$token", *options))
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
    return Command(f"!mv {for_shell(path)} {for_shell(path)}.old")


def make_private(path: Path, mode: int = 0o600) -> Command:
    """Gives a file or a folder back to its owner, and to nobody else."""
    return Command(f"!chmod {mode:o} {for_shell(path)}")


def for_shell(path: Path) -> str:
    """A path as it is typed behind `!`: with `~` for the home, and quoted where it has to be.

    IPython replaces `$name` and `{name}` before the shell sees them; two braces or dollars are one.
    """
    shown = show_path(path, _LONGEST_PATH)
    start = "~/" if shown.startswith("~/") else ""
    quoted = shlex.quote(shown[len(start) :])
    return start + quoted.replace("{", "{{").replace("}", "}}").replace("$", "$$")
