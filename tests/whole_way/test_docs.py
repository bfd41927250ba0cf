"""The documentation: every code block of its pages works, and what is generated covers what there is."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from caveclient import CAVEclient, frameworkclient
from traitlets.config import PyFileConfigLoader

from cave_magic.commands import NAMES, find_command
from cave_magic.commands.arguments import read
from cave_magic.commands.completion import script
from cave_magic.deployments import Deployment
from cave_magic.doctor.checks import CHECKS
from cave_magic.doctor.model import Status
from cave_magic.environment.platforms import PLATFORMS
from cave_magic.magics import CaveMagics
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.cli import _parser as sandbox_parser
from cave_magic.sandbox.console import obey

from ..doctor.faults.cases import CASES
from ..doctor.faults.recorded import RECORD
from ..doctor.faults.world import World, working
from ..support.pages import blocks_of
from ..support.shell import settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
BLOCKS = {name: blocks_of(text) for name, text in PAGES.items() if name != "architecture.md"}
SHELL = [block for blocks in BLOCKS.values() for block in blocks if block.language == "sh"]


def page_with(language: str, title: str = "") -> list[str]:
    """The pages with a block of this kind."""
    return [
        name for name, blocks in BLOCKS.items() if any((one.language, one.title) == (language, title) for one in blocks)
    ]


@pytest.fixture(scope="module")
def hooks() -> Any:
    """The module that makes pages."""
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


# ---------------------------------------------------------------- the code blocks


@pytest.fixture
def reader(cave: Sandbox, home: Path, run: Any, shell: Any, set_up: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ada, who types what a page shows; the practice server has the names and addresses of the page."""
    known = Deployment(
        name="practice",
        server=cave.server,
        local_servers=(cave.local_server,),
        public=("minnie65_public", "flywire_fafb_public"),
    )
    monkeypatch.setattr("cave_magic.deployments.DEPLOYMENTS", (known,))
    monkeypatch.setattr(frameworkclient, "default_global_server_address", cave.server)
    monkeypatch.setenv("CAVE_TOKEN", set_up)
    with working(cave, home, run, shell, monkeypatch, set_up):
        settings(shell).server = ""
        yield lambda block: run(practised(block.text, cave))


def practised(text: str, cave: Sandbox) -> str:
    """A block with the practice server in place of the real one, and a datastack that it has."""
    return text.replace("https://global.em.brain.allentech.org", cave.server).replace(
        "v1dd_public", "flywire_fafb_public"
    )


@pytest.mark.parametrize("name", page_with("python"))
def test_the_python_of_a_page_runs(name: str, reader: Any):
    """Every block works, from the top of the page to its end, and prints what the page shows after it."""
    for block in (one for one in BLOCKS[name] if one.language == "python" and not one.title):
        ran = reader(block)
        assert ran.error == "", f"{block.text}\n{ran.message}"
        if block.shows is not None:
            assert ran.out.strip() == block.shows


@pytest.mark.parametrize("name", page_with("python", "ipython_config.py"))
def test_the_configuration_of_a_page_counts(name: str, home: Path):
    """The lines are a valid configuration, which loads the magics and sets what it says."""
    (block,) = (one for one in BLOCKS[name] if one.title)
    (home / "ipython_config.py").write_text(f"c = get_config()\n{block.text}\n")
    config = PyFileConfigLoader("ipython_config.py", path=str(home)).load_config()
    assert config.InteractiveShellApp.extensions == ["cave_magic"]
    ((setting, value),) = config.CaveMagics.items()
    assert getattr(CaveMagics(config=config), setting) == value


def test_a_fresh_ipython_has_the_magics(home: Path):
    """With the lines of "Load it automatically", a fresh IPython has the magics and the setting."""
    (block,) = (one for one in BLOCKS["start.md"] if one.title)
    config = home / ".ipython" / "profile_default" / "ipython_config.py"
    config.parent.mkdir(parents=True)
    config.write_text(block.text)
    code = "get_ipython().run_line_magic('config', 'CaveMagics.datastack')"
    fresh = [sys.executable, "-m", "IPython", "--no-banner", "--HistoryManager.enabled=False", "-c", code]
    done = subprocess.run(fresh, capture_output=True, text=True, timeout=100, check=True)
    assert "v1dd_public" in done.stdout


PATIENT = """
import cave_magic, cave_magic.__main__
cave_magic.check.__kwdefaults__["timeout"] = cave_magic.__main__.SECONDS = 60.0
"""
"""Gives checks of fresh Pythons a minute, within which also a busy computer imports caveclient."""


@pytest.fixture
def patient(tmp_path: Path) -> dict[str, str]:
    """The environment variables of a Python whose checks have a minute."""
    (tmp_path / "patient").mkdir()
    (tmp_path / "patient" / "sitecustomize.py").write_text(PATIENT)
    return {"PYTHONPATH": str(tmp_path / "patient")}


