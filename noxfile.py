#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.10.14"]
# ///
"""`nox -s lint`: everything that checks the code without running it. `nox -s core`: the core tests on other Pythons.
`nox -s docs`: the site.

`.ci/run` and the workflows call these sessions; nothing else defines how the project is checked.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|venv"  # uv makes an environment in a sixth of the time
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"  # the workflows ask for what a machine lacks
nox.options.reuse_existing_virtualenvs = True
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of hundreds of processes compiles all that it imports

TOOLS = ["hypothesis", "ipykernel", "nbclient", "pytest", "pytest-timeout", "pytest-xdist"]
# What depends on the versions of IPython, rich and caveclient, from the magics down to a whole journey.
CORE = [
    f"tests/{name}.py"
    for name in (
        "test_magics",
        "commands/test_completion",
        "ui/test_frontend",
        "ui/test_terminal",
        "credentials/test_atomic_write",
        "credentials/test_token_files",
        "doctor/test_lines_on_windows",
        "environment/test_distributions",
        "whole_way/test_demo",
        "whole_way/test_notebooks",
    )
]
# Tests there that start a kernel or the demo as another one does.
ALIKE = "runs_on_a_terminal or control_c_ends_it or batch_run or saved_as_html or wait_that_ends"
# What depends on the operating system. `tests/support/without_posix.py` hides what Python lacks on Windows.
WINDOWS = [
    f"tests/{name}.py"
    for name in (
        "test_magics",
        "credentials/test_atomic_write",
        "credentials/test_lease",
        "credentials/test_removal",
        "credentials/test_save",
        "credentials/test_token_files",
        "doctor/test_lines_on_windows",
        "environment/test_installer",
        "ui/test_prompts",
        "ui/test_terminal",
    )
]
# One column for each Python; a library that is not named is the newest. The full run has the newest of everything.
READERS = "3.12"  # the one Python with cloud-volume and cloud-files
OLDEST = "3.10"  # with the oldest versions that `pyproject.toml` allows
VERSIONS = {
    OLDEST: [],
    "3.12": ["ipython==8.*", "caveclient==8.*", "rich==14.*"],
    "3.13": ["ipython==9.*", "caveclient==7.*", "rich==15.*"],
    "3.14": [],
}


@nox.session(tags=["check"])
def lint(session: nox.Session) -> None:
    """Format, lint, spelling, Markdown, workflows, types and the layout of the repository. Changes nothing."""
    session.install("-q", "-e", ".[lint,sandbox]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("codespell")
    session.run("rumdl", "check", "--quiet", ".")
    session.run("zizmor", "--quiet", "--offline", ".github")
    session.run("mypy")
    session.run("repo-review", ".")


@nox.session(python=list(VERSIONS), tags=["check"])
def core(session: nox.Session) -> None:
    """The core tests on one Python and its column of versions."""
    versions = VERSIONS[str(session.python)]
    if session.python == OLDEST:
        session.install("-q", "uv")
        lowest = ("--resolution", "lowest-direct", "--extra", "sandbox", "--python-version", OLDEST)
        pinned = Path(session.create_tmp()) / "oldest.txt"
        session.run("uv", "pip", "compile", "-q", "pyproject.toml", *lowest, "-o", str(pinned))
        versions = ["-c", str(pinned)]
    session.install("-q", "-e", ".[sandbox]", *TOOLS, *versions)
    tests = session.posargs or [*CORE, "-k", f"not ({ALIKE})"]
    session.run("python", "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *tests)


@nox.session(tags=["check"])
def windows(session: nox.Session) -> None:
    """The tests of what depends on the operating system, without the modules and names that Python lacks on Windows."""
    session.install("-q", "-e", ".[sandbox]", *TOOLS)
    session.run("python", "-m", "pytest", "-q", "-p", "tests.support.without_posix", *(session.posargs or WINDOWS))


@nox.session(python=READERS, tags=["check"])
def readers(session: nox.Session) -> None:
    """The tests with the real cloud-volume and cloud-files, which are too large for `[test]`."""
    session.install("-q", "-e", ".[cv,sandbox]", *TOOLS)
    tests = ("tests/doctor/faults/test_readers.py", "--everything", "-k", "not stand-ins")
    session.run("python", "-m", "pytest", "-q", *tests)


@nox.session(tags=["check"])
def docs(session: nox.Session) -> None:
    """The site, in `site/`. Fails on a link inside the site that leads nowhere; lists the links that lead out of it.

    `nox -s docs -- serve` shows it at http://127.0.0.1:8000 and follows changes.
    """
    session.install("-q", "-e", ".[docs]")
    environ = {"NO_MKDOCS_2_WARNING": "1"}  # Material's advertisement for its successor
    session.run("mkdocs", *(session.posargs or ("build", "--strict", "--clean")), env=environ)


@nox.session(default=False, venv_backend="venv")
def everything(session: nox.Session) -> None:
    """The tests that usually take a sample of their combinations, with all of them; none uses a browser."""
    session.install("-q", "-U", "pip")  # as in the README's line: the tests type lines of `%pip`
    session.install("-q", "-e", ".[test]")
    arguments = ("--everything", "-m", "not browser", "-n", "auto", "--dist", "worksteal")
    session.run("python", "-m", "pytest", "-q", *arguments, *session.posargs)


@nox.session(default=False)
def worlds(session: nox.Session) -> None:
    """Every fault alone, then thousands of worlds of one to three faults: `nox -s worlds -- --seed 5000 --count 99`."""
    session.install("-q", "-e", ".[sandbox]", *TOOLS)
    session.run("python", "-m", "tests.worlds", *(session.posargs or ["--alone", "--count", "3000"]))


@nox.session(default=False)
def neighbours(session: nox.Session) -> None:
    """Tests old and new versions of other packages; writes docs/reference/neighbours.md. Takes minutes."""
    session.install("-q", "uv")
    session.run("python", "tests/neighbours/run.py", *session.posargs)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """The two release files, in `dist/`: built twice and compared, checked as PyPI does, installed and loaded.

    `nox -s build -- v0.2.0` fails unless that is the version.
    """
    session.install("-q", "build[uv]", "twine")
    built, again = Path("dist"), Path(session.create_tmp()) / "again"
    for folder in (built, again):
        shutil.rmtree(folder, ignore_errors=True)
        session.run("python", "-m", "build", "--installer", "uv", "--outdir", str(folder), silent=True)
    files = sorted(built.iterdir())
    if [file.read_bytes() for file in files] != [(again / file.name).read_bytes() for file in files]:
        session.error("a second build of the same files differs from the first")
    session.run("twine", "check", "--strict", *map(str, files))
    wheel = next(file for file in files if file.suffix == ".whl")
    version = wheel.name.split("-")[1]
    if session.posargs not in ([], [f"v{version}"]):
        session.error(f"{session.posargs[0]} is not the tag of version {version}")
    if f"version: {version}\n" not in Path("CITATION.cff").read_text():
        session.error(f"CITATION.cff does not name version {version}")
    names = zipfile.ZipFile(wheel).namelist()
    ours = ("cave_magic/", f"cave_magic-{version}.dist-info/")
    if strangers := [name for name in names if not name.startswith(ours)]:
        session.error(f"the wheel has more than the package: {strangers}")
    session.install("-q", str(wheel))
    session.run("python", "-I", "-m", "IPython", "-c", "%load_ext cave_magic\n%cave_check --help", silent=True)
    session.log(f"{version}: " + ", ".join(f"{file.name} {file.stat().st_size // 1000} kB" for file in files))


if __name__ == "__main__":
    nox.main()
