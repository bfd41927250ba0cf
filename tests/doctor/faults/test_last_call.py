"""The check follows the last error of the real caveclient to its own server, datastack, version and table."""

from __future__ import annotations

import itertools

import flask
import pytest
from urllib3.connection import HTTPConnection

from cave_magic.sandbox import Sandbox

from ...support.shell import settings
from .world import NEW, World, bad, says

MINNIE = "/materialize/api/v3/datastack/minnie65_public"
MAKE = """
import warnings; warnings.simplefilter("ignore")
from caveclient import CAVEclient
def make(name="minnie65_public", **more):
    return CAVEclient(name, **{{"server_address": {server!r}, "write_server_cache": False, "max_retries": 0, **more}})
"""
GO = 'from caveclient import CAVEclient; client = CAVEclient("minnie65_public")'


@pytest.fixture
def wrong(world: World):
    """Runs a cell that fails, and a check: the evidence and the commands of the row of the last call."""
    world.run(MAKE.format(server=world.cave.server))

    def check(cell: str) -> tuple[str, tuple[str, ...]]:
        ran = world.run(cell)
        assert ran.error
        report = world.check()
        assert bad(report) == [("last-call", "failed")], [one.evidence for one in report.rows]
        found = next(one for one in report.rows if one.id == "last-call")
        assert report.next == found.next_step
        assert found.evidence in report.error.text
        return found.evidence, report.next.commands

    return check


def _query(name: str, kind: str = "table", go: str = GO) -> str:
    return f'{go}; client.materialize.query_{kind}("{name}", limit=10)'


CORRECTED = (
    ('make().materialize.query_table("nuclie")', "version 1412 of minnie65_public has no table nuclie; it has nuclei", _query("nuclei")),
    ('make().materialize.query_table("zzz")', "version 1412 of minnie65_public has no table zzz", f"{GO}; client.materialize.get_tables()"),
    ('make().materialize.get_annotation_count("Synapses")', "has no table Synapses; it has synapses", _query("synapses")),
    ('make().materialize.join_query([["nuclei", "id"], ["synapse", "id"]])', "has no table synapse; it has synapses", _query("synapses")),
    ('make().materialize.query_table("nuclei_by_type")', "nuclei_by_type is a view of minnie65_public, not a table", _query("nuclei_by_type", "view")),
    ('make().materialize.query_view("nuclei")', "nuclei is a table of minnie65_public, not a view", _query("nuclei")),
    ('make(version=1300).materialize.query_table("nuclie")', "version 1300 of minnie65_public has no table nuclie", _query("nuclei", go=GO[:-1] + ", version=1300)")),
    ('c = make(); c.materialize; c.materialize.tables["nuclie"]', "has no table nuclie; it has nuclei", _query("nuclei")),
    ('make().materialize.query_table("nuclei\\u200b")', "the name of the table in that call contains U+200B ZERO WIDTH SPACE", _query("nuclei")),
    ('make("minnie65_public\\u00a0")', "the name of the datastack in that call contains U+00A0 NO-BREAK SPACE", GO),
    ('make("minnie65_publi\\u0441")', "contains U+0441 CYRILLIC SMALL LETTER ES", GO),
    ("make(version=99)", "minnie65_public has no version 99; it has 1412, 1300", GO),
    ("make().materialize.version = 99", "minnie65_public has no version 99", GO),
    ('make().materialize.query_table("nuclei", materialization_version=99)', "minnie65_public has no version 99", GO),
    ('make(version=1181).materialize.query_table("nuclei")', "version 1181 of minnie65_public has expired; it has 1412, 1300", GO),
    ('make(auth_token_file="~/none.json")', "the client found no token in ~/none.json when it was created; the stored token works", GO),
    ('make(server_address={server!r} + "/auth")', "a wrong server_address: the address has something after the host", GO),
    ("make(server_address={server!r}[7:])", "a wrong server_address: the address does not begin with http://", GO),
    (f'make(auth_token="{NEW}")', "the client was created with a token other than the stored one, which works", GO),
    (f'make(auth_token="{NEW}\\n")', "the client was created with a token other than the stored one, which works", GO),
    (f'make(auth_token=dict(token="{NEW}"))', "the client was created with a token other than the stored one", GO),
    ("make(version=-1)", "minnie65_public has no version -1; it has 1412", GO),
    ('make(auth_token_key="fanc")', 'auth_token_key="fanc", but', GO),
)  # fmt: skip
"""Cells that fail, words of the evidence, and the line to type."""

