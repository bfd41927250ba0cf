"""After any magic, a token from any source is in no place where others might find it."""

from __future__ import annotations

import base64
import getpass
import json
import pickle
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from cave_magic.commands import NAMES, functions
from cave_magic.errors import CaveMagicError
from cave_magic.login import verify
from cave_magic.sandbox import Sandbox
from cave_magic.token import Token
from cave_magic.ui.redact import MASK

from ..support.person import Person
from ..support.shell import sit_at_terminal

ZETTA = base64.b64encode(bytes(range(162, 194))).decode()
"""Another form of token, built here so that no traceback of a test can bring it into the line cache."""


# ---------------------------------------------------------------- typed on the line

TYPED = {
    "alone": "%cave_save {token}",
    "with options": "%cave_save {token} --overwrite",
    "before options": "%cave_save --overwrite {token}",
    "in quotes": '%cave_save "{token}"',
    "as JSON": """%cave_save '{{"token": "{token}"}}'""",
    "as an assignment": "%cave_save token={token}",
    "on the next line": "a = 1\n%cave_save --overwrite \\\n    {token}\nb = 2",
    "in pieces": "%cave_save {part} {rest}",
    "in capitals": "%cave_save {upper}",
    "with Bearer": "%cave_save Bearer {token}",
    "unchecked": "%cave_save {token} --no-check",
    "automagic": "cave_save {token}",
    "assigned": "x = %cave_save {token}",
    "in a cell of several lines": "a = 1\nif a:\n    %cave_save {token}\nb = 2",
    "called": "get_ipython().run_line_magic('cave_save', '{token}')",
    "in a loop": "for turn in range(2):\n    %cave_save {token} --overwrite",
    "two times": "%cave_save {token}\n%cave_save {token}",
    "in an address": "%cave_save https://cave.example.org/?middle_auth_token={token}",
    "mistyped option": "%cave_save {token} --overwrit",
    "mistyped option with it": "%cave_save --tokn {token}",
    "mistyped option, joined": "%cave_save --tokn={token}",
    "option that wants a value": "%cave_save {token} --from-env",
    "open quote": "%cave_save '{token}",
    "a part of it": "%cave_save {part}",
    "two of them": "%cave_save {token} 00112233445566778899aabbccddeeff",
    "whoami": "%cave_whoami {token}",
    "check": "%cave_check {token}",
    "check, mistyped option": "%cave_check --jsn {token}",
    "check, as a datastack": "%cave_check --datastack {token} --timeout 2",
    "setup": "%cave_setup {token}",
    "setup, as an option": "%cave_setup existing --use {token}",
    "as a server": "%cave_whoami --server {token}",
    "as a server's path": "%cave_whoami --server https://cave.example.org/{token}",
    "as a file": "%cave_save --from-file {token}",
    "as a variable of the environment": "%cave_save --from-env {token}",
    "as a variable": "%cave_save ${token}",
    "a part of it as a variable": "%cave_save ${part}",
    "as a number of seconds": "%cave_check --timeout {token}",
    "raised on": "try:\n    %cave_save {token} --tokn\nexcept Exception as error:\n    raise RuntimeError('on top') from error",
    "raised while handling": "try:\n    %cave_whoami {token}\nexcept Exception:\n    1 / 0",
    "followed by an error": "%cave_save {token}\n1 / 0",
    "in a function that fails": "def f(t):\n    get_ipython().run_line_magic('cave_whoami', t)\nf('{token}')",
    "with a magic that is not there": "%cave_save {token}\n%cave_sav nothing",
    "help": "%cave_save {token} --help",
    **{
        f"{line} behind {name}": f"%{name} {line}"
        for name in NAMES
        for line in ("-x{token}", "--from-file{token}", "-d{token} -x{upper}")
    },
    "glued, short option": "%cave_save -s{token}",
    "glued, a server": "%cave_whoami --server={token}",
    "glued, a variable of the environment": "%cave_save --from-env={token}",
    "glued, in quotes": "%cave_save '-x{token}'",
    "glued, several in a cell": "for t in 'a':\n    %cave_save -x{token} --y{upper}\n    %cave_check --datastack{token}\n",
    "glued, another form": "%cave_check --x{odd} -d{odd}",
    "in an address's credentials": "%cave_check --server https://{token}@cave.example.org",
    "a password in an address": "%cave_check --server https://ada:{odd}@cave.example.org",
    "in a comment": "%cave_save --no-such # {token}",
    "in a comment, glued": "%cave_whoami #x{token}",
    "behind a choice": "%cave_setup new {token}",
    "as an expression": "%cave_save {{f('{token}')}}",
    "as a server's setting": '%config CaveMagics.server = "https://{token}@cave.example.org"',
    "as a server's setting, a password": '%config CaveMagics.server = "https://ada:{odd}@cave.example.org"\n%cave_check --json',
    "as a datastack's setting": '%config CaveMagics.datastack = "{token}"\n%config CaveMagics.datastack\n%cave_check',
}


