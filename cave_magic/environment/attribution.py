"""Finds out why an import fails: which package is at fault, and what repairs it. Used only after a failure.

First it tries the import in a fresh Python, then again with one thing changed at a time: without what runs
when Python starts, an environment variable, or the copy of a package that comes first. Whatever makes it work is the
cause. Only if nothing does, it compares the packages involved with their metadata.
"""

from __future__ import annotations

import os
import re
import site
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

from . import distributions
from .distributions import Installed, entries_with, is_changeable, is_same, name_of, normal, origin_of, top_of
from .import_fault import Action, Cause, ImportFault, Origin, Repair
from .import_messages import ABI, LIBRARY, NO_ATTRIBUTE, NO_MODULE, NO_NAME, OTHER_NAMES, REMOVED
from .installer import find_conda, find_installer
from .shadowed import search_path
from .startup import files_of_ipython, files_of_python, find_startup_fault
from .trial import ImportFailure, ImportTrial, Outcome, attempt, is_python_gone, run

_KEPT = frozenset(
    (
        "HOME", "LANG", "PATH", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "USERPROFILE", "APPDATA",
        "LOCALAPPDATA",
    )
)  # fmt: skip
"""The environment variables that every trial keeps; PYTHONPATH only adds to `sys.path`, which is tried separately."""
_MOST_TRIALS = 5
_OWN = "cave_magic"
_STALE = ImportFault(cause=Cause.STALE_KERNEL, repair=Repair(action=Action.RESTART))


class _TimeUp(Exception):
    """A trial did not finish."""


def find_fault(module: str, seconds: Callable[[], float]) -> ImportFault | None:
    """Why the import of a module failed; None if the `seconds` that are left do not suffice to try possible causes."""
    if is_python_gone():
        gone = Repair(action=Action.OTHER_PYTHON)
        return ImportFault(cause=Cause.PYTHON_GONE, package="Python", folder=sys.executable, repair=gone)
    first, entries = run(ImportTrial(module=module), seconds() / 2), list[object](sys.path)
    odd = [type(one).__name__ for one in entries if not isinstance(one, str | os.PathLike)]
    if first.works and odd:
        return replace(_STALE, cause=Cause.ODD_ENTRY, package=odd[0])
    if first.works:
        return find_startup_fault(module, files_of_ipython(), seconds() - 0.5, bare=False) or _STALE
    raised = first.raised or attempt(module)
    if raised is None:  # a second try in this kernel proves nothing
        return None
    try:
        return _Attribution(module, raised, seconds).fault()
    except _TimeUp:
        return None
    except Exception:  # metadata in a form that nobody expects
        unknown = Repair(action=Action.OTHER_ENVIRONMENT, installer=find_installer())
        return ImportFault(cause=Cause.UNKNOWN, package=module.partition(".")[0], repair=unknown)


