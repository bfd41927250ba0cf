"""What can install packages here, and the lines that it understands."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

import pytest

from cave_magic.doctor import next_steps
from cave_magic.environment import installer
from cave_magic.environment.installer import Installer, find_conda, find_installer
from cave_magic.ui.document import plain_text
from cave_magic.ui.door import on_windows


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Describes this Python: with pip or without, read-only, managed by the operating system, with uv or conda."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(os, "__file__", str(tmp_path / "os.py"))

    def describe(
        writable=True, managed=False, user=True, pip=True, tools=(), ensurepip=True, broken=False
    ) -> Installer:
        if managed:
            (tmp_path / "EXTERNALLY-MANAGED").write_text("")
        monkeypatch.setattr(os, "access", lambda path, mode: writable)
        monkeypatch.setattr(site, "ENABLE_USER_SITE", user)
        there = {"pip": pip or broken, "pip._internal.cli.main": pip, "ensurepip": ensurepip}
        monkeypatch.setattr(installer, "find_spec", lambda name: there[name] or None)
        monkeypatch.setattr("shutil.which", lambda name: name if name in tools else None)
        return find_installer()

    return describe


PYTHONS = {
    "usual": ({}, "pip", ()),
    "read-only": ({"writable": False}, "pip", ("--user",)),
    "read-only without the user's own packages": ({"writable": False, "user": False}, "", ()),
    "managed by the system": ({"managed": True}, "pip", ("--break-system-packages",)),
    "managed and read-only": ({"managed": True, "writable": False}, "pip", ("--user", "--break-system-packages")),
    "without the rest of pip": ({"pip": False, "broken": True}, "", ()),
    "without the rest of pip, with uv": ({"pip": False, "broken": True, "tools": ("uv",)}, "uv", ()),
    "made by uv": ({"pip": False, "tools": ("uv",)}, "uv", ()),
    "without pip": ({"pip": False}, "ensurepip", ()),
    "without pip and read-only": ({"pip": False, "writable": False}, "", ()),
    "without anything": ({"pip": False, "ensurepip": False}, "", ()),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "tool", "options"), PYTHONS.values(), ids=PYTHONS)
def test_the_installer_fits_the_python(python, facts, tool, options):
    """The installer is one that can write to this kernel's environment."""
    found = python(**facts)
    assert (found.tool, found.options) == (tool, options)


@pytest.mark.parametrize("setting", ["a variable", "pip.conf", "pip.ini", "of Windows/pip/pip.ini"])
def test_pip_that_is_set_to_user_is_told_not_to(python, tmp_path, monkeypatch, setting):
    """Clusters set `--user`, with which pip fails in an environment; outside of one, it is left alone."""
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    monkeypatch.setenv("APPDATA", str(tmp_path / "of Windows"))
    if setting == "a variable":
        monkeypatch.setenv("PIP_USER", "1")
    else:
        (tmp_path / setting).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / setting).write_text("[install]\nuser = true\n")
    assert python(user=False).options == ("--no-user",)
    assert python(user=True).options == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are of Unix")
def test_a_pipe_in_place_of_the_settings_of_pip_is_not_read(python, tmp_path, monkeypatch):
    """Nobody writes to it, so that reading it would never end."""
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    os.mkfifo(tmp_path / "pip.conf")
    assert python(user=False).options == ()


