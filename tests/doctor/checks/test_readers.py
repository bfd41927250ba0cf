"""The checks of cloud-volume and cloud-files, on facts alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cave_magic.credentials.token_files import State, TokenFile
from cave_magic.doctor import healthy
from cave_magic.doctor.checks.readers import CLOUD_FILES, CLOUD_VOLUME
from cave_magic.doctor.evidence import DatastackFacts, Machine, ServerFacts
from cave_magic.environment.cloud_volume import Reading

from .facts import LOCAL, OTHER, SAVE_OWN, Case, case, each, stored, token_file

VOLUME, FILES = healthy.READINGS
UPGRADE = "%pip install -U cloud-files cloud-volume"
MOVED = Path("~/elsewhere/secrets/cave-secret.json")


def _with(*readings: Reading, **versions: str) -> DatastackFacts:
    installed = versions or {"cloud-volume": "12.15.2", "cloud-files": "6.4.3"}
    machine = Machine(versions={name.replace("_", "-"): version for name, version in installed.items()})
    return DatastackFacts(server=ServerFacts(machine=machine), readings=readings)


def _reading(reading: Reading, file: TokenFile | None = None, **facts: object) -> Reading:
    file = file or reading.file
    return replace(reading, **{"file": file, "first": file.path} | facts)


STALE = _reading(VOLUME, token_file(f"{LOCAL}-cave-secret.json", OTHER))
EMPTY = _reading(VOLUME, token_file(f"{LOCAL}-cave-secret.json", state=State.ABSENT))
ELSEWHERE = _reading(VOLUME, TokenFile(path=MOVED, state=State.READ, token=OTHER))
SAME = _reading(VOLUME, TokenFile(path=MOVED, state=State.READ, token=VOLUME.file.token))

CASES = [
    case("both read the same token", CLOUD_VOLUME, DatastackFacts(), "ok", "cloud-volume and cloud-files read the same token"),
    case("cloud-volume alone is installed", CLOUD_VOLUME, _with(VOLUME, FILES, cloud_volume="12.15.2"), "ok", "cloud-volume reads the same token"),
    case("they read it from another folder", CLOUD_VOLUME, _with(SAME, replace(SAME, library="cloud-files")), "ok", "cloud-volume and cloud-files read the same token, from ~/elsewhere/secrets/cave-secret.json"),
    case("an old cloud-files has a check of its own", CLOUD_VOLUME, _with(VOLUME, FILES, cloud_volume="12.15.2", cloud_files="6.1.1"), "ok", "cloud-volume reads"),
    case("neither is installed", CLOUD_VOLUME, _with(VOLUME, FILES, caveclient="8.2.1"), "nothing"),
    case("the local server is not known", CLOUD_VOLUME, DatastackFacts(readings=()), "nothing"),
    case("no token is stored", CLOUD_VOLUME, DatastackFacts(server=ServerFacts(stored=stored())), "nothing"),
    case("cloud-volume reads another token", CLOUD_VOLUME, _with(STALE, FILES), "warning", (f"cloud-volume reads {LOCAL}-cave-secret.json", "another token"), SAVE_OWN, fix="copies"),
    case("both read another token", CLOUD_VOLUME, _with(STALE, replace(STALE, library="cloud-files")), "warning", "cloud-volume and cloud-files read", SAVE_OWN, fix="copies"),
    case("cloud-volume finds no token", CLOUD_VOLUME, _with(EMPTY, FILES), "warning", "no token", SAVE_OWN, fix="copies"),
    case("a variable leads elsewhere", CLOUD_VOLUME, _with(ELSEWHERE, FILES), "warning", (str(MOVED), "another token", "CLOUD_VOLUME_DIR"), fix="copies"),
    case("cloud-volume keeps an old token", CLOUD_VOLUME, _with(_reading(VOLUME, kept=OTHER), FILES), "warning", ("cloud-volume cached", "another token"), SAVE_OWN),
    case("both remember that there was none", CLOUD_VOLUME, _with(_reading(VOLUME, kept=None), _reading(FILES, kept=None)), "warning", ("cloud-volume and cloud-files cached", "there is no token"), SAVE_OWN),
    case("what is kept is the stored token", CLOUD_VOLUME, _with(_reading(VOLUME, kept=healthy.TOKEN)), "ok"),
    case("cloud-files is new enough", CLOUD_FILES, Machine(), "nothing"),
    case("cloud-files is not installed", CLOUD_FILES, Machine(versions={}), "nothing"),
    case("cloud-files is too old", CLOUD_FILES, Machine(versions={"cloud-files": "6.1.1"}), "warning", "cloud-files 6.1.1", UPGRADE, advises="restart the kernel"),
]  # fmt: skip


@each(CASES)
def test_other_readers(case: Case):
    """Each check of the other readers gives the expected finding."""
    case.run()