@pytest.mark.in_turn(way=tuple(TYPED), first=("0123456789", "abcdef"))  # the latter could be a name
def test_a_typed_token_leaves_no_trace(person, way, first):
    """A token typed anywhere in any magic, valid or not, is neither kept nor quoted in any traceback mode."""
    person.shell.run_line_magic("xmode", "Verbose")
    token = next(new for _ in range(500) if (new := person.cave.new_token("ada"))[0] in first)
    person.types(TYPED[way].format(token=token, upper=token.upper(), part=token[:29], rest=token[29:], odd=ZETTA))
    person.looks_back()
    assert person.traces(token, token.upper(), ZETTA) == []


FOR_US = (
    "%cave-save {}",
    "%CaveSave {}",
    "%cave_save: {}",
    "get_ipython().run_line_magic('cave_svae', '{}')",
    "%%cave_save --overwrite\n'{}'",
    "%time %cave_svae {}",
    "a, b = %cave_svae {}",
    "# %cave_save {}",
    "print(cave_save('{}'))",
    "import cave_magic\ncave_magic.save(\n    '{}',\n    overwrit=True,\n)",
    '%config CaveMagic.server = "{}"',
    "!uv run cave-magic save {}",
    "!'/opt/my env/bin/cave-magic' save {}",
    "%sx cave-magic save {}",
    "x = !python3 -mcave_magic save {}",
    "!echo {} | cave-magic save --from-file -",
    "!CAVE_TOKEN={} cave-magic save --from-env CAVE_TOKEN",
    "%cave_svae --overwrite \\\n    {}",
    "get_ipython().run_cell_magic('cave_save', '', '{}')",
    "import subprocess; subprocess.run(['/no/such/cave-magic', 'save', '{}'])",
    "import cave_magic as cm\ncm.save('{}', wrong=1)",
    "from cave_magic import save as keep\nkeep('{}', wrong=1)",
)


@pytest.mark.parametrize(
    "line",
    [
        "%cave_svae {}",
        "cave_svae {} --overwrite",
        "x = %cave_svae {}",
        "%cave_save? {}",
        "?cave_save {}",
        "%cave_save {}?",
        "!cave-magic save {}",
        "!python -m cave_magic save --token={}",
        "a = 1\n%cave_svae {}",
        '%config CaveMagics.servr = "{}"',
        *FOR_US,
    ],
)
def test_a_token_that_no_magic_saw_is_scrubbed_by_the_next(person, monkeypatch, line):
    """Whatever was meant for this package: the next magic scrubs it, and says where it was; the one after says nothing."""
    monkeypatch.setattr(person.shell, "system", lambda command: None)
    monkeypatch.setattr(person.shell, "getoutput", lambda command, **_: [])
    token = person.cave.new_token("ada")
    person.types(line.format(token))
    number = len(person.shell.user_ns["In"]) - 1
    said = person.types("%cave_whoami")
    assert f"The token that you typed in In[{number}] was removed from the history in memory and on disk." in said
    assert person.traces(token, but="output") == []  # IPython itself repeats some of these lines
    assert "removed from the history" not in person.types("%cave_whoami")


def test_a_function_leaves_that_to_the_next_magic(person, monkeypatch):
    """A function shows nothing, so it does not change the history for a reason that it could not say."""
    monkeypatch.setattr(functions, "running_ipython", lambda: person.shell)
    person.types(f"%cave_svae {person.cave.new_token('ada')}")
    with pytest.raises(CaveMagicError):
        functions.call("cave_whoami", timeout=5, options={"server": person.cave.server})
    assert "was removed from the history" in person.types("%cave_whoami")


