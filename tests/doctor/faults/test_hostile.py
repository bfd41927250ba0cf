"""Hostile and odd responses: names that are commands, echoed tokens, endless lists, odd lists of tokens."""

from __future__ import annotations

import http.client
import json
import time

import flask
import pytest

from ...support.shell import settings
from .world import FULL, ID, World, bad, says

KEYS, LIST = "/auth/api/v1/user/token", "/info/api/v2/datastacks"


def says_text(status: int, text: str):
    """A service that always returns this text as JSON."""
    return lambda request: flask.Response(text, status=status, content_type="application/json")


@pytest.mark.parametrize(
    "name",
    [
        "minie65_public{open('pwned','w').write('x')}",
        "minie65_public --fix --yes",
        "minie65_public; ls",
        "$x",
        "`x`",
        "..",
    ],
)
def test_invalid_names_are_not_printed(world: World, name):
    """A server cannot choose what `Next:` says: IPython would evaluate the text in braces."""
    world.cave.misbehave(LIST, says(200, [name, "..", "a/b", ""]))
    world.argument = "minie65_public_and_more"
    report = world.check()
    assert name not in json.dumps(report.to_dict())
    assert report.next.commands[0].startswith("%cave_whoami")


def test_a_moved_server_is_not_blamed_on_the_map(world: World):
    """A server in the map that is down or rejects the token is reported as such, and stays in the map."""
    settings(world.shell).server = ""
    world.write(world.map_file, {"minnie65_public": world.cave.server})
    world.cave.misbehave("all", "down")
    assert "map" not in [row for row, _ in bad(world.check())]
    world.cave.behave()
    world.cave.delete_token(world.token)
    world.cave.forget()
    assert bad(world.check()) == [("account", "failed")]


@pytest.mark.parametrize(
    "response", [None, (200, []), (500, {"message": "no"})], ids=["nothing permitted", "empty", "broken"]
)
def test_without_a_list_all_checks_one_datastack(world: World, response):
    """`--all` gives the rows of `%cave_check`, and says if it could not get the list."""
    if response is None:
        world.token = world.cave.new_token("carol")
        world.save(world.token)
    else:
        world.cave.misbehave(LIST, says(*response))
    without_all, world.argument = bad(world.check()), "--all"
    report = world.check()
    assert bad(report) == without_all
    listed = [row.evidence for row in report.rows if row.id == "datastacks"]
    assert [text.endswith("so only minnie65_public was checked") for text in listed] == (
        [True] if response and response[0] == 500 else []
    )


def test_an_endless_list_is_cut(world: World):
    """`--all` checks two hundred datastacks within its timeout, and says so."""
    world.cave.misbehave(LIST, says(200, [f"ds_{number}" for number in range(3000)]))
    world.argument = "--all"
    start = time.monotonic()
    report = world.check()
    assert time.monotonic() - start < 60
    assert "lists 3,000 datastacks; the first 200 were checked" in next(
        row.evidence for row in report.rows if row.id == "datastacks"
    )


def test_a_missing_table_is_not_a_missing_version(world: World):
    """A misspelled table is reported as such, although every URL of materialize contains a version."""
    world.run(
        f'from caveclient import CAVEclient\nclient = CAVEclient("minnie65_public", server_address="{world.cave.server}")'
    )
    world.run('client.materialize.version = 1300\nclient.materialize.get_table_metadata("nosuch_table")')
    out = world.run("%cave_check").out
    assert "version 1300 of minnie65_public has no table nosuch_table" in " ".join(out.split())


@pytest.mark.in_turn(
    escaped=(lambda text: text.replace("/", "\\/"), lambda text: "".join(f"\\u{ord(c):04x}" for c in text)),
    where=("body", "key", "list"),
)
def test_an_echoed_token_is_masked_however_it_is_escaped(world: World, escaped, where):
    """A token that a server sends back in JSON is not shown, whatever its escapes."""
    token = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/AbCd8="
    world.save(token)
    body = {"body": '{"message": "bad token %s"}', "key": '{"%s": 1}', "list": '{"message": ["%s", {"a": "%s"}]}'}[
        where
    ]
    world.cave.misbehave("all", says_text(418, body.replace("%s", escaped(token))))
    for line in ("%cave_check -v", "%cave_check --report", "%cave_check --json", "%cave_whoami"):
        assert token not in world.run(line).out


