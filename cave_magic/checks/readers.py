"""Do the other programs that read the same files, cloud-volume above all, get the same token?"""

from __future__ import annotations

from .. import lines
from ..doctor import Check, Finding, Remedy, ok, warning
from ..evidence import DatastackFacts, Machine
from ..plain import plain
from .datastack import ACCESS
from .services import number
from .token import save_from

GOOD_CLOUD_FILES = (6, 3)
"""The oldest cloud-files that finds the server's own token file (6.1.1 was reported not to)."""


def _cloud_volume(datastack: DatastackFacts) -> Finding | None:
    stored, file = datastack.server.stored, datastack.cloud_volume
    if "cloud-volume" not in datastack.server.machine.versions or file is None or stored.source is None:
        return None
    if file.token != stored.token:
        what = "another token" if file.token else "no token"
        return warning(f"cloud-volume reads {file.name}, which has {what}", save_from(datastack.server, stored.source))
    if datastack.cached != "" and datastack.cached != stored.token:
        kept = "another token" if datastack.cached else "that there was no token"
        return warning(f"cloud-volume in this kernel still knows {kept}", save_from(datastack.server, stored.source))
    return ok("cloud-volume reads the same token")


def _folder(machine: Machine) -> Finding | None:
    if not machine.cloud_volume_folder:
        return None
    where = plain(machine.cloud_volume_folder, 80)
    return warning(
        "CLOUD_VOLUME_DIR makes cloud-volume look in another folder than CAVEclient",
        Remedy(f"unset CLOUD_VOLUME_DIR (now {where}) and restart the kernel"),
    )


def _cloud_files(machine: Machine) -> Finding | None:
    version = machine.versions.get("cloud-files", "")
    if not version or number(version) >= GOOD_CLOUD_FILES:
        return None
    command = lines.pip_install("-U", "cloud-files", "cloud-volume")
    evidence = f"cloud-files {version} does not find the token of a server's own file"
    return warning(evidence, Remedy(f"{command}, then restart the kernel", (command,)))


CLOUD_VOLUME = Check(
    "cloud-volume", "other readers", "cloud-volume", DatastackFacts, _cloud_volume, (ACCESS,), quiet=True,
    explains="cloud-volume reads another token than caveclient, or keeps an old one in this kernel.",
    mends="`%cave_save --from-file FILE --overwrite` or `%cave_check --fix` gives both the same token.",
)
FOLDER = Check(
    "cloud-volume-folder", "other readers", "CLOUD_VOLUME_DIR", Machine, _folder,
    explains="CLOUD_VOLUME_DIR makes cloud-volume look in another folder than caveclient.",
    mends="Unset CLOUD_VOLUME_DIR and restart the kernel.",
)
CLOUD_FILES = Check(
    "cloud-files", "other readers", "cloud-files", Machine, _cloud_files,
    explains="The installed cloud-files is too old to find a server's own token file.",
    mends="`%pip install -U cloud-files cloud-volume`, then restart the kernel.",
)
CHECKS = (CLOUD_VOLUME, FOLDER, CLOUD_FILES)
