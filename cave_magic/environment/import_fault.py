"""Why a package cannot be imported, as data: the cause, the package at fault, where it is, and what repairs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from .installer import Installer


class Cause(Enum):
    """Why an import fails."""

    STALE_KERNEL = auto()
    """A fresh Python imports it: packages, modules or `sys.path` changed after this kernel had started."""
    OTHER_COPY = auto()
    """An earlier folder of `sys.path` has another copy; without that copy, the import works."""
    VARIABLE = auto()
    """Without an environment variable, the import works."""
    STARTUP_FILE = auto()
    """Without a file that Python or IPython runs when it starts, the import works."""
    NO_MODULE_OF_PYTHON = auto()
    """This Python was built without a module of the standard library."""
    TOO_OLD_FOR_PYTHON = auto()
    """The package uses a module that Python has removed."""
    MISSING = auto()
    """A package is not installed."""
    EDITABLE_GONE = auto()
    """It was installed from a folder that no longer exists."""
    DAMAGED = auto()
    """Files that its installation recorded are missing or changed."""
    PYTHON_GONE = auto()
    """The Python of this kernel was removed while the kernel runs."""
    LOST_LINK = auto()
    """Its folder is a link to nothing."""
    UNREADABLE = auto()
    """This user may not read its files."""
    HALF_UPGRADED = auto()
    """Its folder has the metadata of two versions."""
    NOT_INSTALLED = auto()
    """Its folder is there, but it is not installed: what is left of an older version."""
    OTHER_BUILD = auto()
    """It was built for another Python or another kind of computer."""
    OTHER_VERSION = auto()
    """Another package needs another version of it."""
    OTHER_BINARY = auto()
    """It was compiled for another version of a package that it uses."""
    SYSTEM_LIBRARY = auto()
    """It needs a library of the operating system that is missing or too old."""
    MISMATCH = auto()
    """It does not work with the installed version of another package."""
    UNKNOWN = auto()
    """None of these."""


class Action(Enum):
    """What repairs it."""

    RESTART = auto()
    """Nothing but restarting the kernel."""
    INSTALL = auto()
    """Install or upgrade `specs`."""
    REINSTALL = auto()
    """Install `specs` again, over what is there."""
    UNINSTALL = auto()
    """Uninstall `specs`."""
    LEAVE_OUT = auto()
    """Remove `folder` from `sys.path`."""
    RENAME = auto()
    """Rename `folder`, which is what shadows the package."""
    UNSET = auto()
    """Unset an environment variable where Jupyter is started."""
    OTHER_PYTHON = auto()
    """Nothing in an environment of this Python: use another Python."""
    OTHER_ENVIRONMENT = auto()
    """Nothing in this environment: make another one."""


class Origin(Enum):
    """Where an entry of `sys.path` comes from."""

    ENVIRONMENT = auto()
    """This Python's own folder."""
    USER = auto()
    """The user's own folder of packages (`pip install --user`)."""
    PYTHONPATH = auto()
    """The environment variable."""
    NOTEBOOK = auto()
    """The folder of the notebook."""
    ADDED = auto()
    """A `.pth` file, or code that changed `sys.path`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What repairs an import.

    Attributes:
        action: the kind.
        specs: the packages, such as `pandas<3,>=1.5`.
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
