"""Says why a package cannot be imported, and what repairs it. Imported only if an import failed."""

from __future__ import annotations

from pathlib import Path

from ...credentials.token_files import show_path
from ...environment.import_fault import Action, Cause, ImportFault, Origin, Repair
from ...ui.document import Line, Span, filled, line
from ...ui.door import either, in_shell
from ...ui.redact import sanitize
from .. import next_steps, variables

_DOUBTFUL = (Cause.UNKNOWN, Cause.MISMATCH)
"""Causes that a file which shadows a package explains better."""


def is_sure(fault: ImportFault) -> bool:
    """Whether the fault is a better explanation than a file that shadows a package."""
    return fault.cause not in _DOUBTFUL and fault.origin is not Origin.NOTEBOOK


def said_of(fault: ImportFault, problem: str) -> Line:
    """Why a package cannot be imported; only names of packages may be shared."""
    more = f" and {len(fault.files) - 1} more" if len(fault.files) > 1 else ""
    is_path = fault.cause is Cause.OTHER_COPY
    here = {
        "this_kernel": either("this kernel", "this program"),
        "each_kernel": either("each kernel", "every Python"),
        "notebook_folder": either("the folder of the notebook", "the current folder"),
    }
    parts = {
        "package": line(sanitize(fault.package, 80, shareable=True)),
        "other": line(sanitize(fault.other, 200, shareable=not is_path)),
        "folder": line(Span(show_path(Path(fault.folder)), private=True), filled(fault.origin.value, here)),
        "files": line(sanitize("".join(fault.files[:1]), 100, shareable=True), more),
        "problem": line(problem),
    }
    said = filled(fault.cause.value, {**here, **parts})
    needs = line(", and ", sanitize(fault.other, 80, shareable=True), " needs it")
    return line(said, needs) if fault.cause is Cause.MISSING and fault.other else said


def repaired(repair: Repair) -> Line:
    """What repairs an import, up to the next check."""
    by, specs = repair.installer, repair.specs
    if repair.action is Action.RESTART:
        return line("restart the kernel")
    if repair.action is Action.OTHER_PYTHON:
        return line(either("choose a kernel with", "use"), " another Python")
    if repair.action is Action.UNSET:
        jupyter = f"unset {specs[0]} where Jupyter is started, restart Jupyter"
        return line(variables.without_variable(specs[0]) if in_shell() else jupyter)
    if repair.action is Action.RENAME:
        return line(next_steps.move_away(Path(repair.folder)), either(", restart the kernel", ""))
    if repair.action is Action.LEAVE_OUT:
        # In a shell, the next program would find a folder of PYTHONPATH again.
        is_named, folder = in_shell() and bool(repair.specs), repair.folder
        typed = variables.without_folder(repair.specs[0], folder) if is_named else next_steps.leave_out(folder)
        return line(either("restart the kernel, begin the notebook with ", "leave it out: "), typed)
    if repair.action is Action.UNINSTALL:
        return next_steps.uninstall(by, *specs)
    if repair.action is Action.OTHER_ENVIRONMENT:
        return next_steps.other_environment(by)
    return next_steps.install(by, *specs, again=repair.action is Action.REINSTALL, over=repair.unrecorded)
