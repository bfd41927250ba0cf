"""The pages of guides, cards and accounts, from made-up facts and from a healthy server."""

from __future__ import annotations

import json

import pytest

from cave_magic.commands.views.guide import again_page, first_address, guide_page
from cave_magic.commands.views.whoami import revealed_page
from cave_magic.credentials.target import Target
from cave_magic.token import Token
from cave_magic.ui.terminal import as_text

from ..support.shell import sit_at_terminal

TARGET = Target(datastack="minnie65_public", server="https://global.daf-apis.com")
TOKENS = "https://global.daf-apis.com/sticky_auth/settings/tokens"


def guide(new: bool = True, can_ask: bool = True) -> str:
    return as_text(guide_page(TARGET, new, can_ask))


def test_a_new_person_creates_an_account_first():
    """The steps for a new person are account, token and paste, each with its link on a separate line."""
    lines = guide().splitlines()
    assert lines[0] == "Access to minnie65_public on global.daf-apis.com"
    assert [one[:10] for one in lines if one[0].isdigit()] == ["1. Account", "2. Token: ", "3. Paste: "]
    assert f"   {TOKENS}" in lines
    assert sum("https://" in one for one in lines) == 2


def test_a_person_with_an_account_goes_to_the_tokens_page():
    """The first step is the tokens page."""
    lines = guide(new=False).splitlines()
    assert lines[1].startswith("1. Token: ")
    assert first_address(TARGET, is_new=False) == TOKENS


def test_without_a_prompt_the_last_step_stores_the_token():
    """Without a prompt the guide says where to store the token instead."""
    assert "3. Keep: store the token as CAVE_TOKEN in" in guide(can_ask=False)


def test_an_ephemeral_platform_is_noted_before_the_steps(monkeypatch):
    """On Colab the guide begins with what is lost and the commands that restore it."""
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    lines = guide().splitlines()
    assert lines[1].startswith("Note: Colab deletes this home folder")
    assert lines.index("%cave_save $token") < next(at for at, one in enumerate(lines) if one.startswith("1. "))


def test_without_a_browser_here_one_link_and_one_paste_are_enough():
    """The steps are sign in and paste; Enter is enough in VS Code, which forwards the port; a token works, too."""
    address = f"{TARGET.server}/sticky_auth/api/v1/authorize?redirect=http://127.0.0.1:1/x"
    lines = as_text(guide_page(TARGET, is_new=True, sign_in=address)).splitlines()
    assert [one[:11] for one in lines if one[0].isdigit()] == ["1. Sign in:", "2. Paste: t"]
    assert [one.strip() for one in lines if "https://" in one] == [address, TOKENS]
    assert "   If the tab says that you are signed in instead, press Enter at the prompt." in lines


def test_an_invalid_answer_can_be_repeated():
    """The page says what was wrong, and how to go on or stop."""
    text = as_text(again_page("x.org rejected this token. Copy it again"))
    assert text.startswith("! x.org rejected this token. Copy it again")
    assert text.splitlines()[-1] == "Try again, or press Enter to cancel."


def test_a_rejected_token_says_once_that_nothing_was_changed(cave, run, desk):
    """At the prompt the error does not repeat what the page says."""
    desk.answers = ["0" * 32, ""]
    out = run(f"%cave_save --server {cave.server}").out
    assert "! 127.0.0.1" in out
    assert "rejected this token. Copy it again from" in out
    assert out.count("Nothing was changed.") == 1


def test_a_revealed_token_has_its_own_line_below_the_warning():
    """The token is on a separate line, so that it can be copied, below the warning."""
    token = "0f3b8c6e1d2a4b5c" * 2
    *warning, last = as_text(revealed_page(Token(token))).splitlines()
    assert "can use your account" in " ".join(warning)
    assert last == token


def test_the_other_files_with_a_token_are_named(cave, run, set_up, home, monkeypatch):
    """Copies, a token for cloud-volume and an unused token are each labelled as such."""
    other, secrets = "0f3b8c6e1d2a4b5c" * 2, home / ".cloudvolume" / "secrets"
    (secrets / "chunkedgraph-secret.json").write_text(json.dumps({"token": other}))
    (home / "moved" / "secrets").mkdir(parents=True)
    (home / "moved" / "secrets" / "cave-secret.json").write_text(json.dumps({"token": other}))
    monkeypatch.setenv("CLOUD_VOLUME_DIR", str(home / "moved"))
    rows = [one.split(maxsplit=2) for one in run("%cave_whoami").out.splitlines()]
    assert ["copy", "in", "cave-secret.json"] in rows
    assert ["copy", "in", f"127.0.0.1:{cave.local_server.rpartition(':')[2]}-cave-secret.json"] in rows
    assert ["not", "used", "chunkedgraph-secret.json (another token, ends in 4b5c)"] in rows
    assert ["cloud-volume", "~/moved/secrets/cave-secret.json", "(another token, ends in 4b5c)"] in rows


def test_the_card_shows_the_account_the_token_and_how_to_continue(cave, run, monkeypatch):
    """It shows the account, the server, the end of the token, its file, what can be read, and the next command."""
    monkeypatch.setenv("ADA", token := cave.new_token("ada"))
    run(f'%config CaveMagics.server = "{cave.server}"')
    lines = run("%cave_save --from-env ADA").out.splitlines()
    assert lines[0] == "✔ You are set up."
    assert [one.split("  ")[0] for one in lines[1:6]] == ["you", "server", "token", "file", "can read"]
    assert f"token     ends in {token[-4:]}" in lines
    assert lines[-1].endswith('CAVEclient("minnie65_public")')


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda cave: cave.withdraw_terms("ada", "minnie65_public"), "Token saved. One step left."),
        (lambda cave: cave.revoke("ada", "minnie65_public"), "minnie65_public cannot be read yet."),
    ],
)
def test_the_card_says_what_is_left_to_do(cave, run, monkeypatch, make, said):
    """If the datastack cannot be read yet, the card says what to do, or how to find out."""
    make(cave)
    monkeypatch.setenv("ADA", cave.new_token("ada"))
    run(f'%config CaveMagics.server = "{cave.server}"')
    assert said in run("%cave_save --from-env ADA").out


def test_setup_without_arguments_says_that_you_are_set_up(run, set_up, monkeypatch):
    """If a token works, `%cave_setup` says so, and, where somebody can sign in, how to change the account."""
    assert "another account" not in run("%cave_setup").out
    sit_at_terminal(monkeypatch)
    out = run("%cave_setup").out
    assert out.startswith("✔ You are set up.")
    assert "To use another account: %cave_setup existing" in out


def test_setup_without_arguments_says_what_to_type(cave, run, monkeypatch):
    """Without a token, `%cave_setup` names both commands and whom they are for, or the command for batch runs."""
    run(f'%config CaveMagics.server = "{cave.server}"')
    assert f"%cave_save --from-env CAVE_TOKEN --server {cave.server}" in run("%cave_setup").out
    sit_at_terminal(monkeypatch)
    out = run("%cave_setup").out
    assert f"%cave_setup new --server {cave.server}" in out
    assert f"%cave_setup existing --server {cave.server}" in out