DESCRIBED = (
    ('make("")', "CAVEclient was called with an empty datastack_name"),
    ('make(["minnie65_public"])', "CAVEclient was called with datastack_name of type list"),
    ("make(server_address=b'http://127.0.0.1')", "CAVEclient was called with server_address of type bytes"),
    ('make(version="1300")', "CAVEclient was called with version of type str"),
    ('make().materialize.query_table(["nuclei"])', "query_table was called with table of type list"),
    ('make().materialize.query_table("nuclei", materialization_version="latest")', "materialization_version of type str"),
    ("make().chunkedgraph.get_root_id(8.64e17)", "supervoxel_id of type float, which cannot hold all digits of an id"),
    ('make().schema.schema_definition("zzz")', "still rejects the request of schema_definition (404)"),
)  # fmt: skip
"""Cells that fail and have to be changed, and words of the evidence."""


def test_what_the_call_names_wrongly_is_named(world: World, wrong):
    """The one failed row says what the call names wrongly, the explanation agrees, and the line to type works."""
    for cell, evidence, command in CORRECTED:
        found, commands = wrong(cell.replace("{server!r}", repr(world.cave.server)))
        assert evidence in found, (cell, found)
        assert commands == (command,), cell
    for command in {command for *_, command in CORRECTED}:
        ran = world.run(command)
        assert ran.error == "", (command, ran.message)


def test_a_call_that_no_line_can_correct_is_described(wrong):
    """If the cell itself has to change, the row says how, and there is no line to type."""
    for cell, evidence in DESCRIBED:
        found, commands = wrong(cell)
        assert evidence in found, (cell, found)
        assert commands == (), cell


@pytest.mark.parametrize("expired", [[], [1300, 1181]])
def test_a_datastack_without_a_valid_version_is_named(world: World, wrong, expired: list[int]):
    """caveclient only says `zero-size array to reduction operation maximum`."""
    world.cave.misbehave(
        f"{MINNIE}/versions", lambda request: flask.jsonify(expired if request.args.get("expired") == "True" else [])
    )
    found, _ = wrong('make().materialize.query_table("nuclei")')
    assert found == "minnie65_public has no valid materialization version" + (
        ": all have expired (1300, 1181)" if expired else ""
    )


def test_a_key_error_is_followed_to_the_response(world: World, wrong):
    """The service is asked again, and what it returns is shown."""
    world.cave.misbehave(f"{MINNIE}/version/1412", lambda request: flask.jsonify({"status": "x"}))
    found, _ = wrong("make(version=1412)")
    assert 'returns data to CAVEclient that caveclient cannot use (KeyError): {"status": "x"}' in found


def test_a_web_page_instead_of_data_is_named(world: World, wrong):
    """caveclient only says `Expecting value`."""
    world.cave.misbehave(f"{MINNIE}/version/1412", lambda request: flask.Response("<html>Closed</html>"))
    assert "returned a web page instead of data" in wrong("make(version=1412)")[0]


def _moved(request: flask.Request) -> flask.Response:
    """Redirects within the service, as Flask does if a slash is missing, to what is rejected."""
    if not request.query_string:
        return flask.redirect(f"{request.url}?moved=yes", 308)
    return flask.make_response({"message": "the table is closed"}, 400)


FOLLOWED = (
    (
        f"{MINNIE}/version/1412/table/nuclei/metadata",
        _moved,
        'make().materialize.get_table_metadata("nuclei")',
        "still rejects the request of get_table_metadata (400): the table is closed",
    ),
    (
        "/info/version",
        "redirect:https://login.example.org/adfs",
        "make()",
        "redirects to https://login.example.org/adfs",
    ),
    ("/info/version", "truncated", "make()", "closed the connection in the middle of its response"),
    (
        "/materialize/version",
        says(401, "Invalid credentials"),
        "make().materialize",
        "still rejects the request of materialize (401)",
    ),
)
"""What misbehaves and how, the cell that fails, and words of the evidence."""


@pytest.mark.parametrize(("target", "how", "cell", "words"), FOLLOWED)
def test_the_request_before_the_error_is_sent_again(world: World, wrong, target, how, cell, words):
    """It is found although the error itself is about another host, or about no request."""
    world.cave.misbehave(target, how)
    assert words in wrong(cell)[0]


def test_a_small_request_that_was_interrupted_is_sent_again(world: World, wrong):
    """CAVEclient has no timeout, so that users interrupt it."""
    world.cave.misbehave("/info/version", "silent")
    world.hurry()
    world.patch.setattr("urllib3.connection.HTTPConnection.getresponse", _interrupted(world))
    found, _ = wrong("make()")
    assert "accepted the connection but did not respond" in found