@pytest.mark.parametrize("text", ["<b>%.31s</b>%s", "%.16s-%s", "&#%d;", "%%%02x"])
def test_a_token_in_pieces_is_masked(world: World, text):
    """A token split by tags or marks, as entities or percent-encoded is not shown."""
    token = world.token
    if "%d" in text or "02x" in text:
        written = "".join(text % ord(letter) for letter in token)
    else:
        cut = 31 if "31" in text else 16
        written = text % (token, token[cut:])
    world.cave.misbehave("all", lambda request: flask.Response(f"<p>no: {written}", status=418))
    out = world.run("%cave_check -v").out
    assert token[:16] not in out
    world.cave.misbehave("all", lambda request: flask.redirect(f"https://login.example/{token[:16]}%2D{token[16:]}/x"))
    assert token[:16] not in world.run("%cave_check -v").out


def test_a_debugged_http_client_does_not_print_the_token(world: World, monkeypatch):
    """If http.client prints what it sends, our requests are not printed."""
    world.check()  # after this, the practice server, which is in this process, sends no requests of its own
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    for line in ("%cave_check", "%cave_whoami"):
        out = world.run(line).out
        assert "Bearer" not in out
        assert world.token not in out


@pytest.mark.parametrize("keys", [[{"token": "****1234", "id": 1}], [{"id": 1}], [{"token": None}, "x"], {"keys": []}])
def test_a_list_with_masked_tokens_says_nothing(world: World, keys):
    """A permanent token is not called temporary because the list shows stars."""
    world.cave.misbehave(KEYS, says(200, keys))
    assert "token-kind" not in [row.id for row in world.check().rows]


def test_a_path_with_a_space_is_printed_in_quotes(world: World):
    """The line that saves a token from such a path works."""
    folder = world.home / "cv dir" / "secrets"
    folder.mkdir(parents=True)
    world.write(folder / "cave-secret.json", {"token": world.token})
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()
    world.patch.setenv("CLOUD_VOLUME_DIR", str(world.home / "cv dir"))
    report = world.check()
    assert report.next.commands[0] == '%cave_save --from-file "~/cv dir/secrets/cave-secret.json"'
    assert world.run(report.next.commands[0]).error == ""


def test_an_early_interrupt_is_one_line(world: World, monkeypatch):
    """Ctrl-C while the command is imported ends in one line, as later, and is not explained as the last error."""
    from cave_magic.magics import LineMagic

    stop = property(lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with monkeypatch.context() as patch:
        patch.setattr(LineMagic, "_command", stop)
        ran = world.run("%cave_check")
    assert (ran.error, ran.message) == ("Cancelled", "Stopped. Nothing was changed.")
    assert "The last error" not in world.run("%cave_check").out


@pytest.mark.in_turn(route=(ID, FULL, KEYS, LIST), body=("[" * 5000, '{"a":' * 5000, "1" * 5000, '"\\ud800"', "NaN"))
def test_odd_json_ends_in_a_report(world: World, route, body):
    """Deep, long and incomplete JSON gives rows, not an internal error."""
    world.cave.misbehave(route, says_text(200, body))
    assert "unexpected error" not in world.run("%cave_check --all").out


def test_an_old_client_is_made_again_for_its_own_datastack(world: World):
    """The line that replaces a client names its datastack, not that of the check."""
    world.cave.grant("ada", "flywire_fafb_public")
    made = f'fly = CAVEclient("flywire_fafb_public", server_address="{world.cave.server}")'
    assert world.run(f"from caveclient import CAVEclient\n{made}").error == ""
    world.save(world.cave.new_token("ada"))
    (row,) = [row for row in world.check().rows if row.id == "clients"]
    line = 'from caveclient import CAVEclient; fly = CAVEclient("flywire_fafb_public")'
    assert row.next_step.commands == (line,)  # caveclient has saved the server now
    assert world.run(row.next_step.commands[0]).error == ""
    assert "clients" not in [row.id for row in world.check().rows]


def test_a_folder_that_others_can_write_is_a_warning(world: World):
    """Others could replace the token; `--fix` makes the folder owner-only."""
    world.secrets.chmod(0o777)
    report = world.check()
    assert [(row.id, row.status.value) for row in report.rows if row.status == "warning"] == [
        ("token-private", "warning")
    ]
    world.follow(next(row.next_step for row in report.rows if row.id == "token-private"))
    assert world.secrets.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("body", [{"error": "invalid_token", "message": "no"}, {"message": "Unauthorized"}])
@pytest.mark.parametrize("has_token", [True, False])
def test_a_gateway_that_rejects_everything_is_told_from_a_bad_token(world: World, body, has_token):
    """It says the same without a token, so that setting up another one is not advised."""
    for path in world.secrets.iterdir() if not has_token else ():
        path.unlink()
    world.cave.misbehave("all", says(401, body))
    report = world.check()
    if has_token and "error" not in body:  # not what the auth service says of a bad token either
        assert bad(report) == [("account", "unknown")]
        return
    assert bad(report) == [("auth", "failed")]
    assert report.next.text.startswith(f"tell the administrators of {world.cave.server.partition('://')[2]}")
