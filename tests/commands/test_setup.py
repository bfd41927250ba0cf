"""Setting up and saving: every way in, every odd answer, and what works afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cave_magic.api.urls import host_of
from cave_magic.sandbox import Sandbox

from ..support.shell import sit_at_terminal

WRONG = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def person(cave, run, monkeypatch):
    """Somebody at a prompt: `person(answer, ...)` lays the answers ready and counts the questions."""

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
    run(f'%config CaveMagics.server = "{cave.server}"')

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
    """Whatever form the paste has, the token in it is checked and saved."""
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
    """Nothing, Ctrl-C and Ctrl-D end it at once; nothing is changed."""
    asked = person(answer)
    ran = run(line)
    assert ran.error == "Cancelled"
    assert len(asked) == 1
    assert _files(home) == {}


@pytest.mark.parametrize("line", ["%cave_setup new --paste", "%cave_save"])
def test_three_odd_answers_end_it(run, person, home, line):
    """A placeholder, a part of a token and a token that nobody knows: three sentences, then it ends with what to do."""
    asked = person("YOUR_TOKEN", WRONG[:-1], WRONG)
    ran = run(line)
    assert ran.error == "TokenRejected", ran.message
    assert len(asked) == 3
    assert "placeholder" in ran.out
    assert "31 characters" in ran.out
    assert "%cave_save" in ran.message
    assert WRONG not in ran.out
    assert _files(home) == {}


def test_several_tokens_are_asked_about(cave, run, person, home):
    """Of a list with several tokens the person chooses one, seeing description, date and last four."""
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


def test_another_token_stays_unless_it_may_be_replaced(cave, run, set_up, home, monkeypatch):
    """Without `--overwrite` the saved one stays, byte for byte; with it, it is replaced."""
    before = _files(home)
    other = cave.new_token("ada")
    monkeypatch.setenv("OTHER", other)
    ran = run("%cave_save --from-env OTHER")
    assert ran.error == "TokenExists"
    assert set_up[-4:] in ran.message
    assert _files(home) == before
    assert not run("%cave_save --from-env OTHER --overwrite").error
    assert {json.loads(text)["token"] for name, text in _files(home).items() if "secret" in name} == {other}


def test_the_same_token_is_already_saved(run, set_up, home, monkeypatch):
    """Saving what is saved says so, and writes nothing."""
    before = _files(home)
    monkeypatch.setenv("SAME", set_up)
    ran = run("%cave_save --from-env SAME")
    assert "already saved" in ran.out
    assert _files(home) == before


@pytest.mark.parametrize("how", ["down", "silent", "reset", "html", "error500", "status:418", "garbage"])
def test_a_server_that_cannot_say_saves_nothing(cave, run, person, home, monkeypatch, how):
    """While the auth server is in trouble nothing is saved, the token is not called bad, and `--no-check` is named."""
    run("%config CaveMagics.timeout = 2.0")
    monkeypatch.setenv("TOKEN", cave.new_token("ada"))
    cave.misbehave("auth", how)
    ran = run("%cave_save --from-env TOKEN")
    assert ran.error == "TokenNotChecked"
    assert "--no-check" in ran.message
    assert _files(home) == {}


def test_without_network_a_token_is_saved_unchecked_when_one_says_so(cave, run, person, home, monkeypatch):
    """`--no-check` asks nobody, and says that the token was not checked."""
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
def test_a_dead_server_is_said_before_anything_is_asked(cave, run, person, line):
    """No prompt comes up for a server that cannot be reached."""
    cave.misbehave("all", "down")
    asked = person("x")
    ran = run(line)
    assert ran.error in ("ServerInTrouble", "NoToken")
    assert not asked


def test_a_token_of_another_known_server_is_not_sent(cave, run, person, home):
    """A downloaded file that names another deployment is refused before anybody is asked."""
    cave.clear_requests()
    person(json.dumps({"token": WRONG, "middle_auth_url": "https://global.daf-apis.com/sticky_auth"}))
    ran = run("%cave_save")
    assert ran.error == "BadInput"
    assert "--server https://global.daf-apis.com" in ran.message
    assert not [record for record in cave.requests if record.authorization]


def test_from_file_takes_the_download_of_the_tokens_page(cave, run, person, home):
    """The JSON that the tokens page offers is read as it is."""
    token = cave.new_token("ada")
    file = home / "token.json"
    file.write_text(json.dumps({"token": token, "description": "x", "middle_auth_url": cave.server}))
    assert not run("%cave_save --from-file ~/token.json").error
    assert json.loads(_files(home)["cave-secret.json"])["token"] == token


def test_an_unknown_server_decides_about_a_token_of_an_unknown_format(cave, run, person, shell, home):
    """A server that is in no table may have tokens of its own kind, so such a token is sent to it."""
    shell.user_ns["mine"] = "lab-key_0123456789.AbCdEf~Gh=="
    ran = run("%cave_save $mine")
    assert ran.error == "TokenRejected", ran.message
    assert "does not look like a token of any known server" in ran.out
    assert shell.user_ns["mine"] not in ran.out + ran.message
    assert not _files(home)


@pytest.mark.parametrize("text", ["lab key_0123456789.AbCdEf~Gh==", "your-token-goes-here-0123456789", "short~1"])
def test_a_text_that_cannot_be_a_token_is_sent_to_no_server(cave, run, person, shell, text):
    """Words, placeholders and short texts are refused before any server is contacted."""
    shell.user_ns["mine"] = text
    assert run("%cave_save $mine").error == "NotAToken"
    assert not cave.requests


def test_a_variable_is_read_not_shown(cave, run, person, shell, home):
    """`$name` takes the token from a variable; the line keeps the name only."""
    token = shell.user_ns["mine"] = cave.new_token("ada")
    ran = run("%cave_save $mine")
    assert not ran.error, ran.message
    assert token not in ran.out
    assert shell.history_manager.input_hist_raw[-1] == "%cave_save $mine"


@pytest.mark.parametrize(
    "typed",
    ["{mine}", "${mine}", "{ mine }", '"{mine}"', "{mine} --server $server", "--from-file {file} --server {server}"],
)
def test_a_name_in_braces_is_the_variable_too(cave, run, person, shell, home, typed):
    """`{name}` means what `$name` does, for the server and the file as well, as in the other magics."""
    token = cave.new_token("ada")
    (home / "token.json").write_text(json.dumps({"token": token}))
    shell.user_ns.update(mine=token, server=cave.server, file=str(home / "token.json"))
    ran = run(f"%cave_save {typed}")
    assert not ran.error, ran.message
    assert json.loads(_files(home)["cave-secret.json"])["token"] == token
    assert shell.history_manager.input_hist_raw[-1] == f"%cave_save {typed}"


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
def test_an_expression_in_braces_is_refused(run, person, shell, home, typed):
    """Only a name can be meant: what else stands there is not run and not quoted, and nobody is asked."""
    shell.user_ns["mine"] = WRONG
    asked = person()
    ran = run(f"%cave_save {typed}")
    assert (ran.error, ran.message) == (
        "BadInput",
        "$ and braces take the name of a variable, not an expression.",
    )
    assert (asked, _files(home)) == ([], {})


def test_an_existing_set_up_is_asked_about(cave, run, set_up, person, home):
    """Where a token works already, whose it is is said, and no is the default."""
    before = _files(home)
    asked = person("")
    ran = run("%cave_setup new --paste")
    assert ran.error == "Cancelled"
    assert "Ada Example" in asked[0]
    assert _files(home) == before


def test_unsigned_terms_do_not_stop_a_set_up(cave, run, person, home):
    """With terms unsigned the token is saved, the datastack is mapped, and the card links the terms."""
    person(cave.new_token("bob"))
    ran = run("%cave_setup new --paste")
    assert not ran.error, ran.message
    assert f"{cave.server}/sticky_auth/api/v1/tos/2/accept" in ran.out
    assert json.loads(_files(home)["cave_datastack_to_server_map.json"])["minnie65_public"] == cave.server


def test_a_server_that_refuses_is_not_remembered(run, person, home):
    """The map of datastacks is written only after the log-in worked."""
    person(WRONG, WRONG, WRONG)
    run("%cave_setup new --paste")
    assert _files(home) == {}


def test_whoami_reveals_the_token_only_when_asked(run, set_up):
    """`--reveal` prints it after a warning; without, only its end."""
    ran = run("%cave_whoami")
    assert set_up not in ran.out
    assert set_up[-4:] in ran.out
    revealed = run("%cave_whoami --reveal").out
    assert revealed.index("Anyone") < revealed.index(set_up)


def test_whoami_names_the_kind_of_token_and_unsigned_terms(cave, run, person):
    """A temporary token has a date; unsigned terms have a link."""
    person(cave.new_login_token("bob"), "n")
    run("%cave_save")
    out = run("%cave_whoami").out
    assert "temporary token" in out
    assert "/tos/2/accept" in out
    assert any(str(year) in out for year in range(2024, 2100))


def test_a_file_that_cannot_be_read_is_not_called_a_missing_token(cave, run, set_up, home):
    """`%cave_whoami` and `%cave_setup` say what is wrong with the file, and the line that they print mends it."""
    for file in (home / ".cloudvolume" / "secrets").glob("*-secret.json"):
        file.write_text("<html>log in</html>")
    ran = run("%cave_whoami")
    assert ran.error == "NoToken"
    assert "cave-secret.json is not valid JSON (line 1), so no token can be read from it" in ran.message
    assert "is not valid JSON" in " ".join(run("%cave_setup").out.split())
    assert "Next: " in run(ran.message.partition("To fix it: ")[2]).out


@pytest.mark.parametrize("line", ["%cave_whoami", "%cave_setup", "%cave_save --from-env ADA", "%cave_check"])
def test_a_time_that_is_none_is_refused(cave, run, set_up, monkeypatch, line):
    """`CaveMagics.timeout` is held to the same bounds by every magic."""
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
    """A server that knows one token a person is used the same way by the prompt."""
    with Sandbox(auth_version="2.18.0") as old:
        run(f'%config CaveMagics.server = "{old.server}"')
        person(old.new_token("ada"))
        ran = run("%cave_save")
        assert not ran.error, ran.message


# ---------------------------------------------------------------- hostile files


def test_names_of_tokens_in_a_file_are_shown_as_plain_text(here, cave, desk, tmp_path):
    """A description or a day in a list of tokens holds no terminal escape and shows no token, whole or cut."""
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


def test_a_list_of_thousands_is_not_shown(here, desk, tmp_path):
    """Nobody chooses from thousands of tokens."""
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
    """Whose a token is must be known where the file says anything about it."""
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"token": cave.new_token("ada"), "middle_auth_url": named}))
    cave.clear_requests()
    ran = here(f"%cave_save --from-file {file}")
    assert ran.error == "BadInput"
    assert "Nothing was sent" in ran.message
    assert len(cave.requests) == 0


def test_unchecked_a_token_out_of_an_address_is_called_temporary(here, cave, monkeypatch):
    """No server is asked, but only temporary tokens stand in addresses."""
    monkeypatch.setenv("MINE", f"http://127.0.0.1:40123/abc?token={cave.new_login_token('ada')}")
    ran = here("%cave_save --from-env MINE --no-check")
    assert "the token is temporary" in " ".join(ran.out.split())