def _interrupted(world: World):
    """The first wait for a response is interrupted."""
    wait, waits = HTTPConnection.getresponse, itertools.count()

    def response(self):
        if next(waits) == 0:
            raise KeyboardInterrupt
        return wait(self)

    return response


def test_a_request_that_is_not_sent_again_is_a_warning(world: World):
    """Not all is well if a query was refused and nothing else is wrong."""
    world.run(MAKE.format(server=world.cave.server))
    world.cave.misbehave("POST /materialize", "status:403")
    assert world.run('make().materialize.query_table("nuclei")').error == "HTTPError"
    report = world.check()
    assert [(row.id, row.status.value) for row in report.rows if row.status.value not in ("ok", "skipped")] == [
        ("last-call", "warning")
    ]


def test_a_service_that_no_other_check_covers_is_looked_at(world: World, wrong):
    """The annotation service is checked after a call to it failed, on the datastack of the call."""
    world.cave.misbehave("annotation", "down")
    found, commands = wrong('make("flywire_fafb_public").annotation.get_tables()')
    assert "the annotation service on" in found
    assert commands == ()


def test_a_data_server_that_refuses_from_its_cache_is_waited_for(world: World, wrong):
    """The data server caches permissions for 300 s, like the info service, but has a cache of its own."""
    world.run("client = make(); client.materialize")
    world.cave.misbehave(
        f"{MINNIE}/version/1412",
        lambda request: (flask.jsonify({"error": "missing_permission", "message": "x", "data": {}}), 403),
    )
    found, _ = wrong("client.materialize.get_version_metadata(1412)")
    assert "still refuses access (missing_permission), although the info service no longer does" in found
    assert "it caches permissions for up to 300 s" in found


def test_a_data_server_that_gets_no_token_is_not_waited_for(world: World, wrong):
    """A gateway before it removes the header; that is not a cached permission."""
    world.run("client = make(); client.materialize")
    world.cave.misbehave("materialize", lambda request: (flask.jsonify({"error": "no_token", "message": "x"}), 401))
    found, _ = wrong('client.materialize.query_table("nuclei")')
    assert "received no token (no_token), although one was sent" in found


def test_an_exception_of_the_service_is_not_called_an_outage(world: World):
    """Materialize reports what a query made it fail on as a 500; the query is not sent again."""
    failure = {"code": 500, "message": "column x does not exist", "traceback": []}
    world.run(MAKE.format(server=world.cave.server))
    world.cave.misbehave(
        f"POST {MINNIE}/version/1412/table/nuclei/query", lambda request: (flask.jsonify(failure), 500)
    )
    assert world.run('make().materialize.query_table("nuclei", filter_equal_dict={"x": 1})').error
    report = world.check()
    assert report.ok
    assert "materialize on" in report.error.text
    assert "failed on that request (500): column x does not exist." in report.error.text


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ('make().materialize.query_table("nuclei")', "POST /materialize/api"),
        ("make().chunkedgraph.is_latest_roots([1])", "/segmentation/api/v1"),
        ("make().l2cache.get_l2data([1])", "/l2cache/api/v1/table"),
    ],
)
def test_a_call_that_cannot_be_repeated_is_not_called_well(world: World, cell: str, path: str):
    """The version of the service responds, so a check before the call is green; after it, the report says what failed."""
    world.run(MAKE.format(server=world.cave.server))
    world.cave.misbehave(path, "status:503")
    assert not bad(world.check())
    assert world.run(cell).error
    report = world.check()
    row = next(one for one in report.rows if one.id == "last-call")
    assert (row.status, report.ok) == ("warning", True)
    assert "returned 503 to" in row.evidence


def test_a_request_that_succeeds_now_is_reported(world: World):
    """The service was down for a moment: the explanation says both, and nothing failed."""
    world.run(MAKE.format(server=world.cave.server) + "client = make(); client.materialize")
    world.cave.misbehave(f"{MINNIE}/version/1412", "down")
    assert world.run("client.materialize.get_version_metadata(1412)").error
    world.cave.behave()
    report = world.check()
    assert report.ok
    assert "was down or broken (502)" in report.error.text
    assert report.error.text.endswith("But the same request succeeds now.")


def test_a_request_that_a_proxy_changes_succeeds(world: World):
    """It turns 200 into 203, which caveclient accepts."""
    world.run(MAKE.format(server=world.cave.server) + "client = make(); client.materialize")
    path = f"{MINNIE}/version/1412"
    world.cave.misbehave(path, "down")
    assert world.run("client.materialize.get_version_metadata(1412)").error
    world.cave.misbehave(path, says(203, {"version": 1412}))
    assert next(row.evidence for row in world.check().rows if row.id == "last-call") == "the same request succeeds now"