@pytest.mark.parametrize("name", ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"])
def test_a_folder_that_this_kernel_does_not_search_is_unset(python, tmp_path, monkeypatch, name):
    """Pip would install there, and the package would still be missing here."""
    monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    found = python()
    assert found.unset == (name,)
    words = plain_text(next_steps.install(found, "pandas"))
    assert words == f'import os; os.environ.pop("{name}", None), then %pip install -U pandas, restart the kernel'
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere" / "lib"))
    assert python().unset == ()


@pytest.mark.parametrize(
    ("name", "value", "fine"),
    [
        ("PIP_CERT", "/no/such/company.pem", os.devnull),
        ("PIP_CONSTRAINT", "/no/such/limits.txt", "https://example.org/limits.txt"),
        ("PIP_CONSTRAINT", f"{os.devnull} /no/such/limits.txt", f"{os.devnull} {os.devnull}"),
        ("PIP_DRY_RUN", "1", "0"),
        ("PIP_NO_INDEX", "yes", "no"),
        ("PIP_PYTHON", "/usr/bin/another-python", sys.executable),
        ("PIP_REQUIRE_HASHES", "true", "false"),
        ("PIP_REQUIRE_VIRTUALENV", "True", "off"),
    ],
)
def test_a_variable_with_which_pip_fails_is_unset(python, monkeypatch, name, value, fine):
    """pip or uv fails or does nothing with each, by their documentation; a value that it can work with stays."""
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv(name, value)
    assert python().unset == (name,)
    removing = plain_text(next_steps.uninstall(python(), "pandas"))
    assert removing.startswith(f'import os; os.environ.pop("{name}", None), then %pip uninstall')
    monkeypatch.setenv(name, fine)
    assert python().unset == ()


def test_an_index_that_is_off_on_purpose_stays_off(python, monkeypatch):
    """A cluster without internet access has a folder of wheels instead."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    assert python().unset == ()


def test_a_constraint_on_the_package_to_install_is_left_out(python, tmp_path, monkeypatch):
    """Pip would report a conflict, or keep the version that does not work; other constraints stay."""
    (tmp_path / "limits.txt").write_text("# of this image\nPandas==1.3\nfoo_bar==1\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "limits.txt"))
    for spec in ("pandas<3,>=1.5", "foo-bar"):
        assert 'os.environ.pop("PIP_CONSTRAINT", None), then %pip' in plain_text(next_steps.install(python(), spec))
    assert plain_text(next_steps.install(python(), "numpy")) == "%pip install -U numpy, restart the kernel"


@pytest.mark.parametrize("tool", ["conda", "mamba", "micromamba"])
def test_conda_repairs_what_it_installed(python, tmp_path, tool):
    """A package that conda installed is repaired by the conda that is there, others are not."""
    python(tools=(tool,))
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "pandas-2.2.3-py311h_0.json").write_text("{}")
    found = find_conda("pandas")
    assert found is not None
    assert found.tool == tool
    assert find_conda("numpy") is None


def test_without_conda_pip_repairs_what_conda_installed(python, tmp_path, monkeypatch):
    """A container may have conda's packages without conda."""
    monkeypatch.delenv("CONDA_EXE", raising=False)
    python()
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "pandas-2.2.3-py311h_0.json").write_text("{}")
    assert find_conda("pandas") is None


LINES = {
    "pip": '%pip install -U "pandas<3"',
    "conda": '%conda install -y "pandas<3"',
    "uv": '!uv pip install --python /p/python -U "pandas<3"',
    "ensurepip": '!/p/python -m ensurepip && /p/python -m pip install -U "pandas<3"',
}
AGAIN = {
    "pip": "%pip install --force-reinstall --no-deps pandas",
    "conda": "%conda install -y --force-reinstall pandas",
    "uv": "!uv pip install --python /p/python --reinstall --no-deps pandas",
}
REMOVED = {
    "pip": "%pip uninstall -y pandas",
    "conda": "%conda remove -y pandas",
    "uv": "!uv pip uninstall --python /p/python pandas",
}


@pytest.mark.parametrize(("tool", "typed"), LINES.items())
def test_packages_are_installed_by_the_tool(tool, typed):
    """Each tool has its own command to install."""
    words = plain_text(next_steps.install(Installer(tool=tool, python="/p/python"), "pandas<3"))
    assert words == f"{typed}, restart the kernel"


@pytest.mark.parametrize(("tool", "typed"), AGAIN.items())
def test_packages_are_installed_again_by_the_tool(tool, typed):
    """Each tool has its own option to replace what is there."""
    words = plain_text(next_steps.install(Installer(tool=tool, python="/p/python"), "pandas", again=True))
    assert words == f"{typed}, restart the kernel"


@pytest.mark.parametrize(("tool", "typed"), REMOVED.items())
def test_packages_are_uninstalled_by_the_tool(tool, typed):
    """Each tool has its own command to uninstall."""
    words = plain_text(next_steps.uninstall(Installer(tool=tool, python="/p/python"), "pandas"))
    assert words == f"{typed}, restart the kernel"


@pytest.mark.skipif(on_windows(), reason="there are other lines for its shells, which test_lines_on_windows types")
def test_without_a_way_to_make_an_environment_the_administrators_are_named(python):
    """A Python without ensurepip makes no environment; uv does."""
    assert plain_text(next_steps.other_environment(python(ensurepip=False))).startswith("ask the administrators")
    with_uv = next_steps.other_environment(python(ensurepip=False, tools=("uv",)))
    assert plain_text(with_uv).startswith("!uv venv --seed ~/cave-env && ~/cave-env/bin/python -m pip install")


@pytest.mark.skipif(on_windows(), reason="there are other lines for its shells, which test_lines_on_windows types")
def test_an_environment_that_nobody_can_change_is_replaced():
    """Another environment with a kernel of its own needs only the home folder."""
    words = plain_text(next_steps.install(Installer(tool="", python="/p/python"), "pandas"))
    assert words.startswith("!/p/python -m venv ~/cave-env && ")
    assert words.endswith("choose the kernel cave-env")
