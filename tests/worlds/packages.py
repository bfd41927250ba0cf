"""Package faults: files that are found before the real module, and broken metadata.

A module that was imported in the forked process is forgotten when a kernel starts in such a world, so that Python
looks for it again as in a fresh process; if it finds the real one, that is the module that was imported before.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from .registry import fault
from .world import World

TIMEOUT = 10.0
"""The usual timeout of a check: a fresh Python needs seconds to import caveclient."""
BY_HAND = ("rename", "remove", "delete", "move")


class _Again:
    """Finds the modules of this process again, unless a folder on the path has a fake of one."""

    def __init__(self, real: dict[str, ModuleType], folder: Path, module: str) -> None:
        self._real, self._folder, self._module = real, str(folder), module

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module that was imported before the fault, if that is the one that is found now."""
        if name not in self._real or (name.partition(".")[0] == self._module and self._is_in_front()):
            return None
        return ModuleSpec(name, self, origin=getattr(self._real[name], "__file__", None))

    def _is_in_front(self) -> bool:
        found = PathFinder.find_spec(self._module, sys.path)
        return bool(found and found.origin and found.origin.startswith(self._folder))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module as it was."""
        return self._real[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Does nothing: it has run."""


def _found_first(world: World, folder: Path, module: str) -> None:
    """Each kernel finds a module in a folder, as long as it is there and on the path."""
    world.seconds = TIMEOUT
    path = list(sys.path)
    names = [name for name in sys.modules if name.partition(".")[0] in (module, "caveclient")]
    real = {name: sys.modules[name] for name in names}
    sys.meta_path.insert(0, _Again(real, folder, module))

    def begin() -> None:
        sys.path[:] = [*path[:1], str(folder), *path[1:]]
        for name in [one for one in sys.modules if one.partition(".")[0] in (module, "caveclient")]:
            del sys.modules[name]

    world.begins.append(begin)


def _gone(path: Callable[[World], Path]) -> Callable[[World], None]:
    def undo(world: World) -> None:
        path(world).rename(path(world).with_name("renamed"))
        world.restart()

    return undo


SCRIPTS = {
    "a script": "print('results of Tuesday')\n",
    "an empty file": "",
    "an error": "1 / 0\n",
    "an exit": "import sys; sys.exit(3)\n",
    "a syntax error": "def (:\n",
}
for _module in ("caveclient", "numpy", "pandas", "networkx"):
    for _name, _script in SCRIPTS.items():

        def _beside(world: World, module: str = _module, script: str = _script) -> None:
            folder = world.home / "analysis"
            (folder / f"{module}.py").write_text(script)
            _found_first(world, folder, module)

        fault(
            "packages", f"{_module}.py={_name}", place="module", names=("environment", "packages"), by_hand=BY_HAND,
            undo=_gone(lambda world, module=_module: world.home / "analysis" / f"{module}.py"),
        )(_beside)  # fmt: skip

BROKEN = {
    "half-removed": ("__init__", ""),
    "built for another numpy": ("__init__", "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject')\n"),
    "another Python's": ("__init__", "raise ImportError('cannot import name _core (unknown location): undefined symbol: _PyGen_Send')\n"),
    "a system library": ("__init__", "raise ImportError('libstdc++.so.6: version `GLIBCXX_3.4.29 not found')\n"),
    "a missing part": ("__init__", "import no_such_part\n"),
    "endless recursion": ("__init__", "def f(): f()\nf()\n"),
    "no memory": ("__init__", "raise MemoryError\n"),
    "an error with a token": ("__init__", "raise RuntimeError('0123456789abcdef0123456789abcdef')\n"),
}  # fmt: skip
for _module in ("caveclient", "numpy", "pandas", "attrs"):
    for _name, (_part, _script) in BROKEN.items():

        def _on_the_path(world: World, module: str = _module, part: str = _part, script: str = _script) -> None:
            folder = world.home / "lib"
            (folder / module).mkdir(parents=True)
            (folder / module / f"{part}.py").write_text(script)
            world.environ("PYTHONPATH", str(folder))
            _found_first(world, folder, module)

        fault(
            "packages", f"{_module}/={_name}", place="module", names=("environment", "packages"),
            by_hand=(*BY_HAND, "PYTHONPATH", "lib"), undo=_gone(lambda world: world.home / "lib"),
        )(_on_the_path)  # fmt: skip


def _metadata(name: str, content: bytes | None) -> Callable[[World], None]:
    def make(world: World) -> None:
        folder = world.home / "lib" / name
        folder.mkdir(parents=True)
        if content is not None:
            (folder / "METADATA").write_bytes(content)
        sys.path.insert(1, str(folder.parent))

    return make


for _name, _folder, _content in (
    ("none", "tqdm-4.0.dist-info", None),
    ("empty", "tqdm-4.0.dist-info", b""),
    ("binary", "tqdm-4.0.dist-info", bytes(range(256))),
    ("no version", "tqdm-4.0.dist-info", b"Metadata-Version: 2.1\nName: tqdm\n"),
    ("a bad version", "tqdm-4.0.dist-info", b"Metadata-Version: 2.1\nName: tqdm\nVersion: not a version\n"),
    ("of caveclient, none", "caveclient-8.9.dist-info", None),
    ("of caveclient, binary", "caveclient-8.9.dist-info", bytes(range(256))),
    ("of caveclient, odd needs", "caveclient-8.9.dist-info", b"Metadata-Version: 2.1\nName: caveclient\nVersion: 8.9\nRequires-Dist: ???\nRequires-Dist: no-such-package>1\n"),
    ("half-renamed", "~aveclient-8.0.dist-info", b"Metadata-Version: 2.1\nName: caveclient\nVersion: 8.0\n"),
):  # fmt: skip
    fault("packages", f"metadata={_name}", place="metadata")(_metadata(_folder, _content))

for _name, _file in {"test": "test.py", "token": "token.py", "data": "data.py", "turtle": "turtle.py"}.items():
    fault("packages", f"beside={_name}.py", place="beside")(
        lambda world, file=_file: (world.home / "analysis" / file).write_text("print('mine')\n")
    )


@fault("packages", "beside=a folder called caveclient", place="module")
def _namespace(world: World) -> None:
    """A folder without `__init__.py` is not a package if there is a real one."""
    (world.home / "analysis" / "caveclient").mkdir()


@fault("packages", "path=odd entries", place="path")
def _odd_path(world: World) -> None:
    """Python ignores what it cannot read on its path."""
    sys.path[1:1] = ["/no/such/folder", "", os.devnull, "relative/folder"]


@fault("packages", "beside=the working folder is gone", place="beside")
def _no_folder(world: World) -> None:
    """The notebook's folder is removed while its kernel runs."""
    world.begins.append(lambda: shutil.rmtree(world.home / "analysis", ignore_errors=True))
