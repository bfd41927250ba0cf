"""A pytest plugin: this package runs without the modules and names that Python lacks on Windows.

`python -m pytest -p tests.support.without_posix` hides them from this package only: what it imports works as usual. It
also treats this computer as one with Windows; its paths and shells stay those of this computer.
"""

from __future__ import annotations

import builtins
import os
import signal
from types import ModuleType
from typing import Any

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
NAMES = {
    os: {
        *["chflags", "chown", "chroot", "confstr", "ctermid", "eventfd", "fchdir", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid"],
        *["getgrouplist", "getgroups", "getloadavg", "getpgid", "getpgrp", "getpriority", "getresgid", "getresuid", "getsid", "getuid"],
        *["initgroups", "killpg", "lchmod", "lchown", "lockf", "login_tty", "major", "makedev", "minor", "mkfifo", "mknod", "nice", "openpty", "pathconf"],
        *["posix_fallocate", "posix_spawn", "posix_spawnp", "pread", "pwrite", "readv", "sched_getaffinity", "sendfile", "setegid"],
        *["seteuid", "setgid", "setgroups", "setpgid", "setpriority", "setsid", "setuid", "statvfs", "sync", "sysconf", "tcgetpgrp", "ttyname", "uname"],
        *["wait", "wait3", "wait4", "waitid", "writev", "O_ACCMODE", "O_ASYNC", "O_CLOEXEC", "O_DIRECT", "O_DIRECTORY", "O_DSYNC", "O_NDELAY"],
        *["O_NOATIME", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK", "O_PATH", "O_SYNC", "O_TMPFILE", "ST_NOSUID", "ST_RDONLY", "WNOHANG"],
    },
    signal: {
        *["SIGALRM", "SIGBUS", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGIO", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"],
        *["SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "getitimer", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt"],
        *["sigpending", "sigtimedwait", "sigwait", "sigwaitinfo"],
    },
}  # fmt: skip


class Lacking(ModuleType):
    """A module without some of its names; everything else is that of the real one, whatever a test replaces in it."""

    def __init__(self, whole: ModuleType) -> None:
        super().__init__(whole.__name__)
        self.__dict__.update(whole=whole, lacks=NAMES[whole])

    def __getattr__(self, name: str) -> Any:
        if name == "name":
            return "nt"
        if name in self.lacks:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        return getattr(self.whole, name)


def _import(name: str, globals: Any = None, *rest: Any, **named: Any) -> ModuleType:
    importer = str((globals or {}).get("__name__", ""))
    if not importer.startswith("cave_magic") or importer.startswith("cave_magic.sandbox"):
        return _usual(name, globals, *rest, **named)
    if name.partition(".")[0] in MODULES:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    found = _usual(name, globals, *rest, **named)
    return _LACKING.get(found.__name__, found)


_usual = builtins.__import__
_LACKING = {module.__name__: Lacking(module) for module in NAMES}
builtins.__import__ = _import
