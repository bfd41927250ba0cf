"""Explaining the last error: every message that users see, wrapped or not, and never a stale one."""

from __future__ import annotations

import json

import flask
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
    """Runs a cell that fails in caveclient, then the check, and returns the explanation."""
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
    ("cell", "words", "absent"),
    [
        ('client("secret_ds")', "no permission", "server"),
        ('client("nope_nope")', "has no datastack nope_nope", "rejected"),
        (f'client(token="{TOKEN}")', "rejected the token", "fine"),
        ('client(token="")', "received no valid token", "fine"),
        ('client(token=" x")', "received no token", "fine"),
        (f'client(token="{TOKEN}\\n")', "line break", "fine"),
        ('client(token="\u201cx\u201d")', "invalid character", "fine"),
        ('client(server="127.0.0.1:8900")', "the address does not begin with http://", "fine"),
        ('client(server="http://127.0.0.1:1")', "refused the connection", "rejected"),
        ('client(server="http://no.such.host.invalid")', "cannot be found", "rejected"),
        ("client().auth.get_user_information([1])", "only administrators can list users", "rejected"),
    ],
)
def test_the_last_error_is_explained_first(fails, cell, words, absent):
    """The check begins with the meaning of the last cell's exception, and blames nothing else."""
    explanation = fails(cell)
    assert words in explanation
    assert not absent or absent not in explanation
    assert TOKEN not in explanation


@pytest.mark.parametrize(
    ("service", "how", "words"),
    [
        ("info", "down", "info service on {host} was down or broken (502)"),
        ("info", "status:429", "asked you to slow down"),
        ("info", "status:413", "it is too large (413); request less at once"),
        ("info", "status:418", "rejected that request (418)"),
        ("info", "html", "other than data"),
        ("info", "garbage", "other than a version number"),
        ("info", "reset", "closed the connection"),
        ("info", "loop", "in a loop"),
        ("info", "truncated", "closed the connection in the middle of its response"),
        ("info", "error500", "was down or broken (500)"),
    ],
)
def test_the_token_is_not_blamed_for_a_broken_server(fails, cave, service, how, words):
    """Errors that a broken server causes in caveclient are blamed on the server."""
    cave.misbehave(service, how)
    explanation = fails("client()")
    assert words.format(host=host_of(cave.server)) in explanation
    assert "Your token is not the cause." in explanation


PAGE = "<html><head><title>404 Not Found</title></head><body>nginx/1.22, version 5</body></html>"
FLASK = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>"
NO_ROUTE = f"{FLASK}The requested URL was not found on the server. If you entered the URL manually please check"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (PAGE, "materialize on {host} is not there: a web server responded instead (404)"),
        ("", "materialize on {host} is not there: a web server responded instead (404)"),
        ("default backend - 404", "materialize on {host} is not there: a web server responded instead (404)"),
        (NO_ROUTE, "materialize on {host} has nothing at the URL of that request (404)"),
        (f"{FLASK}No table x</p>\n", "materialize on {host} does not know that table, view or version (404)"),
        ("No table x", "materialize on {host} does not know that table, view or version (404)"),
        ({"message": "table x not found"}, "materialize on {host} does not know that table, view or version (404)"),
        ({"message": "version not found"}, "that materialization version is not available"),
        ("No table x in version 7", "materialize on {host} does not know that table, view or version (404)"),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_a_404_is_explained_by_its_body(body, words, kept):
    """The body shows whether a service or a web server responded, and only a service knows about tables."""
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    url = "https://x.org/materialize/api/v3/datastack/d/version/1/tables"
    response = requests.Response()
    response.status_code, response._content = 404, content
    error = requests.HTTPError(
        f"404 Client Error: NOT FOUND for url: {url} content: {content!r}", response=response if kept else None
    )
    assert words.format(host="x.org") in explain_error(error, TARGET).text


def test_a_data_server_without_services_is_explained(fails, cave):
    """Making the client works; its first request ends in a 404."""
    cave.misbehave("local", "missing")
    explanation = fails("client().materialize.get_versions()")
    assert "is not there: a web server responded instead (404)" in explanation
    assert "table" not in explanation


def test_a_datastack_without_a_record_is_explained(fails):
    """The auth server knows it, but the info service does not."""
    assert "has no information about ghost_ds (404)" in fails('client("ghost_ds")')


@pytest.mark.parametrize("status", [429, 503])
def test_the_time_to_wait_is_repeated(status):
    """It is in a header that no message of requests shows."""
    response = requests.Response()
    response.status_code, response._content, response.headers["Retry-After"] = status, b"", "3600"
    error = requests.HTTPError(
        f"{status} Client Error: x for url: https://x.org/info/version content:b''", response=response
    )
    assert "asked you to wait 60 minutes" in explain_error(error, TARGET).text


