"""`nox -s core`: the core tests on other Pythons, with other versions of the libraries than the newest."""

from __future__ import annotations

import nox

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


@nox.session(python=list(VERSIONS))
def core(session: nox.Session) -> None:
    """The core tests on one Python and its column of versions."""
    session.install("-q", "-e", ".[sandbox]", *TOOLS, *VERSIONS[str(session.python)])
    session.run("python", "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *(session.posargs or CORE))
