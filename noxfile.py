"""What runs where: `nox -s lint`, and `nox -s core` for the core tests with older and other versions of the libraries."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

CORE = ["ipykernel", "hypothesis", "nbclient", "pytest"]
NOT_CORE = ["tests/browser", "tests/sandbox", "tests/benchmarks"]
# One column for each Python; what is left out is the newest. The newest of everything is in the full run.
VERSIONS = {
    "3.10": ["ipython==8.*", "caveclient==7.*", "rich==13.*"],
    "3.12": ["ipython==8.*", "caveclient==8.*", "rich==14.*"],
    "3.13": ["ipython==9.*", "caveclient==7.*"],
}


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff and mypy."""
    session.install("-q", ".[sandbox]", *nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "lint"))
    session.run("ruff", "check", ".")
    session.run("mypy")


@nox.session(python=list(VERSIONS))
def core(session: nox.Session) -> None:
    """The tests without browsers, on one Python and its column of versions."""
    session.install("-q", "-e", ".[sandbox]", *CORE, *VERSIONS[str(session.python)])
    left_out = [f"--ignore={folder}" for folder in NOT_CORE]
    session.run("python", "-m", "pytest", "-q", "-m", "not browser", *left_out, *session.posargs)
