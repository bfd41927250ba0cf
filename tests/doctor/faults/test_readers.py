"""cloud-volume and cloud-files send the same token as caveclient, or the check says so and fixes it.

The tests run with stand-ins, and with the libraries themselves if they are installed.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
from importlib.util import find_spec
from pathlib import Path

import pytest

from cave_magic.api.urls import host_of
from cave_magic.doctor import gather_computer
from cave_magic.environment import cloud_volume
from cave_magic.sandbox import Sandbox
from cave_magic.token import Token

from .world import FULL, NEW, World, says

STAND_INS = {
    "cloudvolume.secrets": """
from collections import defaultdict
import os, json
HOME = os.path.expanduser("~")
CLOUD_VOLUME_DIR = os.environ.get("CLOUD_VOLUME_DIR", os.path.join(HOME, ".cloudvolume"))
def secretpath(*parts):
    preferred = os.path.join(CLOUD_VOLUME_DIR, *parts)
    older = [os.path.join(path, *parts) for path in (os.path.join(HOME, ".neuroglancer"), "/")]
    return next((path for path in (preferred, *older) if os.path.exists(path)), preferred)
CAVE_CREDENTIALS_CACHE = defaultdict(dict)
def cave_credentials(domain=""):
    if domain in CAVE_CREDENTIALS_CACHE.keys():
        return CAVE_CREDENTIALS_CACHE[domain]
    names = [f"{domain}-cave-secret.json"] * bool(domain) + ["cave-secret.json", "chunkedgraph-secret.json"]
    found = {}
    for path in [secretpath("secrets", name) for name in names]:
        if os.path.exists(path):
            with open(path, "rt") as file:
                found = json.loads(file.read())
            break
    CAVE_CREDENTIALS_CACHE[domain] = found
    return found
""",
    "cloudfiles.secrets": """
import os, json
HOME = os.path.expanduser("~")
CLOUD_VOLUME_DIR = os.environ.get("CLOUD_VOLUME_DIR", os.path.join(HOME, ".cloudvolume"))
CLOUD_FILES_DIR = os.environ.get("CLOUD_FILES_DIR", os.path.join(HOME, ".cloudfiles"))
def secretpath(name):
    preferred = os.path.join(CLOUD_VOLUME_DIR, "secrets", name)
    older = [os.path.join("/", name), os.path.join(CLOUD_FILES_DIR, "secrets", name)]
    return next((path for path in (preferred, *older) if os.path.exists(path)), preferred)
CAVE_CREDENTIALS = {}
def cave_credentials(server=""):
    paths = [secretpath(f"{server}-cave-secret.json")] * bool(server) + [secretpath("cave-secret.json")]
    if server in CAVE_CREDENTIALS:
        return CAVE_CREDENTIALS.get(server, None)
    for path in paths:
        if os.path.exists(path):
            with open(path, "rt") as file:
                CAVE_CREDENTIALS[server] = json.loads(file.read())
            break
    return CAVE_CREDENTIALS.get(server, None)
