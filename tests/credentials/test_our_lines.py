"""The lines that were typed for this package, and those that only name it."""

from __future__ import annotations

import sys
import time

import pytest

import cave_magic
from cave_magic.credentials.our_lines import certain, own_names

TOKEN = "3f9a1c7be0d24586a1b2c3d4e5f60718"


@pytest.mark.parametrize(
    "cell",
    [
        "!cave-magic savee {}",
        "x = !/opt/bin/cave-magic --server prod {}",
        "!python -m cave_magic savee {}",
        "!echo {} | cave-magic save",
        "!sudo -u ada env -u A cave-magic save {}",
        "%%bash\ncave-magic.exe save {}",
        "!python -mcave_magic save {}",
        "?cave_save {}",
        "%%capture out\n%cave_svae {}",
        "cave_magic.save(\n    '{}'",
        "cave_magic.save(str() or '{}', wrong=1)",
        "cave_magic.save(('{}'",
        "cave_magic.save ('{}', wrong=1)",
        "%cave_svae \\\n  --overwrite \\  \n  {}",
        "!cave-magic save \\\r\n  {}",
        "# C:\\Users\\ada\\\n%cave_svae {}",
        "!!cave-magic save {}",
        "%system cave-magic save {}",
        "%run -m cave_magic save {}",
        "%%sh\nset -e\ncave-magic save \\\n  {}",
        "get_ipython().system('cave-magic save {}')",
        "import os; os.system('cave-magic save {}')",
        "subprocess.run('cave-magic save {}', shell=True)",
        "subprocess.run(['/opt/bin/cave-magic', 'save', '{}'])",
        'run(\n    [\n        "cave-magic.exe",\n        "save",\n        "--overwrite",\n        "{}",\n    ]\n)',
        "run([sys.executable, '-m', 'cave_magic', 'save', '{}'])",
        "get_ipython().run_cell_magic('cave_save', '', '{}')",
        "get_ipython().magic('%cave_svae {}')",
        "get_ipython().run_cell('%cave_svae {}')",
        "cm.save('{}', wrong=1)",
        "cm.save ('{}', wrong=1)",
        "keep('{}', wrong=1)",
    ],
)
def test_a_token_on_a_line_for_us_is_found(cell):
    """The program, the module, a magic or a function, also after other words; a misspelled one, too."""
    assert TOKEN in certain(cell.format(TOKEN), (), ("cm.", "keep"))
    assert certain(cell.format(TOKEN), [TOKEN], ("cm.", "keep")) == []


def test_the_session_tells_what_a_function_is_called():
    """Python raises the error for a wrong option itself, so that no function of ours sees the token."""
    variables = {"cm": cave_magic, "keep": cave_magic.save, "save": print, "t": TOKEN}
    assert own_names(variables) == ("cm.", "keep")


def test_a_package_that_was_unloaded_has_the_same_names(monkeypatch):
    """A magic still runs after `del sys.modules["cave_magic"]`, which people type to import a new version."""
    monkeypatch.delitem(sys.modules, "cave_magic")
    assert own_names({"cm": cave_magic, "keep": cave_magic.save}) == ("cm.", "keep")


@pytest.mark.parametrize("cell", ["!cave-magic savee {}", "cave_magic.save('{}')"])
def test_a_token_after_much_else_is_found(cell):
    """However long a line is, its end is for us, too."""
    cell = cell.format(f"{'x ' * 10_000}{TOKEN}")
    assert TOKEN in certain(cell.format(TOKEN), ())
    assert certain(cell.format(TOKEN), [TOKEN]) == []


@pytest.mark.parametrize(
    "cell",
    [
        "import cave_magic as cm; run = '{}'",
        "from cave_magic import check; run = '{}'",
        "md5 = '{}'  # of the cave_magic wheel",
        "%%markdown\nThe cave-magic package has the checksum {}",
        "!grep {} cave_magic -r",
        "!git clone https://github.com/ada/cave_magic --revision {}",
        "!conda install -n cave-magic https://conda.org/python.conda#{}",
        "%cd cave_project {}",
        "!mlflow artifacts download -d cave_models --run-id {}",
        "%load_ext cave_magic x = '{}'",
        "!git config cave.key {}",
        "ids = [\n    cave_id for cave_id in find('{}')\n]",
        "x = (\n    1 if ok else\n    cave_id if ok\n    else '{}'\n)",
        "cave_ids \\\n    == '{}'",
        "%env CAVE_TOKEN={}",
        "os.environ['CAVE_TOKEN'] = '{}'",
        "!export CAVE_TOKEN={}",
        "CAVEclient(auth_token='{}')",
        "print(len(['cave-magic', 'cave_magic']), '{}')",
        "run(['pip', 'download', 'cave-magic', '-d', '{}'])",
        "run(['grep', 'cave-magic', 'saved', '{}'])",
        "run(['cave-magic', 'save']); md5 = '{}'",
        "cave_magic.save(read()); md5 = '{}'",
        "print(cm.__name__, '{}')",
        "model.keep('{}')  # as cm",
        "def keep(name='{}'): ...",
        "bookkeep('{}')",
        "print('We keep (until {})')",
        "keeps('{}')",
        "Keep('{}')",
    ],
)
def test_a_value_beside_our_name_stays(cell):
    """A checksum or the ID of a run looks like a token; a line that only has our name on it is the user's own."""
    assert certain(cell.format(TOKEN), (), ("cm.", "keep")) == []


@pytest.mark.parametrize("cell", ["%" * 50_000, "!" + "%" * 50_000, " " * 50_000, "cave-magic " * 5_000])
def test_an_odd_cell_takes_no_time(cell):
    """All inputs of a session are searched before each magic, long ones too."""
    start = time.process_time()
    certain(f"{cell}\ncave {TOKEN}", ())
    assert time.process_time() - start < 0.5
