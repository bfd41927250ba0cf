"""Tries an import in a fresh Python with one circumstance changed. Standard library only.

A kernel in which an import has failed proves nothing: modules stay half imported, and a second try fails differently.
Run as a program, this module reads what to try from its argument and prints the outcome.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file, whose modules would shadow others

import importlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec, PathFinder
from traceback import walk_tb

MARK = "\nwhat came of it: "
"""Precedes the result, whatever the modules print."""
_LONGEST = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFailure:
    """What an import raised, as data.

    Attributes:
        text: the messages of the exception and its causes, and what was printed to stderr.
        names: the modules that the exceptions name, those of the innermost cause first.
        files: the files that the exceptions name, and those whose code was running, innermost first.
    """

    text: str
    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def raised_by(error: BaseException) -> ImportFailure:
    """Describes an exception and its causes."""
    chain = list(_causes(error))
    running = [frame for one in reversed(chain) for frame in _frames(one)]
    named = [one for one in reversed(chain) if isinstance(one, ImportError | SyntaxError | OSError)]
    files = [getattr(one, "path", None) or getattr(one, "filename", None) for one in named]
    return ImportFailure(
        text=" | ".join(f"{type(one).__name__}: {one}" for one in chain)[:_LONGEST],
        names=tuple(dict.fromkeys(name for one in named if (name := getattr(one, "name", None)))),
        files=tuple(dict.fromkeys([*map(str, filter(None, files)), *running])),
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(20):
        if error is None:
            return
        yield error
        is_plain = isinstance(error, ImportError) and error.name  # raised by Python; what came before was handled
        error = error.__cause__ or (None if is_plain or error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> Iterator[str]:
    """The files of a traceback, innermost first, without Python's own import."""
    files = [frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__)]
    paths = (os.path.abspath(file) for file in reversed(files) if not file.startswith("<frozen"))
    return (path for path in paths if path not in (__file__, importlib.__file__))


def attempt(module: str) -> ImportFailure | None:
    """Imports a module; returns what it raised, None if nothing."""
    try:
        importlib.import_module(module)
    except BaseException as error:  # a module may exit, or raise what Ctrl-C does
        return raised_by(error)
    return None


class _Hidden:
    """A finder that passes over the copies of some packages in one folder."""

    def __init__(self, names: Sequence[str], folder: str) -> None:
        self._names, self._folder = frozenset(names), folder

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Looks for a package everywhere else."""
        if name not in self._names:
            return None
        return PathFinder.find_spec(name, [entry for entry in sys.path if entry != self._folder])


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTrial:
    """What to try.

    Attributes:
        module: the module to import.
        hidden: packages whose copies in `folder` are passed over.
        folder: an entry of `sys.path`.
        without_entry: whether the entry itself is left out.
        without: environment variables to unset.
        own_path: whether it uses the `sys.path` of the fresh Python, not that of this one.
        recompiled: whether the compiled files in `__pycache__` are ignored.
        bare: whether Python runs none of the files that it runs first (`-S`).
        first: files whose code is run before the import.
    """

    module: str
    hidden: tuple[str, ...] = ()
    folder: str = ""
    without_entry: bool = False
    without: tuple[str, ...] = ()
    own_path: bool = False
    recompiled: bool = False
    bare: bool = False
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a trial.

    Attributes:
        finished: whether the fresh Python finished in time.
        raised: what the import raised.
        possible: whether a fresh Python can be started here at all; if not, no trial ever finishes.
    """

    finished: bool
    raised: ImportFailure | None = None
    possible: bool = True

    @property
    def works(self) -> bool:
        """Whether the import worked."""
        return self.finished and self.raised is None


UNKNOWN = Outcome(finished=False)
IMPOSSIBLE = Outcome(finished=False, possible=False)


def is_python_gone() -> bool:
    """Whether this Python's program no longer exists; one that this user may not see is not gone."""
    try:
        os.stat(sys.executable or "")
    except OSError as error:
        return isinstance(error, FileNotFoundError) and os.path.isabs(sys.executable or "")
    return False


def run(trial: ImportTrial, seconds: float) -> Outcome:
    """Tries an import in a fresh Python with the `sys.path` of this one. Never raises."""
    import subprocess

    from .distributions import distinct_path  # lazily: the program that is run has no package

    if not os.path.basename(sys.executable or "").lower().startswith(("python", "pypy")):
        return IMPOSSIBLE  # an application with a Python inside would open its window
    if seconds <= 0:
        return UNKNOWN
    wanted = json.dumps(asdict(trial) | {"path": distinct_path()})
    options = (*(("-X", f"pycache_prefix={os.devnull}") if trial.recompiled else ()), *(("-S",) if trial.bare else ()))
    environ = {name: value for name, value in os.environ.items() if name not in trial.without}
    try:
        done = subprocess.run(  # noqa: S603  this Python, and a file of this package
            [sys.executable, "-B", *options, __file__, wanted],
            env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
        )  # fmt: skip
        said = json.loads(done.stdout.decode(errors="replace").rpartition(MARK)[2])
    except OSError:
        return IMPOSSIBLE
    except (ValueError, subprocess.SubprocessError):
        return UNKNOWN
    if said is None:
        return Outcome(finished=True)
    text = f"{said['text']} | {done.stderr.decode(errors='replace')[-_LONGEST:]}"
    lists = {name: tuple(map(str, said[name])) for name in ("names", "files")}
    return Outcome(finished=True, raised=ImportFailure(text=text, **lists))


def _run_first(file: str) -> None:
    """Runs a file as Python or IPython does when it starts; of a `.pth` file the lines that import."""
    try:
        with open(file, encoding="utf-8", errors="replace") as source:
            lines = [one for one in source if not file.endswith(".pth") or one.startswith("import")]
        exec(compile("".join(lines), file, "exec"), {"__name__": "__main__", "__file__": file})  # noqa: S102  the user's own
    except (Exception, SystemExit):
        return  # Python goes on, too


def _main() -> None:
    wanted = json.loads(sys.argv[1])
    folder = wanted["folder"]
    if not wanted["own_path"]:
        sys.path[:] = [entry for entry in wanted["path"] if not (wanted["without_entry"] and entry == folder)]
    for file in wanted["first"]:
        _run_first(file)
    if wanted["hidden"]:
        sys.meta_path.insert(0, _Hidden(wanted["hidden"], folder))
    raised = attempt(wanted["module"])
    print(MARK + json.dumps(raised and asdict(raised)), flush=True)
    os._exit(0)  # what the modules would do at the end does not matter


if __name__ == "__main__":
    _main()
