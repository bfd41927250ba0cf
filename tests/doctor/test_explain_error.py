"""What the error just had meant: every text that people meet, also wrapped, and never a stale one."""

from __future__ import annotations

import json

import pytest
import requests

from cave_magic.api.urls import host_of
from cave_magic.credentials.target import Target
from cave_magic.deployments import DEFAULT_SERVER
from cave_magic.doctor.explain_error import explain_error

TARGET = Target(datastack="minnie65_public", server=DEFAULT_SERVER)
TOKEN = "00112233445566778899aabbccddeeff"
PREPARE = """
import webbrowser; webbrowser.open = lambda *a, **k: True
from caveclient import CAVEclient
def client(name="minnie65_public", token={token!r}, server={server!r}):
    return CAVEclient(name, server_address=server, auth_token=token, write_server_cache=False, max_retries=0)
"""


@pytest.fixture
def fails(cave, run, set_up):
    """Runs a cell that fails in caveclient, then the check, and gives the line about the error."""
    run(PREPARE.format(token=set_up, server=cave.server))

    def fail(cell: str) -> str:
        assert run(cell).error
        cave.behave()
        ran = run("report = %cave_check -o")
        assert not ran.error, ran.message
        error = run("report.error").value
        assert error is None or error.text in " ".join(ran.out.split())
        return error.text if error else ""

    return fail


@pytest.mark.parametrize(
    ("cell", "said", "not_said"),
    [
        ('client("secret_ds")', "no permission", "server"),
        ('client("nope_nope")', "no datastack of that name", "did not take"),
        (f'client(token="{TOKEN}")', "did not take the token", "fine"),
        ('client(token="")', "was no token", "fine"),
        ('client(token=" x")', "no token arrived", "fine"),
        (f'client(token="{TOKEN}\\n")', "line break", "fine"),
        ('client(token="\u201cx\u201d")', "odd character", "fine"),
        ('client(server="127.0.0.1:8900")', "address is malformed", "fine"),
        ('client(server="http://127.0.0.1:1")', "refused the connection", "did not take"),
        ('client(server="http://no.such.host.invalid")', "cannot be found", "did not take"),
        ("client().auth.get_user_information([1])", "for admins", "did not take"),
    ],
)
def test_the_error_just_had_is_explained_first(fails, cell, said, not_said):
    """The check begins with what the last cell's exception meant, and does not blame what is not to blame."""
    begins = fails(cell)
    assert said in begins
    assert not not_said or not_said not in begins
    assert TOKEN not in begins


@pytest.mark.parametrize(
    ("service", "how", "said"),
    [
        ("info", "down", "info service on {host} was down or broken (502)"),
        ("info", "status:429", "asked to slow down"),
        ("info", "status:418", "did not take that request (418)"),
        ("info", "html", "not data"),
        ("info", "garbage", "not a version number|something else than a version"),
        ("info", "reset", "closed the connection"),
        ("info", "loop", "in a circle"),
        ("info", "truncated", "broke off"),
        ("info", "error500", "was down or broken (500)"),
    ],
)
def test_a_server_in_trouble_is_not_the_tokens_fault(fails, cave, service, how, said):
    """What a broken server makes of caveclient is put to the server, and the token is cleared."""
    cave.misbehave(service, how)
    begins = fails("client()")
    assert any(one.format(host=host_of(cave.server)) in begins for one in said.split("|"))
    assert "Your token is not the reason." in begins


PAGE = "<html><head><title>404 Not Found</title></head><body>nginx/1.22, version 5</body></html>"
FLASK = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>"
NO_ROUTE = f"{FLASK}The requested URL was not found on the server. If you entered the URL manually please check"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (PAGE, "materialize on {host} is not there: a web server answered in its place (404)"),
        ("", "materialize on {host} is not there: a web server answered in its place (404)"),
        ("default backend - 404", "materialize on {host} is not there: a web server answered in its place (404)"),
        (NO_ROUTE, "materialize on {host} does not have that function (404)"),
        (f"{FLASK}No table x</p>\n", "materialize on {host} does not know that table, view or version (404)"),
        ("No table x", "materialize on {host} does not know that table, view or version (404)"),
        ({"message": "table x not found"}, "materialize on {host} does not know that table, view or version (404)"),
        ({"message": "version not found"}, "that materialization version is not available"),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_a_404_is_explained_by_its_body(body, said, kept):
    """A page of a web server says nothing about tables: whether a service answered shows in what it answered."""
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    url = "https://x.org/materialize/api/v3/datastack/d/version/1/tables"
    response = requests.Response()
    response.status_code, response._content = 404, content
    error = requests.HTTPError(
        f"404 Client Error: NOT FOUND for url: {url} content: {content!r}", response=response if kept else None
    )
    assert said.format(host="x.org") in explain_error(error, TARGET).text


