"""Reading files in `~/.cloudvolume/secrets`, whatever they contain: token files and the datastack map.

The token in a file is the one that caveclient 7 and 8 find (`auth.py`); a test compares this module with them.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from ..api.urls import display_file_name, name_for_files, parse_url
from ..token import Token
from ..ui.document import Span
from ..ui.door import on_windows
from ..ui.redact import MASK, find_secrets, sanitize
from .file_problems import FileFault, FileProblem
from .regular_files import TooLarge, kind_of, read_pipe, read_regular, shared

TOKEN_KEY = "token"  # noqa: S105  the key, not a token
SERVER_KEY = "middle_auth_url"

DEFAULT_NAME = "cave-secret.json"
LEGACY_NAME = "chunkedgraph-secret.json"
LARGEST_FILE = 20_000_000
"""Bytes. A token file has a few hundred; a larger file is not read."""

_UTF_16 = b"\xff\xfe"
"""How a file begins that the `>` of PowerShell 5 has written."""


class State(Enum):
    """What was found at a path."""

    ABSENT = "absent"
    READ = "read"
    MALFORMED = "malformed"
    UNREADABLE = "unreadable"
    NOT_A_FILE = "not a file"
    TOO_LARGE = "too large"


_JUST_WRITTEN, _BETWEEN_READS, _MOST_READS = 0.5, 0.01, 5
"""For how many seconds a file may be half written, the pause before it is read again, and how often that is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFile:
    """One token file as it is on disk.

    Attributes:
        token: the value of the key `token` as caveclient reads it, or None.
        keys: the other keys, as they may be shown to their owner.
        inside: a token in a file that CAVEclient cannot use (a bare token, one in a list, ...), or None.
        readable_by_others: whether other users of this computer can read it; None on Windows, where modes say nothing
            about that.
        owned: whether it belongs to the current user.
        modified: when it was last written, in seconds since 1970.
        named_host: the host of the token's server if the file names it, as those of the tokens page do; else "".
        link: the target if it is a link; else "".
        gap: the missing folder that a link leads into, so that nothing can be saved through it; else "".
        foreign: whether it belongs to another user of this computer, other than the administrator.
    """

    path: Path
    state: State
    problem: FileProblem | None = None
    token: Token | None = None
    keys: tuple[Span, ...] = ()
    inside: Token | None = None
    readable_by_others: bool | None = False
    owned: bool = True
    modified: float = 0.0
    named_host: str = ""
    link: str = ""
    gap: str = ""
    foreign: bool = False

    @property
    def name(self) -> str:
        """The name without the folder, as it may be shown."""
        return display_file_name(self.path.name)

    @property
    def meant(self) -> Token | None:
        """The token in it, even if CAVEclient cannot use it as written."""
        if self.token is None or self.token.format is not None:
            return self.token or self.inside
        return self.token.meant

    @property
    def fault(self) -> str:
        """Its path and what is wrong with it, as the start of a sentence."""
        return f"{show_path(self.path)} {self.problem}"


# ---------------------------------------------------------------- where


def secrets_folder() -> Path:
    """`~/.cloudvolume/secrets` of the current user."""
    return Path(os.path.expanduser("~/.cloudvolume/secrets"))


def server_file(server: str) -> Path:
    """The token file that caveclient names after a server: `<host:port>-cave-secret.json`."""
    return token_file_called(name_for_files(server))


def token_file_called(name: str) -> Path:
    """The token file whose name begins with this host."""
    return secrets_folder() / f"{name}-{DEFAULT_NAME}"


def show_path(path: Path, longest: int = 200) -> str:
    """A path as people write it, with `~` for the home folder."""
    home = os.path.expanduser("~")
    whole = str(path.parent / display_file_name(path.name) if DEFAULT_NAME in path.name else path)
    return sanitize("~" + whole[len(home) :] if whole.startswith(home + os.sep) else whole, longest).text


def show_key(key: str) -> Span:
    """A key of a token file, short and private; masked if it is a token."""
    return sanitize(MASK if find_secrets(key) else key, 40)


# ---------------------------------------------------------------- reading


