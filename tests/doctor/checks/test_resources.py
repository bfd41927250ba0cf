"""The checks of what this kernel has run out of, on facts alone."""

from __future__ import annotations

from cave_magic.api.special_files import Harm, HarmfulNetrc
from cave_magic.doctor.checks.resources import NETRC, RESOURCES
from cave_magic.doctor.evidence import Machine
from cave_magic.environment.resources import Shortage

from .facts import CHECK, Case, case, each

CASES = [
    case("enough of everything", RESOURCES, Machine(), "nothing"),
    case("too many open files", RESOURCES, Machine(shortage=Shortage.OPEN_FILES), "failed", "too many open files", CHECK, advises="restart the kernel"),
    case("no memory", RESOURCES, Machine(shortage=Shortage.MEMORY), "failed", "too little memory left", CHECK, advises="large variables"),
    case("no threads", RESOURCES, Machine(shortage=Shortage.THREADS), "failed", "no more threads", CHECK, advises="stop other kernels"),
    case("no .netrc", NETRC, Machine(), "nothing"),
    case("a pipe in NETRC", NETRC, Machine(harmful_netrc=HarmfulNetrc(path="/dev/fd/63", harm=Harm.NEVER_ENDS), netrc_variable=True), "failed", "/dev/fd/63 is a pipe", 'import os; os.environ.pop("NETRC", None)', CHECK),
    case("a pipe as .netrc", NETRC, Machine(harmful_netrc=HarmfulNetrc(path="/x/.netrc", harm=Harm.NEVER_ENDS)), "failed", "/x/.netrc is a pipe", "!mv /x/.netrc /x/.netrc.old", CHECK),
    case("a huge .netrc", NETRC, Machine(harmful_netrc=HarmfulNetrc(path="/x/.netrc", harm=Harm.TOO_LARGE)), "failed", "/x/.netrc is so large", "!mv /x/.netrc /x/.netrc.old", CHECK),
    case("a .netrc that is not text", NETRC, Machine(harmful_netrc=HarmfulNetrc(path="/x/.netrc", harm=Harm.NOT_TEXT)), "failed", "/x/.netrc is not UTF-8 text", "!mv /x/.netrc /x/.netrc.old", CHECK),
]  # fmt: skip


@each(CASES)
def test_the_resources(case: Case):
    """Each check of the resources gives the expected finding."""
    case.run()