@pytest.mark.parametrize("title", ["workers.py", "pool.py"])
def test_a_script_for_workers_runs(title: str, home: Path, set_up: str, tmp_path: Path, patient: dict[str, str]):
    """As it is printed, it gives the workers access; the datastack map leads it to the practice server."""
    if title == "workers.py":
        pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    (block,) = (one for one in BLOCKS["clusters.md"] if one.title == title)
    (tmp_path / title).write_text(block.text)
    forks = {} if os.name != "posix" else {"DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver"}
    done = subprocess.run(
        [sys.executable, title],
        cwd=tmp_path,
        env=os.environ | forks | patient,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    shown = {"workers.py": "Access works on all workers.", "pool.py": "[('minnie65_public', 0), ('minnie65_public', 1)"}
    assert shown[title] in done.stdout


@pytest.mark.parametrize("line", sorted({line for block in SHELL for line in block.text.splitlines()}))
def test_a_line_for_the_terminal_is_understood(line: str):
    """What is installed has the extras that are named; the practice server takes its arguments; nothing else is typed."""
    words = shlex.split(line)
    if words[:2] == ["pip", "install"]:
        extras = re.findall(r"^cave-magic(?:\[(\w+)\])?$", words[2])
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        assert extras
        assert all(f"\n{extra} = [" in project for extra in extras if extra)
    elif words[:3] == ["python", "-m", "cave_magic.sandbox"]:
        sandbox_parser().parse_args(words[3:])
    elif typed := re.search(r"cave-magic (\w+) ?([^|>)\"]*)", line):
        if typed[1] == "completion":
            assert script(typed[2].strip())
        else:
            assert read(find_command(f"cave_{typed[1]}"), typed[2].split())
    else:
        assert line == "jupyter execute analysis.ipynb"


@pytest.mark.skipif(os.name != "posix", reason="the jobs are for bash")
def test_the_jobs_of_the_page_run(home: Path, secrets: Path, cave: Sandbox, tmp_path: Path, patient: dict[str, str]):
    """The lines of the Slurm job and of the GitHub Actions step set up access in bash, and fail without it."""
    (job,) = (block.text for block in BLOCKS["scripts.md"] if block.language == "bash")
    (step,) = (block.text for block in BLOCKS["scripts.md"] if block.language == "yaml")
    (tmp_path / "analysis.py").write_text("print('analysed')")
    entries = json.dumps({"minnie65_public": cave.server})  # as CAVEclient remembers a server
    (secrets / "cave_datastack_to_server_map.json").write_text(entries)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(lines: str, **env: str) -> subprocess.CompletedProcess[str]:
        whole = os.environ | patient | {"PATH": path} | env
        return subprocess.run(
            ["bash", "-e", "-c", lines], cwd=tmp_path, env=whole, capture_output=True, text=True, timeout=100
        )

    done = run(job)
    assert (done.returncode, done.stdout) == (2, "")
    assert "The environment variable CAVE_TOKEN is not set" in done.stderr
    token = cave.new_token("ada")
    done = run(job, CAVE_TOKEN=token)
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "analysed", "")
    lines = [line.strip() for line in step.partition("run: |")[2].splitlines() if "pip install" not in line]
    assert run("\n".join(lines), CAVE_TOKEN=token).returncode == 0
    cave.withdraw_terms("ada", "minnie65_public")
    assert run("\n".join(lines), CAVE_TOKEN=token).returncode == 1


def test_a_notebook_that_runs_unattended_fails_if_access_does_not_work(home: Path, cave: Sandbox, tmp_path: Path):
    """With the cell for batch jobs, `jupyter execute` saves the token and ends with the error of the check."""
    code = next(block.text for block in BLOCKS["scripts.md"] if "%cave_save --from-env" in block.text)
    cell = nbformat.v4.new_code_cell(
        f'%load_ext cave_magic\n%config CaveMagics.server = "{cave.server}"\n%config CaveMagics.timeout = 60.0\n{code}'
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "analysis.ipynb")
    cave.misbehave("materialize", "down")
    command = [sys.executable, "-m", "jupyter", "execute", "analysis.ipynb"]
    environ = os.environ | {"CAVE_TOKEN": cave.new_token("ada")}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100)
    assert done.returncode != 0
    assert "materialize on 127.0.0.1" in done.stderr
    assert "Next: your token is not the cause: wait, then %cave_check" in done.stderr
    assert list((home / ".cloudvolume" / "secrets").glob("*-cave-secret.json"))


def test_every_magic_in_the_text_is_understood():
    """The magics accept each `%cave_...` line of a page, in its sentences and its tables."""
    spans = [span for text in PAGES.values() for span in re.findall(r"`%(cave_\w+)([^`\n]*)`", text)]
    assert len(spans) > 15
    for name, arguments in spans:
        read(find_command(name), arguments.strip())