@pytest.mark.parametrize(
    "line",
    [
        "cave_ids = '{}'",
        "print('{}')",
        "cave_ids == '{}'",
        "!pip download cave-magic -d {}",
        "!git -C cave_tools checkout {}01234567",
        "# cave_ids from {}",
        "other = '%cave_save {}'",
        "cave_ids += ['{}']",
        "cave_ids if cave_ids == '{}' else None",
        "cave_ids in ['{}']",
        "x = cave_ids | {{'{}'}}",
        "%env CAVE_TOKEN={}",
        "from cave_magic import save\nclass Model:\n    def save(self, name='{}'): ...\nModel().save()",
        "%%writefile /dev/null\ncave-magic==0.2.0 --hash=md5:{}",
        "%%writefile /dev/null\ncave-magic @ git+https://github.com/org/cave-magic@{}01234567",
    ],
)
def test_what_was_not_typed_for_us_stays(person, line):
    """A value of the user's own, which may be no token at all, stays in the history; a check warns about it."""
    token = person.cave.new_token("ada")
    person.types("cave_ids = 1")
    person.types(line.format(token))
    assert "removed from the history" not in person.types("%cave_whoami")
    assert token in person.shell.user_ns["In"][-2]


@pytest.mark.parametrize(
    "state", ["refused", "down", "silent", "html", "another is stored", "unusual", "unusual, refused"]
)
def test_a_typed_token_that_is_not_saved_leaves_no_trace(person, state):
    """A typed token is scrubbed if it is rejected, the server is in trouble, or another token is stored."""
    token = ZETTA if "unusual" in state else person.cave.new_token("ada")
    if state == "refused":
        person.cave.delete_token(token)
    if state in ("down", "silent", "html"):
        person.cave.misbehave("all", state)
        person.shell.run_line_magic("config", "CaveMagics.timeout = 0.5")
    if state == "another is stored":
        person.shell.user_ns["mine"] = person.cave.new_token("bob")
        person.types("%cave_save $mine")
        del person.shell.user_ns["mine"]
    person.shell.run_line_magic("xmode", "Verbose")
    person.types(f"%cave_save {token}" + (" --no-check" if state == "unusual" else ""))
    person.looks_back()
    assert person.traces(token) == []


@pytest.mark.parametrize(
    "line",
    [
        "check -x$tok",
        "check {tok}",
        "setup new {tok}",
        "whoami --server https://$tok@a.org",
        "save -x$tok",
        "save --from-env=$tok",
        "save {tok} -x{tok}",
    ],
)
def test_a_variable_in_a_wrong_place_leaves_no_trace(person, line):
    """IPython fills in the value for the other magics; no message contains it."""
    token = person.cave.new_token("ada")
    person.shell.user_ns["tok"] = token
    person.types(f"%cave_{line}")
    person.looks_back()
    assert person.traces(token) == []


def test_the_tracebacks_of_rich_are_not_shown(person):
    """`rich.traceback.install(show_locals=True)` shows the variables of all frames; our errors stay one line."""
    person.types("from rich.traceback import install; install(show_locals=True)")
    token = person.cave.new_token("ada")
    assert len(person.types(f"%cave_save {token} --tokn").splitlines()) <= 4
    person.looks_back()
    assert person.traces(token) == []
    assert "locals" in person.types("1 / 0")


def test_a_password_that_was_typed_is_called_one(person):
    """It says what kind of secret was scrubbed."""
    said = person.types("%cave_check --server https://ada:hunter2@cave.example.org")
    assert "The password that you typed was removed from the history in memory and on disk." in said
    assert "The address contains a user name or password. Use https://cave.example.org" in said


def test_the_person_is_told_what_may_be_left(person):
    """After a typed token two lines say what was scrubbed and what cannot be, also after an error."""
    for line in ("%cave_save {} --overwrite", "%cave_whoami {}"):
        said = person.types(line.format(person.cave.new_token("ada")))
        assert "The token that you typed was removed from the history in memory and on disk." in said
        assert "It may still be in the terminal; clear it if others can see it." in said


