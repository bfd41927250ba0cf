"""Can this kernel open files and connections at all?"""

from __future__ import annotations

from pathlib import Path

from ...credentials.token_files import show_path
from .. import next_steps
from ..evidence import Machine
from ..model import Check, Finding, failed, then


def _resources(machine: Machine) -> Finding | None:
    found = machine.shortage
    return failed(found.words, next_step=then(found.advice, machine.check_command)) if found else None


def _netrc(machine: Machine) -> Finding | None:
    found = machine.harmful_netrc
    if found is None:
        return None
    path = Path(found.path)
    command = next_steps.without_variable("NETRC") if machine.netrc_variable else next_steps.move_away(path)
    return failed(f"{show_path(path)} {found.harm.value}", next_step=then(command, machine.check_command))


RESOURCES = Check(
    id="resources",
    group="environment",
    title="resources",
    about=Machine,
    look=_resources,
    explains="This kernel has too many open files, or no memory or threads left, so that nothing else can be checked.",
    fixed_by="Restart the kernel, or delete large variables.",
)
NETRC = Check(
    id="netrc",
    group="environment",
    title=".netrc",
    about=Machine,
    look=_netrc,
    explains="The file with passwords that requests reads is a pipe, a device, huge or not text, so no request works.",
    fixed_by="The check prints the line that moves it away, or unsets the variable that names it.",
)
CHECKS = (RESOURCES, NETRC)
