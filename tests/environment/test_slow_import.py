"""Which package makes the import of caveclient slow without being required."""

from __future__ import annotations

import importlib
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from cave_magic.environment import slow_import
from cave_magic.environment.slow_import import SlowImport, Watch

SLOW = "import sys\nassert sys.seen_often.wait(60)"
"""A module whose import takes until the watch has seen it often."""


def install(site: Path, name: str, code: str = "", *requires: str) -> None:
    """Installs a distribution with a module of the same name."""
    (site / f"{name}.py").write_text(code)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
    (info / "top_level.txt").write_text(f"{name}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with packages, which is all of `sys.path` but the standard library; without any caveclient."""
    monkeypatch.setattr(slow_import, "NOTICEABLE", 0.05)
    monkeypatch.setattr(slow_import, "INTERVAL", 0.002)
    monkeypatch.setattr(sys, "seen_often", threading.Event(), raising=False)
    look, counts = slow_import._inside_caveclient, Counter()

    def looks(frame):
        found = look(frame)
        counts.update(found)
        if counts["grammar"] > 30:
            sys.seen_often.set()
        return found

    monkeypatch.setattr(slow_import, "_inside_caveclient", looks)
    own = [entry for entry in sys.path if "site-packages" not in entry and (Path(entry) / "os.py").exists()]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *own])
    for name in [name for name in sys.modules if name.partition(".")[0] == "caveclient"]:
        monkeypatch.delitem(sys.modules, name)
    yield tmp_path
    for name in ("caveclient", "schemas", "grammar", "events"):
        sys.modules.pop(name, None)


def slowest() -> SlowImport | None:
    """What makes the import of caveclient slow here."""
    watch = Watch()
    watch.run(lambda: importlib.import_module("caveclient"))
    return watch.slowest()


@pytest.mark.parametrize("needs", [(), ("schemas[format]",)], ids=["nobody needs it", "another package needs it"])
def test_a_package_that_is_not_required_is_named(site, needs):
    """A package that is imported only because it is installed is named, with those that require it, also by an extra."""
    install(site, "caveclient", "import schemas", "schemas")
    install(site, "schemas", "import grammar", 'grammar; extra == "format"')
    install(site, "grammar", SLOW)
    install(site, "events", "", *needs)
    found = slowest()
    assert found is not None
    assert (found.package, found.needed_by) == ("grammar", ("events",) if needs else ())
    assert 0.05 <= found.seconds <= found.total


def test_a_package_that_is_required_is_not_named(site):
    """Nothing can be done about a requirement of caveclient, however slow and however indirect."""
    install(site, "caveclient", "import schemas", "schemas")
    install(site, "schemas", "import grammar", "grammar")
    install(site, "grammar", SLOW)
    assert slowest() is None


def test_a_fast_import_names_nothing(site, monkeypatch):
    """If no package takes noticeable time, the metadata of the packages is not read."""
    monkeypatch.setattr(slow_import, "NOTICEABLE", 60.0)  # on a busy computer anything takes a while
    install(site, "caveclient", "import grammar")
    install(site, "grammar", "")
    assert slowest() is None
