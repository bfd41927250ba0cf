"""Can this Python use CAVE at all?"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ...credentials.token_files import show_path
from ...environment.import_fault import Action, Cause, ImportFault, Origin, Repair
from ...environment.shadowed import ShadowingFile
from ...redact import sanitize
from ...ui.document import Line, Span, joined, line
from .. import next_steps
from ..evidence import Machine
from ..model import Check, Finding, NextStep, advise, failed, ok, then, warning
from .resources import RESOURCES

_NAMES = {"caveclient": "caveclient", "ipython": "IPython", "python": "Python"}


def _requests(machine: Machine) -> Finding | None:
    return _not_importable("requests", machine.requests_problem, machine) if machine.requests_problem else None


def _caveclient(machine: Machine) -> Finding:
    if machine.caveclient_problem:
        return _not_importable("caveclient", machine.caveclient_problem, machine)
    if harmful := _harmful(machine):
        said, step = _in_the_way(harmful, machine)
        return warning(said, next_step=step)
    versions = machine.versions
    return ok(", ".join(f"{shown} {versions[name]}" for name, shown in _NAMES.items() if name in versions))


def _not_importable(name: str, problem: str, machine: Machine) -> Finding:
    fault, blamed = machine.import_fault, _harmful(machine) or machine.shadowing_files
    is_explained = fault and fault.cause not in _DOUBTFUL and fault.origin is not Origin.NOTEBOOK
    if blamed and not is_explained:
        said, rename = _in_the_way(blamed, machine)
        return failed(said, next_step=rename)
    shown = f"{name} {machine.versions.get(name, '')}".rstrip()
    if fault is None:
        longer = next_steps.with_option(machine.check_command, "--timeout 60")
        return failed(f"{shown} cannot be imported ({problem}); there was no time to see why", next_step=advise(longer))
    said = line(f"{shown} cannot be imported: ", said_of(fault, problem))
    return failed(said, next_step=then(repaired(fault.repair), machine.check_command))


_DOUBTFUL = (Cause.UNKNOWN, Cause.MISMATCH)
"""Causes that a file which shadows a package explains better."""

_SAID = {
    Cause.STALE_KERNEL: "a fresh Python can import it: packages changed after this kernel had imported them",
    Cause.OTHER_COPY: "{package} in {folder} hides the copy in {other}; without it the import works",
    Cause.VARIABLE: "without the environment variable {package}, the import works",
    Cause.NO_MODULE_OF_PYTHON: "this Python was built without its module {package}",
    Cause.TOO_OLD_FOR_PYTHON: "{package} needs the module {other}, which this Python no longer has",
    Cause.MISSING: "{package} is not installed",
    Cause.EDITABLE_GONE: "{package} was installed from a folder that no longer exists",
    Cause.DAMAGED: "files of {package} in {folder} are missing or damaged: {files}",
    Cause.HALF_UPGRADED: "{folder} has metadata of {package} and of {other}: an upgrade was interrupted",
    Cause.NOT_INSTALLED: "{folder} contains {package}, which is not installed: it is left over from another version",
    Cause.OTHER_BUILD: "{package} in {folder} was built for another Python",
    Cause.OTHER_VERSION: "{other}, but {package} is installed",
    Cause.OTHER_BINARY: "{package} was compiled for another version of {other}",
    Cause.SYSTEM_LIBRARY: "{package} needs {other}, which is missing or too old on this computer",
    Cause.MISMATCH: "{package} does not work with {other}",
    Cause.UNKNOWN: "{package} is as it was installed, and nothing that was tried changes this: {problem}",
}
"""What is said of each cause; the names in braces are those of `ImportFault`."""

_ORIGINS = {
    Origin.ENVIRONMENT: "",
    Origin.USER: " (your own packages)",
    Origin.PYTHONPATH: " (named by PYTHONPATH)",
    Origin.NOTEBOOK: " (the folder of the notebook)",
    Origin.ADDED: " (added to sys.path)",
}


def said_of(fault: ImportFault, problem: str) -> Line:
    """Why a package cannot be imported; only names of packages may be shared."""
    more = f" and {len(fault.files) - 1} more" if len(fault.files) > 1 else ""
    is_path = fault.cause is Cause.OTHER_COPY
    parts: dict[str, Line] = {
        "package": line(sanitize(fault.package, 80, shareable=True)),
        "other": line(sanitize(fault.other, 200, shareable=not is_path)),
        "folder": line(Span(show_path(Path(fault.folder)), private=True), _ORIGINS[fault.origin]),
        "files": line(sanitize("".join(fault.files[:1]), 100, shareable=True), more),
        "problem": line(problem),
    }
    words = re.split(r"\{(\w+)\}", _SAID[fault.cause])
    said = line(*(parts[word] if at % 2 else word for at, word in enumerate(words)))
    needs = line(", and ", sanitize(fault.other, 80, shareable=True), " needs it")
    return line(said, needs) if fault.cause is Cause.MISSING and fault.other else said


def repaired(repair: Repair) -> Line:
    """What repairs an import, up to the next check."""
    by, specs = repair.installer, repair.specs
    if repair.action is Action.RESTART:
        return line("restart the kernel")
    if repair.action is Action.OTHER_PYTHON:
        return line("choose a kernel with another Python")
    if repair.action is Action.UNSET:
        return line(f"unset {specs[0]} where Jupyter is started, start it again")
    if repair.action is Action.RENAME:
        return line(next_steps.move_away(Path(repair.folder)), ", restart the kernel")
    if repair.action is Action.LEAVE_OUT:
        return line("restart the kernel, begin the notebook with ", next_steps.leave_out(repair.folder))
    if repair.action is Action.UNINSTALL:
        return next_steps.uninstall(by, *specs)
    if repair.action is Action.OTHER_ENVIRONMENT:
        return next_steps.other_environment(by)
    return next_steps.install(by, *specs, again=repair.action is Action.REINSTALL, over=repair.unrecorded)


def _harmful(machine: Machine) -> tuple[ShadowingFile, ...]:
    return tuple(one for one in machine.shadowing_files if one.harms)


def _in_the_way(shadowing: Sequence[ShadowingFile], machine: Machine) -> tuple[Line, NextStep]:
    """What is said of files that shadow packages, and the next step: each is a cause of its own, so all are named."""
    said = [line(Span(show_path(Path(one.path)), private=True), f" {one.words}") for one in shadowing]
    names = " and ".join(os.path.basename(one.path) for one in shadowing)
    return joined(" and ", said), then(f"rename {names}, restart the kernel", machine.check_command)


def _home(machine: Machine) -> Finding | None:
    runtime = machine.runtime
    if not runtime.is_ephemeral:
        return None
    kept = runtime.secrets_name or ("" if machine.can_ask else "an environment variable")
    keep = f"keep it as CAVE_TOKEN in {kept}, and" if kept else "secrets cannot be kept here:"
    return warning(
        f"{runtime.platform} deletes this home folder, with any saved token, at the end of the session",
        next_step=advise(f"{keep} begin the next notebook with ", joined(", then ", machine.save_commands)),
    )


def _packages(machine: Machine) -> Finding | None:
    if machine.unmet_requirements is None:
        return None
    if not machine.unmet_requirements:
        return ok("all of caveclient's requirements are met") if "caveclient" in machine.versions else None
    unmet = machine.unmet_requirements[:3]
    step = next_steps.install(machine.installer, *(f"{one.name}{one.specifier}" for one in unmet))
    return warning(f"caveclient needs {' and '.join(map(str, unmet))}", next_step=then(step, machine.check_command))


REQUESTS = Check(
    id="requests",
    group="environment",
    title="requests",
    about=Machine,
    look=_requests,
    needs=(RESOURCES,),
    explains="The package requests cannot be imported in this kernel, so no request can be sent.",
    fixed_by="The check names the package at fault, and prints the line that installs, replaces or removes it here.",
)
CAVECLIENT = Check(
    id="environment",
    group="environment",
    title="environment",
    about=Machine,
    look=_caveclient,
    needs=(REQUESTS,),
    explains="caveclient cannot be imported in this kernel, or a file in the notebook's folder shadows a package.",
    fixed_by="The check names the package at fault, and prints the line that installs, replaces or removes it here; a "
    "file is renamed.",
)
PACKAGES = Check(
    id="packages",
    group="environment",
    title="packages",
    about=Machine,
    look=_packages,
    needs=(CAVECLIENT,),
    quiet=True,
    explains="A package that caveclient needs is missing or has the wrong version.",
    fixed_by='The line that the check prints, such as `%pip install -U "pandas<3"`, then restart the kernel.',
)
HOME = Check(
    id="home",
    group="environment",
    title="home folder",
    about=Machine,
    look=_home,
    explains="The home folder is deleted when the session ends, and a saved token with it.",
    fixed_by="Keep the token in the platform's secrets, and begin each notebook with the lines that the check prints: "
    "they read it from there and save it with `%cave_save`.",
)
CHECKS = (REQUESTS, CAVECLIENT, PACKAGES, HOME)
