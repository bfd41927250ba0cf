"""The command line of the practice server: starts it alone, with an IPython, or as a demo."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cave_magic.sandbox.console import Quit, obey
from cave_magic.sandbox.faults import MISBEHAVIOURS, SECONDS, SERVERS, SERVICES, Numbers, UnknownMisbehaviour, fault
from cave_magic.sandbox.server import AUTH_VERSION, Sandbox

USUAL_PORT = 8900
_PORTS = Numbers("a port", 1, 65_534, whole=True)  # the local server has the next one
_PORTS_TO_TRY = 50
_PROGRAM = "python -m cave_magic.sandbox"
_TURN = 0.1
"""Seconds after which the program looks for a signal that came just before it began to wait."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line, and returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.what == "demo":
        from cave_magic.sandbox import demo  # type: ignore[attr-defined,unused-ignore]

        return int(demo.main())
    try:
        with _running(options) as cave, _throw_away_home(cave) as home:
            return _ipython(cave, home) if options.what == "ipython" else _serve(cave, home)
    except (OSError, LookupError, RuntimeError, ImportError) as failed:
        print(f"{_PROGRAM}: {_reason(failed)}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="A practice CAVE server on this computer. It needs no account and no network.",
        epilog=f"services: {', '.join([*SERVERS, *SERVICES])}, or a path such as /info/version\n"
        f"misbehaviour: {', '.join(known.example for known in MISBEHAVIOURS.values())}",
    )
    add = parser.add_argument
    add("what", nargs="?", choices=["start", "ipython", "demo"], default="start", help="default: start")
    add("--port", type=_port, help=f"port of the global server (default: {USUAL_PORT} or the next free one)")
    add("--local-port", type=_port, help="port of the local server (default: the next free one)")
    add(
        "--misbehave",
        action="append",
        default=[],
        type=_misbehaviour,
        metavar="SERVICE=HOW",
        help="make a service misbehave from the start; may be repeated",
    )
    add(
        "--unsigned",
        action="append",
        default=[],
        type=_pair,
        metavar="WHO=DATASTACK",
        help="terms that a person has not accepted",
    )
    add("--auth-version", default=AUTH_VERSION, type=_version, help="before 2.19.0, an account has one permanent token")
    add("--delay", type=_seconds, default=0.0, metavar="SECONDS", help="delay every response")
    add("--tls", action="store_true", help="serve https with a self-signed certificate")
    return parser


def _pair(text: str) -> tuple[str, str]:
    first, equals, second = text.partition("=")
    if not (first and equals and second):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return first, second


