"""Builds the lines to type that this package prints: magics, shell commands and Python.

Each is spelled for the place where it is typed: IPython, or the shell from which this program was started (`ui.door`).
A magic names the server and the datastack unless it means the same without them, in a fresh kernel and in this one.
So a token goes to the right server even if the line is typed in another notebook.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..credentials.obstacles import Intent, Obstacle, WayOut
from ..credentials.target import Target
from ..credentials.token_files import show_path
from ..deployments import DEFAULT_SERVER
from ..token import Token
from ..ui import door
from ..ui.document import Line, joined, line
from ..ui.door import Dialect, either, in_shell
from ..ui.redact import redact
from . import variables
from .model import Command, Need, NextStep, advise, then

if TYPE_CHECKING:
    from ..environment.installer import Installer
    from ..environment.platforms import Runtime

ARGUMENT = "$argument_of_cave_magic_save"
"""Stands for the token that a script gave to `cave_magic.save`; nobody has a variable with this name."""
_LONGEST_PATH = 4096
"""The limit for paths, high enough that none is cut: the line would name another file."""


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
    return magic("cave_setup", kind, *_options(target), *options, needs=_saving(target))


def end(target: Target, kind: str, *options: str, can_ask: bool) -> Command:
    """`%cave_setup replace` or `%cave_setup remove`, without the question if nobody can answer it."""
    return setup(target, kind, *options, *(() if can_ask else ("--yes",)))


def by_ending(token: Token) -> tuple[str, ...]:
    """The option that names a token by its ending, which may begin like an option itself (base64url)."""
    return (f"--token={token.ending}",) if token.ending.startswith("-") else ("--token", token.ending)


def save(target: Target, *options: str) -> Command:
    """`%cave_save` for the server of a target: with a prompt, unless an option says where the token is.

    A path that cannot be typed after a magic goes into a variable.
    """
    if ARGUMENT in options:
        named = [part.strip("\"'") for part in _options(target)]
        given = [f"{name[2:]}={json.dumps(value)}" for name, value in zip(named[::2], named[1::2], strict=True)]
        flags = {"overwrite=True": "--overwrite", "verify=False": "--no-check"}
        given += [word for word, option in flags.items() if option in options]
        return Command(f"cave_magic.save({', '.join(['token', *given])})", needs=_saving(target))
    odd = next((one for one in options if not in_shell() and not _can_be_quoted(one)), None)
    if odd is None:
        return magic("cave_save", *map(quoted, options), *_options(target), needs=_saving(target))
    words = ["$path" if one == odd else one for one in options]
    rest = json.dumps(" ".join((*words, *_options(target))))
    typed = f'path = {_literal(odd)}; get_ipython().run_line_magic("cave_save", {rest})'
    return Command(typed, needs=_saving(target))


def save_from(target: Target, file: Path, replaces: bool = True) -> Command:
    """`%cave_save` for the token in a file; it replaces a stored one unless `replaces` is false."""
    options = ("--overwrite",) if replaces else ()
    return save(target, "--from-file", _typed(file), *options)


def whoami(target: Target, *options: str) -> Command:
    """`%cave_whoami` for the server of a target."""
    return magic("cave_whoami", *_server(target), *options)


def magic(name: str, *words: str, needs: tuple[Need, ...] = ()) -> Command:
    """A magic with these words, those that are not empty."""
    called = f"{door.program()} {name.removeprefix('cave_')}" if in_shell() else f"%{name}"
    return Command(" ".join((called, *filter(None, words))), needs=needs)


def set_server(address: str) -> Command:
    """Sets the server of this kernel; "" for the server of each datastack."""
    return Command(f"%config CaveMagics.server = {json.dumps(address)}")


def with_result(variable: str, command: Command) -> Command:
    """A magic whose result a variable takes."""
    return Command(f"{variable} = {command.text}")


def _saving(target: Target) -> tuple[Need, ...]:
    return (Need(server=target.server),)


def _options(target: Target) -> tuple[str, ...]:
    name = ("--datastack", quoted(target.datastack)) if target.names_datastack else ()
    return (*_server(target), *name)


def _server(target: Target) -> tuple[str, ...]:
    return ("--server", target.server) if target.names_server else ()


def quoted(word: str) -> str:
    """A word as it is typed after a magic."""
    if in_shell():
        return _for_shell(word)
    return f'"{word}"' if set(word) & set(" #;'?") else word


def _can_be_quoted(word: str) -> bool:
    """Whether a word can be typed after a magic; copying loses leading, trailing and repeated spaces."""
    return word.isprintable() and '"' not in word and " ".join(word.split()) == word


def examples() -> dict[str, str | Command]:
    """The lines to type in the reference of the checks, by the names that `Check.fixed_by` has for them."""
    return {
        "check": magic("cave_check"),
        "check_several": magic("cave_check", "NAME", "NAME"),
        "fix": magic("cave_check", "--fix"),
        "new": magic("cave_setup", "new"),
        "existing": magic("cave_setup", "existing"),
        "replace": magic("cave_setup", "replace"),
        "save": magic("cave_save"),
        "save_from_env": magic("cave_save", "--from-env", "NAME", "--overwrite"),
        "save_from_file": magic("cave_save", "--from-file", "FILE", "--overwrite"),
        "whoami": magic("cave_whoami"),
        "client": Command('client = CAVEclient("minnie65_public")'),
        "package": pip('install -U "pandas<3"'),
        "socks": pip('install "requests[socks]"'),
        "newer_caveclient": pip("install -U caveclient"),
        "older_caveclient": pip('install "caveclient<8"'),
        "newer_cloud_files": pip("install -U cloud-files cloud-volume"),
        "without_netrc": variables.with_variable("NETRC", os.devnull),
        "without_proxy": variables.with_variable("NO_PROXY", "HOST"),
        "with_certificates": variables.with_variable("REQUESTS_CA_BUNDLE", "FILE"),
        "restart": either(", then restart the kernel", ""),
    }


# ---------------------------------------------------------------- Python


def client(variable: str, datastack: str, server: str, opens_on: str, version: int | None = None) -> str:
    """The Python that opens a datastack.

    Args:
        variable: the name for the client.
        datastack: its name; "" for a client without one.
        server: the address of its server.
        opens_on: the server that CAVEclient opens without `server_address`.
        version: the materialization version; None for the newest.
    """
    arguments = [json.dumps(datastack)] if datastack else []
    if server != (opens_on if datastack else DEFAULT_SERVER):
        arguments.append(f"server_address={json.dumps(server)}")
    if version is not None:
        arguments.append(f"version={version}")
    return f"from caveclient import CAVEclient; {variable} = CAVEclient({', '.join(arguments)})"


def _client_of(target: Target, version: int | None = None) -> str:
    return client("client", target.datastack, target.server, target.opens_on, version)


def python_line(code: str) -> Command:
    """Python to type: unchanged in IPython; in a shell, the line that runs it with Python."""
    return Command(door.python_with(code, "-i") if in_shell() else code)


def without_saving(target: Target) -> Command:
    """The Python that opens a datastack with a token that is typed and not saved."""
    opened = _client_of(target).removesuffix(")")
    unsaved = ", write_server_cache=False" if "server_address=" in opened else ""  # the disk may be full
    return python_line(f'import getpass; {opened}, auth_token=getpass.getpass("Token: "){unsaved})')


def go_on(target: Target) -> Command:
    """The line with which to start working."""
    return python_line(_client_of(target))


def tables(target: Target, version: int | None) -> Command:
    """The Python that lists the tables of a version."""
    return python_line(f"{_client_of(target, version)}; client.materialize.get_tables()")


def query(target: Target, version: int | None, kind: str, name: str) -> Command:
    """The Python that reads the first rows of a table or a view (`kind`)."""
    return python_line(f"{_client_of(target, version)}; client.materialize.query_{kind}({json.dumps(name)}, limit=10)")


def recall(runtime: Runtime, target: Target, *options: str) -> tuple[Command, ...]:
    """The lines that save the token that a platform keeps as CAVE_TOKEN, without a prompt."""
    if runtime.secrets_name and runtime.python and not in_shell():
        return (Command(runtime.python), save(target, "$token", *options))
    return (save(target, "--from-env", "CAVE_TOKEN", *options),)


def with_family(name: str) -> Command:
    """Lets requests use only "IPv4" or "IPv6" addresses in this kernel, or in a Python that it starts."""
    constant = "AF_INET6" if name == "IPv6" else "AF_INET"
    return python_line(f"import socket, urllib3.util.connection as c; c.allowed_gai_family = lambda: socket.{constant}")


# ---------------------------------------------------------------- shell


def install(installer: Installer, *specs: str, again: bool = False, over: bool = False) -> Line:
    """Installs packages (`pandas<3`) into the environment of this kernel, and says what to do then.

    Args:
        again: whether to replace them even if they are there.
        over: whether to leave alone what is there, which pip cannot or must not uninstall.
    """
    if not installer.tool:
        return other_environment(installer)
    forced = ("--ignore-installed" if over else "--force-reinstall", "--no-deps") if again else ("-U",)
    names = {re.split(r"[<>=!~\[ ]", spec)[0].replace("_", "-").lower() for spec in specs}
    limited = ("PIP_CONSTRAINT",) if names & set(installer.constrained) else ()
    typed = (f'"{spec}"' if set(spec) & set("<>=!~[") else spec for spec in specs)
    return _in_order(installer, "install", *installer.options, *forced, *typed, limited=limited)


def uninstall(installer: Installer, *names: str) -> Line:
    """Uninstalls the copies of packages that Python finds first, and says what to do then."""
    options = tuple(one for one in installer.options if one not in ("--user", "--no-user"))
    return _in_order(installer, "uninstall", *options, *(() if installer.tool == "uv" else ("-y",)), *names)


def other_environment(installer: Installer) -> Line:
    """Makes another environment with its own kernel, and says what to do then; or who can repair this one."""
    if not installer.venv:
        return line("ask the administrators of this computer to repair its Python")
    make = "uv venv --seed" if installer.venv == "uv" else f"{door.called(installer.python)} -m venv"
    folder, python = {
        Dialect.POSIX: ("~/cave-env", "~/cave-env/bin/python"),
        Dialect.CMD: (r'"%USERPROFILE%\cave-env"', r'"%USERPROFILE%\cave-env\Scripts\python"'),
        Dialect.POWERSHELL: (r'"$env:USERPROFILE\cave-env"', r'& "$env:USERPROFILE\cave-env\Scripts\python"'),
    }[door.dialect()]
    steps = (
        f"{make} {folder}",
        f"{python} -m pip install cave-magic ipykernel",
        f"{python} -m ipykernel install --user --name cave-env",
    )
    if in_shell():
        return line(Command(door.in_turn(*steps[:2]).replace(" ipykernel", "")), f", use the programs in {folder}")
    return line(Command("!" + door.in_turn(*steps)), ", choose the kernel cave-env")


def pip(words: str, by: str = "") -> Command:
    """A line for pip; `by` is the Python that a shell calls for it."""
    return Command(f"{by or door.python()} -m pip {words}" if in_shell() else f"%pip {words}")


def _by(installer: Installer, verb: str, *options: str) -> Command:
    python, system, own = door.called(installer.python), either("!", ""), either("%", "")
    said = " ".join(options)
    if installer.tool == "uv":
        said = said.replace("--force-reinstall", "--reinstall").replace("--ignore-installed", "--reinstall")
        return Command(f"{system}uv pip {verb} --python {door.quoted(installer.python)} {said}")
    if installer.tool == "ensurepip":
        return Command(system + door.in_turn(f"{python} -m ensurepip", f"{python} -m pip {verb} {said}"))
    if installer.tool == "pip":
        return pip(f"{verb} {said}", python)
    said = said.replace("--no-deps ", "").replace("-U ", "").replace("--ignore-installed", "--force-reinstall")
    return Command(f"{own}{installer.tool} {verb.replace('uninstall', 'remove')} {'-y ' * ('-y' not in options)}{said}")


def _in_order(installer: Installer, verb: str, *words: str, limited: tuple[str, ...] = ()) -> Line:
    """Unsets what is in the way, runs the installer, and restarts the kernel."""
    unset = tuple(dict.fromkeys((*installer.unset, *limited)))
    first = (variables.without_variable(*unset), ", then ") if unset else ()
    return line(*first, _by(installer, verb, *words), either(", restart the kernel", ""))


def leave_out(folder: str) -> Command:
    """Takes a folder out of `sys.path`, whether or not it is there."""
    return python_line(f"import sys; sys.path[:] = [one for one in sys.path if one != {_literal(folder)}]")


def move_away(path: Path, name: str = "") -> Command:
    """Renames a file or folder, to `.old` unless another name is given because that one is taken."""
    text, needs = _typed(path), (Need(intent=Intent.MOVE, path=path),)
    new = text[: len(text) - len(path.name)] + name if name else f"{text}.old"
    if not (_shell_takes(text) and _shell_takes(new)):
        code = f"import os; os.rename({_expanded(text)}, {_expanded(new)})"
        return Command(door.python_with(code) if in_shell() else code, needs=needs)
    return Command(f"{either('!', '')}mv {_for_shell(text)} {_for_shell(new)}", needs=needs)


def make_private(path: Path, mode: int = 0o600) -> Command:
    """Makes a file or a folder owner-only."""
    text, needs = _typed(path), (Need(intent=Intent.CHMOD, path=path),)
    if not _shell_takes(text):
        code = f"import os; os.chmod({_expanded(text)}, 0o{mode:o})"
        return Command(door.python_with(code) if in_shell() else code, needs=needs)
    return Command(f"{either('!', '')}chmod {mode:o} {_for_shell(text)}", needs=needs)


def _shell_takes(text: str) -> bool:
    """Whether a path can be typed after `!`, where IPython expands `$name` and `{name}`; a POSIX shell takes all.

    On Windows, whose shells have no `mv`, no `chmod` and no `~`, Python does the same.
    """
    if door.on_windows():
        return False
    return in_shell() or (_can_be_quoted(text.replace('"', "")) and not set(text) & set("${}"))


def _for_shell(text: str) -> str:
    start = "~/" if text.startswith("~/") else ""
    return start + door.quoted(text[len(start) :])


def _expanded(text: str) -> str:
    """The Python for a path."""
    return f"os.path.expanduser({_literal(text)})" if text.startswith(f"~{os.sep}") else _literal(text)


def _literal(text: str) -> str:
    """The Python for a text, without repeated spaces, which copying loses, and with a `'` at both ends only."""
    joint = "\\x27"
    return f"'{joint.join(repr(part)[1:-1] for part in text.split(chr(39)))}'".replace("  ", " \\x20")


# ---------------------------------------------------------------- obstacles


def past(obstacle: Obstacle, again: Command, unsaved: Command | None = None) -> NextStep:
    """How this user can get past an obstacle, or who can remove it.

    If only others can, `unsaved` (a command that works with a token that is not saved) helps until then.
    """
    if obstacle.way is WayOut.MOVE_AWAY:
        return then(move_away(obstacle.path), again)
    if obstacle.way is WayOut.GRANT_ACCESS:
        return then(make_private(obstacle.path, obstacle.mode), again)
    if obstacle.way is WayOut.RESTORE_LINK:
        return restore_link(obstacle.path, again)
    if obstacle.way is WayOut.SET_HOME and obstacle.home:
        return then(variables.with_variable(door.home_variable(), obstacle.home), again)
    if obstacle.way is WayOut.CLOSE_FILES:
        return then(either("close files or restart the kernel", "close files"), again)
    if obstacle.way is WayOut.CLOSE_PROGRAM:
        return then("close the program that has it open, such as an editor, or make it writable", again)
    step = then(_removed_by_others(obstacle), again)
    return advise(step.line, ". To work without saving: ", unsaved) if unsaved else step


def restore_link(link: Path, again: Command) -> NextStep:
    """Makes the missing target of a link available, or moves the link away."""
    return then(line("if that is on a drive that is not mounted, mount it; otherwise ", move_away(link)), again)


def _removed_by_others(obstacle: Obstacle) -> str:
    shown = show_path(obstacle.path)
    if obstacle.way is WayOut.SET_HOME:
        return f"set {door.home_variable()} to a folder that you can write to{either(' before the kernel starts', '')}"
    if obstacle.way is WayOut.FREE_SPACE:
        return f"free some space on the disk of {shown}"
    if obstacle.way is WayOut.RAISE_LIMIT:
        return f"raise the limit of the size of files (ulimit -f){either(' where Jupyter is started', '')}"
    if obstacle.way is WayOut.MOUNT_FOLDER:
        return f"mount the folder of {shown} instead, where the container is started"
    who = "the administrator of this computer" if obstacle.way is WayOut.ADMINISTRATOR else obstacle.owner
    return f"ask {who} to let you write to {shown}"


# ---------------------------------------------------------------- paths


def _typed(path: Path) -> str:
    """A path in full, with `~` for the home; redacted if it contains a secret."""
    text, home = str(path), os.path.expanduser("~")
    text = "~" + text[len(home) :] if text.startswith(home + os.sep) else text
    shown = show_path(path, _LONGEST_PATH)
    return text if " ".join(text.split()) == shown or redact(text) == text else shown


def without_anybody(target: Target, runtime: Runtime, replaces: bool) -> NextStep:
    """How to save a token without a prompt; `replaces` tells whether one is stored already."""
    commands = recall(runtime, target, *(["--overwrite"] if replaces else []))
    place = runtime.secrets_name or "an environment variable"
    piped = either("", ", or pipe it in with --from-file -")
    return advise(f"keep a token as CAVE_TOKEN in {place}, then ", joined(", then ", commands), piped)
