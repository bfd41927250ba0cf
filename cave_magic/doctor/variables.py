"""Builds the lines to type that change environment variables, in IPython or in the shell; see `next_steps`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..ui.door import Dialect, assigned, dialect, either, in_shell, in_turn, python_with, quoted
from .model import Command


def without_variable(*names: str) -> Command:
    """Unsets environment variables, here."""
    if not in_shell():
        return Command("; ".join(["import os", *(f'os.environ.pop("{name}", None)' for name in names)]))
    if dialect() is Dialect.POSIX:
        return Command(f"unset {' '.join(names)}")
    return Command(in_turn(*(assigned(name, "", "", "$null") for name in names)))


def with_variable(name: str, value: str) -> Command:
    """Sets an environment variable, here."""
    literal = "'" + value.replace("'", "''") + "'"
    return Command(assigned(name, quoted(value), value, literal) if in_shell() else f"%env {name}={value}")


def copy_variable(source: str, target: str) -> Command:
    """Copies an environment variable, whose value may contain a password, to another one."""
    if in_shell():
        return Command(assigned(target, f'"${source}"', f"%{source}%", f"$env:{source}"))
    return Command(f'import os; os.environ["{target}"] = os.environ["{source}"]')


def with_more_hosts(name: str, hosts: str) -> Command:
    """Adds hosts to a list in an environment variable, such as NO_PROXY."""
    if in_shell():
        return Command(assigned(name, f'"${name},{hosts}"', f"%{name}%,{hosts}", f'"$env:{name},{hosts}"'))
    return Command(f'import os; os.environ["{name}"] += ",{hosts}"')


def with_fewer_hosts(name: str, hosts: Sequence[str]) -> Command:
    """Removes entries of a list in an environment variable, such as NO_PROXY."""
    kept = f'one for one in os.environ["{name}"].split(",") if one.strip() not in {json.dumps(list(hosts))}'
    return _changed("import os", name, f'",".join({kept})')


def without_folder(name: str, folder: str) -> Command:
    """Removes a folder from a list of folders in an environment variable, such as PYTHONPATH; for a shell."""
    kept = f'one for one in os.environ["{name}"].split(os.pathsep) if os.path.abspath(one) != {json.dumps(folder)}'
    return _changed("import os", name, f"os.pathsep.join({kept})", "-E")


def with_scheme(name: str, scheme: str) -> Command:
    """Changes the scheme of the address in an environment variable, which may contain a password."""
    return _changed("import os", name, f'"{scheme}://" + {_without_scheme(name)}')


def _changed(imports: str, name: str, value: str, *options: str) -> Command:
    """Sets an environment variable to the value of a Python expression; `options` are those of Python in a shell."""
    if not in_shell():
        return Command(f'{imports}; os.environ["{name}"] = {value}')
    run = python_with(f"{imports}; print({value})", *options)
    if dialect() is Dialect.CMD:
        return Command(f"for /f \"delims=\" %i in ('{run}') do @{assigned(name, '', '%i', '')}")
    return Command(assigned(name, f'"$({run})"', "", f"({run})"))


def _without_scheme(name: str) -> str:
    signs = " '\\\"" if dialect() is Dialect.POSIX else r" \x27\x22"
    return f'os.environ["{name}"].strip("{signs}").rpartition(":/")[2].lstrip("/")'


def with_proxy_password(name: str) -> Command:
    """Asks for a user name and a password, and puts them into the address of a proxy."""
    address = f'{_without_scheme(name)}.rpartition("@")[2]'
    ask = either("input", "getpass")  # what a shell takes over is not on the screen
    login = f'quote({ask}("User name: "), safe="") + ":" + quote(getpass("Password: "), safe="")'
    imports = "import os; from getpass import getpass; from urllib.parse import quote"
    return _changed(imports, name, f'"http://" + {login} + "@" + {address}')
