"""Storage faults: each file that matters, with each type, owner, mode and content; and the folders."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

from .registry import fault
from .world import KEPT, World

UNKNOWN = "0123456789abcdef0123456789abcdef"
"""A token that no server knows."""
TOKEN_CHECKS = (
    "token", "token-form", "token-shadow", "token-legacy", "token-link", "token-private", "account", "cloud-volume",
)  # fmt: skip
MAP_CHECKS = ("map-file", "map", "map-secret")

TOKEN_FILES = ("server_file", "default_file", "local_file", "legacy_file")
"""The token files of a world, by the names of its attributes."""

# ---------------------------------------------------------------- what a file can contain

Content = Callable[[str], bytes]
GOOD: dict[str, Content] = {
    "indented, with other keys": lambda good: json.dumps({**json.loads(good), "other": KEPT}, indent=4).encode(),
    "CRLF": lambda good: json.dumps(json.loads(good), indent=1).replace("\n", "\r\n").encode(),
    "spaces around": lambda good: f"\n  {good}\n\n".encode(),
    "escaped": lambda good: json.dumps({**json.loads(good), "ä": "\u202e"}).encode(),
}
"""Contents that caveclient reads like any other."""
BAD: dict[str, Content] = {
    "empty": lambda good: b"",
    "BOM": lambda good: b"\xef\xbb\xbf" + good.encode(),
    "UTF-16": lambda good: good.encode("utf-16"),
    "Latin-1": lambda good: good.replace("}", ', "owner": "J\xfcrgen"}').encode("latin-1"),
    "truncated": lambda good: good[: len(good) * 2 // 3].encode(),
    "a NUL at the end": lambda good: good.encode() + b"\0",
    "NULs": lambda good: b"\0" * 64,
    "binary": lambda good: bytes(range(256)) * 8,
    "a list": lambda good: b"[1, 2]",
    "a list of objects": lambda good: f"[{good}]".encode(),
    "two objects": lambda good: (good + good).encode(),
    "a number": lambda good: b"12345",
    "null": lambda good: b"null",
    "a string": lambda good: json.dumps(good).encode(),
    "a web page": lambda good: b"<!doctype html><html><body>Please log in</body></html>",
    "single quotes": lambda good: good.replace('"', "'").encode(),
    "a trailing comma": lambda good: good.replace("}", ",}").encode(),
    "a comment": lambda good: f"// mine\n{good}".encode(),
    "a merge conflict": lambda good: f"<<<<<<< HEAD\n{good}\n=======\n{{}}\n>>>>>>> main\n".encode(),
    "deep": lambda good: b'{"token":' + b"[" * 20_000,
    "NaN": lambda good: good.replace("}", ', "x": NaN}').encode(),
    "no keys": lambda good: b"{}",
    "large": lambda good: good.encode() + b" " * 3_000_000,
}
"""Contents that are wrong, or that no program writes."""
TOKENS: dict[str, Callable[[str], object]] = {
    "another key": lambda token: {"Token": token},
    "null": lambda token: {"token": None},
    "a number": lambda token: {"token": 5},
    "a list": lambda token: {"token": [token]},
    "an object": lambda token: {"token": {"token": token}},
    "an empty text": lambda token: {"token": ""},
    "quotes": lambda token: {"token": f'"{token}"'},
    "typographic quotes": lambda token: {"token": f"\u201c{token}\u201d"},
    "a space before": lambda token: {"token": f" {token}"},
    "a tab before": lambda token: {"token": f"\t{token}"},
    "a space after": lambda token: {"token": f"{token} "},
    "a line break": lambda token: {"token": f"{token}\n"},
    "a line break inside": lambda token: {"token": f"{token[:16]}\n{token[16:]}"},
    "a zero-width space": lambda token: {"token": f"\u200b{token}"},
    "a no-break space": lambda token: {"token": f"{token}\xa0"},
    "full-width digits": lambda token: {"token": token.translate({48 + i: 0xFF10 + i for i in range(10)})},
    "Bearer": lambda token: {"token": f"Bearer {token}"},
    "token=": lambda token: {"token": f"token={token}"},
    "JSON": lambda token: {"token": json.dumps({"token": token})},
    "capitals": lambda token: {"token": token.upper()},
    "cut": lambda token: {"token": token[:-1]},
    "twice": lambda token: {"token": token + token},
    "a placeholder": lambda token: {"token": "YOUR_TOKEN_HERE"},
    "9000 characters": lambda token: {"token": token * 281},
    "unknown": lambda token: {"token": UNKNOWN},
    "a surrogate": lambda token: {"token": f"\ud800{token}"},
    "a control character": lambda token: {"token": f"\x1b[31m{token}"},
}
"""Tokens as people paste them."""


def _of_token(file: str, content: Content) -> Callable[[World], None]:
    def make(world: World) -> None:
        good = json.dumps({"token": world.token})
        written = content(good)
        world.foreign_content |= KEPT.encode() in written
        world.raw(getattr(world, file), written)

    return make


def _of_map(content: Content) -> Callable[[World], None]:
    def make(world: World) -> None:
        good = world.map_file.read_text() if world.map_file.is_file() else "{}"
        world.raw(world.map_file, content(good))

    return make


for _file in TOKEN_FILES:
    _kind = _file.replace("_", "-")
    # What is only in the deprecated file is read as a last resort, so no content there breaks a healthy world.
    _names = TOKEN_CHECKS if _file in ("server_file", "default_file") else ()
    for _name, _content in GOOD.items():
        fault("storage", f"{_kind}={_name}", place=_kind)(_of_token(_file, _content))
    for _name, _content in BAD.items():
        fault("storage", f"{_kind}={_name}", place=_kind, names=_names)(_of_token(_file, _content))
    for _name, _token in TOKENS.items():

        def _write(good: str, token: Callable[[str], object] = _token) -> bytes:
            return json.dumps(token(json.loads(good)["token"])).encode()

        fault("storage", f"{_kind}=token: {_name}", place=_kind, names=_names)(_of_token(_file, _write))
for _name, _content in GOOD.items():
    fault("storage", f"map={_name}", place="map")(_of_map(_content))
for _name, _content in BAD.items():
    fault("storage", f"map={_name}", place="map", names=MAP_CHECKS)(_of_map(_content))

# ---------------------------------------------------------------- what can be in the place of a file


def _missing(world: World, path: Path) -> None:
    world.remove(path)


def _folder(world: World, path: Path) -> None:
    world.remove(path)
    path.mkdir()


def _full_folder(world: World, path: Path) -> None:
    _folder(world, path)
    (path / "kept").write_text("something")


def _dangling(world: World, path: Path) -> None:
    world.remove(path)
    path.symlink_to(world.home / "dotfiles.json")


def _lost_drive(world: World, path: Path) -> None:
    world.remove(path)
    path.symlink_to(world.home / "usb" / "cave.json")


def _loop(world: World, path: Path) -> None:
    world.remove(path)
    path.symlink_to(path.name)


def _link_elsewhere(world: World, path: Path) -> None:
    kept = world.home / f"kept-{path.name}"
    if path.is_file():
        path.rename(kept)
    else:
        kept.write_text("{}")
    path.symlink_to(kept)


def _link_to_folder(world: World, path: Path) -> None:
    world.remove(path)
    path.symlink_to(world.home)


def _pipe(world: World, path: Path) -> None:
    world.remove(path)
    os.mkfifo(path)


def _device(world: World, path: Path) -> None:
    world.remove(path)
    path.symlink_to("/dev/zero")


def _null_device(world: World, path: Path) -> None:
    world.remove(path)
    path.symlink_to("/dev/null")


def _socket(world: World, path: Path) -> None:
    world.remove(path)
    before = os.getcwd()
    os.chdir(path.parent)  # the path of a socket has at most 108 characters
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)
    os.chdir(before)


def _through_a_file(world: World, path: Path) -> None:
    world.remove(path)
    (world.home / "a-file").write_text("x")
    path.symlink_to(world.home / "a-file" / "cave.json")


TYPES = {
    "missing": _missing,
    "a folder": _folder,
    "a full folder": _full_folder,
    "a dangling link": _dangling,
    "a link to a lost drive": _lost_drive,
    "a link to itself": _loop,
    "a link to a folder": _link_to_folder,
    "a link through a file": _through_a_file,
    "a pipe": _pipe,
    "a device": _device,
    "the null device": _null_device,
    "a socket": _socket,
}


def _mode(mode: int) -> Callable[[World, Path], None]:
    def make(world: World, path: Path) -> None:
        path.chmod(mode) if path.is_file() else None

    return make


def _of_root(mode: int) -> Callable[[World, Path], None]:
    def make(world: World, path: Path) -> None:
        with world.administrator():
            if path.exists():
                os.chown(path, 0, 0)
                path.chmod(mode)

    return make


MODES = {"mode 000": _mode(0), "mode 200": _mode(0o200), "mode 400": _mode(0o400), "mode 644": _mode(0o644),
         "mode 666": _mode(0o666), "mode 777": _mode(0o777)}  # fmt: skip
OWNERS = {"root's, private": _of_root(0o600), "root's, readable": _of_root(0o644), "root's, writable": _of_root(0o666)}
HARMLESS = ("missing", "mode 400", "mode 644", "mode 666", "mode 777", "root's, readable", "root's, writable")
"""What leaves a readable copy of the file, or another that is read instead: at most a warning."""


def _at(attribute: str, change: Callable[[World, Path], None]) -> Callable[[World], None]:
    return lambda world: change(world, getattr(world, attribute))


for _file, _names in {**dict.fromkeys(TOKEN_FILES, TOKEN_CHECKS), "map_file": MAP_CHECKS}.items():
    _kind = _file.removesuffix("_file") if _file == "map_file" else _file.replace("_", "-")
    for _name, _change in {**TYPES, **MODES, **OWNERS}.items():
        _never = _name in HARMLESS or _file in ("local_file", "legacy_file")
        fault("storage", f"{_kind}={_name}", place=_kind, names=() if _never else _names, root=_name in OWNERS)(
            _at(_file, _change)
        )
    fault("storage", f"{_kind}=a link elsewhere", place=_kind)(_at(_file, _link_elsewhere))

# ---------------------------------------------------------------- the token is nowhere, or somewhere else


def _remove_all(world: World) -> None:
    for file in ("server_file", "default_file", "local_file"):
        world.remove(getattr(world, file))


@fault("storage", "token=none", names=("token",), place="server-file")
def _no_token(world: World) -> None:
    _remove_all(world)


@fault("storage", "token=only deprecated", place="server-file")
def _only_deprecated(world: World) -> None:
    _remove_all(world)
    world.write(world.legacy_file, {"token": world.token})


@fault("storage", "token=in R's home", names=("token",), place="server-file")
def _documents(world: World) -> None:
    _remove_all(world)
    world.write(world.home / "Documents/.cloudvolume/secrets/cave-secret.json", {"token": world.token})


@fault("storage", "token=one folder too high", names=("token",), place="server-file")
def _too_high(world: World) -> None:
    _remove_all(world)
    world.write(world.home / ".cloudvolume/cave-secret.json", {"token": world.token})


@fault("storage", "token=renamed by an editor", names=("token",), place="server-file")
def _renamed(world: World) -> None:
    _remove_all(world)
    world.write(world.server_file.with_name(world.server_file.name + ".txt"), {"token": world.token})


# ---------------------------------------------------------------- the folders

FOLDERS = {"secrets": lambda world: world.secrets, "cloudvolume": lambda world: world.secrets.parent}
FOLDER_CHECKS = ("token-folder", "token", "map-file", "token-private")


def _replaced(change: Callable[[World, Path], None]) -> Callable[[World, Path], None]:
    """Something else is in the place of a folder, which is kept beside it."""

    def make(world: World, path: Path) -> None:
        path.rename(path.with_name(f"{path.name}-kept"))
        change(world, path)

    return make


def _moved(world: World, path: Path) -> None:
    path.rename(world.home / "elsewhere")
    path.symlink_to(world.home / "elsewhere")


def _root_folder(mode: int) -> Callable[[World, Path], None]:
    def make(world: World, path: Path) -> None:
        with world.administrator():
            os.chown(path, 0, 0)
            path.chmod(mode)

    return make


for _kind, _path in FOLDERS.items():
    for _name, _change in {
        **{name: _replaced(change) for name, change in TYPES.items() if "folder" not in name},
        "a file": _replaced(lambda world, path: path.write_text("")),
        "mode 000": lambda world, path: path.chmod(0),
        "mode 200": lambda world, path: path.chmod(0o200),
        "mode 400": lambda world, path: path.chmod(0o400),
        "mode 300": lambda world, path: path.chmod(0o300),
        "mode 500": lambda world, path: path.chmod(0o500),
        "mode 777": lambda world, path: path.chmod(0o777),
        "a link elsewhere": _moved,
        "root's, private": _root_folder(0o700),
        "root's, readable": _root_folder(0o755),
        "root's, writable": _root_folder(0o777),
    }.items():

        def _make(
            world: World,
            path: Callable[[World], Path] = _path,
            change: Callable[[World, Path], None] = _change,
        ) -> None:
            change(world, path(world))

        _green = _name in ("mode 777", "a link elsewhere", "root's, writable", "root's, readable", "mode 500")
        fault(
            "storage", f"{_kind}={_name}", place="folder", names=() if _green else FOLDER_CHECKS,
            root="root" in _name,
        )(_make)  # fmt: skip


def _make_writable(world: World) -> None:
    world.home.chmod(0o700)


@fault("storage", "home=read-only", place="folder")
def _home_read_only(world: World) -> None:
    world.home.chmod(0o500)


# ---------------------------------------------------------------- .netrc


def _without_netrc(world: World) -> None:
    world.remove(world.home / ".netrc")


_ENTRIES = {
    "default": b"default login me password pass-w0rd-of-ada\n",
    "this host": b"machine 127.0.0.1\n  login me\n  password pass-w0rd-of-ada\n",
    "another host": b"machine example.org login me password pass-w0rd-of-ada\n",
    "broken": b"machine machine password \x00\xff pass-w0rd-of-ada\n",
    "UTF-16": "default login me password pass-w0rd-of-ada\n".encode("utf-16"),
    "empty": b"",
}
for _name, _entry in _ENTRIES.items():

    def _netrc(world: World, entry: bytes = _entry) -> None:
        world.raw(world.home / ".netrc", entry)

    # Requests, and so CAVEclient, sends the password, or fails at what is not UTF-8.
    _named = {"broken": ("netrc",), "UTF-16": ("netrc",), "another host": (), "empty": ()}
    fault(
        "storage", f"netrc={_name}", place="netrc", names=_named.get(_name, ("account",)), by_hand=(".netrc",),
        undo=_without_netrc,
    )(_netrc)  # fmt: skip
for _name, _change in {**TYPES, **MODES, **OWNERS}.items():

    def _odd_netrc(world: World, change: Callable[[World, Path], None] = _change) -> None:
        world.raw(world.home / ".netrc", b"machine example.org login me password pass-w0rd-of-ada\n")
        change(world, world.home / ".netrc")

    _hangs = _name in ("a pipe", "a device")  # requests, and so CAVEclient, reads it without an end
    fault(
        "storage", f"netrc={_name}", place="netrc", root=_name in OWNERS, slow=_hangs, by_hand=(".netrc",),
        names=("netrc",) if _hangs else (), undo=_without_netrc,
    )(_odd_netrc)  # fmt: skip