class _Attribution:
    """The search for the fault behind one failed import."""

    def __init__(self, module: str, raised: ImportFailure, seconds: Callable[[], float]) -> None:
        self._module, self._raised, self._seconds = module, raised, seconds
        self._installed = distributions.all_installed()

    def fault(self) -> ImportFault:
        """The fault: the first one found; those that can be tried come before those that can only be deduced."""
        tried = (self._circumstances, self._other_copy, self._bytecode)
        deduced = (self._unreadable, self._absent, self._broken, self._other_version)
        looks = (*tried, *deduced, self._binary, self._library, self._mismatch)
        if found := next((found for look in looks if (found := look())), None):
            return found
        package = str(self._running() or next(iter(self._parts), None) or self._module.partition(".")[0])
        return ImportFault(cause=Cause.UNKNOWN, package=package, repair=self._repair(Action.OTHER_ENVIRONMENT))

    @cached_property
    def _tops(self) -> tuple[str, ...]:
        """The top-level modules that are involved, those nearest the failure first."""
        said = [name for pattern in (NO_MODULE, NO_NAME, NO_ATTRIBUTE) for name in pattern.findall(self._raised.text)]
        names = (*said, *self._raised.names, *self._running_tops, self._module, _OWN)
        return tuple(dict.fromkeys(name.partition(".")[0] for name in names))

    @cached_property
    def _running_tops(self) -> tuple[str, ...]:
        """The top-level modules whose files the failure names or ran, innermost first, without Python's own."""
        own = os.path.dirname(os.__file__) + os.sep
        others = [file for file in self._raised.files if not file.startswith(own) or "-packages" in file]
        return tuple(dict.fromkeys(filter(None, map(top_of, others))))

    @cached_property
    def _not_found(self) -> str:
        """The module that, according to the last message, cannot be found; "" if it names none."""
        return "".join(NO_MODULE.findall(self._raised.text)[-1:])

    # ---------------------------------------------------------------- who is who

    @cached_property
    def _parts(self) -> tuple[Installed, ...]:
        """The distributions that are involved, those nearest the failure first, caveclient and this package last."""
        owners = (self._owner(top) for top in self._tops)
        return tuple(dict.fromkeys(one for one in owners if one))

    def _owner(self, top: str) -> Installed | None:
        """The distribution whose copy of a module is imported, or another one that owns it."""
        owners = [one for one in self._installed if top in one.modules]
        first = next(entries_with(top), None)
        imported = (one for one in owners if first is not None and is_same(one.folder, first))
        return next(imported, None) or next(iter(owners), None)

    def _running(self, other_than: str = "") -> Installed | None:
        """The innermost distribution whose code was running."""
        owners = (self._owner(top) for top in self._running_tops if top not in (other_than, _OWN))
        return next((one for one in owners if one), None)

    def _spec(self, name: str) -> str:
        """The package with the versions that the others involved accept, unless they accept all newer ones."""
        with suppress(Exception):  # without packaging
            return name + distributions.accepted(name, self._parts)
        return name

    # ---------------------------------------------------------------- what was tried

    def _try(self, *trials: ImportTrial) -> ImportTrial | None:
        """Runs all trials at the same time; the first in which the import works, or None.

        Raises:
            _TimeUp: it works in none, and one that could be started has not finished.
        """
        if not trials:
            return None
        with ThreadPoolExecutor(len(trials)) as pool:
            outcomes: list[Outcome] = list(pool.map(lambda one: run(one, self._seconds() - 0.5), trials))
        works = next((trial for trial, outcome in zip(trials, outcomes, strict=True) if outcome.works), None)
        if works is None and not all(one.finished for one in outcomes if one.possible):
            raise _TimeUp
        return works

    def _circumstances(self) -> ImportFault | None:
        """A folder that this kernel no longer searches, a file that runs first, or a variable."""
        names = tuple(name for name in os.environ if name.upper() not in _KEPT)
        trials = [ImportTrial(module=self._target, bare=True), ImportTrial(module=self._target, without=names)]
        if not all(one in sys.path for one in site.getsitepackages() if os.path.isdir(one)):
            trials.insert(0, ImportTrial(module=self._module, own_path=True))
        works = self._try(*trials)
        if works is None:
            return None
        if works.bare:
            return find_startup_fault(self._target, files_of_python(), self._seconds() - 0.5, bare=True)
        return _STALE if works.own_path else self._variable(names)

    def _variable(self, names: tuple[str, ...]) -> ImportFault | None:
        """The environment variable without which the import works; leaves out a few at a time."""
        while len(names) > 1:
            parts = [names[at::_MOST_TRIALS] for at in range(min(_MOST_TRIALS, len(names)))]
            works = self._try(*(ImportTrial(module=self._target, without=part) for part in parts))
            if works is None:
                return None
            names = works.without
        return ImportFault(cause=Cause.VARIABLE, package=names[0], repair=Repair(action=Action.UNSET, specs=names))

    def _other_copy(self) -> ImportFault | None:
        """A package of which an earlier entry of `sys.path` has another copy than a later one."""
        copies = {top: list(entries_with(top)) for top in self._candidates()}
        double = {top: found for top, found in copies.items() if len(found) > 1}
        trials = list(dict.fromkeys(self._without((top,), entry) for top, (entry, *_) in double.items()))[:_MOST_TRIALS]
        users = [top for top, (entry, *_) in double.items() if origin_of(entry) is Origin.USER]
        if len(every := tuple(top for top in users if is_changeable(double[top][0]))) > 1:
            trials.append(self._without(every, double[every[0]][0]))
        works = self._try(*trials)
        if works is None:
            return None
        tops = works.hidden or tuple(top for top, found in double.items() if found[0] == works.folder)
        return self._copy_fault(works.folder, tops, double[tops[0]][1])

    def _without(self, tops: tuple[str, ...], entry: str) -> ImportTrial:
        """Leaves out the copies in an entry of `sys.path`, or the whole entry if they cannot be changed alone."""
        alone = is_changeable(entry)
        return ImportTrial(module=self._target, hidden=tops if alone else (), folder=entry, without_entry=not alone)

    def _bytecode(self) -> ImportFault | None:
        """Files in `__pycache__` that are damaged, or older than they claim; an import without them takes longest."""
        if not self._parts or self._try(ImportTrial(module=self._target, recompiled=True)) is None:
            return None
        return self._found(Cause.DAMAGED, self._parts[0], Action.REINSTALL, files=("__pycache__",))

    def _candidates(self) -> Iterator[str]:
        """The modules that may have several copies: those involved, and what they need."""
        yield from self._tops
        for one in self._parts:
            with suppress(Exception):
                yield from (name_of(need).replace("-", "_") for need in one.metadata.requires or ())

    @cached_property
    def _target(self) -> str:
        """What the trials import: one of the packages involved if it fails on its own, too, since that is fast."""
        others = [top for top in self._running_tops if top not in ("caveclient", _OWN)]
        fails = others and run(ImportTrial(module=others[-1]), self._seconds() / 2).raised
        return others[-1] if fails else self._module

    def _copy_fault(self, entry: str, tops: tuple[str, ...], other: str) -> ImportFault:
        origin, folder = origin_of(entry), os.path.abspath(entry)
        found = [one for one in self._installed if is_same(one.folder, entry) and one.modules & set(tops)]
        package = str(found[0]) if found else tops[0]
        owned = {top for one in found for top in one.modules & set(tops)}
        if not is_changeable(entry):
            repair = _left_out(entry)
        elif origin is not Origin.NOTEBOOK and owned == set(tops) and all(one.has_record for one in found):
            repair = self._repair(Action.UNINSTALL, *dict.fromkeys(one.name for one in found))
        else:
            in_the_way = folder if folder.endswith(".egg") else distributions.file_of(tops[0], entry)
            repair = Repair(action=Action.RENAME, folder=in_the_way)
        return ImportFault(
            cause=Cause.OTHER_COPY, package=package, folder=folder, origin=origin, other=other, repair=repair
        )

    # ---------------------------------------------------------------- what the metadata says

    def _unreadable(self) -> ImportFault | None:
        """A package whose files this user may not read."""
        places = [os.path.join(entry, top) for top in self._tops for entry in search_path()]
        files = (*self._raised.files, *(f"{one}{end}" for one in places for end in ("", os.sep + "__init__.py", ".py")))
        closed = next((one for one in files if os.path.exists(one) and not os.access(one, os.R_OK)), None)
        top = top_of(closed) if closed else ""
        if closed is None or not top:
            return None
        if owner := self._owner(top):
            return self._found(Cause.UNREADABLE, owner, Action.REINSTALL)
        return self._unowned(Cause.UNREADABLE, top, closed.rpartition(f"{os.sep}{top}")[0], Action.REINSTALL)

    def _absent(self) -> ImportFault | None:
        """A module that cannot be found: of Python itself, of no package, or of a package that has lost it."""
        top = self._not_found.partition(".")[0]
        if not top or next(entries_with(top), None) is not None or top in sys.builtin_module_names:
            return None
        by = self._running(other_than=top)
        if top in sys.stdlib_module_names:
            repair = Repair(action=Action.OTHER_PYTHON)
            return ImportFault(cause=Cause.NO_MODULE_OF_PYTHON, package=top, repair=repair)
        if top in REMOVED and by is not None:
            return self._found(Cause.TOO_OLD_FOR_PYTHON, by, Action.INSTALL, other=top)
        links = (os.path.join(entry, top) for entry in search_path())
        if link := next((one for one in links if os.path.islink(one) and not os.path.exists(one)), ""):
            repair = Repair(action=Action.RENAME, folder=link)  # pip does not replace it
            return ImportFault(cause=Cause.LOST_LINK, package=top, folder=link, repair=repair)
        if owner := self._owner(top):
            cause = Cause.EDITABLE_GONE if owner.is_editable_gone else Cause.DAMAGED
            return self._found(cause, owner, Action.REINSTALL, files=() if cause is Cause.EDITABLE_GONE else (top,))
        spec = self._missing_spec(top, by)
        if by and any(need.have and normal(need.name) == normal(name_of(spec)) for need in by.unmet):
            return None  # a version that lacks the module is installed
        in_sight = {one.name for one in distributions.all_installed(distributions.folders_of_pythonpath())}
        hides = normal(name_of(spec)) in in_sight  # pip would say that it is installed
        repair = self._repair(Action.REINSTALL if hides else Action.INSTALL, spec, needed_by=by, unrecorded=hides)
        return ImportFault(cause=Cause.MISSING, package=top, other=str(by or ""), repair=repair)

    def _missing_spec(self, top: str, by: Installed | None) -> str:
        """The distribution to install for a missing module."""
        needs = {one.name: one for one in (by.unmet if by else ())}
        same = next((name for name in needs if normal(name) == normal(top)), "")
        name = same or OTHER_NAMES.get(top) or (next(iter(needs)) if len(needs) == 1 else top)
        return self._spec(normal(name)) if re.fullmatch(r"[\w.-]+", name) else name

    def _broken(self) -> ImportFault | None:
        """A package whose files are not those that were installed, or were installed for another Python."""
        for top in self._tops:
            folder = next(entries_with(top), None)
            one = self._owner(top)
            if one is None:
                is_own = top in (*sys.stdlib_module_names, _OWN, "__main__", "")
                if folder is not None and origin_of(folder) is not Origin.NOTEBOOK and not is_own:
                    return self._unowned(Cause.NOT_INSTALLED, top, folder, Action.INSTALL)
                continue
            if one.is_editable_gone:
                return self._found(Cause.EDITABLE_GONE, one, Action.REINSTALL)
            if one.is_of_another_python or self._has_other_builds(one):
                return self._found(Cause.OTHER_BUILD, one, Action.REINSTALL)
            if others := [two for two in self._installed if two.name == one.name and two.folder == one.folder][1:]:
                return self._found(Cause.HALF_UPGRADED, one, Action.REINSTALL, other=str(others[0]))
            if files := one.damaged_files(self._raised.files, everywhere=top in self._tops[:2]):
                return self._found(Cause.DAMAGED, one, Action.REINSTALL, files=files)
            if top == self._tops[0] and not one.has_record:
                return self._found(Cause.DAMAGED, one, Action.REINSTALL, files=("RECORD",))
        return None

    def _has_other_builds(self, one: Installed) -> bool:
        """Whether a compiled module that is missing is there for another Python."""
        parent, _, name = self._not_found.rpartition(".")
        folder = os.path.join(one.folder, *parent.split("."))
        with suppress(OSError):
            files = os.listdir(folder) if name else ()
            return any(one.startswith(f"{name}.") and one.endswith((".so", ".pyd")) for one in files)
        return False

    def _other_version(self) -> ImportFault | None:
        """A package whose version another package involved does not accept."""
        tops = {normal(top) for top in self._tops}
        unmet = [(one, need) for one in self._parts for need in one.unmet]
        if not unmet:
            return None
        by, need = min(unmet, key=lambda pair: normal(pair[1].name) not in tops)
        name = normal(need.name)
        package = f"{name} {need.have}".rstrip()
        folder = next((one.folder for one in self._installed if one.name == name), "")
        repair = self._repair(Action.INSTALL, f"{name}{need.specifier}", folder=folder, needed_by=by)
        cause = Cause.OTHER_VERSION if need.have else Cause.MISSING
        return ImportFault(cause=cause, package=package, other=f"{by} needs {name}{need.specifier}", repair=repair)

    def _binary(self) -> ImportFault | None:
        """A package that was compiled for another version of numpy (or another package) than the installed one."""
        found = ABI.search(self._raised.text)
        if found is None:
            return None
        base = found[1] or "numpy"
        one, other = self._running(other_than=base), self._owner(base)
        return self._found(Cause.OTHER_BINARY, one, Action.REINSTALL, other=str(other or base)) if one else None

    def _library(self) -> ImportFault | None:
        """A package that needs a library of the operating system."""
        found = LIBRARY.search(self._raised.text)
        one = self._running()
        if found is None or one is None:
            return None
        return self._found(Cause.SYSTEM_LIBRARY, one, Action.REINSTALL, other=next(filter(None, found.groups())))

    def _mismatch(self) -> ImportFault | None:
        """A package that uses something that the installed version of another package lacks."""
        said = (pattern.findall(self._raised.text)[-1:] for pattern in (NO_MODULE, NO_NAME, NO_ATTRIBUTE))
        tops = [name.partition(".")[0] for names in said for name in names]
        pairs = [(self._running(other_than=top), self._owner(top)) for top in tops]
        one = self._running()
        pairs += [(one, two) for two in self._installed if one and two.name != one.name and self._is_quoted(two)]
        for one, other in pairs:
            if one and other and one is not other:
                repair = self._repair(Action.INSTALL, *map(self._spec, (one.name, other.name)), needed_by=one)
                return ImportFault(cause=Cause.MISMATCH, package=str(one), other=str(other), repair=repair)
        return None

    def _is_quoted(self, one: Installed) -> bool:
        """Whether a message names a package and its version, as in `pyarrow requires NumPy 2.0, found 1.24.4`."""
        has_name = re.search(rf"\b{re.escape(one.name)}\b", self._raised.text, re.IGNORECASE)
        return bool(has_name and re.search(rf"\b{re.escape(one.version)}(?![.\d])", self._raised.text))

    # ---------------------------------------------------------------- what repairs it

    def _unowned(self, cause: Cause, top: str, folder: str, action: Action) -> ImportFault:
        """The fault of a module that no distribution owns."""
        repair = self._repair(action, self._spec(normal(OTHER_NAMES.get(top, top))), folder=folder)
        return ImportFault(cause=cause, package=top, folder=folder, origin=origin_of(folder), repair=repair)

    def _found(
        self, cause: Cause, one: Installed, action: Action, other: str = "", files: tuple[str, ...] = ()
    ) -> ImportFault:
        spec = self._spec(one.name)
        if action is Action.REINSTALL and not one.has_record and cause is not Cause.EDITABLE_GONE:
            spec = f"{one.name}=={one.version}"  # so that the new metadata replaces the old
        return ImportFault(
            cause=cause,
            package=str(one),
            folder=one.folder,
            origin=origin_of(one.folder),
            other=other,
            files=files,
            repair=self._repair(action, spec, folder=one.folder, needed_by=one, unrecorded=not one.has_record),
        )

    def _repair(
        self,
        action: Action,
        *specs: str,
        folder: str = "",
        needed_by: Installed | None = None,
        unrecorded: bool = False,
    ) -> Repair:
        """What repairs it here: a folder that is not part of this environment is left out, or renamed."""
        origin = origin_of(folder) if folder else Origin.ENVIRONMENT
        if origin in (Origin.PYTHONPATH, Origin.ADDED):
            return _left_out(folder)
        if origin is Origin.NOTEBOOK:
            return Repair(action=Action.RENAME, folder=folder)
        installer = find_installer()
        with suppress(Exception):  # no metadata
            if needed_by is not None and (needed_by.metadata.read_text("INSTALLER") or "").strip() == "conda":
                installer = find_conda(needed_by.name) or installer
        if not installer.tool:
            action, specs = Action.OTHER_ENVIRONMENT, ()
        return Repair(action=action, specs=specs, folder=folder, unrecorded=unrecorded, installer=installer)


def _left_out(folder: str) -> Repair:
    variable = ("PYTHONPATH",) if origin_of(folder) is Origin.PYTHONPATH else ()
    return Repair(action=Action.LEAVE_OUT, folder=folder, specs=variable)
