"""Importing caveclient, the versions of the installed packages, and the requirements that they do not meet."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path

import pytest

from cave_magic.environment import packages


@pytest.mark.parametrize(("name", "version"), [("caveclient", "6.5.2"), ("ipython", "8.5.0")])
def test_a_neighbour_that_is_too_old_is_unmet(monkeypatch: pytest.MonkeyPatch, name: str, version: str):
    """A version that somebody installed after this package, and that this package does not accept, is found."""
    installed = packages.version_of
    monkeypatch.setattr(packages, "version_of", lambda one: version if one == name else installed(one))
    unmet_requirements = packages.unmet_requirements.__wrapped__  # without what other tests found
    found = [one for one in unmet_requirements() if one.by == "cave-magic"]
    assert [(one.name, one.have) for one in found] == [(name, version)]


def test_metadata_of_two_versions_in_one_folder_requires_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After an interrupted upgrade, the old metadata would ask for an old caveclient; a folder that is listed twice counts once."""
    for version, unmet in (("0.1", ["<6"]), ("9.9", [])):
        folder = tmp_path / f"cave_magic-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: cave-magic\nVersion: {version}\nRequires-Dist: caveclient<6\n")
        monkeypatch.setattr("sys.path", [str(tmp_path), str(tmp_path), *sys.path])
        found = [one.specifier for one in packages.unmet_requirements.__wrapped__() if one.by == "cave-magic"]
        assert found == unmet


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_whatever_an_import_raises_is_its_problem(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]):
    """In a thread, an interrupt is not the user's: a module raised it, as any other error."""
    monkeypatch.setattr(packages, "_import_caveclient", lambda: _raise(error("x")))
    with ThreadPoolExecutor() as threads:
        assert threads.submit(packages.import_caveclient).result() == f"{error.__name__}: x"


def test_an_interrupt_by_the_user_is_not_the_problem_of_an_import(monkeypatch: pytest.MonkeyPatch):
    """Python delivers it to the main thread, where it ends the command."""
    monkeypatch.setattr(packages, "_import_caveclient", lambda: _raise(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        packages.import_caveclient()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Metadata-Version: 2.4\nName: tiny\nVersion: 1.0\nSummary: x\n", "1.0"),
        ("Metadata-Version: 2.4\nName: tiny\nversion:\t1.0rc1\n\nVersion: 9\n", "1.0rc1"),
        ("Name: tiny\nLicense: a\n  Version: 8\nVersion: 1.0\n\n", "1.0"),
        ("Name: tiny\nVersion: 1.0", "1.0"),
        ("Name: tiny\n\nVersion: 9\n", ""),
        ("<html>\nVersion: 9\n", ""),
        ("Name: tiny\n", ""),
        ("", ""),
    ],
)
def test_the_version_is_that_of_the_headers(text: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The version comes from the headers of the metadata, not from the description; "" if the headers have none."""
    folder = tmp_path / "tiny-7.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packages.version_of("tiny") == version
    with suppress(Exception):  # how `importlib` says that there is none depends on the version of Python
        assert (distribution("tiny").version or "") == version


def test_an_odd_version_is_sanitized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The version is shown, so it is short and has no escape codes and no token, whatever the metadata say."""
    folder = tmp_path / "tiny-7.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Version: 1.0 \x1b[31m {'0f1e2d3c' * 4} {'x' * 500}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packages.version_of("tiny") == f"1.0 [31m **** {'x' * 25}…"


def test_metadata_that_is_not_text_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package whose metadata are damaged is installed in an unknown version."""
    folder = tmp_path / "tiny-7.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_bytes(b"Version: 1\n\xff\xfe\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packages.version_of("tiny") == ""