""",
}  # cloud-volume 12.15 and cloud-files 6.4, `secrets.py`, as far as they are about CAVE


class Libraries:
    """cloud-volume and cloud-files in this kernel."""

    def __init__(self, world: World, kind: str) -> None:
        self.world, self.kind = world, kind
        versions = gather_computer.versions()
        both = {"cloud-volume": "12.15.2", "cloud-files": "6.4.3"}
        world.patch.setattr(gather_computer, "versions", lambda: {**versions, **both})

    def start(self) -> None:
        """Imports them again, as a fresh kernel does."""
        for name, source in STAND_INS.items():
            if self.kind == "real":
                sys.modules.pop(name, None)
                importlib.import_module(name)
                continue
            module = types.ModuleType(name)
            exec(source, vars(module))
            sys.modules[name] = module

    def sends(self) -> list[str | None]:
        """The tokens that they would send to the data server."""
        host = host_of(self.world.cave.local_server)
        found = [sys.modules[name].cave_credentials(host) for name in STAND_INS]
        return [one.get("token") if one else None for one in found]


MISSING = not (find_spec("cloudvolume") and find_spec("cloudfiles"))
REAL = pytest.param("real", marks=pytest.mark.skipif(MISSING, reason="cloud-volume or cloud-files is missing"))


@pytest.fixture(params=["stand-ins", REAL])
def libraries(world: World, request: pytest.FixtureRequest):
    """Both libraries, not imported yet."""
    for name in STAND_INS:
        sys.modules.pop(name, None)
    yield Libraries(world, request.param)
    for name in STAND_INS:
        sys.modules.pop(name, None)


def _moved(world: World) -> Path:
    folder = world.home / "my cv"
    world.patch.setenv("CLOUD_VOLUME_DIR", str(folder))
    return folder / "secrets"


def _rows(report) -> dict[str, str]:
    return {row.id: row.evidence for row in report.rows if row.group == "other readers" and row.status != "ok"}


@pytest.mark.in_turn(imported=(True, False), name=("cave-secret.json", "{host}-cave-secret.json", "nothing"))
def test_another_token_in_the_variables_folder_is_fixed(world: World, libraries: Libraries, name, imported):
    """The printed line makes the libraries send the stored token, and the warning is gone."""
    secrets = _moved(world)
    if name != "nothing":
        world.write(secrets / name.format(host=host_of(world.cave.local_server)), {"token": NEW, "other": "kept"})
    if imported:
        libraries.start()
        assert libraries.sends() == ([None] * 2 if name == "nothing" else [NEW] * 2)
    (evidence,) = _rows(world.check()).values()
    assert "cloud-volume and cloud-files read " in evidence
    assert ("no token" if name == "nothing" else "another token") in evidence
    report = world.check()
    world.follow(next(row.next_step for row in report.rows if row.id == "cloud-volume"))
    if not imported:
        libraries.start()
    assert libraries.sends() == [world.token] * 2
    report = world.check()
    assert report.ok
    assert not _rows(report)


def test_a_fix_in_another_folder_keeps_a_backup(world: World, libraries: Libraries):
    """The replaced file is backed up, its other keys stay, and it becomes owner-only."""
    path = _moved(world) / f"{host_of(world.cave.local_server)}-cave-secret.json"
    world.write(path, {"token": NEW, "other": "kept"})
    assert "backup: " in world.run("%cave_check --fix --yes").out
    assert json.loads(path.read_text()) == {"token": world.token, "other": "kept"}
    assert path.stat().st_mode & 0o077 == 0
    (copy,) = path.parent.glob("*.bak")
    assert json.loads(copy.read_text())["token"] == NEW


@pytest.mark.usefixtures("permissions_count")
def test_a_read_only_folder_is_named(world: World, libraries: Libraries):
    """The fix is offered once the printed line has unlocked the folder."""
    secrets = _moved(world)
    world.write(secrets / "cave-secret.json", {"token": NEW})
    secrets.chmod(0o500)
    ran = world.run("%cave_check --fix --yes")
    assert "There is nothing that --fix can fix." in ran.out
    (row,) = [row for row in world.check().rows if row.id == "cloud-volume"]
    assert row.next_step.commands[0].startswith("!chmod 700 ")
    assert not _rows(world.fix())
    assert json.loads(world.server_file.read_text())["token"] == world.token


def test_the_same_token_in_the_variables_folder_is_ok(world: World, libraries: Libraries):
    """Another folder with the right token is fine."""
    world.write(_moved(world) / "cave-secret.json", {"token": world.token})
    report = world.check()
    assert report.ok
    assert not _rows(report)


def test_unsetting_the_variable_after_the_import_is_too_late(world: World, libraries: Libraries):
    """They read the variable at import, so the check uses their value."""
    world.write(_moved(world) / "cave-secret.json", {"token": NEW})
    libraries.start()
    world.run("import os; os.environ.pop('CLOUD_VOLUME_DIR')")
    assert "my cv" in _rows(world.check())["cloud-volume"]
    libraries.start()
    assert not _rows(world.check())


def test_a_save_makes_both_read_again(world: World, libraries: Libraries):
    """After a token is replaced, they send the new one."""
    libraries.start()
    assert libraries.sends() == [world.token] * 2
    assert not world.run("%cave_save --overwrite").error
    new = json.loads(world.server_file.read_text())["token"]
    assert new != world.token
    assert libraries.sends() == [new] * 2


@pytest.mark.parametrize("library", STAND_INS)
def test_a_cached_token_is_named_and_forgotten(world: World, libraries: Libraries, library):
    """The files agree, but one library sends what it has cached; the printed line makes it read again."""
    world.save(NEW)
    libraries.start()
    sys.modules[library].cave_credentials(host_of(world.cave.local_server))
    world.save(world.token)
    name = {"cloudvolume.secrets": "cloud-volume", "cloudfiles.secrets": "cloud-files"}[library]
    report = world.check()
    assert _rows(report) == {"cloud-volume": f"in this kernel, {name} cached another token"}
    world.follow(next(row.next_step for row in report.rows if row.id == "cloud-volume"))
    assert libraries.sends() == [world.token] * 2
    assert not _rows(world.check())


def test_the_check_reads_the_files_of_the_libraries(world: World, libraries: Libraries):
    """Whatever files there are, the check finds the token that the library sends."""
    host, home = host_of(world.cave.local_server), world.home
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()
    places = [
        home / ".cloudfiles/secrets/cave-secret.json", home / ".neuroglancer/secrets/cave-secret.json",
        home / f".cloudfiles/secrets/{host}-cave-secret.json", home / f".neuroglancer/secrets/{host}-cave-secret.json",
        world.secrets / "chunkedgraph-secret.json", world.secrets / "cave-secret.json", world.local_file,
    ]  # fmt: skip
    for number, path in enumerate(places):
        world.write(path, {"token": f"{number:032x}"})
        libraries.start()
        found = [one.file.token for one in cloud_volume.readings(host)]
        assert [token.reveal() if token else None for token in found] == libraries.sends(), path


OTHER_FORMS = ["{host}:443", "{host}:80", ""]


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_other_forms_of_a_host_are_forgotten(libraries: Libraries, form):
    """The cache may have a host with its port, or no host."""
    libraries.start()
    key = form.format(host="minnie.microns-daf.com")
    for name, cache in (("cloudvolume.secrets", "CAVE_CREDENTIALS_CACHE"), ("cloudfiles.secrets", "CAVE_CREDENTIALS")):
        vars(sys.modules[name])[cache].update({key: {"token": NEW}, "other.host": {"token": NEW}})
    if key:
        assert [one.kept for one in cloud_volume.readings("minnie.microns-daf.com")] == [Token(NEW)] * 2
    cloud_volume.forget_cached(["minnie.microns-daf.com"])
    assert [one.kept for one in cloud_volume.readings("minnie.microns-daf.com")] == ["", ""]
    assert [one.kept for one in cloud_volume.readings("other.host")] == [Token(NEW)] * 2


@pytest.mark.parametrize("cache", [None, {}, {"token": NEW, "id": 5}, 7])
def test_the_cache_of_older_versions_is_known(world: World, cache):
    """cloud-files 5 caches one file for all servers."""
    module = types.SimpleNamespace(CAVE_CREDENTIALS=cache)
    world.patch.setitem(sys.modules, "cloudfiles.secrets", module)
    _, found = cloud_volume.readings("any.host")
    assert found.kept == (Token(NEW) if isinstance(cache, dict) and cache else "")
    cloud_volume.forget_cached(["any.host"])
    assert not module.CAVE_CREDENTIALS or module.CAVE_CREDENTIALS == 7


def test_another_servers_file_does_not_get_the_token(world: World, libraries: Libraries):
    """If the info service names another known server as the data server, that one's file is not changed."""
    secrets, theirs = _moved(world), "http://127.0.0.1:1"
    world.write(secrets / "cave-secret.json", {"token": NEW})
    world.write(world.map_file, {"theirs": theirs})
    world.cave.misbehave(FULL, says(200, {"local_server": theirs, "aligned_volume": {"name": "x"}}))
    assert "another token" in _rows(world.check())["cloud-volume"]
    world.run("%cave_check --fix --yes")
    assert os.listdir(secrets) == ["cave-secret.json"]


