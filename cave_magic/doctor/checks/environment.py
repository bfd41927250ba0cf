"""Can this Python use CAVE at all?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from ...credentials.token_files import show_path
from ...environment.shadowed import ShadowingFile
from ...ui.document import Line, Span, joined, line
from ...ui.door import either
from ...ui.redact import sanitize
from .. import next_steps, variables
from ..evidence import Machine
from ..model import Check, Finding, NextStep, Status, advise, failed, ok, then, unknown, warning

_NAMES = {"caveclient": "caveclient", "ipython": "IPython", "python": "Python"}


def _resources(machine: Machine) -> Finding | None:
    found = machine.shortage
    return failed(found.words, next_step=then(found.advice, machine.check_command)) if found else None


def _netrc(machine: Machine) -> Finding | None:
    found = machine.harmful_netrc
    if found is None:
        return None
    path = Path(found.path)
    command = variables.without_variable("NETRC") if machine.netrc_variable else next_steps.move_away(path)
    return failed(f"{show_path(path)} {found.harm.value}", next_step=then(command, machine.check_command))


def _requests(machine: Machine) -> Finding | None:
    return _not_importable("requests", machine.requests_problem, machine) if machine.requests_problem else None


def _caveclient(machine: Machine) -> Finding:
    if machine.caveclient_problem:
        return _not_importable("caveclient", machine.caveclient_problem, machine)
    if machine.import_unfinished and not machine.import_awaited:
        return Finding(status=Status.SKIPPED, evidence=line("caveclient is still being imported"))
    if machine.import_unfinished:
        longer = next_steps.with_option(machine.check_command, "--timeout 60")
        evidence = "the import of caveclient did not finish in time: a package waits, or the disk is slow"
        return unknown(evidence, next_step=advise(either("restart the kernel, then ", ""), longer))
    if harmful := _harmful(machine):
        said, step = _in_the_way(harmful, machine)
        return warning(said, next_step=step)
    versions = machine.versions
    shown = ", ".join(f"{shown} {versions[name]}" for name, shown in _NAMES.items() if name in versions)
    return ok(shown, _slow(machine))


def _slow(machine: Machine) -> Line:
    """What makes the import slow, and what can be done about it; nothing if nothing is known."""
    slow = machine.slow_import
    if slow is None:
        return ()
    name = sanitize(slow.package, 80, shareable=True)
    said = line(
        f"; {slow.seconds:.1f} of the {slow.total:.1f} s of its import went to ", name, ", which it does not require"
    )
    if slow.needed_by:
        by = sanitize(" and ".join(slow.needed_by[:3]), 200, shareable=True)
        return line(said, " but ", by, " does: an environment without it imports caveclient faster")
    return line(
        said, ", nor does any installed package: ", next_steps.uninstall(machine.find_installer(), slow.package)
    )


def _not_importable(name: str, problem: str, machine: Machine) -> Finding:
    from . import import_faults  # lazily: only after a failure

    fault, blamed = machine.import_fault, _harmful(machine) or machine.shadowing_files
    if blamed and not (fault and import_faults.is_sure(fault)):
        said, rename = _in_the_way(blamed, machine)
        return failed(said, next_step=rename)
    shown = f"{name} {machine.versions.get(name, '')}".rstrip()
    if fault is None:
        longer = next_steps.with_option(machine.check_command, "--timeout 60")
        return failed(f"{shown} cannot be imported ({problem}); there was no time to see why", next_step=advise(longer))
    said = line(f"{shown} cannot be imported: ", import_faults.said_of(fault, problem))
    return failed(said, next_step=then(import_faults.repaired(fault.repair), machine.check_command))


def _harmful(machine: Machine) -> tuple[ShadowingFile, ...]:
    return tuple(one for one in machine.shadowing_files if one.harms)


def _in_the_way(shadowing: Sequence[ShadowingFile], machine: Machine) -> tuple[Line, NextStep]:
    """What is said of files that shadow packages, and the next step: each is a cause of its own, so all are named."""
    said = [line(Span(show_path(Path(one.path)), private=True), f" {one.words}") for one in shadowing]
    moves = joined(", ", (next_steps.move_away(Path(one.path)) for one in shadowing))
    return joined(" and ", said), then(line(moves, either(", restart the kernel", "")), machine.check_command)


def _home(machine: Machine) -> Finding | None:
    runtime = machine.runtime
    if not runtime.is_ephemeral:
        return None
    kept = runtime.secrets_name or ("" if machine.can_ask else "an environment variable")
    keep = f"keep it as CAVE_TOKEN in {kept}, and" if kept else "secrets cannot be kept here:"
    evidence = f"{runtime.platform} deletes this home folder, with any saved token, at the end of the session"
    save = next_steps.recall(runtime, machine.target) if kept else (next_steps.save(machine.target),)
    begin = f"{keep} begin the next {either('notebook', 'session')} with "
    return warning(evidence, next_step=advise(begin, joined(", then ", save)))


def _packages(machine: Machine) -> Finding | None:
    if machine.unmet_requirements is None:
        return None
    if not machine.unmet_requirements:
        return ok("all of caveclient's requirements are met") if "caveclient" in machine.versions else None
    replaced = {one.name for one in machine.unmet_requirements}  # what an old version requires does not count
    unmet = [one for one in machine.unmet_requirements if one.by not in replaced][:3]
    step = next_steps.install(machine.find_installer(), *(f"{one.name}{one.specifier}" for one in unmet))
    said = (f"{by} needs {' and '.join(map(str, needs))}" for by, needs in groupby(unmet, key=lambda one: one.by))
    return warning("; ".join(said), next_step=then(step, machine.check_command))


_check = partial(Check, group="environment", about=Machine)

RESOURCES = _check(
    id="resources",
    title="resources",
    look=_resources,
    explains="This kernel has too many open files, or no memory or threads left, so that nothing else can be checked.",
    fixed_by="Restart the kernel, or delete large variables.",
)
NETRC = _check(
    id="netrc",
    title=".netrc",
    look=_netrc,
    explains="The file with passwords that requests reads is a pipe, a device, huge or not text, so no request works.",
    fixed_by="The check prints the line that moves it away, or unsets the variable that names it.",
)
REQUESTS = _check(
    id="requests",
    title="requests",
    look=_requests,
    needs=(RESOURCES,),
    quiet=False,
    explains="The package requests cannot be imported in this kernel, so no request can be sent.",
    fixed_by="The check names the package at fault, and prints the line that installs, replaces or removes it here.",
)
CAVECLIENT = _check(
    id="environment",
    title="environment",
    look=_caveclient,
    needs=(REQUESTS,),
    quiet=False,
    explains="caveclient cannot be imported in this kernel, or a file in the notebook's folder shadows a package.",
    fixed_by="The check names the package at fault, and prints the line that installs, replaces or removes it here; a "
    "file is renamed.",
)
PACKAGES = _check(
    id="packages",
    title="packages",
    look=_packages,
    needs=(CAVECLIENT,),
    explains="A package that cave-magic or caveclient needs is missing or has the wrong version.",
    fixed_by="The line that the check prints, such as {package}{restart}.",
)
HOME = _check(
    id="home",
    title="home folder",
    look=_home,
    quiet=False,
    explains="The home folder is deleted when the session ends, and a saved token with it.",
    fixed_by="Keep the token in the platform's secrets, and begin each notebook with the lines that the check prints: "
    "they read it from there and save it with {save}.",
)
CHECKS = (RESOURCES, NETRC, REQUESTS, CAVECLIENT, PACKAGES, HOME)