@pytest.mark.parametrize(
    ("cell", "after"),
    [
        ("%cave_save {}", "%cave_save"),
        ("%cave_save {} --overwrite", "%cave_save --overwrite"),
        ("%cave_save '{}' --no-check", "%cave_save --no-check"),
        ("a = 1\n%cave_save --overwrite {}\nb = 2", "a = 1\n%cave_save --overwrite\nb = 2"),
        ("""%cave_save '{{"token": "{}"}}'""", "%cave_save"),
        ("x = %cave_save {}", "x = %cave_save"),
        ("%cave_save --no-check {0} # {0}", "%cave_save --no-check #"),
        ("get_ipython().run_line_magic('cave_save', '{}')", "get_ipython().run_line_magic('cave_save', '****')"),
    ],
)
def test_a_notebook_s_cell_is_rewritten(person, monkeypatch, cell, after):
    """In a kernel the cell is replaced by one without the token; the options and other lines stay."""
    rewritten: list[str] = []
    monkeypatch.setattr(person.shell, "kernel", object(), raising=False)
    monkeypatch.setattr(person.shell, "set_next_input", lambda text, replace: rewritten.append(text))
    said = person.types(cell.format(person.cave.new_token("ada")))
    assert rewritten == [after]
    assert "the front end's undo history and a checkpoint of the notebook" in said


def test_a_cell_that_is_not_kept_is_not_rewritten(person, monkeypatch):
    """If the input is not stored, no other cell is replaced."""
    monkeypatch.setattr(person.shell, "kernel", object(), raising=False)
    monkeypatch.setattr(person.shell, "set_next_input", lambda *_, **__: pytest.fail("this was another cell"))
    person.types("other = 1")
    person.shell.run_cell(f"%cave_save {person.cave.new_token('ada')}", store_history=False)


