"""Saves or removes a token repeatedly, each time in its own process, and disturbs each file-system call in turn.

`python every_call.py HOME BEFORE HOW WHAT STEP` prints the state of the files after each disturbed run, as JSON.
BEFORE: `nothing`, `files` (an old token in three files), `links` (the first of them is a link), `elsewhere` (also in two
files that a save leaves alone unless it is told to replace the token there). HOW: `kill`, `interrupt`, `fail` (that
call), `full` (from that call on, nothing can be written). WHAT: `save` or `remove`.
STEP: 1 to disturb each call, 3 for one in three.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from cave_magic.credentials import removal
from cave_magic.credentials.save import NotPutBack, save_token
from cave_magic.credentials.token_files import secrets_folder
from cave_magic.errors import TokenNotSaved
from cave_magic.token import Token

OLD, NEW = "a" * 31 + "0", "b" * 31 + "1"
SERVER, LOCAL = "https://global.daf-apis.com", "https://minnie.microns-daf.com"
NAMES = ("global.daf-apis.com-cave-secret.json", "cave-secret.json", "minnie.microns-daf.com-cave-secret.json")
WATCHED = ("open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.link", "os.scandir", "fcntl.flock", "call")
CODES = {0: "saved", 3: "interrupted", 4: "not saved", -signal.SIGKILL: "killed"}


def prepare(before: str) -> None:
    """Creates the files that exist before the save."""
    shutil.rmtree(secrets_folder().parent, ignore_errors=True)
    if before != "nothing":
        secrets_folder().mkdir(parents=True)
        for path in files(before):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"token": OLD, "fanc": "kept"}))
            path.chmod(0o644)
    if before == "links":
        own = secrets_folder() / NAMES[0]
        own.rename(own.with_name("target.json"))
        own.symlink_to(own.with_name("target.json"))


def files(before: str) -> list[Path]:
    """The files with the old token at the start."""
    return [secrets_folder() / name for name in NAMES] + (copies() if before == "elsewhere" else [])


def copies() -> list[Path]:
    """Two files that a save leaves alone: the deprecated one, and one in another folder."""
    return [secrets_folder() / "chunkedgraph-secret.json", secrets_folder().parent / "moved" / "cave-secret.json"]


class Watch:
    """Counts the file-system calls of this process and disturbs one of them."""

    def __init__(self, at: int, how: str) -> None:
        self.at, self.how, self.count, self.on = at, how, 0, True
        sys.addaudithook(self.see)
        for name, real in (("write", os.write), ("fsync", lambda _: None)):
            setattr(os, name, self.announced(name, real))  # fsync is left out, since the disk does not matter

    def announced(self, name: str, real):
        """A function of `os` that raises an audit event, as most others do by themselves."""

        def call(*args):
            sys.audit("call", name)
            return real(*args)

        return call

    def see(self, event: str, args: tuple) -> None:
        """The audit hook."""
        if not self.on or event not in WATCHED:
            return
        self.count += 1
        writes = args[0] == "write" if event == "call" else event == "open" and bool(args[2] & os.O_CREAT)
        if self.how == "full" and self.count >= self.at and writes:
            raise OSError(errno.ENOSPC, "full")
        if self.count == self.at:
            self.happen()

    def happen(self) -> None:
        """Disturbs the chosen call."""
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.how == "interrupt":
            signal.raise_signal(signal.SIGINT)
        elif self.how == "fail":
            raise OSError(errno.EIO, "broken")


def work(what: str) -> None:
    """Saves the new token wherever the old one is, or removes the old one."""
    if what == "remove":
        removal.remove(SERVER)
    else:
        old = [path for path in copies() if path.exists()]
        datastacks = ["minnie65_public"]
        save_token(Token(NEW), SERVER, local_servers=[LOCAL], opened=datastacks, copies=old, overwrite=True)


def run(at: int, how: str, what: str) -> tuple[str, int]:
    """One save or removal in a child process; how it ended, and how many calls it made (written to a pipe at its end)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        watch, code = Watch(at, how), 0
        try:
            work(what)
        except KeyboardInterrupt:
            code = 3
        except TokenNotSaved as error:
            code = 5 if isinstance(error, NotPutBack) else 4
        watch.on = False
        os.write(writing, str(watch.count).encode())
        os._exit(code)
    os.close(writing)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(reading) as pipe:
        return CODES.get(status, f"exit {status}"), int(pipe.read() or 0)


def found() -> dict[str, str]:
    """The state of each file: old, new, or what is wrong with it."""
    folders = [secrets_folder(), secrets_folder().parent / "moved"]
    paths = sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir())
    return {f"{path.parent.name}/{path.name}": judged(path) for path in paths if not path.name.startswith(".")}


def judged(path: Path) -> str:
    """The state of a file: "old" or "new" only if it is complete, with its other keys and the right permissions."""
    try:
        data = json.loads(path.read_text())
    except ValueError:
        return "torn"
    if data == {"fanc": "kept"}:
        return "without"
    if path.name == "cave_datastack_to_server_map.json":
        return "new" if data == {"minnie65_public": SERVER} else "wrong"
    whole = {OLD: ({"token": OLD, "fanc": "kept"},), NEW: ({"token": NEW, "fanc": "kept"}, {"token": NEW})}
    if data not in whole.get(data.get("token"), ()):
        return "keys lost"
    if data["token"] == NEW:
        return "new" if path.stat().st_mode & 0o777 == 0o600 else "open"
    return "old" if path.stat().st_mode & 0o777 == 0o644 else "old, other mode"


def hidden() -> list[str]:
    """The hidden files: locks, and what a killed save left."""
    return sorted(path.name for path in secrets_folder().glob(".*")) if secrets_folder().is_dir() else []


def main(before: str, how: str, what: str, step: str) -> list[dict[str, object]]:
    """Disturbs each call in turn; after a killed run, an undisturbed one has to complete everything."""
    prepare(before)
    work(what)  # all that it imports is imported once, not by each child, and is not among its calls
    gc.freeze()  # so that no child copies what it never changes
    prepare(before)
    _, calls = run(0, "nothing", what)
    outcomes = []
    for at in range(1, calls + 1, int(step)):
        prepare(before)
        ended, _ = run(at, how, what)
        result = {"call": at, "ended": ended, "files": found(), "hidden": hidden()}
        again = run(0, "nothing", what)[0] if how == "kill" else ""
        outcomes.append({**result, "again": again, "then": found(), "hidden then": hidden()})
    return outcomes


if __name__ == "__main__":
    os.environ["HOME"] = sys.argv[1]
    print(json.dumps(main(*sys.argv[2:])))
