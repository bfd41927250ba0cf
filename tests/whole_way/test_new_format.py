"""A new token format takes one registration: reading, sending, saving, redacting and scrubbing all use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from cave_magic.__main__ import main
from cave_magic.commands import NAMES
from cave_magic.credentials.save import save_token
from cave_magic.credentials.stored_tokens import resolve
from cave_magic.sandbox import Sandbox, accounts
from cave_magic.token import Token, TokenFormat
from cave_magic.ui.redact import MASK, redact, sanitize

from ..support.person import Person
from ..support.token_formats import JWT, make_jwt, registered


class OtherServer(Sandbox):
    """A practice server that reads tokens from the header of the format, and from no other."""

    def _respond(self, place: int, request: Any, connection: Any) -> Any:
        headers = [(name, value) for name, value in request.headers if name != "authorization"]
        before = f"{JWT.scheme} "
        sent = [value for name, value in headers if name == JWT.header.lower() and value.startswith(before)]
        known = [("authorization", f"Bearer {value.removeprefix(before)}") for value in sent]
        return super()._respond(place, replace(request, headers=(*headers, *known)), connection)


@pytest.fixture(autouse=True)
def token_format() -> Iterator[TokenFormat]:
    """The registration, and nothing else."""
    with registered() as one:
        yield one


@pytest.fixture
def cave(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A server that makes such tokens."""
    numbers = count()
    monkeypatch.setattr(accounts.secrets, "token_hex", lambda size=16: make_jwt(next(numbers)))
    with OtherServer() as sandbox:
        yield sandbox


PASTES = {
    "bare": "{}",
    "in quotes": '"{}"',
    "behind its scheme": "JWT {}",
    "behind Bearer": "Bearer {}",
    "a header": "X-Cave-Token: JWT {}",
    "JSON": '{{"token": "{}"}}',
    "an address": "https://cave.example.org/?middle_auth_token={}&middle_auth_url=cave.example.org",
    "a call": 'client.auth.save_token(token="{}", overwrite=True)',
    "a sentence": "Your token is {}.",
}


@pytest.mark.parametrize("paste", PASTES)
def test_it_is_accepted_sent_and_saved(person: Person, monkeypatch, paste):
    """Pasted in any form it is sent as the format says, accepted, saved and read back, and leaves no trace."""
    token = person.cave.new_token("ada")
    assert len(token) > 500
    monkeypatch.setenv("MINE", PASTES[paste].format(token))
    assert f"ends in {token[-6:]}" in person.types("%cave_save --from-env MINE")
    monkeypatch.delenv("MINE")
    assert resolve(person.cave.server).token == Token(token)
    assert json.loads(resolve(person.cave.server).server_file.path.read_text())["token"] == token
    assert "Ada" in person.types("%cave_whoami")
    assert all(record.user in (None, "ada") for record in person.cave.requests)
    assert any(record.user == "ada" for record in person.cave.requests)
    assert person.traces(token) == []


def test_no_output_has_it(person: Person, monkeypatch):
    """Neither the magics and their reports nor the words of a server that repeats it show any of it."""
    from flask import make_response

    token = person.cave.new_token("ada")
    save_token(Token(token), person.cave.server)
    everything = ("%cave_whoami", "%cave_setup", "%cave_check -v", "%cave_check --json", "r = %cave_check -o", "r")
    for cell in (*everything, "%cave_check --report", "r.to_dict()"):
        assert person.types(cell)

    def echo(request: Any) -> Any:
        sent = request.headers["X-Cave-Token"].partition(" ")[2] if "X-Cave-Token" in request.headers else "nothing"
        body = {"error": "odd", "message": f"not you, {sent}!", "x": [{"a": f"x{sent}y"}], sent: 1}
        return make_response(body if request.path.startswith("/auth") else f"<h1>x{sent}y</h1>", 403)

    person.cave.misbehave("all", echo)
    for cell in (*everything, "%cave_check --report", "%tb", "r.to_dict()"):
        person.types(cell)
    assert person.traces(token) == []


