"""Why a package cannot be imported, as data: the cause, the package at fault, where it is, and what repairs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .installer import Installer


class Cause(Enum):
    """Why an import fails, in words; the names in braces are facts of an `ImportFault`, or depend on who reads it."""

    STALE_KERNEL = "a fresh Python can import it: packages, modules or sys.path changed after {this_kernel} started"
    ODD_ENTRY = "sys.path has an entry of type {package}, which is not text; a fresh Python without it can import it"
    OTHER_COPY = "{package} in {folder} hides the copy in {other}; without it the import works"
    VARIABLE = "without the environment variable {package}, the import works"
    STARTUP_FILE = "{each_kernel} runs {package} in {folder} when it starts; without it the import works"
    NO_MODULE_OF_PYTHON = "this Python was built without its module {package}"
    TOO_OLD_FOR_PYTHON = "{package} needs the module {other}, which this Python no longer has"
    MISSING = "{package} is not installed"
    EDITABLE_GONE = "{package} was installed from a folder that no longer exists"
    DAMAGED = "files of {package} in {folder} are missing or damaged: {files}"
    PYTHON_GONE = "{folder}, the {package} of {this_kernel}, no longer exists"
    LOST_LINK = "{folder}, the folder of {package}, is a link to nothing"
    UNREADABLE = "you have no permission to read {package} in {folder}"
    HALF_UPGRADED = "{folder} has metadata of {package} and of {other}: an upgrade was interrupted"
    NOT_INSTALLED = "{folder} contains {package}, which is not installed: it is left over from another version"
    OTHER_BUILD = "{package} in {folder} was built for another Python"
    OTHER_VERSION = "{other}, but {package} is installed"
    OTHER_BINARY = "{package} was compiled for another version of {other}"
    SYSTEM_LIBRARY = "{package} needs {other}, which is missing or too old on this computer"
    MISMATCH = "{package} does not work with {other}"
    UNKNOWN = "{package} cannot be used, and nothing that was tried changes this: {problem}"


class Action(Enum):
    """What repairs it; the values are for readers of the code."""

    RESTART = "only restart the kernel"
    INSTALL = "install or upgrade `specs`"
    REINSTALL = "install `specs` again, over what is there"
    UNINSTALL = "uninstall `specs`"
    LEAVE_OUT = "remove `folder` from `sys.path`"
    RENAME = "rename `folder`, which is what shadows the package"
    UNSET = "unset an environment variable where Jupyter is started"
    OTHER_PYTHON = "use another Python: no environment of this one can help"
    OTHER_ENVIRONMENT = "make another environment: this one cannot be repaired"


class Origin(Enum):
    """Where an entry of `sys.path` comes from, in words that follow its name, as those of `Cause`."""

    ENVIRONMENT = ""
    """This Python's own folder."""
    USER = " (your own packages)"
    """As with `pip install --user`."""
    PYTHONPATH = " (named by PYTHONPATH)"
    NOTEBOOK = " ({notebook_folder})"
    ADDED = " (added to sys.path)"
    """By a `.pth` file, or by code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What repairs an import.

    Attributes:
        action: the kind.
        specs: the packages, such as `pandas<3,>=1.5`; of `UNSET` and `LEAVE_OUT`, the variable.
        folder: the folder to leave out of `sys.path` or to rename.
        unrecorded: whether pip cannot or must not remove the copy that it finds first.
        installer: what can install it here.
    """

    action: Action
    specs: tuple[str, ...] = ()
    folder: str = ""
    unrecorded: bool = False
    installer: Installer = field(default_factory=Installer)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFault:
    """Why an import fails.

    Attributes:
        cause: why.
        package: the package at fault with its version, such as `pandas 3.0.1`; the variable, for `VARIABLE`.
        folder: the folder that it is in, or "".
        origin: where that folder comes from.
        other: the package that needs it or that it does not fit, the folder of the other copy, or the library.
        files: the damaged files.
        repair: what repairs it.
    """

    cause: Cause
    package: str = ""
    folder: str = ""
    origin: Origin = Origin.ENVIRONMENT
    other: str = ""
    files: tuple[str, ...] = ()
    repair: Repair