def test_what_cannot_be_scrubbed_is_named(person, monkeypatch):
    """If another program locks the history database, it says so."""
    token = person.cave.new_token("ada")
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: real(*args, **{**options, "timeout": 0.05}))
    person.types(f"t = '{token}'")
    person.shell.history_manager.writeout_cache()
    other = real(person.home / "history.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    said = person.types("%cave_save $t")
    other.rollback()
    other.close()
    assert "The token could not be removed from the history database." in said


# ---------------------------------------------------------------- the other ways in


def from_variable(person: Person, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A variable that an earlier cell assigned."""
    person.types(f"mine = '{token}'")
    return "%cave_save $mine"


def from_odd_variable(person: Person, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same with what was downloaded."""
    person.types(f"""mine = '''{{"token": "{token}"}}'''""")
    return "%cave_save ${mine} --no-check"


def from_environment(person: Person, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A variable of the environment that an earlier cell set."""
    person.types(f"import os; os.environ['MINE'] = '{token}'")
    monkeypatch.setenv("MINE", token)
    return "%cave_save --from-env MINE"


def from_file(person: Person, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A downloaded file."""
    (person.home / "download.json").write_text(json.dumps({"token": token}))
    return f"%cave_save --from-file {person.home / 'download.json'}"


def from_prompt(person: Person, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The hidden prompt."""
    sit_at_terminal(monkeypatch)
    monkeypatch.setattr(getpass, "getpass", lambda *_: token)
    return "%cave_save"


def from_setup(person: Person, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The hidden prompt of the set-up."""
    from_prompt(person, token, monkeypatch)
    return "%cave_setup existing --paste"


Way = Callable[[Person, str, pytest.MonkeyPatch], str]
WAYS: tuple[tuple[Way, str], ...] = (
    (from_variable, ""),
    (from_odd_variable, ""),
    (from_environment, "environment"),
    (from_file, "file download.json"),
    (from_prompt, ""),
    (from_setup, ""),
)


@pytest.mark.parametrize(("way", "but"), WAYS, ids=[way.__name__ for way, _ in WAYS])
@pytest.mark.parametrize("fate", ["saved", "refused", "down", "interrupted", "broken"])
def test_a_token_that_came_otherwise_leaves_no_trace(person, monkeypatch, way, but, fate):
    """From a variable, the environment, a file or a prompt, the token is only in its source and in the token files."""
    token = person.cave.new_token("ada")
    cell = way(person, token, monkeypatch)
    if fate == "refused":
        person.cave.delete_token(token)
    if fate == "down":
        person.cave.misbehave("all", "down")
    if fate in ("interrupted", "broken"):
        error = KeyboardInterrupt() if fate == "interrupted" else ValueError(f"no luck with {token}")
        monkeypatch.setattr(verify, "verify_token", lambda *_, **__: (_ for _ in ()).throw(error))
        monkeypatch.setattr(verify.save, "save_token", lambda *_, **__: (_ for _ in ()).throw(error))
    person.shell.run_line_magic("xmode", "Verbose")
    person.types(cell)
    person.looks_back()
    stored = list(person.home.rglob("*-cave-secret.json"))
    assert bool(stored) == (fate == "saved") or "--no-check" in cell
    assert person.traces(token, but=but) == []


def test_a_stored_token_is_shown_by_no_magic(person, monkeypatch):
    """Every form of `%cave_whoami` and `%cave_check` leaves no trace of the stored token."""
    token = person.cave.new_token("ada")
    monkeypatch.setenv("MINE", token)
    person.types("%cave_save --from-env MINE")
    monkeypatch.delenv("MINE")
    for cell in (
        "%cave_whoami",
        "%cave_setup",
        "%cave_check -v",
        "%cave_check --json",
        "r = %cave_check -o",
        "r",
        "%cave_check --report",
    ):
        assert person.types(cell)
    assert person.traces(token) == []


# ---------------------------------------------------------------- servers that would have it


def test_a_redirect_does_not_take_it_along(person):
    """A redirect to another host sends it neither the token nor a cookie."""
    from flask import redirect

    token = person.cave.new_token("ada")
    with Sandbox() as other:
        person.cave.misbehave("all", lambda request: redirect(f"{other.server}/auth/api/v1/user/cache", 302))
        person.types(f"%cave_save {token}")
        person.types(f"%cave_save {token} --no-check")
        person.types("%cave_whoami")
        person.types("%cave_check -v")
        assert not [record for record in other.requests if record.authorization or record.cookie]
        assert token not in repr(other.requests)
    assert person.traces(token) == []


@pytest.mark.parametrize("kind", ["json", "html", "header", "named"])
def test_a_server_that_repeats_it_is_not_quoted(person, monkeypatch, kind):
    """A token that the server returns in a message, page, header or name is not shown."""
    from flask import make_response

    token = person.cave.new_token("ada")

    def echo(request: Any) -> Any:
        sent = request.headers.get("Authorization", "").partition(" ")[2]
        if kind == "json":
            return make_response({"error": "odd", "message": f"not you, {sent}!", "x": [{"a": sent}]}, 403)
        if kind == "named":
            return make_response(
                {"id": 1, "name": f"Ada {sent}", "email": f"{sent}@example.org", "missing_tos": []}, 200
            )
        reply = make_response(f"<h1>Hello x{sent}y</h1>", 502)
        if kind == "header":
            reply.headers["Location"] = f"https://cave.example.org/{sent}?token={sent}"
            reply.status_code = 302
        return reply

    person.cave.misbehave("auth", echo)
    person.cave.misbehave("info", echo)
    monkeypatch.setenv("MINE", token)
    person.types("%cave_save --from-env MINE")
    person.types("%cave_save --from-env MINE --no-check")
    monkeypatch.delenv("MINE")
    for cell in ("%cave_whoami", "%cave_check -v", "%cave_check --json", "r = %cave_check -o", "r"):
        person.types(cell)
    assert person.traces(token) == []


# ---------------------------------------------------------------- our own objects


def test_no_object_of_ours_gives_it_away(person, monkeypatch):
    """Responses, accounts, evidence, reports and results of a save contain no token in their repr or pickle."""
    from cave_magic.credentials.target import find_target
    from cave_magic.doctor.diagnose import diagnose
    from cave_magic.doctor.gather import gather

    token = person.cave.new_token("ada")
    target = find_target("minnie65_public", person.cave.server)
    checked = verify.verify_token(Token(token), target, 10)
    saved = verify.save_and_prove(checked.token, checked.target, False, checked)
    evidence = gather([target], 10)
    report = diagnose([target], 10)
    for one in (checked, saved, evidence, report, report.to_dict(), *report.rows):
        assert token not in repr(one)
        assert token not in str(one)
        try:
            dumped = pickle.dumps(one)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            dumped = str(error).encode()
        assert token.encode() not in dumped


def test_an_error_of_ours_keeps_nothing_but_its_sentence(person):
    """The error of a magic has no frames, cause or context that could contain what was typed."""
    token = person.cave.new_token("ada")
    person.types(f"try:\n    %cave_save {token} --tokn\nexcept Exception as error:\n    kept = error")
    kept = person.shell.user_ns["kept"]
    assert (kept.__cause__, kept.__context__, kept.__traceback__) == (None, None, None)
    assert not person.traces(token)


def test_an_own_mask_is_what_remains(person):
    """The history contains the mask instead of the token."""
    person.types(f"%cave_save {person.cave.new_token('ada')} --overwrite")
    assert person.shell.user_ns["In"][-1].count(MASK) == 1
