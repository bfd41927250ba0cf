"""Do cloud-volume and cloud-files read the same token as caveclient?"""

from __future__ import annotations

from collections.abc import Sequence

from ...credentials.token_files import TokenFile, show_path
from ...environment.cloud_volume import Reading
from ...ui.document import Span
from .. import fixes, next_steps
from ..evidence import DatastackFacts, Machine
from ..model import Check, Finding, advise, ok, warning
from .datastack import ACCESS
from .services import number
from .token import save_from

GOOD_CLOUD_FILES = (6, 3)
"""The oldest cloud-files that finds a server's own token file (6.1.1 reportedly does not)."""


def _cloud_volume(datastack: DatastackFacts) -> Finding | None:
    stored, server = datastack.server.stored, datastack.server
    found = [one for one in datastack.readings if _is_looked_at(one.library, server.machine)]
    if not found or stored.source is None:
        return None
    if wrong := [one for one in found if one.file.token != stored.token]:
        return _other_file(datastack, wrong, stored.source)
    if stale := [one for one in found if one.kept not in ("", stored.token)]:
        libraries = " and ".join(one.library for one in stale)
        cached = "another token" if stale[0].kept else "that there is no token"
        return warning(f"in this kernel, {libraries} cached {cached}", next_step=save_from(server, stored.source))
    file = found[0].file.path
    if file.parent == server.machine.token_folder:
        return ok(f"{_named(found)} the same token")
    return ok(f"{_named(found)} the same token, from ", Span(show_path(file), private=True))


def _other_file(datastack: DatastackFacts, wrong: Sequence[Reading], source: TokenFile) -> Finding:
    """A library reads a file with another token; if it is in another folder, saving again would not change it."""
    file = wrong[0].file
    reads = _named([one for one in wrong if one.file.path == file.path])
    has, fix = f", which has {'another' if file.token else 'no'} token", fixes.fix_readers(datastack)
    if wrong[0].first.parent == datastack.server.machine.token_folder:
        return warning(f"{reads} {file.name}{has}", next_step=save_from(datastack.server, source), fix=fix)
    shown = Span(show_path(file.path), private=True)
    return warning(f"{reads} ", shown, f"{has}: CLOUD_VOLUME_DIR points there", fix=fix)


def _named(found: Sequence[Reading]) -> str:
    """`cloud-volume reads`, `cloud-volume and cloud-files read`."""
    return f"{' and '.join(one.library for one in found)} read{'s' if len(found) == 1 else ''}"


def _is_looked_at(library: str, machine: Machine) -> bool:
    """Whether it is installed in a version that reads a server's own file; `CLOUD_FILES` is about older ones."""
    version = machine.versions.get(library, "")
    return bool(version) and (library != "cloud-files" or number(version) >= GOOD_CLOUD_FILES)


def _cloud_files(machine: Machine) -> Finding | None:
    version = machine.versions.get("cloud-files", "")
    if not version or number(version) >= GOOD_CLOUD_FILES:
        return None
    step = next_steps.install(machine.find_installer(), "cloud-files", "cloud-volume")
    evidence = f"cloud-files {version} does not read a server's own token file"
    return warning(evidence, next_step=advise(step))


CLOUD_VOLUME = Check(
    id="cloud-volume",
    group="other readers",
    title="cloud-volume",
    about=DatastackFacts,
    look=_cloud_volume,
    needs=(ACCESS,),
    explains="cloud-volume or cloud-files reads another token than caveclient, or has an old one cached.",
    fixed_by="{save_from_file}; {fix} if CLOUD_VOLUME_DIR points elsewhere.",
)
CLOUD_FILES = Check(
    id="cloud-files",
    group="other readers",
    title="cloud-files",
    about=Machine,
    look=_cloud_files,
    quiet=False,
    explains="The installed cloud-files is too old to read a server's own token file.",
    fixed_by="{newer_cloud_files}{restart}.",
)
CHECKS = (CLOUD_VOLUME, CLOUD_FILES)
