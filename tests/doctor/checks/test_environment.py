"""The checks of this Python and the home folder, on facts alone."""

from __future__ import annotations

from cave_magic.doctor import healthy, next_steps
from cave_magic.doctor.checks.environment import CAVECLIENT, HOME, PACKAGES, REQUESTS
from cave_magic.doctor.evidence import Machine
from cave_magic.doctor.model import Command
from cave_magic.environment.platforms import Runtime
from cave_magic.environment.shadowed import ShadowingFile

from .facts import CHECK, Case, case, each

BROKEN = "ImportError: x"
NUMPY = ShadowingFile(path="/home/ada/numpy.py", name="numpy", harms=True)
EMAIL = ShadowingFile(path="/home/ada/email.py", name="email", harms=False)
SAVE, FROM_ENV = "%cave_save", "%cave_save --from-env CAVE_TOKEN"


def _on(platform: str, *commands: str, can_ask: bool = True) -> Machine:
    runtime = Runtime(platform=platform, is_ephemeral=True, has_display=False)
    recall = tuple(map(Command, commands)) or next_steps.recall(runtime, healthy.TARGET)
    return Machine(runtime=runtime, save_commands=recall, can_ask=can_ask)


COLAB = _on("Colab")

CASES = [
    case("requests works", REQUESTS, Machine(), "nothing"),
    case("requests is broken", REQUESTS, Machine(requests_problem=BROKEN), "failed", "requests cannot be imported (ImportError: x)", "%pip install -U requests", CHECK, advises="restart the kernel"),
    case("a script may shadow what requests needs", REQUESTS, Machine(requests_problem=BROKEN, shadowing_files=(EMAIL,)), "failed", ("~/email.py", "Python's `email` module"), CHECK, advises="rename email.py, restart the kernel"),
    case("the harmful script is blamed first", REQUESTS, Machine(requests_problem=BROKEN, shadowing_files=(NUMPY, EMAIL)), "failed", "~/numpy.py", CHECK, advises="rename numpy.py, restart"),
    case("caveclient works", CAVECLIENT, Machine(), "ok", "caveclient 8.2.1, IPython 9.4.0, Python 3.12.4"),
    case("without IPython", CAVECLIENT, Machine(versions={"caveclient": "8.2.1", "python": "3.12.4"}), "ok", "caveclient 8.2.1, Python 3.12.4"),
    case("caveclient is broken", CAVECLIENT, Machine(caveclient_problem=BROKEN), "failed", "caveclient 8.2.1 cannot be imported (ImportError: x)", "%pip install -U caveclient", CHECK),
    case("caveclient is not installed", CAVECLIENT, Machine(caveclient_problem=BROKEN, versions={}), "failed", "caveclient cannot be imported", "%pip install -U caveclient", CHECK),
    case("a script hides caveclient's needs", CAVECLIENT, Machine(caveclient_problem=BROKEN, shadowing_files=(NUMPY,)), "failed", "the package numpy", CHECK),
    case("a script hides a package that is not imported yet", CAVECLIENT, Machine(shadowing_files=(NUMPY,)), "warning", "~/numpy.py", CHECK, advises="rename numpy.py"),
    case("two scripts hide packages", CAVECLIENT, Machine(shadowing_files=(NUMPY, ShadowingFile(path="/home/ada/rich.py", name="rich", harms=True))), "warning", ("~/numpy.py", " and ~/rich.py"), CHECK, advises="rename numpy.py and rich.py"),
    case("a script that does no harm", CAVECLIENT, Machine(shadowing_files=(EMAIL,)), "ok"),
    case("requirements are met", PACKAGES, Machine(), "ok"),
    case("requirements are not known", PACKAGES, Machine(unmet_requirements=None), "nothing"),
    case("no caveclient has requirements", PACKAGES, Machine(versions={}), "nothing"),
    case("requirements are not met", PACKAGES, Machine(unmet_requirements=("a<1", "b<2", "c<3", "d<4")), "warning", "a<1 and b<2 and c<3", "%pip install -U caveclient"),
    case("a permanent home", HOME, Machine(), "nothing"),
    case("Colab", HOME, COLAB, "warning", "Colab deletes this home folder", *map(str, COLAB.save_commands), advises=("CAVE_TOKEN in the Secrets of Colab", "begin the next notebook with")),
    case("Binder has no secrets", HOME, _on("Binder", SAVE), "warning", "Binder deletes", SAVE, advises="secrets cannot be kept here: begin"),
    case("Binder without a prompt", HOME, _on("Binder", FROM_ENV, can_ask=False), "warning", "Binder deletes", FROM_ENV, advises="CAVE_TOKEN in an environment variable"),
]  # fmt: skip


@each(CASES)
def test_the_environment(case: Case):
    """Each check of the environment gives the expected finding."""
    case.run()


def test_the_secrets_of_colab_are_read_by_python():
    """On Colab the commands read the secret and save what it holds."""
    assert COLAB.save_commands[0].text.startswith("from google.colab import userdata")
    assert COLAB.save_commands[1:] == (next_steps.save(healthy.TARGET, "$token"),)