def test_an_interrupted_wait_is_explained(fails, cave, monkeypatch):
    """caveclient silently sleeps as long as a server asks."""

    def stopped(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("urllib3.util.retry.time.sleep", stopped)
    cave.misbehave("info", "retry-after:3600")
    cell = f'from caveclient import CAVEclient; CAVEclient("minnie65_public", server_address="{cave.server}")'
    assert "as long as a server had asked it to (Retry-After)" in fails(cell)


def test_a_502_through_a_proxy_is_not_blamed_on_the_server(monkeypatch):
    """A proxy returns the same if it cannot reach the server; one that is not used for the host is not named."""
    error = requests.HTTPError("502 Server Error: x for url: https://x.org/info/version content:b''")
    assert "proxy" not in explain_error(error, TARGET).text
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    found = explain_error(error, TARGET).text
    assert found.startswith("a request to the info service on x.org through the configured proxy returned HTTP 502.")
    monkeypatch.setenv("NO_PROXY", "x.org")
    assert "proxy" not in explain_error(error, TARGET).text


def test_a_table_of_the_chunkedgraph_is_no_datastack():
    """The auth server has the same code for both."""
    said = 'b\'{"error": "invalid_table_id", "data": {"resource_namespace": "pcg_table", "table_id": "minnie2"}}\''
    error = requests.HTTPError(f"400 Client Error: x for url: https://x.org/segmentation/api/v1/table content: {said}")
    assert "chunkedgraph on x.org has no table minnie2." in explain_error(error, TARGET).text


def test_an_error_without_its_details_is_explained(fails, cave):
    """caveclient only says `KeyError: 'tos_form_url'`."""
    said = {"error": "missing_tos", "message": "x", "data": {}}
    cave.misbehave("/info/api/v2/datastack", lambda request: (flask.jsonify(said), 403))
    assert "in a form that CAVEclient does not expect" in fails("client()")


def test_a_version_of_the_api_that_caveclient_lacks_is_not_blamed_on_a_server():
    """It is an argument of the user, and no request was sent."""
    from caveclient.base import _api_endpoints

    with pytest.raises(ValueError, match="No corresponding API version") as raised:
        _api_endpoints(99, "me_server_address", "https://x.org", {}, {2: {}}, {})
    assert explain_error(raised.value, TARGET) is None


def test_unsigned_terms_are_explained(fails, cave):
    """`missing_tos` is explained in words."""
    cave.withdraw_terms("ada", "minnie65_public")
    cave.forget()
    assert "terms of service" in fails("client()")


@pytest.mark.parametrize("content", ["", "{'token': 1}", '{"a": 1}x'])
def test_a_malformed_token_file_is_not_blamed_on_the_server(fails, cave, home, content):
    """A JSONDecodeError is blamed on the file if caveclient was reading one."""
    file = home / ".cloudvolume" / "secrets" / f"{host_of(cave.server)}-cave-secret.json"
    file.write_text(content)
    assert "token file on this computer" in fails(f'CAVEclient(server_address="{cave.server}").auth')


def test_an_error_of_an_earlier_cell_is_not_mentioned(fails, run):
    """After a cell without an error, the error before it is forgotten."""
    run('client("secret_ds")')
    run("1 + 1")
    run("report = %cave_check -o")
    assert run("report.error").value is None


def test_an_error_of_the_users_own_code_is_not_mentioned(fails):
    """A division by zero has nothing to do with CAVE."""
    assert fails("1 / 0") == ""


def test_a_wrapped_error_is_found(fails):
    """The cause counts even if the user's own code raised something else from it."""
    cell = 'try:\n    client("secret_ds")\nexcept Exception as error:\n    raise RuntimeError("my pipeline failed") from error'
    assert "no permission" in fails(cell)


def test_what_was_typed_wrong_is_not_the_last_error(fails):
    """After a magic was used wrongly, the check does not repeat its error."""
    for line in ("%cave_save --from-env NOT_SET_AT_ALL", "%cave_setup nwe", "%cave_check --nonsense"):
        assert fails(line) == ""


def test_a_token_that_could_not_be_saved_is_the_last_error(fails):
    """The check begins with what is wrong with the files, without the name of a class."""
    cell = "from cave_magic.errors import TokenNotSaved; raise TokenNotSaved('x.json cannot be written')"
    assert fails(cell) == "a token could not be saved: x.json cannot be written"


KEYED = (
    "CAVEclient({name!r}, server_address={server!r}, auth_token_key={key!r}, write_server_cache=False, max_retries=0)"
)


@pytest.fixture
def with_key(fails, cave, home):
    """Makes a client with a key of the server's token file, adds keys to the file, and returns the explanation."""

    def fail(name: str, key: str, **keys: str) -> str:
        file = home / ".cloudvolume" / "secrets" / f"{host_of(cave.server)}-cave-secret.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))
        return fails(KEYED.format(name=name, server=cave.server, key=key))

    return fail


def test_a_missing_key_is_named(with_key, run, cave, home):
    """The client sent no token: its key and those of the file are named, never a value."""
    explanation = with_key("minnie65_public", "fanc_production_mar2021", brain_and_nerve_cord=TOKEN)
    file = f"~/.cloudvolume/secrets/{host_of(cave.server)}-cave-secret.json"
    assert (
        f'auth_token_key="fanc_production_mar2021", but {file} has the keys token and brain_and_nerve_cord'
        in explanation
    )
    assert run("report.next.commands").value == (
        'from caveclient import CAVEclient; client = CAVEclient("minnie65_public")',
    )
    assert TOKEN not in explanation


def test_a_key_of_another_file_is_named_with_that_file(fails, cave, home):
    """The file that was named is the one that lacks the key."""
    (home / "mine.json").write_text(json.dumps({"lab": TOKEN}))
    cell = KEYED.format(name="minnie65_public", server=cave.server, key="fanc")
    explanation = fails(cell.replace("auth_token_key", "auth_token_file='~/mine.json', auth_token_key"))
    assert explanation.endswith(", but ~/mine.json has the key lab.")


def test_the_key_of_the_token_is_named(with_key, cave):
    """A rejection is about the token under the client's key, not about the token that the check looks at."""
    explanation = with_key("minnie65_public", "fanc", fanc=TOKEN)
    assert "rejected the token" in explanation
    assert 'the client was created with auth_token_key="fanc", so it sent the token under that key' in explanation


def test_the_key_is_not_blamed_for_a_missing_permission(with_key, cave):
    """Neither token may read the datastack, so the key is not the cause."""
    explanation = with_key("secret_ds", "fanc", fanc=cave.new_token("ada"))
    assert "has no permission" in explanation or "no permission for that datastack" in explanation
    assert "auth_token_key" not in explanation


def test_a_token_given_as_a_key_is_not_repeated(with_key):
    """A token given as `auth_token_key`, or used as a key of the file, is masked."""
    base64 = "MEx0YJmZM0pEMWkNLJ4l0MEbSz1cVQtYERRhgeVRMm1="
    explanation = with_key("minnie65_public", TOKEN, **{base64: "x"})
    assert 'auth_token_key="****"' in explanation
    assert TOKEN[:8] not in explanation
    assert base64[:8] not in explanation


@pytest.mark.parametrize(
    ("text", "words"),
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
        ("504 Server Error: for url: https://x.org/materialize/api/v3/query content:b''", "timed out"),
        ('Key "token" already exists in token file "x"', "--overwrite"),
    ],
)
def test_texts_of_other_libraries(text, words):
    """Messages that cannot be provoked here are recognised by their words."""
    kind = type("AuthenticationError", (Exception,), {"__module__": "cloudvolume.exceptions"})
    assert words in explain_error(kind(text), TARGET).text


def test_a_server_incompatibility_is_explained():
    """caveclient raises its own error for a version that does not work with the server."""
    from caveclient.base import ServerIncompatibilityError

    assert (
        "does not work with"
        in explain_error(ServerIncompatibilityError("Use of x is only permitted for server version >=5"), TARGET).text
    )


def test_a_redirect_to_the_sign_in_is_explained():
    """AuthException means that the request was redirected, whatever its message says about a missing token."""
    from caveclient.base import AuthException

    assert (
        "sign-in page"
        in explain_error(AuthException("You have not setup a token to access\nhttps://x.org/info"), TARGET).text
    )


@pytest.mark.parametrize("body", [b"{", json.dumps({"error": "zzz"}).encode(), b"\xff\xfe", b"[]" * 1000])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 500, 503])
def test_no_response_breaks_the_explanation(body, status):
    """Whatever a response contains, there is an explanation or none, never an exception."""
    response = requests.Response()
    response.status_code, response._content = status, body
    error = requests.HTTPError(f"{status} Client Error: content: {body!r}", response=response)
    explanation = explain_error(error, TARGET)
    assert explanation is None or "rejected the token" not in explanation.text
