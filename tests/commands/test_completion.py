"""Tab completion after the magics, without requests."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.error import UsageError

from cave_magic.commands import completion
from cave_magic.deployments import KNOWN_DATASTACKS, KNOWN_SERVERS
from cave_magic.doctor.gather_memory import MEMORY

from ..test_loading import HEAVY, modules_of, tops


@pytest.fixture
def shell(shell: Any) -> Any:
    """The usual shell without jedi, which reads all of Python's builtins where nothing fits: that takes seconds."""
    shell.Completer.use_jedi = False
    return shell


CASES = {
    "%cave_setup ": {"new", "existing", "--server"},
    "%cave_setup ex": {"existing"},
    "%cave_setup re": {"replace", "remove"},
    "%cave_setup remove --": {"--revoke", "--token", "--yes"},
    "%cave_whoami --to": {"--tokens"},
    "%cave_setup new --": {"--server", "--datastack"},
    "cave_setup n": {"new"},
    "%cave_save --from-e": {"--from-env"},
    "%cave_save --from-env CAVE_": {"CAVE_TOKEN"},
    "%cave_whoami --rev": {"--reveal"},
    "%cave_check v1dd_": {"v1dd_public"},
    "%cave_check v1dd_public minnie35": {"minnie35_public_v0"},
    "%cave_check --explain token-l": {"token-legacy", "token-link", "token-left"},
    "report = %cave_check --js": {"--json"},
    "x = 1\n%cave_check --server https://proof": {"https://proofreading.zetta.ai"},
    "%cave_check --server=https://proof": {"https://proofreading.zetta.ai"},
    "%cave_setup new -d kron": {"kronauer_ant"},
    "%cave_setup new v1dd_": {"v1dd_public"},
    "%cave_setup v1dd_public n": {"new"},
    "%cave_whoami fly": {"flywire_fafb_public"},
    "%cave_save v1dd_": {"v1dd_public"},
    'client = CAVEclient("minnie65_pu': {"minnie65_public"},
    "x = 1\nclient = caveclient.CAVEclient( datastack_name='v1dd_": {"v1dd_public"},
}


def offered(shell: Any, text: str) -> list[tuple[str, str]]:
    """The words that Tab offers at the end of a text, each with the part that it replaces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # IPython calls this interface provisional
        return [(one.text, text[one.start : one.end]) for one in shell.Completer.completions(text, len(text))]


@pytest.mark.parametrize("jedi", [True, False])
@pytest.mark.parametrize("text", CASES)
def test_tab_offers_the_words_that_fit(shell, text, jedi):
    """With jedi and without, the words that fit are offered and replace the part already typed."""
    shell.Completer.use_jedi = jedi
    found = dict(offered(shell, text))
    assert CASES[text] <= set(found)
    assert all(word.startswith(begun) for word, begun in found.items())


@pytest.mark.parametrize("text", ["%cave_setup ex", "%cave_check minnie", "%cave_check --server h", "%cave_save --no"])
def test_tab_offers_nothing_else(shell, text):
    """No names of variables, files or other magics are offered, not by jedi either."""
    shell.Completer.use_jedi = True
    allowed = {*KNOWN_SERVERS, *KNOWN_DATASTACKS, "existing", "--no-check"}
    assert {word for word, _ in offered(shell, text)} <= allowed


def test_tab_offers_datastacks_from_the_map(shell, secrets):
    """A datastack in the map is offered, whatever else the map contains."""
    (secrets / "cave_datastack_to_server_map.json").write_text('{"my_own_stack": "https://x.org", "bad name": 3}')
    assert ("my_own_stack", "my_o") in offered(shell, "%cave_check my_o")
    assert offered(shell, "%cave_check bad") == []


def test_the_default_and_what_can_be_read_come_first(shell):
    """The default datastack is first, then those that the account of an earlier check can read."""
    MEMORY.readable["https://x.org"] = ("v1dd_public",)
    MEMORY.local_servers["https://x.org", "opened_here"] = "https://y.org"
    for text in ("%cave_check ", "%cave_whoami -d ", 'CAVEclient("'):
        words = [word for word, _ in offered(shell, text)]
        assert words[:3] == ["minnie65_public", "opened_here", "v1dd_public"]
        assert words[3] == "brain_and_nerve_cord"


def test_what_an_account_can_read_is_remembered(run, set_up, shell):
    """After a check the datastacks of the account come before the others."""
    run("%cave_whoami")
    words = [word for word, _ in offered(shell, 'CAVEclient("')]
    assert words[:2] == ["minnie65_public", "flywire_fafb_public"]


@pytest.mark.parametrize(
    "text", ['other("min', 'x = "CAVEclient(min', 'CAVEclient("minnie65_public", "', "CAVEclient(min"]
)
def test_other_strings_are_not_completed(shell, text):
    """Only the first argument of CAVEclient is, and only inside its quotes."""
    assert not {word for word, _ in offered(shell, text)} & set(KNOWN_DATASTACKS)


def test_tab_imports_no_library(home):
    """Tab in `CAVEclient("` and elsewhere imports no library of ours, caveclient least of all."""
    tab = "import warnings; warnings.simplefilter('ignore'); shell = get_ipython(); shell.Completer.use_jedi = False"
    cells = [
        f"list(shell.Completer.completions({text!r}, {len(text)}))" for text in ('CAVEclient("min', "os.pa", "x = ")
    ]
    assert not tops(modules_of("%load_ext cave_magic", tab, *cells, home=home)) & HEAVY


def test_a_word_already_there_is_not_offered_again(shell):
    """Options and datastacks are offered once."""
    assert "--json" not in dict(offered(shell, "%cave_check --json --"))
    assert "minnie65_public" not in dict(offered(shell, "%cave_check minnie65_public minnie65"))


def test_a_token_is_not_completed(shell):
    """Nothing of ours is offered for a token or after other magics."""
    assert offered(shell, "%cave_save 0f3b8c") == []
    assert ("new", "") not in offered(shell, "%timeit ")


def test_unloading_removes_the_completion(shell):
    """After `%unload_ext` the completion is gone; loading twice registers it once."""
    shell.run_line_magic("reload_ext", "cave_magic")
    assert len(shell.Completer.custom_matchers) == 1
    shell.run_line_magic("unload_ext", "cave_magic")
    assert shell.Completer.custom_matchers == []
    shell.run_line_magic("load_ext", "cave_magic")


def test_tab_sends_no_request(shell, cave):
    """Tab sends no request."""
    offered(shell, f"%cave_check --server {cave.server} min")
    assert len(cave.requests) == 0


def test_an_ipython_that_is_too_old_is_named_in_one_line(monkeypatch):
    """IPython 8.5 lacks what completion needs: loading names it, and the line that installs a newer one."""
    monkeypatch.delattr("IPython.core.completer.SimpleCompletion")
    shell = SimpleNamespace(Completer=SimpleNamespace(custom_matchers=[]))
    with pytest.raises(UsageError, match=r'IPython is too old .* install .*-U "ipython>=8\.6"'):
        completion.register(shell)
