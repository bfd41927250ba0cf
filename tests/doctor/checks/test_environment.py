"""The checks of this Python and the home folder, on facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cave_magic.api.special_files import Harm, HarmfulNetrc
from cave_magic.doctor import healthy, next_steps
from cave_magic.doctor.checks.environment import CAVECLIENT, HOME, NETRC, PACKAGES, REQUESTS, RESOURCES
from cave_magic.doctor.evidence import Machine
from cave_magic.environment.import_fault import Action, Cause, ImportFault, Origin, Repair
from cave_magic.environment.installer import Installer
from cave_magic.environment.packages import Unmet
from cave_magic.environment.platforms import BINDER
from cave_magic.environment.platforms import COLAB as COLAB_RUNTIME
from cave_magic.environment.resources import Shortage
from cave_magic.environment.shadowed import ShadowingFile
from cave_magic.environment.slow_import import SlowImport

from .facts import CHECK, Case, case, each

BROKEN = "ImportError: x"
NUMPY = ShadowingFile(path="/home/ada/numpy.py", name="numpy", harms=True)
EMAIL = ShadowingFile(path="/home/ada/email.py", name="email", harms=False)
UNMET = (Unmet(name="pandas", specifier="<3", have="3.0.1"), Unmet(name="h5py", specifier=""))
SAVE, FROM_ENV = "%cave_save", "%cave_save --from-env CAVE_TOKEN"


COLAB = next_steps.recall(COLAB_RUNTIME, healthy.TARGET)
RESTART, OTHER = Repair(action=Action.RESTART), Repair(action=Action.OTHER_ENVIRONMENT, installer=Installer(tool=""))
PANDAS = Repair(action=Action.INSTALL, specs=("pandas<3,>=1.5",))
AGAIN = Repair(action=Action.REINSTALL, specs=("pandas",), folder="/opt/site")


def _faulty(cause: Cause, repair: Repair, **facts: Any) -> Machine:
    return Machine(caveclient_problem=BROKEN, import_fault=ImportFault(cause=cause, repair=repair, **facts))


IMPORTS = [
    case("packages changed since", CAVECLIENT, _faulty(Cause.STALE_KERNEL, RESTART), "failed", "caveclient 8.2.1 cannot be imported: a fresh Python can import it", CHECK, advises="restart the kernel, then"),
    case("an entry of sys.path is not text", CAVECLIENT, _faulty(Cause.ODD_ENTRY, RESTART, package="NoneType"), "failed", "caveclient 8.2.1 cannot be imported: sys.path has an entry of type NoneType", CHECK, advises="restart the kernel, then"),
    case("PYTHONPATH has another copy", CAVECLIENT, _faulty(Cause.OTHER_COPY, Repair(action=Action.LEAVE_OUT, folder="/old"), package="pandas 1.0", folder="/old", origin=Origin.PYTHONPATH, other="/opt/site"), "failed", "pandas 1.0 in /old (named by PYTHONPATH) hides the copy in /opt/site; without it the import works", 'import sys; sys.path[:] = [one for one in sys.path if one != \'/old\']', CHECK, advises="restart the kernel, begin the notebook with"),
    case("the user has another copy", CAVECLIENT, _faulty(Cause.OTHER_COPY, Repair(action=Action.UNINSTALL, specs=("pandas",)), package="pandas 1.0", folder="/home/ada/.local", origin=Origin.USER, other="/opt/site"), "failed", "(your own packages)", "%pip uninstall -y pandas", CHECK),
    case("a folder beside the notebook", CAVECLIENT, _faulty(Cause.OTHER_COPY, Repair(action=Action.RENAME, folder="/project/pandas"), package="pandas", folder="/project", origin=Origin.NOTEBOOK, other="/opt/site"), "failed", "(the folder of the notebook)", "!mv /project/pandas /project/pandas.old", CHECK),
    case("a file that runs first breaks it", CAVECLIENT, _faulty(Cause.STARTUP_FILE, Repair(action=Action.RENAME, folder="/x/sitecustomize.py"), package="sitecustomize.py", folder="/x"), "failed", "each kernel runs sitecustomize.py in /x when it starts", "!mv /x/sitecustomize.py /x/sitecustomize.py.old", CHECK),
    case("a variable breaks it", CAVECLIENT, _faulty(Cause.VARIABLE, Repair(action=Action.UNSET, specs=("LD_PRELOAD",)), package="LD_PRELOAD"), "failed", "without the environment variable LD_PRELOAD, the import works", CHECK, advises="unset LD_PRELOAD where Jupyter is started"),
    case("a package is missing", CAVECLIENT, _faulty(Cause.MISSING, PANDAS, package="pandas", other="caveclient 8.2.1"), "failed", "pandas is not installed, and caveclient 8.2.1 needs it", '%pip install -U "pandas<3,>=1.5"', CHECK),
    case("caveclient is missing", CAVECLIENT, _faulty(Cause.MISSING, Repair(action=Action.INSTALL, specs=("caveclient",)), package="caveclient"), "failed", "caveclient is not installed", "%pip install -U caveclient", CHECK),
    case("files are missing", CAVECLIENT, _faulty(Cause.DAMAGED, AGAIN, package="pandas 2.3", folder="/opt/site", files=("pandas/a.py", "pandas/b.py")), "failed", "files of pandas 2.3 in /opt/site are missing or damaged: pandas/a.py and 1 more", "%pip install --force-reinstall --no-deps pandas", CHECK),
    case("there is no record", CAVECLIENT, _faulty(Cause.DAMAGED, Repair(action=Action.REINSTALL, specs=("pandas==2.3",), unrecorded=True), package="pandas 2.3", folder="/opt/site", files=("RECORD",)), "failed", "damaged: RECORD", '%pip install --ignore-installed --no-deps "pandas==2.3"', CHECK),
    case("Python lacks a module", CAVECLIENT, _faulty(Cause.NO_MODULE_OF_PYTHON, Repair(action=Action.OTHER_PYTHON), package="_lzma"), "failed", "built without its module _lzma", CHECK, advises="choose a kernel with another Python"),
    case("a script that has nothing to do with it", CAVECLIENT, replace(_faulty(Cause.MISSING, PANDAS, package="pandas"), shadowing_files=(EMAIL,)), "failed", "pandas is not installed", '%pip install -U "pandas<3,>=1.5"', CHECK),
    case("a script, and nothing else explains it", CAVECLIENT, replace(_faulty(Cause.UNKNOWN, OTHER), shadowing_files=(EMAIL,)), "failed", "~/email.py", "!mv ~/email.py ~/email.py.old", CHECK),
    case("nothing explains it", CAVECLIENT, _faulty(Cause.UNKNOWN, OTHER, package="pandas 2.3"), "failed", ("pandas 2.3 cannot be used", "ImportError: x"), next_steps.other_environment(OTHER.installer)[0].text, CHECK, advises="choose the kernel cave-env"),
]  # fmt: skip

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
    case("requests works", REQUESTS, Machine(), "nothing"),
    case("requests is broken", REQUESTS, Machine(requests_problem=BROKEN), "failed", "requests cannot be imported (ImportError: x); there was no time", "%cave_check --timeout 60"),
    case("a script may shadow what requests needs", REQUESTS, Machine(requests_problem=BROKEN, shadowing_files=(EMAIL,)), "failed", ("~/email.py", "Python's `email` module"), "!mv ~/email.py ~/email.py.old", CHECK, advises="restart the kernel"),
    case("the harmful script is blamed first", REQUESTS, Machine(requests_problem=BROKEN, shadowing_files=(NUMPY, EMAIL)), "failed", "~/numpy.py", "!mv ~/numpy.py ~/numpy.py.old", CHECK, advises="restart the kernel"),
    case("caveclient works", CAVECLIENT, Machine(), "ok", "caveclient 8.2.1, IPython 9.4.0, Python 3.12.4"),
    case("there was no time to import caveclient", CAVECLIENT, Machine(import_unfinished=True), "unknown", "the import of caveclient did not finish in time", "%cave_check --timeout 60", advises="restart the kernel"),
    case("caveclient is still being imported", CAVECLIENT, Machine(import_unfinished=True, import_awaited=False), "skipped", "caveclient is still being imported"),
    case("another package slows the import", CAVECLIENT, Machine(slow_import=SlowImport(package="rfc3987-syntax", seconds=1.1, total=2.2, needed_by=("jupyter-events",))), "ok", ("1.1 of the 2.2 s of its import went to rfc3987-syntax", "jupyter-events does")),
    case("a package that nobody needs slows the import", CAVECLIENT, Machine(slow_import=SlowImport(package="rfc3987-syntax", seconds=1.1, total=2.2)), "ok", ("nor does any installed package", "%pip uninstall -y rfc3987-syntax")),
    case("without IPython", CAVECLIENT, Machine(versions={"caveclient": "8.2.1", "python": "3.12.4"}), "ok", "caveclient 8.2.1, Python 3.12.4"),
    case("caveclient is broken", CAVECLIENT, Machine(caveclient_problem=BROKEN), "failed", "caveclient 8.2.1 cannot be imported (ImportError: x)", "%cave_check --timeout 60"),
    case("caveclient is not installed", CAVECLIENT, Machine(caveclient_problem=BROKEN, versions={}), "failed", "caveclient cannot be imported", "%cave_check --timeout 60"),
    case("a script hides caveclient's needs", CAVECLIENT, Machine(caveclient_problem=BROKEN, shadowing_files=(NUMPY,)), "failed", "the package numpy", "!mv ~/numpy.py ~/numpy.py.old", CHECK),
    case("a script hides a package that is not imported yet", CAVECLIENT, Machine(shadowing_files=(NUMPY,)), "warning", "~/numpy.py", "!mv ~/numpy.py ~/numpy.py.old", CHECK, advises="restart the kernel"),
    case("two scripts hide packages", CAVECLIENT, Machine(shadowing_files=(NUMPY, ShadowingFile(path="/home/ada/rich.py", name="rich", harms=True))), "warning", ("~/numpy.py", " and ~/rich.py"), "!mv ~/numpy.py ~/numpy.py.old", "!mv ~/rich.py ~/rich.py.old", CHECK, advises="restart the kernel"),
    case("a script that does no harm", CAVECLIENT, Machine(shadowing_files=(EMAIL,)), "ok"),
    case("requirements are met", PACKAGES, Machine(), "ok"),
    case("requirements are not known", PACKAGES, Machine(unmet_requirements=None), "nothing"),
    case("no caveclient has requirements", PACKAGES, Machine(versions={}), "nothing"),
    case("requirements are not met", PACKAGES, Machine(unmet_requirements=UNMET), "warning", "caveclient needs pandas<3 (3.0.1 is installed) and h5py (not installed)", '%pip install -U "pandas<3" h5py', CHECK),
    case("what an old caveclient needs does not count", PACKAGES, Machine(unmet_requirements=(Unmet(name="caveclient", specifier=">=7", have="6.5.2", by="cave-magic"), *UNMET[:1])), "warning", "cave-magic needs caveclient>=7 (6.5.2 is installed)", '%pip install -U "caveclient>=7"', CHECK),
    case("a permanent home", HOME, Machine(), "nothing"),
    case("Colab", HOME, Machine(runtime=COLAB_RUNTIME), "warning", "Colab deletes this home folder", *map(str, COLAB), advises=("CAVE_TOKEN in the Secrets of Colab", "begin the next notebook with")),
    case("Binder has no secrets", HOME, Machine(runtime=BINDER), "warning", "Binder deletes", SAVE, advises="secrets cannot be kept here: begin"),
    case("Binder without a prompt", HOME, Machine(runtime=BINDER, can_ask=False), "warning", "Binder deletes", FROM_ENV, advises="CAVE_TOKEN in an environment variable"),
]  # fmt: skip


CASES += IMPORTS


@each(CASES)
def test_the_environment(case: Case):
    """Each check of the environment gives the expected finding."""
    case.run()


def test_the_secrets_of_colab_are_read_by_python():
    """On Colab the commands read the secret and save what it holds."""
    assert COLAB[0].text.startswith("from google.colab import userdata")
    assert COLAB[1:] == (next_steps.save(healthy.TARGET, "$token"),)


def test_each_cause_is_explained():
    """Every cause has its words, which name the package, and shared reports contain no folder."""
    from .facts import commands_of, finding, said, shared

    for cause in Cause:
        facts = {
            "package": "pandas 2.3",
            "folder": "/home/ada/site",
            "other": "/opt/other" if cause is Cause.OTHER_COPY else "numpy 1.9",
        }
        found = finding(CAVECLIENT, _faulty(cause, PANDAS, files=("pandas/a.py",), **facts))
        assert found is not None
        assert cause is Cause.STALE_KERNEL or "pandas 2.3" in said(found)
        assert "/" not in shared(found).replace("pandas/a.py", ""), shared(found)
        assert commands_of(found) == ('%pip install -U "pandas<3,>=1.5"', CHECK)