def test_it_is_redacted_whole():
    """By itself, glued to letters, in a header, escaped or cut off, no piece of it is left in what is shown."""
    token = make_jwt("shown")
    pieces = {token[at : at + 9] for at in range(len(token) - 8)}
    texts = (
        token,
        f"x{token}",
        f"X-Cave-Token: JWT {token}",
        f"{{'X-Cave-Token': 'JWT {token[:200]}'}}",
        repr({"a": [token]}),
        f"https://{token}@cave.example.org",
        str(ValueError(f"no luck with {token}")),
        repr(Token(token)),
        f"Token({token!r})",
    )
    for text in texts:
        assert not [piece for piece in pieces if piece in redact(text)]
        assert not [piece for piece in pieces if piece in sanitize(text).text]
    assert redact(f"a {token} b") == f"a {MASK} b"
    for inside in range(0, 700, 7):
        cut = sanitize("y" * (400 - inside) + "=" + token + "z" * 700, 20).text
        assert not [piece for piece in pieces if piece in cut]


TYPED = (
    "%cave_save {token}",
    '%cave_save "{token}" --overwrite',
    "%cave_save JWT {token}",
    "%cave_save token={token}",
    """%cave_save '{{"token": "{token}"}}' --no-check""",
    "%cave_save https://cave.example.org/?middle_auth_token={token}",
    "%cave_save {half}",
    "%cave_whoami {token}",
    "%cave_check {token}",
    "%cave_setup new {token}",
    "%cave_check --datastack {token}",
    *(f"%{name} {glued}" for name in NAMES
      for glued in ("-x{token}", "--key{token}", "--overwrite={token}", "-d{token} #{token}")),
    "%cave_whoami --server https://{token}@cave.example.org",
    "%cave_whoami --server https://{token}",
    "%cave_check --server {token}",
    "%cave_save --from-file {token}",
    "%cave_save --from-env {token}",
    "%cave_save ${token}",
    '%config CaveMagics.server = "https://{token}@cave.example.org"\n%cave_check --json',
    '%config CaveMagics.server = "{token}"',
    '%config CaveMagics.datastack = "{token}"\n%config CaveMagics.datastack',
)  # fmt: skip


@pytest.mark.parametrize("cell", TYPED)
def test_a_typed_one_leaves_no_trace(person: Person, cell):
    """Typed behind any magic, glued to an option or in a setting, it is scrubbed wherever it stands, and not by half."""
    token = person.cave.new_token("ada")
    if "{half}" not in cell:
        person.types(f"mine = '{token}'")
        del person.shell.user_ns["mine"]
    person.types(cell.format(token=token, half=token[:300]))
    person.looks_back()
    assert person.traces(token) == []


def test_one_in_a_notebook_is_found_and_scrubbed(person: Person, monkeypatch):
    """A cell that assigns it to a token, or types it after a magic, is found, and `--fix` scrubs it."""
    token = person.cave.new_token("ada")
    notebook = person.home / "a.ipynb"
    sources = [f"my_token = '{token}'", f"%cave_save -x{token}", f"%cave_save {token}"]
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source} for source in sources]}))
    person.shell.user_ns["__vsc_ipynb_file__"] = str(notebook)
    said = " ".join(person.types("%cave_check").split())
    assert "the notebook a.ipynb (cell 1, cell 2, cell 3)" in said, said
    person.types("%cave_check --fix --yes")
    assert token[:40] not in notebook.read_text()
    assert notebook.read_text().count(MASK) == 3


IN_A_SHELL = ("save T", "T", "-T", "check T", "check --server T", "check -sT", "check --workers T", "whoami --server=https://T@cave.org",
              "setup new T", "setup remove --token T", "save --from-env T", "save --from-file /T.json", "completion T")  # fmt: skip


def test_a_shell_never_repeats_it(home: Any, in_a_shell: None, capsys: pytest.CaptureFixture[str]):
    """Given to `cave-magic` as any argument, whole or in part, it is neither used nor printed."""
    token = make_jwt("typed")
    for part in (token, token[:300], token.rpartition(".")[0]):
        for line in IN_A_SHELL:
            assert main(line.replace("T", part).split()) != 0, line
            said = "".join(capsys.readouterr())
            assert said, line
            assert not [at for at in range(30, len(part) - 8) if part[at : at + 9] in said], line
    assert not (home / ".cloudvolume").exists()