def test_an_old_data_server_is_named(world: World, wrong):
    """A client that was made before the data server moved still sends its requests to the old one."""
    world.run('client = make(); client.local_server = "http://127.0.0.1:1"')
    found, commands = wrong("client.materialize.get_versions()")
    assert found == f"the client uses the data server 127.0.0.1:1, but it is now {world.cave.local_server[7:]}"
    assert commands == (GO,)


@pytest.mark.parametrize("is_up", [True, False])
def test_a_call_to_another_server_is_named(world: World, wrong, is_up: bool):
    """The client was created for a server that does not open the datastack; the server in the map does, and only that counts."""
    settings(world.shell).server = ""
    with Sandbox() as other:
        address = other.server if is_up else "http://127.0.0.1:1"
        found, commands = wrong(f'make(server_address="{address}", auth_token="{world.token}")')
        host, home = address[7:], world.cave.server[7:]
        assert found == f"the client asked {host}, where minnie65_public does not open; on {home} it does"
        assert commands == (GO,)
        assert not world.run(commands[0]).error


def test_a_line_about_something_else_does_not_follow_the_call(world: World):
    """`%cave_check flywire_fafb_public` after a failed call to minnie65_public is about flywire."""
    world.run(MAKE.format(server=world.cave.server))
    world.run('make().materialize.query_table("nuclie")')
    world.cave.clear_requests()
    world.argument = "flywire_fafb_public"
    report = world.check()
    assert report.datastacks == ("flywire_fafb_public",)
    assert report.ok
    assert not any("minnie65_public" in one.path for one in world.cave.requests if one.service != "auth")


def test_following_a_call_is_bounded_and_changes_nothing(world: World):
    """A failed query leads to five more GETs, and no query is sent again."""
    world.run(MAKE.format(server=world.cave.server))
    world.check()
    world.cave.clear_requests()
    world.check()
    usual = len(world.cave.requests)
    world.run('make().materialize.get_annotation_count("nuclie")')
    world.cave.clear_requests()
    world.check()
    assert {one.method for one in world.cave.requests} == {"GET"}
    assert len(world.cave.requests) == usual + 5


def test_the_token_is_sent_only_to_its_servers(world: World):
    """Another data server than that of the info service is not asked, and another server gets no token."""
    settings(world.shell).server = ""
    with Sandbox() as stranger:
        world.run(MAKE.format(server=world.cave.server) + f'client = make(); client.local_server = "{stranger.server}"')
        for cell in ("client.materialize.get_versions()", f'make(server_address="{stranger.server}")'):
            assert world.run(cell).error
            stranger.clear_requests()
            world.check()
            assert not any(one.authorization or one.cookie for one in stranger.requests), cell


@pytest.mark.parametrize(
    ("name", "odd"), [("minnie65_public\u200b", "U+200B ZERO WIDTH SPACE"), ("fl\u0443wire", "U+0443")]
)
def test_an_odd_character_in_a_typed_name_is_named(world: World, name: str, odd: str):
    """The line is rejected before any request, with the code point."""
    world.cave.clear_requests()
    ran = world.run(f'%cave_check "{name}"')
    assert f"the name contains {odd}" in ran.message
    assert not world.cave.requests


def test_a_token_given_as_a_name_is_not_followed(world: World):
    """`CAVEclient(TOKEN)` is not a datastack: the check runs as usual and repeats no part of the token."""
    world.run(MAKE.format(server=world.cave.server))
    assert world.run(f'make("{NEW}")').error
    report = world.check()
    assert report.datastacks == ("minnie65_public",)
    assert NEW[:9] not in str(report.to_dict())


def test_the_datastack_of_the_call_is_looked_at_first(world: World):
    """Without a name on the line, the error says which datastack is meant, not the default."""
    world.run(MAKE.format(server=world.cave.server))
    world.cave.withdraw_terms("ada", "minnie65_public")
    assert world.run('make("flywire_fafb_public").materialize.query_table("nuclie")').error
    report = world.check()
    assert report.datastacks == ("flywire_fafb_public",)
    assert bad(report) == [("last-call", "failed")]


@pytest.mark.parametrize("how", ["garbage", "html", "error500"])
def test_a_version_that_only_a_client_reads_is_named_after_the_cell(world: World, how):
    """A healthy check does not request it, so it is green until then; the rest of the server works, so no portal is."""
    world.cave.misbehave("/info/version", how)
    assert world.check().ok
    world.run(MAKE.format(server=world.cave.server))
    assert world.run("make()").error
    report = world.check()
    assert bad(report) == [("last-call", "failed")]
    assert "portal" not in report.next.text