def _number(text: str, among: Numbers) -> float:
    try:
        return among.read(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _port(text: str) -> int:
    return int(_number(text, _PORTS))


def _seconds(text: str) -> float:
    return _number(text, SECONDS)


def _misbehaviour(text: str) -> tuple[str, str]:
    target, how = _pair(text)
    try:
        fault(target, how)
    except UnknownMisbehaviour as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None
    return target, how


def _version(text: str) -> str:
    if not all(part.isdigit() for part in text.split(".")):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version such as 2.18.0")
    return text


@contextlib.contextmanager
def _running(options: argparse.Namespace) -> Iterator[Sandbox]:
    """A running sandbox with these options, on the default port or the next free ones."""
    cave = _started(options)
    try:
        cave.delay = options.delay
        for person, datastack in options.unsigned:
            cave.withdraw_terms(person, datastack)
        for target, how in options.misbehave:
            cave.misbehave(target, how)
        yield cave
    finally:
        cave.close()


def _started(options: argparse.Namespace) -> Sandbox:
    first = options.port or USUAL_PORT
    tries = 1 if options.port else _PORTS_TO_TRY
    for port in range(first, first + 2 * tries, 2):
        local = options.local_port or port + 1
        cave = Sandbox(port=port, local_port=local, auth_version=options.auth_version, tls=options.tls)
        with contextlib.suppress(OSError):
            return cave.start()
    raise OSError(f"port {first} or {options.local_port or first + 1} of 127.0.0.1 is taken; choose another --port")


@contextlib.contextmanager
def _throw_away_home(cave: Sandbox) -> Iterator[Path]:
    """A temporary home, so that the real secrets are never touched.

    Its datastack map sends CAVEclient("minnie65_public") to the practice server, never to the real one.
    """
    with tempfile.TemporaryDirectory(prefix="cave-practice-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / ".cloudvolume" / "secrets" / "cave_datastack_to_server_map.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(dict.fromkeys(cave.datastacks, cave.server)))
        yield Path(folder)


def _serve(cave: Sandbox, home: Path) -> int:
    """Prints what to type, then runs commands from the terminal until it is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        print(_what_to_type(cave, home), flush=True)
        if sys.stdin is not None and sys.stdin.isatty():
            for line in sys.stdin:
                print(obey(cave, line), flush=True)
        else:
            while True:
                time.sleep(_TURN)
    except (KeyboardInterrupt, Quit):
        print("\nThe practice server has stopped.")
    return 0


def _what_to_type(cave: Sandbox, home: Path) -> str:
    lines = [
        f"A practice CAVE server is running at {cave.server}",
        "",
        "In another terminal, with a temporary home, so that your own ~/.cloudvolume does not change:",
        "",
        f"    {_shell_line(home)}",
        "",
        "and there:",
        "",
        "    %load_ext cave_magic",
        f"    %cave_setup new --server {cave.server}",
        "",
    ]
    if cave.misbehaving:
        lines += ["Misbehaving: " + ", ".join(f"{t} {how}" for t, how in cave.misbehaving.items()) + ".", ""]
    if sys.stdin is not None and sys.stdin.isatty():
        lines.append("Type `info silent` to make a service misbehave, `behave` to end that, and `help` for more.")
    return "\n".join([*lines, "Ctrl-C stops the server."])


def _shell_line(home: Path) -> str:
    if sys.platform == "win32":
        return f'set "USERPROFILE={home}" && set "IPYTHONDIR={home}" && "{sys.executable}" -m IPython'
    packages = site.getuserbase()  # `pip install --user` puts them below the home
    base = f"PYTHONUSERBASE={shlex.quote(packages)} " if __file__.startswith(packages + os.sep) else ""
    return f"HOME={home} IPYTHONDIR={home}/.ipython {base}{shlex.quote(sys.executable)} -m IPython"


def _ipython(cave: Sandbox, home: Path) -> int:
    """Runs IPython in `home`, with the magics loaded and configured for the server."""
    _write_profile(home, cave.server)
    # Ctrl-C is for IPython, which would inherit SIG_IGN but not a handler.
    signal.signal(signal.SIGINT, lambda *_: None)
    print(f"A practice CAVE server is running at {cave.server} until you leave this IPython.", flush=True)
    print("Type %cave_setup new", flush=True)
    return subprocess.call([sys.executable, "-m", "IPython"], env=_environment(home))


def _write_profile(home: Path, server: str) -> None:
    folder = home / ".ipython" / "profile_default"
    folder.mkdir(parents=True)
    lines = [
        "c = get_config()",
        'c.InteractiveShellApp.extensions = ["cave_magic"]',
        f"c.CaveMagics.server = {server!r}",
        "c.TerminalInteractiveShell.confirm_exit = False",
    ]
    (folder / "ipython_config.py").write_text("\n".join(lines) + "\n")


def _environment(home: Path) -> Mapping[str, str]:
    """This environment with another home; packages in the real home are still found."""
    moved = {"HOME": str(home), "USERPROFILE": str(home), "IPYTHONDIR": str(home / ".ipython")}
    return {"PYTHONUSERBASE": site.getuserbase(), **os.environ, **moved}


def _reason(failed: Exception) -> str:
    if isinstance(failed, ImportError):
        return f"{failed}. The practice server needs: pip install 'cave-magic[sandbox]'"
    return str(failed)
