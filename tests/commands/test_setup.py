"""Setting up and saving: every source of a token, every invalid answer, and what works afterwards."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cave_magic.api.urls import host_of
from cave_magic.commands.views.guide import first_address
from cave_magic.credentials.target import find_target
from cave_magic.environment.packages import Unmet
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Visitor

from ..support.shell import settings, sit_at_terminal

WRONG = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def person(cave, shell, monkeypatch):
    """A person at a prompt: `person(answer, ...)` sets the answers and counts the questions."""

    answers: list[object] = []
    asked: list[str] = []

    def answer(prompt: str = "") -> str:
        asked.append(prompt)
        value = answers.pop(0)
        if isinstance(value, BaseException):
            raise value
        return str(value)

    sit_at_terminal(monkeypatch)
    monkeypatch.setattr("getpass.getpass", answer)
    monkeypatch.setattr("builtins.input", answer)
    settings(shell).server = cave.server

    def ready(*values: object) -> list[str]:
        answers[:] = values
        asked.clear()
        return asked

    return ready


def _files(home: Path) -> dict[str, str]:
    folder = home / ".cloudvolume" / "secrets"
    return {path.name: path.read_text() for path in sorted(folder.glob("*.json"))} if folder.is_dir() else {}


def _forms(token: str) -> dict[str, str]:
    return {
        "bare": token,
        "quoted": f' "{token}" ',
        "capitals": token.upper(),
        "key": f"token: {token}",
        "header": f"Authorization: Bearer {token}",
        "file": json.dumps({"token": token, "description": "laptop", "middle_auth_url": "x"}),
        "list": json.dumps([{"token": token, "description": "only one", "id": 1}]),
        "call": f'client.auth.save_token(token="{token}")',
        "address": f"https://x.org/?middle_auth_token={token}&token={token}",
    }


@pytest.mark.parametrize("form", sorted(_forms("")))
def test_every_pasted_form_sets_a_person_up(cave, run, person, home, form):
    """The token in a paste of any form is checked and saved."""
    token = cave.new_token("ada")
    person(_forms(token)[form])
    ran = run("%cave_setup new --paste")
    assert not ran.error, ran.message
    assert json.loads(_files(home)[f"{host_of(cave.server)}-cave-secret.json"])["token"] == token
    assert token not in ran.out


def test_afterwards_caveclient_works_here_and_in_a_fresh_kernel(cave, run, person, home):
    """After a set-up `CAVEclient("minnie65_public")` needs no further argument, for every datastack of the server."""
    person(cave.new_token("ada"))
    assert not run("%cave_setup new --paste").error
    names = "('minnie65_public', 'flywire_fafb_public')"
    code = f"from caveclient import CAVEclient; print([CAVEclient(name).server_address for name in {names}])"
    assert cave.server in run(code).out
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert fresh.stdout.count(cave.server) == 2, fresh.stderr


@pytest.mark.parametrize("answer", ["", "   ", KeyboardInterrupt(), EOFError()])
@pytest.mark.parametrize("line", ["%cave_setup new --paste", "%cave_setup existing --paste", "%cave_save"])
def test_an_empty_answer_cancels(run, person, home, line, answer):
    """An empty answer, Ctrl-C and Ctrl-D cancel at once; nothing is changed."""
    asked = person(answer)
    ran = run(line)
    assert ran.error == "Cancelled"
    assert len(asked) == 1
    assert _files(home) == {}


@pytest.mark.parametrize("line", ["%cave_setup new --paste", "%cave_save"])
def test_three_invalid_answers_end_the_prompt(run, person, home, line):
    """A placeholder, a truncated token and an unknown token each get a sentence; the last error says what to do."""
    asked = person("YOUR_TOKEN", WRONG[:-1], WRONG)
    ran = run(line)
    assert ran.error == "TokenRejected", ran.message
    assert len(asked) == 3
    assert "placeholder" in ran.out
    assert "31 characters" in ran.out
    assert "%cave_save" in ran.message
    assert WRONG not in ran.out
    assert _files(home) == {}


def test_one_of_several_pasted_tokens_is_chosen(cave, run, person, home):
    """The person chooses one of several tokens by description, date and last four characters."""
    first, second = cave.new_token("ada", description="laptop"), cave.new_token("ada", description="cluster")
    items = [
        {"token": first, "description": "laptop"},
        {"token": second, "description": "cluster", "created": "Sat, 21 Nov"},
    ]
    person(json.dumps(items), "2")
    ran = run("%cave_save")
    assert not ran.error, ran.message
    assert f"cluster Sat, 21 Nov ends in {second[-4:]}" in " ".join(ran.out.split())
    assert json.loads(_files(home)["cave-secret.json"])["token"] == second


def test_another_token_is_replaced_only_with_overwrite(cave, run, set_up, home, monkeypatch):
    """Without `--overwrite` the saved token stays, byte for byte; with it, it is replaced."""
    before = _files(home)
    other = cave.new_token("ada")
    monkeypatch.setenv("OTHER", other)
    ran = run("%cave_save --from-env OTHER")
    assert ran.error == "TokenExists"
    assert set_up[-4:] in ran.message
    assert _files(home) == before
    assert not run("%cave_save --from-env OTHER --overwrite").error
    assert {json.loads(text)["token"] for name, text in _files(home).items() if "secret" in name} == {other}


@pytest.mark.parametrize(("answer", "replaced"), [("y", True), ("", False), (KeyboardInterrupt(), False)])
@pytest.mark.parametrize("options", ["", "--no-check"])
def test_a_person_is_asked_before_another_token_is_replaced(cave, run, person, set_up, home, answer, replaced, options):
    """The question names both accounts and the ends of both tokens; the paste is saved, or the stored token is kept."""
    other = cave.new_token("alice")
    asked = person(other, answer)
    ran = run(f"%cave_save {options}")
    owner = "stored token" if options else "token of ada@example.org"
    which = "" if options else " of another account, alice@example.org"
    question = f"Replace the {owner} (ending {set_up[-4:]}) with this one{which} (ending {other[-4:]})? [y/N] "
    assert asked[1] == question
    assert ran.error == ("" if replaced else "Cancelled")
    assert json.loads(_files(home)[f"{host_of(cave.server)}-cave-secret.json"])["token"] == (
        other if replaced else set_up
    )
    assert replaced or "nothing was changed." in ran.message.lower()


def test_another_token_of_the_same_account_is_called_that(cave, run, person, set_up):
    """The question tells a second token of one person from a token of another account."""
    other = cave.new_token("ada")
    asked = person(other, "n")
    assert run("%cave_save").message == "the stored token was kept. Nothing was changed."
    which = f"with this one of the same account (ending {other[-4:]})? [y/N] "
    assert asked[1] == f"Replace the token of ada@example.org (ending {set_up[-4:]}) {which}"


def test_a_server_that_says_when_to_try_again_is_quoted(cave, run, person):
    """The line says at what time, as the check does."""
    person()
    cave.misbehave("sticky_auth", "retry-after:3600")
    assert re.search(r"Try again (on \d+ \w+ )?at \d\d:\d\d", run("%cave_setup new").message)
    cave.misbehave("auth", "retry-after:3600")
    assert re.search(r"try again (on \d+ \w+ )?at \d\d:\d\d", run("%cave_setup new").message)


WORK = 'from caveclient import CAVEclient; client = CAVEclient("minnie65_public")'


def test_the_next_cell_gets_the_line_to_go_on_with_once(cave, run, person, shell):
    """After the first set-up that works, the next cell has the line; a second set-up leaves it alone."""
    person(cave.new_token("ada"), "y", cave.new_token("ada"))
    run("%cave_setup new --paste")
    assert shell.rl_next_input == WORK
    shell.rl_next_input = None
    assert run("%cave_setup existing --paste").error == ""
    assert getattr(shell, "rl_next_input", None) is None


@pytest.mark.parametrize("why", ["terms", "setting", "nobody"])
def test_the_next_cell_stays_empty(cave, run, person, shell, monkeypatch, why):
    """It stays empty while a step is left, if the person does not want it filled, and in a batch run."""
    monkeypatch.setenv("MINE", cave.new_token("bob" if why == "terms" else "ada"))
    if why == "setting":
        run("%config CaveMagics.fill_next_cell = False")
    sit_at_terminal(monkeypatch, can_ask=why != "nobody")
    assert run("%cave_save --from-env MINE").error == ""
    assert getattr(shell, "rl_next_input", None) is None


@pytest.mark.parametrize("line", ["%cave_setup", "%cave_save --from-env ADA"])
def test_a_caveclient_that_is_too_old_is_named(cave, run, set_up, monkeypatch, line):
    """Whoever is told to go on also learns what to upgrade first; with a good caveclient nothing is said."""
    monkeypatch.setenv("ADA", set_up)
    said = "Note: cave-magic needs caveclient>=7 (6.5.2 is installed). To upgrade it: %pip install"
    assert said not in " ".join(run(line).out.split())
    old = Unmet(name="caveclient", specifier=">=7", have="6.5.2", by="cave-magic")
    monkeypatch.setattr("cave_magic.environment.packages.unmet_requirements", lambda: (old,))
    assert said in " ".join(run(line).out.split())


@pytest.mark.parametrize("who", ["ada@example.org", "bob@example.org"])
def test_the_first_link_of_the_guide_leads_to_a_page_for_people(cave, who):
    """On a server outside the table, too, it takes a person through sign-in and terms to a page, not to JSON."""
    target = find_target("minnie65_public", cave.server)
    page = Visitor(who).open(first_address(target, is_new=True))
    assert page.status == 200
    assert page.source.lstrip().startswith("<!doctype html>")
    assert "minnie65_public" in page.source


def test_the_prompt_says_where_tokens_are_and_what_one_is(cave, run, person):
    """`%cave_save` links the page with the tokens, says at first what a token is, and that nothing appears."""
    asked = person(cave.new_token("ada"), "", "")
    first, later = run("%cave_save").out, run("%cave_save").out
    assert f"Your tokens for {host_of(cave.server)}: {cave.server}/sticky_auth/settings/tokens" in first.replace(
        "\n", " "
    )
    assert "A token is like a password for programs" in first
    assert f"{cave.server}/sticky_auth/settings/tokens" in later
    assert "A token is" not in later
    assert asked[0] == "Token (hidden: nothing appears while you paste): "


def test_the_same_token_is_already_saved(run, set_up, home, monkeypatch):
    """Saving the same token again says so, and writes nothing."""
    before = _files(home)
    monkeypatch.setenv("SAME", set_up)
    ran = run("%cave_save --from-env SAME")
    assert "already saved" in ran.out
    assert _files(home) == before


@pytest.mark.parametrize("how", ["down", "silent", "reset", "html", "error500", "status:418", "garbage"])
def test_a_token_is_not_saved_while_the_server_is_in_trouble(cave, run, person, home, monkeypatch, how):
    """While the auth server is in trouble nothing is saved, the token is not called bad, and `--no-check` is named."""
    run("%config CaveMagics.timeout = 2.0")
    monkeypatch.setenv("TOKEN", cave.new_token("ada"))
    cave.misbehave("auth", how)
    ran = run("%cave_save --from-env TOKEN")
    assert ran.error == "TokenNotChecked"
    assert "--no-check" in ran.message
    assert _files(home) == {}


def test_no_check_saves_a_token_without_network(cave, run, person, home, monkeypatch):
    """`--no-check` sends no request, and says that the token was not checked."""
    token = cave.new_token("ada")
    monkeypatch.setenv("TOKEN", token)
    cave.misbehave("all", "reset")
    cave.clear_requests()
    ran = run("%cave_save --from-env TOKEN --no-check")
    assert not ran.error, ran.message
    assert "not checked" in ran.out
    assert not cave.requests
    assert json.loads(_files(home)["cave-secret.json"])["token"] == token


@pytest.mark.parametrize("line", ["%cave_setup new --paste", "%cave_setup", "%cave_whoami"])
def test_an_unreachable_server_is_reported_before_any_prompt(cave, run, person, line):
    """There is no prompt for a server that cannot be reached."""
    cave.misbehave("all", "down")
    asked = person("x")
    ran = run(line)
    assert ran.error in ("ServerInTrouble", "NoToken")
    assert not asked


def test_a_token_of_another_known_server_is_not_sent(cave, run, person, home):
    """A downloaded file that names another deployment is rejected before any request."""
    cave.clear_requests()
    person(json.dumps({"token": WRONG, "middle_auth_url": "https://global.daf-apis.com/sticky_auth"}))
    ran = run("%cave_save")
    assert ran.error == "BadInput"
    assert "--server https://global.daf-apis.com" in ran.message
    assert not [record for record in cave.requests if record.authorization]


def test_from_file_takes_the_download_of_the_tokens_page(cave, run, person, home):
    """The JSON file from the tokens page is accepted unchanged."""
    token = cave.new_token("ada")
    file = home / "token.json"
    file.write_text(json.dumps({"token": token, "description": "x", "middle_auth_url": cave.server}))
    assert not run("%cave_save --from-file ~/token.json").error
    assert json.loads(_files(home)["cave-secret.json"])["token"] == token


def test_an_unknown_server_decides_about_a_token_of_an_unknown_format(cave, run, person, shell, home):
    """An unknown server may use its own token format, so such a token is sent to it."""
    shell.user_ns["mine"] = "lab-key_0123456789.AbCdEf~Gh=="
    ran = run("%cave_save $mine")
    assert ran.error == "TokenRejected", ran.message
    assert "does not look like a token of any known server" in ran.out
    assert shell.user_ns["mine"] not in ran.out + ran.message
    assert not _files(home)


@pytest.mark.parametrize("text", ["lab key_0123456789.AbCdEf~Gh==", "your-token-goes-here-0123456789", "short~1"])
def test_a_text_that_cannot_be_a_token_is_sent_to_no_server(cave, run, person, shell, text):
    """Words, placeholders and short texts are rejected before any request."""
    shell.user_ns["mine"] = text
    assert run("%cave_save $mine").error == "NotAToken"
    assert not cave.requests


def test_a_variable_is_read_and_not_shown(cave, run, person, shell, home):
    """`$name` reads the token from a variable; only the name stays in the line."""
    token = shell.user_ns["mine"] = cave.new_token("ada")
    ran = run("%cave_save $mine")
    assert not ran.error, ran.message
    assert token not in ran.out
    assert shell.history_manager.input_hist_raw[-1] == "%cave_save $mine"


@pytest.mark.parametrize(
    "typed",
    ["{mine}", "${mine}", "{ mine }", '"{mine}"', "{mine} --server $server", "--from-file {file} --server {server}"],
)
def test_a_name_in_braces_is_a_variable(cave, run, person, shell, home, typed):
    """`{name}` means the same as `$name`, also for the server and the file, as in the other magics."""
    token = cave.new_token("ada")
    (home / "token.json").write_text(json.dumps({"token": token}))
    shell.user_ns.update(mine=token, server=cave.server, file=str(home / "token.json"))
    ran = run(f"%cave_save {typed}")
    assert not ran.error, ran.message
    assert json.loads(_files(home)["cave-secret.json"])["token"] == token
    assert shell.history_manager.input_hist_raw[-1] == f"%cave_save {typed}"


def test_a_variable_without_a_dollar_is_recognised(cave, run, person, shell, home):
    """`%cave_save token` means the variable, and is not called a placeholder; the printed line saves it."""
    shell.user_ns["token"] = cave.new_token("ada")
    ran = run(f"%cave_save token --server {cave.server}")
    assert (ran.error, _files(home)) == ("BadInput", {})
    line = f"%cave_save $token --server {cave.server}"
    assert ran.message == f"there is a variable token. To save the token in it: {line}"
    assert run(line).error == ""


def test_the_name_of_a_variable_stays_as_it_is(run, shell):
    """An error that begins with a name does not capitalize it: `b` and `B` are two variables."""
    shell.user_ns["b"] = b"abc"
    assert "variable b is not a string (its type is bytes)" in run("%cave_save $b").out


def test_a_path_in_a_variable_is_a_file(cave, run, shell, home, tmp_path):
    """`--from-file` takes a path of pathlib, too."""
    shell.user_ns["path"] = tmp_path / "token.json"
    shell.user_ns["path"].write_text(json.dumps({"token": cave.new_token("ada")}))
    assert run(f"%cave_save --from-file $path --server {cave.server}").error == ""


@pytest.mark.parametrize(
    "typed",
    [
        "{mine.strip()}",
        "{mine[0]}",
        "${mine + 'x'}",
        "{f(1)}",
        "$mine.strip()",
        "{}",
        "{{mine}}",
        "{mine!r}",
        "--server {server()}",
    ],
)
def test_an_expression_in_braces_is_rejected(run, person, shell, home, typed):
    """Only a name is allowed: an expression is neither run nor quoted, and no request is sent."""
    shell.user_ns["mine"] = WRONG
    asked = person()
    ran = run(f"%cave_save {typed}")
    assert (ran.error, ran.message) == (
        "BadInput",
        "$ and braces take the name of a variable, not an expression.",
    )
    assert (asked, _files(home)) == ([], {})


def test_an_existing_set_up_is_replaced_only_after_yes(cave, run, set_up, person, home):
    """If a token already works, it names the account; no is the default."""
    before = _files(home)
    asked = person("")
    ran = run("%cave_setup new --paste")
    assert ran.error == "Cancelled"
    assert "Ada Example" in asked[0]
    assert _files(home) == before


def test_unsigned_terms_do_not_stop_a_set_up(cave, run, person, home):
    """With terms not accepted, the token is saved, the datastack is mapped, and the card links the terms."""
    person(cave.new_token("bob"))
    ran = run("%cave_setup new --paste")
    assert not ran.error, ran.message
    assert f"{cave.server}/sticky_auth/api/v1/tos/2/accept" in ran.out
    assert json.loads(_files(home)["cave_datastack_to_server_map.json"])["minnie65_public"] == cave.server


def test_a_server_that_rejects_the_token_is_not_mapped(run, person, home):
    """The datastack map is written only after the server has accepted the token."""
    person(WRONG, WRONG, WRONG)
    run("%cave_setup new --paste")
    assert _files(home) == {}


def test_whoami_reveals_the_token_only_when_asked(run, set_up):
    """`--reveal` prints it after a warning; otherwise only its last characters are shown."""
    ran = run("%cave_whoami")
    assert set_up not in ran.out
    assert set_up[-4:] in ran.out
    revealed = run("%cave_whoami --reveal").out
    assert revealed.index("Anyone") < revealed.index(set_up)


def test_whoami_shows_the_type_of_token_and_unsigned_terms(cave, run, person):
    """A temporary token has an expiry date; unsigned terms have a link."""
    person(cave.new_login_token("bob"), "n")
    run("%cave_save")
    out = run("%cave_whoami").out
    assert "temporary token" in out
    assert "/tos/2/accept" in out
    assert any(str(year) in out for year in range(2024, 2100))


def test_a_file_that_cannot_be_read_is_not_called_a_missing_token(cave, run, set_up, home):
    """`%cave_whoami` and `%cave_setup` say what is wrong with the file, and the command that they print fixes it."""
    for file in (home / ".cloudvolume" / "secrets").glob("*-secret.json"):
        file.write_text("<html>log in</html>")
    ran = run("%cave_whoami")
    assert ran.error == "NoToken"
    assert "cave-secret.json is not valid JSON (line 1), so no token can be read from it" in ran.message
    assert "is not valid JSON" in " ".join(run("%cave_setup").out.split())
    assert "Next: " in run(ran.message.partition("To fix it: ")[2]).out


@pytest.mark.parametrize("line", ["%cave_whoami", "%cave_setup", "%cave_save --from-env ADA", "%cave_check"])
def test_an_invalid_timeout_is_rejected(cave, run, set_up, monkeypatch, line):
    """Every magic checks `CaveMagics.timeout` against the same limits."""
    monkeypatch.setenv("ADA", cave.new_token("ada"))
    run("%config CaveMagics.timeout = -1")
    ran = run(line)
    assert (ran.error, ran.message) == ("BadInput", "CaveMagics.timeout takes seconds, more than 0 and less than 3600.")


def test_settings_follow_ipython(cave, run, person):
    """`%config CaveMagics...` shows and sets server, datastack and timeout."""
    out = run("%config CaveMagics").out
    assert all(name in out for name in ("server", "datastack", "timeout"))
    run('%config CaveMagics.datastack = "flywire_fafb_public"')
    person(cave.new_token("ada"))
    assert 'CAVEclient("flywire_fafb_public")' in run("%cave_save").out


def test_an_old_server_can_be_set_up_too(run, person, home, monkeypatch):
    """The prompt also works with a server that keeps one token for each account."""
    with Sandbox(auth_version="2.18.0") as old:
        run(f'%config CaveMagics.server = "{old.server}"')
        person(old.new_token("ada"))
        ran = run("%cave_save")
        assert not ran.error, ran.message


# ---------------------------------------------------------------- hostile files


def test_names_of_tokens_in_a_file_are_shown_as_plain_text(here, cave, desk, tmp_path):
    """A description or a date in a list of tokens contains no terminal escapes and no part of a token."""
    mine, other = cave.new_token("ada"), "fedcba9876543210" * 2
    file = tmp_path / "list.json"
    names = [f"\x1b[2J\n{other}", f"{'x ' * 50}{other}"]
    file.write_text(
        json.dumps(
            [
                {"token": one, "description": name, "created": other}
                for one, name in zip((mine, "1" * 32), names, strict=True)
            ]
        )
    )
    desk.answers = ["1"]
    ran = here(f"%cave_save --from-file {file}")
    assert ran.error == ""
    assert not [secret for secret in (mine, other[:12], "\x1b") if secret in ran.out]


def test_a_list_of_thousands_of_tokens_is_not_shown(here, desk, tmp_path):
    """Thousands of tokens are too many to choose from."""
    file = tmp_path / "list.json"
    file.write_text(json.dumps([{"token": f"{number:032x}"} for number in range(4000)]))
    ran = here(f"%cave_save --from-file {file}")
    assert (ran.error, desk.questions) == ("BadInput", [])
    assert ran.message == "found 4000 tokens; give just one."


@pytest.mark.parametrize(
    "named",
    ["//evil.example.org", "evil.example.org:99999", "[::1", "evil.example.org /auth", f"{'a' * 200}.example.org"],
)
def test_a_token_of_an_unreadable_or_long_named_server_is_not_sent(here, cave, tmp_path, named):
    """If a file names a server, that server must be known."""
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"token": cave.new_token("ada"), "middle_auth_url": named}))
    cave.clear_requests()
    ran = here(f"%cave_save --from-file {file}")
    assert ran.error == "BadInput"
    assert "Nothing was sent" in ran.message
    assert len(cave.requests) == 0


def test_an_unchecked_token_from_a_url_is_called_temporary(here, cave, monkeypatch):
    """Only temporary tokens appear in URLs, so no request is needed to know."""
    monkeypatch.setenv("MINE", f"http://127.0.0.1:40123/abc?token={cave.new_login_token('ada')}")
    ran = here("%cave_save --from-env MINE --no-check")
    assert "the token is temporary" in " ".join(ran.out.split())
