"""Environments whose packages do not fit together: made of tiny packages, in a real environment with a real pip."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

KERNEL = """
import json, sys
sys.path[0:1] = [""]  # as in a notebook
from IPython.core.history import HistoryManager
HistoryManager.enabled = False
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.loads(sys.argv[1]):
    shell.run_cell(cell)
import cave_magic
report = cave_magic.check(server="http://127.0.0.1:9", timeout=60)
row = next(row for row in report.rows if row.status.value == "failed")
said = [row.evidence, report.next.text, report.next.commands] if row.group == "environment" else None
if said and not said[1].startswith("restart"):
    for command in said[2][:-1]:
        shell.run_cell(command)
print("\\nreport: " + json.dumps(said), flush=True)
"""
"""A whole kernel: the check, and the commands of its next step."""

PROGRAM = """
import json, os, sys
sys.path[0:1] = [""]
for cell in json.loads(sys.argv[1]):
    exec(cell)
from cave_magic.environment.packages import import_caveclient
said = None
if problem := import_caveclient():
    from cave_magic.doctor.checks.environment import CAVECLIENT
    from cave_magic.doctor.evidence import Machine
    from cave_magic.doctor.gather_computer import versions
    from cave_magic.environment.attribution import find_fault
    fault = find_fault("caveclient.auth", lambda: 60)
    found = CAVECLIENT.look(Machine(caveclient_problem=problem, import_fault=fault, versions=versions()))
    step = found.next_step
    said = ["".join(span.text for span in found.evidence), step.text, step.commands]
    if not step.text.startswith("restart"):
        for command in step.commands[:-1]:
            os.system(command.replace("%pip", f"'{sys.executable}' -m pip").lstrip("!"))
print("\\nreport: " + json.dumps(said), flush=True)
"""
"""The same without IPython, for speed: the import, its check, and the commands as IPython runs them."""


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """A tiny package.

    Attributes:
        name: its name.
        version: its version.
        files: path -> source.
        requires: its requirements.
        tag: for which Pythons it was built.
        python: its Requires-Python.
    """

    name: str
    version: str = "1.0"
    files: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    tag: str = "py3-none-any"
    python: str = ">=3.8"

    def contents(self) -> dict[str, str]:
        """All its files, with the metadata and the record."""
        info = f"{self.name.replace('-', '_')}-{self.version}.dist-info"
        needs = "".join(f"Requires-Dist: {one}\n" for one in self.requires)
        made = dict(self.files) | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
            f"Requires-Python: {self.python}\n{needs}",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {self.tag}\n",
            f"{info}/INSTALLER": "pip\n",
        }
        rows = "".join(f"{path},sha256={_hash(text)},{len(text.encode())}\n" for path, text in made.items())
        return made | {f"{info}/RECORD": f"{rows}{info}/RECORD,,\n"}

    def install(self, folder: Path) -> None:
        """Installs it into a folder, as pip does."""
        for path, text in self.contents().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)

    def build(self, folder: Path) -> None:
        """Puts its wheel into a folder."""
        folder.mkdir(exist_ok=True)
        name = f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"
        with zipfile.ZipFile(folder / name, "w") as wheel:
            for path, text in self.contents().items():
                wheel.writestr(path, text)


CAVECLIENT = Tiny(name="caveclient", version="8.2.1", files={"caveclient/__init__.py": "", "caveclient/auth.py": ""})
"""A caveclient that is imported in no time."""


@cache
def entries_of(requirements: tuple[str, ...]) -> frozenset[str]:
    """The files and folders in `site-packages` of packages and of all that they require, but for caveclient."""
    found, seen, left = set[str](), {"caveclient"}, list(map(Requirement, requirements))
    while left:
        need = left.pop()
        name = canonicalize_name(need.name)
        if name not in seen and (need.marker is None or need.marker.evaluate({"extra": ""})):
            seen.add(name)
            found |= {path.parts[0] for path in distribution(name).files or ()}
            left += map(Requirement, distribution(name).requires or ())
    return frozenset(found)


def installed(name: str) -> Tiny:
    """A real package, as it is installed here."""
    one = distribution(name)
    paths = [path for path in one.files or () if path.suffix == ".py"]
    files = {str(path): path.read_text(encoding="utf-8") for path in paths}
    return Tiny(name=name, version=one.version, files=files, requires=tuple(one.requires or ()))


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a check says about packages.

    Attributes:
        evidence: what is wrong.
        next: the sentence of the next step.
        commands: its commands.
    """

    evidence: str
    next: str
    commands: tuple[str, ...]


class Environment:
    """An environment with its own packages in front of those of the tests, and a folder of wheels instead of PyPI."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.wheels, self.notebook = folder / "env", folder / "wheels", folder / "analysis"
        venv.create(self.folder, symlinks=True)
        self.site = self.folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        self.others = folder / "others"
        self.others.mkdir()
        self.share("cave-magic", "pip")
        (self.site / "tests.pth").write_text(f"{self.others}\n{ROOT}\n")
        self.python = self.folder / "bin" / "python"
        self.wheels.mkdir()
        self.notebook.mkdir()
        self.environ = {
            **os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_CONFIG_FILE": os.devnull,
        }  # fmt: skip

    def share(self, *requirements: str) -> None:
        """Brings packages of the tests here, with all that they require but caveclient and networkx."""
        for one in entries_of(requirements):
            if not one.startswith(("caveclient", "networkx", "_", "..")) and not (self.others / one).exists():
                (self.others / one).symlink_to(Path(sysconfig.get_path("purelib")) / one)

    def check(self, *begin: str, program: str = PROGRAM) -> Said | None:
        """Starts a kernel, runs cells, checks, and runs the commands of the next step; None if the import works."""
        done = subprocess.run(
            [self.python, "-c", program, json.dumps(begin)],
            cwd=self.notebook, env=self.environ, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        said = done.stdout.rpartition("report: ")[2]
        assert said, done.stdout + done.stderr
        found = json.loads(said)
        return found and Said(evidence=found[0], next=found[1], commands=tuple(found[2]))

    def follow(self, *begin: str, program: str = PROGRAM) -> list[Said]:
        """Follows each next step to the letter, until the import works; what each check said."""
        said: list[Said] = []
        while one := self.check(*begin, program=program):
            assert one not in said, one
            said.append(one)
            if one.next.startswith("restart the kernel, begin"):
                begin = (*begin, one.commands[0])
        return said