def test_a_data_server_without_services_is_explained(fails, cave):
    """The client of caveclient is made without complaint, and its first question ends in a 404."""
    cave.misbehave("local", "missing")
    begins = fails("client().materialize.get_versions()")
    assert "is not there: a web server answered in its place (404)" in begins
    assert "table" not in begins


def test_a_datastack_without_a_record_is_explained(fails):
    """The auth server knows it, the info service has nothing about it."""
    assert "has nothing about that datastack (404)" in fails('client("ghost_ds")')


@pytest.mark.parametrize("status", [429, 503])
def test_how_long_a_server_asked_to_wait_is_repeated(status):
    """It stands in the header, which no message of requests shows."""
    response = requests.Response()
    response.status_code, response._content, response.headers["Retry-After"] = status, b"", "3600"
    error = requests.HTTPError(
        f"{status} Client Error: x for url: https://x.org/info/version content:b''", response=response
    )
    assert "asked to wait 60 minutes" in explain_error(error, TARGET).text


def test_who_stops_a_client_that_waits_as_it_was_told_hears_so(fails, cave, monkeypatch):
    """caveclient sleeps for as long as a server asks, without a word."""

    def stopped(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("urllib3.util.retry.time.sleep", stopped)
    cave.misbehave("info", "retry-after:3600")
    cell = f'from caveclient import CAVEclient; CAVEclient("minnie65_public", server_address="{cave.server}")'
    assert "for as long as a server had asked (Retry-After)" in fails(cell)


def test_a_gateway_is_not_told_from_a_proxy(monkeypatch):
    """Where a proxy is set, a 502 may be its own."""
    error = requests.HTTPError("502 Server Error: x for url: https://x.org/info/version content:b''")
    assert "proxy" not in explain_error(error, TARGET).text
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert (
        "was down or broken (502), or the proxy that is set here could not reach it"
        in explain_error(error, TARGET).text
    )


def test_unsigned_terms_are_explained(fails, cave):
    """`missing_tos` is said in words, and the token is called fine."""
    cave.withdraw_terms("ada", "minnie65_public")
    cave.forget()
    assert "terms of service" in fails("client()")


@pytest.mark.parametrize("content", ["", "{'token': 1}", '{"a": 1}x'])
def test_a_token_file_that_is_not_json_is_told_from_a_server_that_is_not(fails, cave, home, content):
    """The same class name, JSONDecodeError, is put to the file where caveclient read a file."""
    file = home / ".cloudvolume" / "secrets" / f"{host_of(cave.server)}-cave-secret.json"
    file.write_text(content)
    assert "token file on this computer" in fails(f'CAVEclient(server_address="{cave.server}").auth')


def test_an_error_of_an_earlier_cell_is_not_mentioned(fails, run):
    """Once a cell has run without an error, the error before it is nobody's concern."""
    run('client("secret_ds")')
    run("1 + 1")
    run("report = %cave_check -o")
    assert run("report.error").value is None


def test_an_error_of_the_persons_own_code_is_not_mentioned(fails):
    """A division by zero has nothing to do with CAVE."""
    assert fails("1 / 0") == ""


def test_a_wrapped_error_is_found(fails):
    """The cause counts also when somebody's own code raised something else from it."""
    cell = 'try:\n    client("secret_ds")\nexcept Exception as error:\n    raise RuntimeError("my pipeline failed") from error'
    assert "no permission" in fails(cell)


def test_our_own_errors_are_repeated(fails):
    """After a magic of ours failed, the check begins with what that was."""
    assert "NOT_SET_AT_ALL" in fails("%cave_save --from-env NOT_SET_AT_ALL")


KEYED = (
    "CAVEclient({name!r}, server_address={server!r}, auth_token_key={key!r}, write_server_cache=False, max_retries=0)"
)


@pytest.fixture
def with_key(fails, cave, home):
    """Makes a client with a key of the server's token file, which has these keys, and gives the explanation."""

    def fail(name: str, key: str, **keys: str) -> str:
        file = home / ".cloudvolume" / "secrets" / f"{host_of(cave.server)}-cave-secret.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))
        return fails(KEYED.format(name=name, server=cave.server, key=key))

    return fail


def test_a_key_that_the_file_does_not_have_is_named(with_key, cave, home):
    """The client sent no token at all: the key that was asked for and those of the file are named, never a value."""
    said = with_key("minnie65_public", "fanc_production_mar2021", brain_and_nerve_cord=TOKEN)
    assert 'auth_token_key="fanc_production_mar2021", and there is no such key' in said
    assert f"{host_of(cave.server)}-cave-secret.json has token and brain_and_nerve_cord" in said
    assert said.endswith('client = CAVEclient("minnie65_public")')
    assert TOKEN not in said


def test_a_key_of_another_file_is_named_with_that_file(fails, cave, home):
    """Without a line to type where the file that was named has no usual key either."""
    (home / "mine.json").write_text(json.dumps({"lab": TOKEN}))
    cell = KEYED.format(name="minnie65_public", server=cave.server, key="fanc")
    said = fails(cell.replace("auth_token_key", "auth_token_file='~/mine.json', auth_token_key"))
    assert said.endswith("there is no such key: ~/mine.json has lab.")


@pytest.mark.parametrize(
    ("name", "person", "words"),
    [("minnie65_public", "", "did not take the token"), ("secret_ds", "ada", "has no permission")],
)
def test_a_token_under_another_key_is_named_by_it(with_key, cave, name, person, words):
    """A refusal is about the token under the key that the client was made with, not about the one that is checked."""
    said = with_key(name, "fanc", fanc=cave.new_token(person) if person else TOKEN)
    assert words in said
    assert 'token under another key: the client was made with auth_token_key="fanc"' in said


def test_a_token_in_the_place_of_a_key_is_not_repeated(with_key):
    """Who gives the token as `auth_token_key`, or has it as a key of the file, does not see it again."""
    base64 = "MEx0YJmZM0pEMWkNLJ4l0MEbSz1cVQtYERRhgeVRMm1="
    said = with_key("minnie65_public", TOKEN, **{base64: "x"})
    assert 'auth_token_key="****"' in said
    assert TOKEN[:8] not in said
    assert base64[:8] not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "No Graphene authentication token was provided. Does ~/.cloudvolume/secrets/cave-secret.json exist?",
            "no token",
        ),
        ("Graphene authentication token was not formatted correctly", "32 hexadecimal"),
        (
            "410 Client Error: GONE for url: https://x.org/materialize/api/v3 content: b'version not available'",
            "version",
        ),
        ("504 Server Error: for url: https://x.org/materialize/api/v3/query content:b''", "took too long"),
        ('Key "token" already exists in token file "x"', "--overwrite"),
    ],
)
def test_texts_of_other_libraries(text, said):
    """Texts that cannot be acted out here are known by their words."""
    kind = type("AuthenticationError", (Exception,), {"__module__": "cloudvolume.exceptions"})
    assert said in explain_error(kind(text), TARGET).text


def test_a_server_incompatibility_is_explained():
    """caveclient's own word for a version that does not fit."""
    from caveclient.base import ServerIncompatibilityError

    assert (
        "do not fit"
        in explain_error(ServerIncompatibilityError("Use of x is only permitted for server version >=5"), TARGET).text
    )


def test_a_sign_in_page_at_the_end_is_explained():
    """AuthException means that the request was redirected, whatever its text says about a missing token."""
    from caveclient.base import AuthException

    assert (
        "log-in page"
        in explain_error(AuthException("You have not setup a token to access\nhttps://x.org/info"), TARGET).text
    )


@pytest.mark.parametrize("body", [b"{", json.dumps({"error": "zzz"}).encode(), b"\xff\xfe", b"[]" * 1000])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 500, 503])
def test_no_answer_breaks_the_explanation(body, status):
    """Whatever a response holds, there is a sentence or nothing, and never an exception."""
    response = requests.Response()
    response.status_code, response._content = status, body
    said = explain_error(requests.HTTPError(f"{status} Client Error: content: {body!r}", response=response), TARGET)
    assert said is None or "did not take the token" not in said.text