def read_token_file(path: Path) -> TokenFile:
    """Reads a token file; never raises and never blocks."""
    content = read_settled(path)
    link, info = show_path(link_target(path)) if os.path.islink(path) else "", content.info
    if info is None:
        return TokenFile(path=path, state=content.state, problem=content.problem, link=link, gap=gap_of(path))
    found = parse_token_file(path, content.text)
    owned = not hasattr(os, "getuid") or info.st_uid == os.getuid()
    return replace(
        found,
        readable_by_others=None if on_windows() else bool(shared(info)),
        owned=owned,
        modified=info.st_mtime,
        link=link,
        foreign=is_foreign(info),
    )


def parse_token_file(path: Path, text: str) -> TokenFile:
    """Parses the text of a token file."""
    data, problem = parse_object(text)
    if not isinstance(data, dict):
        inside = Token(_decoded(text).strip()[:4096]).reads_as() if text.strip() else None
        named = _only_token_in(data)[1]
        return TokenFile(path=path, state=State.MALFORMED, problem=problem, inside=inside, named_host=named)
    value = data.get(TOKEN_KEY)
    token = Token(str(value)) if value is not None else None  # caveclient sends numbers too
    inside, named = (None, _host_in(data.get(SERVER_KEY))) if token else _only_token_in(data)
    return TokenFile(
        path=path,
        state=State.READ,
        problem=None if isinstance(value, str) else _problem_with_key(data),
        token=token,
        keys=tuple(show_key(key) for key in list(data)[:8] if key != TOKEN_KEY),
        inside=inside,
        named_host=named,
    )


def read_any_file(path: str, seconds: float = 0) -> tuple[str, FileProblem | None]:
    """Reads a file that a person named; returns its text and what is wrong with it.

    With `seconds` it may be a pipe, for whose end it waits so long: `<(command)`, or `-` for what is piped in.
    """
    content = read_text(Path("/dev/stdin" if path == "-" and seconds else os.path.expanduser(path)), seconds)
    if content.state is State.ABSENT:
        return "", content.problem or FileProblem(fault=FileFault.MISSING)
    text = _decoded(content.text)
    is_empty = content.problem is None and not text.strip()
    return text, FileProblem(fault=FileFault.EMPTY) if is_empty else content.problem


def _decoded(text: str) -> str:
    """The text of a file that was read as UTF-8 but is UTF-16."""
    read = text.encode(errors="surrogateescape")
    return read.decode("utf-16", errors="replace") if read.startswith(_UTF_16) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """What was found at a path.

    Attributes:
        state: whether it was read, and if not, why.
        problem: what is wrong with it. An absent file is not a problem, but a link to one is.
        text: its text, if it was read.
        info: its `stat`, if it was read.
    """

    state: State
    problem: FileProblem | None = None
    text: str = field(default="", repr=False)
    info: os.stat_result | None = None


