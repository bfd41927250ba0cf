"""The checks of caveclient's datastack map, on facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cave_magic.api.failures import Failure
from cave_magic.api.responses import Response
from cave_magic.credentials.file_problems import FileFault
from cave_magic.credentials.obstacles import Obstacle, WayOut
from cave_magic.credentials.target import Target
from cave_magic.credentials.token_files import State
from cave_magic.deployments import AddressFault
from cave_magic.doctor import healthy
from cave_magic.doctor.checks.datastack_map import MAP, MAP_FILE, MAP_SECRET
from cave_magic.doctor.evidence import Machine, ServerFacts
from cave_magic.doctor.experiments.model import Change, Experiment, Tried

from .facts import CHECK, FOLDER, HOST, REJECTED, Case, case, each, error, page, problem, response

ABSENT = State.ABSENT
GOOD, DOWN = healthy.IDENTITY, response(503)
NOT_THERE = Response(url="https://cave.example.org/auth", failure=Failure.NAME_NOT_FOUND)
SECRETS = replace(healthy.DATASTACK_MAP, entries=dict.fromkeys("abcd", "https://ada:s3cr3tpw@cave.example.org"))


def _map(state: State, fault: FileFault | None = None, *details: str) -> Machine:
    found = problem(fault, *details) if fault else None
    return Machine(datastack_map=replace(healthy.DATASTACK_MAP, state=state, problem=found, entries={}))


def _opening(server: str) -> Machine:
    """A computer on which caveclient opens the datastack on a server."""
    return Machine(datastack_map=replace(healthy.DATASTACK_MAP, entries={"minnie65_public": server}))


def _home(one: Response, proxy: str = "") -> Tried:
    """What the server that has the datastack responded."""
    return Tried(experiments=(Experiment(change=Change.OTHER_SERVER, source=HOST, response=one),), proxy=proxy)


def _remembered(first: Response | None, **facts: Any) -> ServerFacts:
    """A server that the map names for a datastack that is on another one."""
    target = Target(
        datastack="minnie65_public",
        server="https://cave.example.org",
        named_by="map",
        opens_on="https://cave.example.org",
        by_name=("https://cave.example.org",),
    )
    return ServerFacts(
        **{"target": target, "machine": _opening(target.server), "identity": first, "account": None, "info": None}
        | facts
    )


def _named(**target: Any) -> ServerFacts:
    machine = _opening(target.get("opens_on", healthy.TARGET.server))
    return ServerFacts(machine=machine, target=replace(healthy.TARGET, **{"named_by": "option"} | target))


MAP_PATH = f"{FOLDER}/cave_datastack_to_server_map.json"
_LOCKED = Obstacle(path=healthy.FOLDER, problem=problem(FileFault.NOT_OPENABLE), way=WayOut.MOVE_AWAY, unusable=True)
MOVED = f"!mv {MAP_PATH} {MAP_PATH}.old"

CASES = [
    case("the map is fine", MAP_FILE, Machine(), "nothing"),
    case("no map yet", MAP_FILE, _map(ABSENT), "nothing"),
    case("the map is a link to nothing", MAP_FILE, _map(ABSENT, FileFault.LINK_TO_NOTHING, "/x"), "warning", "forgets", MOVED),
    case("the map is not JSON", MAP_FILE, _map(State.MALFORMED, FileFault.NOT_JSON, " (line 1)"), "warning", "is not valid JSON (line 1)", fix="map"),
    case("the map is a list", MAP_FILE, _map(State.MALFORMED, FileFault.NOT_AN_OBJECT, "a list"), "failed", "contains a list, not a JSON object", fix="map"),
    case("the map is a folder", MAP_FILE, _map(State.NOT_A_FILE, FileFault.IS_A_FOLDER), "failed", "is a folder: CAVEclient fails", MOVED),
    case("the map is a socket", MAP_FILE, _map(State.NOT_A_FILE, FileFault.IS_A_SOCKET), "failed", "is a socket: CAVEclient fails", MOVED),
    case("the map is a pipe", MAP_FILE, _map(State.NOT_A_FILE, FileFault.IS_A_PIPE), "failed", "waits for it forever", MOVED),
    case("the map is in a folder that cannot be opened", MAP_FILE, replace(_map(State.UNREADABLE, FileFault.NOT_READABLE), folder_problem=_LOCKED), "nothing"),
    case("the map has no secret", MAP_SECRET, Machine(), "nothing"),
    case("the map has secrets", MAP_SECRET, Machine(datastack_map=SECRETS), "warning", "address of a, b, c contains", fix="map-secrets"),
    case("the address is right", MAP, ServerFacts(), "nothing"),
    case("the remembered address is right", MAP, _named(named_by="map"), "nothing"),
    case("a remembered address is malformed", MAP, _named(named_by="map", opens_on=HOST, map_problem=AddressFault.NO_HTTPS), "failed", "is malformed: the address does not begin with https://", fix="map-entry"),
    case("a malformed address was corrected in the meantime", MAP, _named(named_by="map", map_problem=AddressFault.NO_HTTPS), "failed", "is malformed: the address does not begin with https://", CHECK),
    case("the server is named, and caveclient opens it", MAP, _named(), "nothing"),
    case("the server is named, and caveclient opens another", MAP, _named(opens_on="https://old.example.org"), "warning", ("old.example.org", f"not on {HOST}"), fix="map-entry"),
    case("the server is named, and caveclient uses another scheme", MAP, _named(server="https://mine.org", opens_on="http://mine.org"), "warning", "on http://mine.org, not on https://mine.org, unless", fix="map-entry"),
    case("the server is named, and caveclient adds a path", MAP, _named(opens_on=f"https://{HOST}/info"), "warning", f"on a malformed address, not on {HOST}", fix="map-entry"),
    case("the server is named, and the map has a malformed one", MAP, _named(opens_on=""), "warning", "a malformed address", fix="map-entry"),
    case("the server is named, and no response of the info service", MAP, replace(_named(opens_on="https://old.example.org"), info=None), "nothing"),
    case("the server is named, and does not open it either", MAP, replace(_named(opens_on="https://old.example.org"), info=error(404, "invalid_table_id")), "nothing"),
    case("an unknown datastack is remembered", MAP, replace(_remembered(NOT_THERE), target=Target(datastack="mine", server="https://cave.example.org", named_by="map")), "nothing"),
    case("a remembered server works", MAP, _remembered(GOOD), "nothing"),
    case("a remembered server opens it", MAP, _remembered(NOT_THERE, info=healthy.INFO), "nothing"),
    case("a remembered server does not resolve", MAP, _remembered(NOT_THERE), "failed", ("saved with the address of cave.example.org", Failure.NAME_NOT_FOUND.value, f"is on {HOST}"), fix="map-entry"),
    case("nothing listens there", MAP, _remembered(replace(NOT_THERE, failure=Failure.REFUSED)), "failed", f"is on {HOST}", fix="map-entry"),
    case("a remembered server returns other JSON", MAP, _remembered(None, anonymous_identity=response(200, {"maintenance": True})), "nothing"),
    case("a remembered server is down", MAP, _remembered(DOWN), "nothing"),
    case("a remembered server rejects the token", MAP, _remembered(REJECTED), "nothing"),
    case("a page responds there", MAP, _remembered(page()), "failed", "200", fix="map-entry"),
    case("something else responds there", MAP, _remembered(page(404)), "failed", "404", fix="map-entry"),
    case("it lacks the datastack", MAP, _remembered(None, info=error(404, "invalid_table_id")), "failed", "invalid_table_id", fix="map-entry"),
    case("a rejected token shows that it is a CAVE server", MAP, _remembered(REJECTED, info=page()), "nothing"),
    case("a proxy responds for it and reaches the known one", MAP, _remembered(DOWN, tried=_home(GOOD, "HTTP_PROXY")), "failed", ("503", "the same proxy reaches"), fix="map-entry"),
    case("the right server responds", MAP, _remembered(NOT_THERE, tried=_home(GOOD)), "failed", f"is on {HOST}, which responds", fix="map-entry"),
    case("this computer is offline", MAP, _remembered(NOT_THERE, tried=_home(NOT_THERE)), "nothing"),
    case("a proxy responds for both", MAP, _remembered(DOWN, tried=_home(DOWN, "HTTP_PROXY")), "nothing"),
    case("no request was sent", MAP, _remembered(None), "nothing"),
]  # fmt: skip


@each(CASES)
def test_the_datastack_map(case: Case):
    """Each check of the datastack map gives the expected finding."""
    case.run()