# ---------------------------------------------------------------- what a save produces

OTHER = "fedcba9876543210fedcba9876543210"
"""A token of another server."""


def _nothing_else(world: World) -> None:
    """A home without any other file."""


def _default_of_another_server(world: World) -> None:
    world.write(world.default_file, {"token": OTHER, "middle_auth_url": "https://other.org"})
    world.write(world.secrets / "other.org-cave-secret.json", {"token": OTHER})


def _old_folders(world: World) -> None:
    for folder in (".neuroglancer", ".cloudfiles"):
        world.write(world.home / folder / "secrets" / "cave-secret.json", {"token": OTHER})


def _folder_of_their_own(world: World) -> None:
    _moved(world)


def _folder_with_another_token(world: World) -> None:
    world.write(_moved(world) / "cave-secret.json", {"token": OTHER})


def _folder_of_cloud_files(world: World) -> None:
    world.patch.setenv("CLOUD_FILES_DIR", str(world.home / "cf"))
    world.write(world.home / "cf" / "secrets" / "cave-secret.json", {"token": OTHER})


LAYOUTS = [
    _nothing_else,
    _default_of_another_server,
    _old_folders,
    _folder_of_their_own,
    _folder_with_another_token,
    _folder_of_cloud_files,
]


@pytest.mark.in_turn(cached=(False, True), layout=LAYOUTS)
def test_after_a_save_all_read_the_same_token(world: World, libraries: Libraries, layout, cached):
    """For the server and its data server, both libraries use what caveclient uses, and other servers keep theirs."""
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()
    layout(world)
    before = {path: path.read_text() for path in world.home.rglob("*secret.json")}
    libraries.start()
    hosts = [host_of(world.cave.local_server), host_of(world.cave.server)]
    if cached:
        for name in STAND_INS:
            for host in hosts:
                sys.modules[name].cave_credentials(host)
    ran = world.run("%cave_save")
    assert not ran.error
    new = json.loads(world.server_file.read_text())["token"]
    used = [(sys.modules[name].cave_credentials(host) or {}).get("token") for name in STAND_INS for host in hosts]
    assert used == [new] * 4
    assert {path: path.read_text() for path in before} == before
    assert ("for cloud-volume" in ran.out) == ("CLOUD_VOLUME_DIR" in os.environ)
    (row,) = [row for row in world.check().rows if row.id == "cloud-volume"]
    assert row.status == "ok"
    assert ("my cv" in row.evidence) == ("CLOUD_VOLUME_DIR" in os.environ)