def read_text(path: Path, seconds: float = 0) -> FileContent:
    """Reads a file, and with `seconds` also a pipe, for whose end it waits so long; never raises."""
    try:
        info = os.stat(path)  # before it is opened, which some devices notice
        kind = kind_of(info)
        if kind is FileFault.IS_A_PIPE and seconds:
            raw = read_pipe(path, LARGEST_FILE, seconds)
        elif kind is not None:
            return FileContent(state=State.NOT_A_FILE, problem=FileProblem(fault=kind))
        else:
            raw, info = read_regular(path, LARGEST_FILE)
    except TimeoutError:
        return FileContent(state=State.NOT_A_FILE, problem=FileProblem(fault=FileFault.ENDLESS_PIPE))
    except TooLarge as error:
        size = str(error.args[0] // 1_000_000)
        return FileContent(state=State.TOO_LARGE, problem=FileProblem(fault=FileFault.TOO_LARGE, details=(size,)))
    except PermissionError:
        return FileContent(state=State.UNREADABLE, problem=FileProblem(fault=FileFault.NOT_READABLE))
    except (OSError, ValueError, MemoryError) as error:
        code = getattr(error, "errno", None)
        if code in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return FileContent(state=State.ABSENT, problem=link_problem(path))
        why = os.strerror(code) if code else type(error).__name__
        problem = FileProblem(fault=FileFault.READ_ERROR, details=(sanitize(why).text,))
        return FileContent(state=State.UNREADABLE, problem=problem)
    return FileContent(state=State.READ, text=raw.decode("utf-8", errors="surrogateescape"), info=info)


def read_settled(path: Path) -> FileContent:
    """Reads a JSON file; waits a moment for one that another program is just writing, as CAVEclient does."""
    content = read_text(path)
    for _ in range(_MOST_READS):
        is_new = content.info is not None and 0 <= time.time() - content.info.st_mtime < _JUST_WRITTEN
        if not is_new or parse_object(content.text)[1] is None:
            break
        time.sleep(_BETWEEN_READS)
        before, content = content, read_text(path)
        if content == before:
            break
    return content


def parse_object(text: str) -> tuple[object, FileProblem | None]:
    """Parses the JSON of a token file or the datastack map; returns the value and why it is not an object."""
    if not text.strip("\0 \t\r\n"):
        return None, FileProblem(fault=FileFault.EMPTY)
    if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
        return None, FileProblem(fault=FileFault.NOT_TEXT)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        return None, FileProblem(fault=FileFault.NOT_JSON, details=(where,))
    if not isinstance(data, dict):
        return data, FileProblem(fault=FileFault.NOT_AN_OBJECT, details=(_type_of(data),))
    return data, None


def as_json(entries: Mapping[str, object]) -> str:
    """The text of such a file, as this package writes it."""
    return json.dumps(entries, indent=2) + "\n"


def _type_of(data: object) -> str:
    kinds = {list: "a list", dict: "an object", str: "a string", bool: "a Boolean", type(None): "null"}
    return kinds.get(type(data), "a number")


def _problem_with_key(data: Mapping[str, object]) -> FileProblem:
    if TOKEN_KEY not in data:
        return FileProblem(fault=FileFault.NO_KEY)
    if data[TOKEN_KEY] is None:
        return FileProblem(fault=FileFault.NULL_VALUE)
    return FileProblem(fault=FileFault.VALUE_NOT_TEXT, details=(_type_of(data[TOKEN_KEY]),))


def _only_token_in(data: object) -> tuple[Token | None, str]:
    """The token under another key, or deeper inside, if there is just one; the host named beside or above it."""
    rest = [(data, "")]
    found: dict[Token, str] = {}
    while rest:
        one, host = rest.pop()
        if isinstance(one, str) and (token := Token(one.strip())).format is not None:
            found[token] = found.get(token) or host
        elif isinstance(one, dict):
            addresses = (value for value in one.values() if isinstance(value, str) and "://" in value)
            beside = next(filter(None, map(_host_in, (one.get(SERVER_KEY), *addresses))), host)
            for key, value in one.items():
                is_host = "://" in key or key.count(".") > 1
                rest.append((value, (_host_in(key) if is_host else "") or beside))
        elif isinstance(one, list):
            rest += [(value, host) for value in one]
    return next(iter(found.items())) if len(found) == 1 else (None, "")


def _host_in(address: object) -> str:
    url = parse_url(address)  # the tokens page writes `HOST/auth`
    return url.host_and_port if url is not None else ""


# ---------------------------------------------------------------- links, and the folder


def link_target(link: Path) -> Path:
    """The final target of a link, whether or not it exists."""
    return Path(os.path.realpath(link))


def link_problem(link: Path) -> FileProblem | None:
    """What is wrong with a broken link; None if the path is not a link."""
    if not os.path.islink(link):
        return None
    target, fault = show_path(link_target(link)), FileFault.LINK_TO_NO_FOLDER
    try:
        os.stat(link)
    except PermissionError:
        fault = FileFault.LINK_NOT_OPENABLE
    except OSError as error:
        if error.errno == errno.ELOOP:
            return FileProblem(fault=FileFault.LINK_LOOP)
        if gap := gap_of(link):
            return FileProblem(fault=FileFault.LINK_INTO_NOTHING, details=(target, gap))
        fault = FileFault.LINK_TO_NOTHING
    return FileProblem(fault=fault, details=(target,))


def gap_of(path: Path) -> str:
    """The missing folder that a link leads into; "" if a file can be saved at this path."""
    if not os.path.islink(path) or os.path.isdir(folder := link_target(path).parent):
        return ""
    return show_path(folder)


def is_foreign(info: os.stat_result) -> bool:
    """Whether a file or folder belongs to another user of this computer, other than the administrator.

    To an administrator in the home folder of a user (`sudo`, a container), the files of that user are not foreign.
    """
    if on_windows() or info.st_uid in (os.getuid(), 0):
        return False
    with suppress(OSError):
        return os.getuid() != 0 or info.st_uid != os.stat(os.path.expanduser("~")).st_uid
    return True