def test_the_exercise_shows_what_it_says(world: World):
    """Each line that breaks the practice server gives the error that the table of the exercise shows."""
    rows = re.findall(r"^\| `([^`]+)` \| (.*?) \|", PAGES["hubs.md"].partition("### An exercise")[2], re.MULTILINE)
    assert len(rows) == 8
    for line, meets in rows:
        world.cave.behave()
        assert "neither" not in obey(world.cave, line)
        world.cave.forget()
        codes = re.findall(r"`(\w+)`", meets)
        if codes:
            with pytest.raises(Exception, match="(?s)" + ".*".join(codes)):
                CAVEclient("minnie65_public", server_address=world.cave.server, write_server_cache=False, max_retries=0)
            world.cave.grant("ada", "minnie65_public")
            world.cave.accept_terms("ada", "minnie65_public")


def test_the_platforms_that_delete_the_home_are_named():
    """The page for hubs names every platform that deletes the home folder."""
    assert [one.platform for one, *_ in PLATFORMS if one.is_ephemeral and one.platform not in PAGES["hubs.md"]] == []


@pytest.fixture
def world(cave: Sandbox, home: Path, run: Any, shell: Any, set_up: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ada's computer, on which everything works; no browser opens."""
    monkeypatch.setattr("webbrowser.open", lambda *_, **__: True)
    with working(cave, home, run, shell, monkeypatch, set_up) as made:
        yield made


# ---------------------------------------------------------------- what is generated


def test_each_check_has_a_page(hooks: Any):
    """A page says what the check means, what fixes it, and all that it can say."""
    pages = hooks.made()
    for check in CHECKS:
        page = pages[f"troubleshooting/{check.id}.md"]
        assert check.explains in page
        assert page.count("<tr><td>") >= 1
    assert {
        entry for group in hooks._by_group() for pages in group.values() for one in pages for entry in one.values()
    } == {f"troubleshooting/{check.id}.md" for check in CHECKS}


def test_each_fault_is_on_the_page_of_its_check(hooks: Any):
    """The record has every fault, and the whole error is on the page and at its beginning in the index."""
    faults = json.loads(RECORD.read_text(encoding="utf-8"))["faults"]
    assert list(faults) == [case.id for case in CASES]
    index, pages = hooks.included("errors", "troubleshooting"), hooks.made()
    for name, fault in faults.items():
        page = pages[f"troubleshooting/{fault['check']}.md"]
        assert f"<small>{name[0].upper()}{name[1:]}".replace("'", "&#x27;") in page
        if not fault["caveclient"].startswith(("hangs", "nothing")):
            assert hooks._literal(hooks._opening(fault["caveclient"])) in index
            said = re.sub(r"https?://\S+|'[^']*'", " ", fault["caveclient"])
            assert _words(said) <= _words(page)


def _words(text: str) -> set[str]:
    """The words of a text, by which a search finds it."""
    return set(re.findall(r"[A-Za-z_]{4,}", text))


def test_the_record_is_steady():
    """The record has no address of a practice server, no folder of a test, and no time of a run."""
    text = RECORD.read_text(encoding="utf-8")
    assert not re.search(r"127\.0\.0\.1:\d{4}|/tmp/|cave-fault|pytest|\b[0-9a-f]{32}\b", text)


def test_the_options_are_all_listed(hooks: Any):
    """The page of the magics has every option with its help, and examples that are understood."""
    page = hooks.made()["reference/magics.md"]
    for line in re.findall(r"^(?:report = )?%(cave_\w+.*)$", page, re.MULTILINE):
        name, _, arguments = line.partition(" ")
        read(find_command(name), arguments)
    for command in map(find_command, NAMES):
        assert f"## %{command.name}" in page
        assert not [option for option in command.options if f"`{option}" not in page]


def test_a_notebook_becomes_a_page(hooks: Any):
    """The page of a notebook has its words, its code and its stored outputs, and nothing of it is left out."""
    path = ROOT / "notebooks" / "troubleshooting.ipynb"
    page = hooks.notebook(path)
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.source.splitlines()[0] in page
    assert page.count('class="cave-magic"') > 20
    assert "AuthException: You have not setup a token" in page


def test_links_between_files_become_links_between_pages(hooks: Any):
    """A link to a file with a page leads to that page; a link to another file becomes its words."""
    text = hooks.included("CONTRIBUTING.md", "")
    assert "[SECURITY.md](security.md)" in text
    assert "[docs/architecture.md](architecture.md)" in text
    assert "(docs/architecture.md)" not in text


# ---------------------------------------------------------------- the schema


def test_the_schema_knows_every_status_and_every_check():
    """The schema lists the statuses of the model, and its pattern takes the ids of all checks."""
    row = json.loads((DOCS / "reference" / "report.schema.json").read_text(encoding="utf-8"))["$defs"]["row"]
    assert row["properties"]["status"]["enum"] == [status.value for status in Status]
    pattern = row["properties"]["id"]["pattern"]
    assert [check.id for check in CHECKS if not re.fullmatch(pattern, check.id)] == []
    assert not re.fullmatch(pattern, "a row")