def test_a_folder_of_somebody_else_gets_no_token(world: World, libraries: Libraries, monkeypatch):
    """A file there that only this user can read would be in the way of the others; the check names what is read."""
    world.write(_moved(world) / "cave-secret.json", {"token": NEW})
    real = os.stat(world.home / "my cv").st_uid
    monkeypatch.setattr("cave_magic.credentials.locations.os.getuid", lambda: real + 1)
    world.run("%cave_save --overwrite")
    assert os.listdir(world.home / "my cv" / "secrets") == ["cave-secret.json"]


ON_THE_WIRE = """
import contextlib, sys, time
import cloudfiles
from cave_magic.credentials.save import save_token
from cave_magic.environment.cloud_volume import forget_cached
from cave_magic.token import Token
server, local, *tokens = sys.argv[1:]
time.sleep = lambda seconds: None  # cloud-files asks seven times, and waits longer each time
for token in tokens:
    save_token(Token(token), server, local_servers=[local], overwrite=True)
    forget_cached([server, local])
    for address in (server, local):
        with contextlib.suppress(Exception):
            cloudfiles.CloudFiles(f"middleauth+{address}/segmentation/table/x").get("info")
"""
"""Saves one token after the other, as `%cave_save` does, and asks for a file each time. There is no such file."""


def test_a_request_of_cloud_files_carries_the_token(home: Path, monkeypatch: pytest.MonkeyPatch):
    """In a fresh process and after another token, `CloudFiles("middleauth+https://...")` sends the saved one to both servers."""
    pytest.importorskip("cloudfiles")
    with Sandbox(tls=True) as cave:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cave.certificate))
        monkeypatch.setenv("CLOUD_VOLUME_DIR", str(home / "cv"))
        tokens = cave.new_token("ada"), cave.new_token("bob")
        subprocess.run([sys.executable, "-c", ON_THE_WIRE, cave.server, cave.local_server, *tokens], check=True)
        asked = [(one.host, one.user) for one in cave.requests if one.path.endswith("/info")]
        hosts = host_of(cave.server), host_of(cave.local_server)
        assert list(dict.fromkeys(asked)) == [(host, user) for user in ("ada", "bob") for host in hosts]
