"""Tab completion after the magics, without requests."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from cave_magic.deployments import KNOWN_DATASTACKS, KNOWN_SERVERS

CASES = {
    "%cave_setup ": {"new", "existing", "--server"},
    "%cave_setup ex": {"existing"},
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
    """No names of variables, files or other magics are offered."""
    allowed = {*KNOWN_SERVERS, *KNOWN_DATASTACKS, "existing", "--no-check"}
    assert {word for word, _ in offered(shell, text)} <= allowed


def test_tab_offers_datastacks_from_the_map(shell, secrets):
    """A datastack in the map is offered, whatever else the map contains."""
    (secrets / "cave_datastack_to_server_map.json").write_text('{"my_own_stack": "https://x.org", "bad name": 3}')
    assert ("my_own_stack", "my_o") in offered(shell, "%cave_check my_o")
    assert offered(shell, "%cave_check bad") == []


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
