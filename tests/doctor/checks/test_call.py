"""The check of the last call to caveclient, on facts alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cave_magic.api.failures import Failure
from cave_magic.api.responses import FLASK_404, TEXT, Response
from cave_magic.doctor import healthy
from cave_magic.doctor.checks.call import CALL
from cave_magic.doctor.evidence import CallFacts, DatastackFacts, ServerFacts
from cave_magic.environment.caveclient_adapter import AskedKey, FailedCall, WrongArgument
from cave_magic.ui.redact import Untrusted

from .facts import HOST, LOCAL, OTHER, Case, case, each, page, response, token_file

GO = 'from caveclient import CAVEclient; client = CAVEclient("minnie65_public")'
OLD = GO[:-1] + ", version=1300)"
NUCLEI = f'{GO}; client.materialize.query_table("nuclei", limit=10)'
VIEW = f'{GO}; client.materialize.query_view("by_type", limit=10)'
KEY = AskedKey(key="fanc", file=Path("~/.cloudvolume/secrets/x.json"), found=False)
KEYS = token_file("x.json", healthy.TOKEN, keys=("lab",))
NO_KEYS = token_file("x.json")
HAS: dict[str, Any] = {"valid": (1412, 1300), "versions": (1412, 1300, 1181), "tables": ("nuclei", "synapses"), "views": ("by_type",)}  # fmt: skip
URL = f"{healthy.LOCAL_SERVER}/materialize/api/v3/x"


def _call(call: dict[str, Any], datastack: dict[str, Any] | None = None, **facts: Any) -> DatastackFacts:
    """A failed `query_table`, or another call, and what its services say."""
    texts = {name: Untrusted(call[name]) for name in ("table", "datastack", "missing") if name in call}
    failed = FailedCall(**{"function": "query_table", "service": "materialize", "status": 404} | call | texts)
    return DatastackFacts(call=CallFacts(**{"call": failed} | facts), **(datastack or {}))


def _names(table: str, function: str = "query_table", **facts: Any) -> DatastackFacts:
    call = {"table": table, "function": function, "url": URL, **facts.pop("call", {})}
    return _call(call, **HAS | facts)


def _version(version: int | None, **facts: Any) -> DatastackFacts:
    return _call({"version": version}, **HAS | facts)


def _again(status: int = 200, body: object = None, call: dict[str, Any] | None = None, **facts: Any) -> DatastackFacts:
    """A call whose request was sent again."""
    since = facts.pop("refused_since", None)
    services = {"services": facts.pop("services")} if "services" in facts else None
    same = response(status, body, URL, **facts)
    return _call(call or {}, services, same=same, refused_since=since)


HIDDEN = {"code": 500, "message": "404 Not Found: version 9 not found in d"}
DOWN = {**healthy.SERVICES, "materialize": response(502, url=URL)}
MISSING = {"error": "KeyError", "missing": "time_stamp", "status": 0}
MAY_NOT_EDIT = {
    "error": "missing_permission",
    "data": {"auth_dataset": "minnie65_public", "required_permission": "edit"},
}
MAY_NOT_VIEW = {"error": "missing_permission", "data": {"auth_dataset": "minnie65_public"}}
EMPTY = {"error": "TypeError", "status": 200}
ID = WrongArgument(name="root_id", type="float", expected="an integer (int)")
TABLE = WrongArgument(name="table", type="ndarray", expected="a string")
NUMBER = WrongArgument(name="datastack_name", type="int", expected="a string")

CASES = [
    case("no call failed", CALL, DatastackFacts(), "nothing"),
    case("nothing is known about the call", CALL, _call({}), "nothing"),
    case("the key is missing", CALL, _call({"key": KEY}, key_file=KEYS), "failed", ('auth_token_key="fanc", but', "x.json has the keys token and lab"), GO, advises="without that argument"),
    case("the file has no keys", CALL, _call({"key": KEY}, key_file=NO_KEYS), "failed", "has no keys", GO),
    case("there was no token when the client was made", CALL, _call({"key": replace(KEY, key="token")}, key_file=NO_KEYS), "failed", "the client found no token in ~/.cloudvolume/secrets/x.json when it was created; the stored token works", GO),
    case("the token under the key was rejected", CALL, _call({"key": replace(KEY, found=True), "status": 401}, key_file=KEYS), "failed", "so it sent the token under that key", GO),
    case("the token under the key is not the cause", CALL, _call({"key": replace(KEY, found=True)}, key_file=KEYS), "nothing"),
    case("the datastack has an invisible character", CALL, _call({"datastack": "minnie65_public\u200b"}), "failed", "the datastack in that call contains U+200B ZERO WIDTH SPACE", GO),
    case("the datastack has two odd characters", CALL, _call({"datastack": "m\u0456nnie65\u00a0_public"}), "failed", "U+0456 CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I and U+00A0 NO-BREAK SPACE", GO),
    case("the table has an invisible character", CALL, _names("nuclei\u00ad"), "failed", "the table in that call contains U+00AD SOFT HYPHEN", NUCLEI),
    case("the view has a space", CALL, _names("by_type ", "query_view"), "failed", "the view in that call contains U+0020 SPACE", VIEW),
    case("a float as an id", CALL, _call({"wrong": ID, "function": "get_leaves"}), "failed", "get_leaves was called with root_id of type float, which cannot hold all digits", advises="give root_id as an integer (int)"),
    case("an empty name", CALL, _call({"wrong": replace(NUMBER, type="")}), "failed", "query_table was called with an empty datastack_name", advises="a string"),
    case("an array as a table", CALL, _call({"wrong": TABLE}), "failed", "query_table was called with table of type ndarray", advises="give table as a string"),
    case("a number as a datastack", CALL, _call({"wrong": NUMBER, "function": "CAVEclient"}), "failed", "datastack_name of type int", advises="a string"),
    case("the client has another token", CALL, _call({"token": OTHER, "status": 403}, other_token=True), "failed", "a token other than the stored one, which works", GO),
    case("the client has a token that cannot be sent", CALL, _call({"token": OTHER, "error": "InvalidHeader"}, other_token=True), "failed", "a token other than the stored one, which works", GO),
    case("another token is not the cause of a 404", CALL, _call({"token": OTHER}, other_token=True), "nothing"),
    case("the data server has moved", CALL, _call({"local_server": "https://old.example.org"}), "failed", f"the data server old.example.org, but it is now {LOCAL}", GO),
    case("the data server is the same", CALL, _call({"local_server": f"{healthy.LOCAL_SERVER}/"}), "nothing"),
    case("the data server is not known", CALL, _call({"local_server": "https://old.example.org"}, {"info": response(503)}), "nothing"),
    case("the data server gets no token", CALL, _again(401, {"error": "no_token"}), "failed", f"received no token (no_token), although one was sent; {HOST} got it", advises="try another network"),
    case("the address of the server has a path", CALL, _call({"server": f"https://{HOST}/auth"}), "failed", "a wrong server_address: the address has something after the host", GO),
    case("the client asked another server", CALL, _call({}, other_server="old.example.org"), "failed", f"the client asked old.example.org, where minnie65_public does not open; on {HOST} it does", GO),
    case("the annotation service works", CALL, _call({"service": "annotation"}, service=response(200, "4.31.0", URL)), "nothing"),
    case("the annotation service is too old to report its version", CALL, _call({"service": "annotation"}, service=page(404, FLASK_404, url=URL)), "nothing"),
    case("the annotation service is down", CALL, _call({"service": "annotation"}, service=response(502, url=URL)), "failed", "the annotation service on", advises="run the cell again"),
    case("no version is valid", CALL, _version(None, valid=()), "failed", "no valid materialization version: all have expired (1412, 1300, 1181)", advises=("your token is not the cause", "run the cell again")),
    case("there is no version", CALL, _version(None, valid=(), versions=()), "failed", "minnie65_public has no valid materialization version"),
    case("the version is not there", CALL, _version(9), "failed", "minnie65_public has no version 9; it has 1412, 1300", GO),
    case("the version has expired", CALL, _version(1181), "failed", "version 1181 of minnie65_public has expired; it has 1412, 1300", GO),
    case("the version is valid", CALL, _version(1300), "nothing"),
    case("the live version has no list", CALL, _version(0), "nothing"),
    case("there are many versions", CALL, _version(99, valid=tuple(range(20, 10, -1))), "failed", "it has 20, 19, 18, 17, 16 and 5 more", GO),
    case("the table exists", CALL, _names("nuclei"), "ok", "its request was not repeated"),
    case("the service failed on a query", CALL, _names("nuclei", call={"status": 503}), "warning", f"materialize on {LOCAL} returned 503 to query_table, whose request is not repeated", advises="run the cell again; if it fails again"),
    case("a query was refused", CALL, _names("nuclei", call={"status": 403}), "warning", "returned 403 to query_table, whose request is not repeated"),
    case("a query returned what caveclient cannot read", CALL, _names("nuclei", call={"status": 200, "error": "ArrowInvalid"}), "warning", "returned 200 to query_table"),
    case("a query came too soon", CALL, _names("nuclei", call={"status": 429}), "warning", "returned 429", advises="wait a minute or so, then run the cell again"),
    case("a query got no response", CALL, _names("nuclei", call={"status": 0, "error": "ConnectionError"}), "warning", "returned no response to query_table"),
    case("a query was interrupted", CALL, _names("nuclei", call={"status": 0, "error": "KeyboardInterrupt"}), "warning", "returned no response to query_table"),
    case("there is no segmentation", CALL, _call({"service": "", "function": "chunkedgraph"}, {"info": healthy.json_response(URL, {"local_server": healthy.LOCAL_SERVER})}), "failed", "names no segmentation_source for minnie65_public, which client.chunkedgraph needs", advises="tell the administrators"),
    case("there is a segmentation", CALL, _call({"service": "l2cache"}, {"info": healthy.INFO}), "nothing"),
    case("the account may not edit", CALL, _again(403, MAY_NOT_EDIT, refused_since=0.0), "failed", 'lacks the permission "edit" for minnie65_public (403 missing_permission)', advises="ask the administrators of minnie65_public"),
    case("an old auth server lists no permissions", CALL, replace(_again(403, MAY_NOT_EDIT), server=ServerFacts(account=replace(healthy.ACCOUNT, permissions={}, whole=False))), "failed", "still rejects the request"),
    case("the account may view, according to the auth server", CALL, _again(403, MAY_NOT_VIEW, refused_since=0.0), "failed", "it caches permissions"),
    case("the service rejects it with a text", CALL, _call({}, same=response(401, form=TEXT, opening="Invalid credentials", url=URL)), "failed", "(401): Invalid credentials", advises="change what the cell asks for"),
    case("the response breaks off", CALL, _call({}, same=Response(url=URL, status=200, failure=Failure.INCOMPLETE, form=TEXT)), "failed", "closed the connection in the middle"),
    case("the response is longer than the check reads", CALL, _call({}, same=Response(url=URL, status=200, failure=Failure.UNREADABLE, detail="it is too long", form=TEXT)), "ok", "succeeds now"),
    case("the service does not respond", CALL, _call({}, same=Response(url=URL, failure=Failure.NO_RESPONSE)), "failed", "did not respond", advises="if it is only slow: run the cell again"),
    case("the service rejects it with a page of Flask", CALL, _call({}, same=page(403, "403 Forbidden You don't have the permission to access", url=URL)), "failed", "(403): Forbidden", advises="change what the cell asks for"),
    case("a firewall rejects it with a page", CALL, _call({}, same=page(403, "Access Denied", url=URL)), "failed", "(403): Access Denied", advises="try another network"),
    case("the table is misspelled", CALL, _names("nuclie"), "failed", "version 1412 of minnie65_public has no table nuclie; it has nuclei", NUCLEI),
    case("the table of an older version is misspelled", CALL, _call({"table": "nuclie", "version": 1300}, **HAS), "failed", "version 1300", f'{OLD}; client.materialize.query_table("nuclei", limit=10)'),
    case("the table has another case", CALL, _names("NUCLEI"), "failed", "it has nuclei", NUCLEI),
    case("no table is like it", CALL, _names("zzz"), "failed", "has no table zzz", f"{GO}; client.materialize.get_tables()"),
    case("it is a view", CALL, _names("by_type"), "failed", "by_type is a view of minnie65_public, not a table", VIEW),
    case("it is a table", CALL, _names("nuclei", "query_view"), "failed", "nuclei is a table of minnie65_public, not a view", NUCLEI),
    case("a view is misspelled", CALL, _names("bytype", "query_view"), "failed", "has no view bytype; it has by_type", VIEW),
    case("a joined table is misspelled", CALL, _call({"joined": (Untrusted("nuclei"), Untrusted("synapse"))}, **HAS), "failed", "has no table synapse; it has synapses", f'{GO}; client.materialize.query_table("synapses", limit=10)'),
    case("the joined tables exist", CALL, _call({"joined": (Untrusted("nuclei"), Untrusted("synapses"))}, **HAS), "nothing"),
    case("the tables are not known", CALL, _names("zzz", tables=None), "warning", "returned 404 to query_table"),
    case("the request succeeds now", CALL, _again(200, {"a": 1}), "ok", "the same request succeeds now"),
    case("the key is in the response now", CALL, _again(200, {"time_stamp": 1}, MISSING), "ok", "succeeds now"),
    case("the key is not in the response", CALL, _again(200, {"a": 1}, MISSING), "failed", 'cannot use (KeyError): {"a": 1}', advises="tell the administrators"),
    case("the response is empty", CALL, _again(200, [], EMPTY), "failed", "cannot use (TypeError): []"),
    case("there is a version now", CALL, _again(200, "4.3.1", {"error": "InvalidVersion"}), "ok", "succeeds now"),
    case("there is no version", CALL, _again(200, {"a": 1}, {"error": "InvalidVersion"}), "failed", 'cannot use (InvalidVersion): {"a": 1}'),
    case("text in place of JSON", CALL, _call({"error": "JSONDecodeError"}, same=response(url=URL, form=TEXT, opening="soon")), "failed", "cannot use (JSONDecodeError): soon"),
    case("JSON that could not be read before", CALL, _again(200, [1], {"error": "JSONDecodeError"}), "ok", "succeeds now"),
    case("a web page", CALL, _call({}, same=page(200, url=URL)), "failed", "a web page instead of data", advises="run the cell again"),
    case("the service rejects it", CALL, _again(404, "No table named 'x' found"), "failed", "still rejects the request of query_table (404): No table named 'x' found", advises="nothing that was tried changes that"),
    case("materialize hides a 404 in a 500", CALL, _again(500, HIDDEN), "failed", "(500): 404 Not Found: version 9 not found in d"),
    case("the service lacks the function", CALL, _call({}, same=page(404, FLASK_404, url=URL)), "failed", "(404): it has nothing at that URL"),
    case("the service rejects it without words", CALL, _again(404, {}), "failed", "still rejects the request of query_table (404)"),
    case("the service is still down", CALL, _again(500, {"message": "Internal Server Error"}), "failed", "(500)", advises="run the cell again"),
    case("a query failed, and another check says that the service is down", CALL, _call({"status": 503, "url": URL}, {"services": DOWN}), "nothing"),
    case("another check says that the service is down", CALL, _again(502, services=DOWN), "nothing"),
    case("the data server refuses from its cache", CALL, _again(403, {"error": "missing_permission"}, refused_since=0.0), "failed", ("still refuses access (missing_permission)", "up to 300 s"), advises="try again at 00:05 UTC: run the cell again"),
    case("the data server has refused for too long", CALL, _again(403, {"error": "missing_permission"}, refused_since=-301.0), "unknown", "still refuses access", advises="it has cached that for longer than 5 minutes"),
]  # fmt: skip


@each(CASES)
def test_the_last_call(case: Case):
    """The check of the last call gives the expected finding."""
    case.run()
