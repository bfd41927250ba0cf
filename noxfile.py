#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.10.14"]
# ///
"""`nox -s lint`: all that checks the code without running it. `nox -s core`: the core tests on other Pythons."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|venv"  # uv makes an environment in a sixth of the time
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

TOOLS = ["hypothesis", "ipykernel", "nbclient", "pytest", "pytest-timeout", "pytest-xdist"]
# What depends on the versions of IPython, rich and caveclient, from the magics down to a whole journey.
CORE = [
    f"tests/{name}.py"
    for name in (
        "test_magics",
        "test_completion",
        "ui/test_frontend",
        "ui/test_terminal",
        "credentials/test_token_files",
        "whole_way/test_demo",
        "whole_way/test_notebooks",
    )
]
# One column for each Python; a library that is not named is the newest. The full run has the newest of everything.
VERSIONS = {
    "3.10": ["ipython==8.*", "caveclient==7.*", "rich==13.*"],
    "3.12": ["ipython==8.*", "caveclient==8.*", "rich==14.*"],
    "3.13": ["ipython==9.*", "caveclient==7.*", "rich==15.*"],
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
    session.install("-q", "-e", ".[sandbox]", *TOOLS, *VERSIONS[str(session.python)])
    session.run("python", "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *(session.posargs or CORE))


@nox.session(default=False)
def worlds(session: nox.Session) -> None:
    """Every fault alone, then thousands of worlds of one to three faults: `nox -s worlds -- --seed 5000 --count 99`."""
    session.install("-q", "-e", ".[sandbox]", *TOOLS)
    session.run("python", "-m", "tests.worlds", *(session.posargs or ["--alone", "--count", "3000"]))


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """The two files of a release, in `dist/`, checked as PyPI checks them."""
    session.install("-q", "build", "twine")
    session.run("python", "-m", "build", "--outdir", (dist := session.create_tmp()))
    session.run("twine", "check", "--strict", *map(str, Path(dist).iterdir()))


if __name__ == "__main__":
    nox.main()
