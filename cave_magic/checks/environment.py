"""Is this Python able to use CAVE at all?"""

from __future__ import annotations

from ..doctor import Check, Finding, Remedy, failed, ok, warning
from ..evidence import Machine

_MAIN = ("caveclient", "ipython")
_NAMES = {"ipython": "IPython", "python": "Python"}


def _versions(machine: Machine) -> str:
    names = [name for name in (*_MAIN, "python") if name in machine.versions]
    return ", ".join(f"{_NAMES.get(name, name)} {machine.versions[name]}" for name in names)


def _caveclient(machine: Machine) -> Finding:
    if not machine.caveclient_problem:
        return ok(_versions(machine))
    command = "%pip install -U caveclient"
    have = f"caveclient {machine.versions['caveclient']}" if "caveclient" in machine.versions else "caveclient"
    return failed(
        f"{have} cannot be imported here ({machine.caveclient_problem})",
        Remedy(f"{command}, restart the kernel, then %cave_check", (command, "%cave_check")),
    )


def _home(machine: Machine) -> Finding | None:
    place = machine.place
    if not place.forgets:
        return None
    lines = place.recall or ("%cave_save",)
    keep = f"keep it as CAVE_TOKEN in {place.store}, and" if place.store else "there is no place for secrets here:"
    return warning(
        f"{place.platform} throws this home folder away at the end, and a saved token with it",
        Remedy(f"{keep} begin the next notebook with {', then '.join(lines)}", lines),
    )


def _packages(machine: Machine) -> Finding | None:
    if not machine.unmet:
        return ok("as caveclient asks for them") if "caveclient" in machine.versions else None
    command = "%pip install -U caveclient"
    return warning(
        f"caveclient asks for {' and '.join(machine.unmet[:3])}",
        Remedy(f"{command}, then restart the kernel", (command,)),
    )


CAVECLIENT = Check(
    "environment", "environment", "environment", Machine, _caveclient,
    explains="caveclient cannot be imported in this kernel.",
    mends="`%pip install -U caveclient`, then restart the kernel.",
)
PACKAGES = Check(
    "packages", "environment", "packages", Machine, _packages, (CAVECLIENT,), quiet=True,
    explains="A package that caveclient needs is missing or of the wrong version.",
    mends="`%pip install -U caveclient`, then restart the kernel.",
)
HOME = Check(
    "home", "environment", "home folder", Machine, _home,
    explains="The home folder is thrown away with the session, so a saved token does not last.",
    mends="Keep the token in the secrets of the platform, and begin with the lines that the check prints for it.",
)
CHECKS = (CAVECLIENT, PACKAGES, HOME)
