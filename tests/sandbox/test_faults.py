"""Every misbehaviour of the practice server, in the service that it is for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import flask
import pytest
import requests

from cave_magic.sandbox import ESCAPES, MISBEHAVIOURS, Sandbox, UnknownMisbehaviour

from ..support.waiting import until

QUICK = 20.0
"""Seconds that a busy computer may need for what takes a tenth of a second; the requests here hang for a minute."""
FULL = "/info/api/v2/datastack/full/minnie65_public"


class Client:
    """Sends requests to one sandbox as ada, without following redirects."""

    def __init__(self, cave: Sandbox) -> None:
        self.cave = cave
        self.headers = {"Authorization": f"Bearer {cave.new_token('ada')}"}

    def get(self, path: str = FULL, timeout: float = 60, **more: Any) -> requests.Response:
        """Sends a request to the global server."""
        more.setdefault("allow_redirects", False)
        return requests.get(self.cave.server + path, headers=self.headers, timeout=timeout, **more)


@pytest.fixture
def client(cave: Sandbox) -> Client:
    """A client of a healthy server."""
    return Client(cave)


@pytest.fixture
def waiting(cave: Sandbox, client: Client) -> Iterator[list[Any]]:
    """A request that waits for a silent info service; the list receives its outcome."""
    outcome: list[Any] = []

    def ask() -> None:
        try:
            outcome.append(client.get("/info/version").json())
        except requests.RequestException as failed:
            outcome.append(failed)

    cave.misbehave("info", "silent")
    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: cave.requests)
    yield outcome
    cave.behave()
    thread.join()


def test_silent_never_responds(cave: Sandbox, client: Client) -> None:
    """A silent service accepts the request and never responds."""
    cave.misbehave("info", "silent")
    with pytest.raises(requests.ReadTimeout):
        client.get(timeout=0.3)
    until(lambda: cave.requests)
    assert cave.requests[0].status is None


def test_behave_ends_the_wait_for_a_silent_service(cave: Sandbox, waiting: list[Any]) -> None:
    """After `behave` a waiting request gets its response."""
    cave.behave("info")
    until(lambda: waiting)
    assert waiting == ["4.3.3"]


def test_closing_is_quick_while_requests_hang(cave: Sandbox, waiting: list[Any]) -> None:
    """`close` ends a waiting request, and does not wait for it."""
    start = time.perf_counter()
    cave.close()
    assert time.perf_counter() - start < QUICK
    until(lambda: waiting)
    assert isinstance(waiting[0], requests.ConnectionError)


@pytest.mark.parametrize("how", ["silent", "drip", "slow:60"])
def test_closing_is_quick_after_clients_gave_up(how: str) -> None:
    """`close` does not wait for requests whose clients have given up."""
    with Sandbox() as cave:
        cave.misbehave("all", how)
        with pytest.raises(requests.ReadTimeout):
            Client(cave).get(timeout=0.2)
        start = time.perf_counter()
    assert time.perf_counter() - start < QUICK


def test_drip_sends_a_byte_at_a_time(cave: Sandbox, client: Client) -> None:
    """The service sends its normal response byte by byte, at the given rate."""
    cave.misbehave("info", "drip:0.001")
    start = time.perf_counter()
    assert client.get("/info/version").json() == "4.3.3"
    assert time.perf_counter() - start > 0.1


def test_slow_delays_the_response(cave: Sandbox, client: Client) -> None:
    """A slow service returns its normal response after the given seconds."""
    cave.misbehave("info", "slow:0.3")
    start = time.perf_counter()
    assert client.get("/info/version").json() == "4.3.3"
    assert time.perf_counter() - start >= 0.3


def test_down_is_a_page_of_nginx(cave: Sandbox, client: Client) -> None:
    """If a service is down, nginx returns an HTML page."""
    cave.misbehave("info", "down")
    got = client.get()
    assert (got.status_code, got.headers["Content-Type"]) == (502, "text/html")
    assert "<center>nginx</center>" in got.text


@pytest.mark.parametrize("status", [204, 418, 429, 500, 503])
def test_status_has_no_body(cave: Sandbox, client: Client, status: int) -> None:
    """Any status can be chosen; the body is empty and there is no content type."""
    cave.misbehave("info", f"status:{status}")
    got = client.get()
    assert (got.status_code, got.content, got.headers.get("Content-Type")) == (status, b"", None)


@pytest.mark.parametrize(
    ("how", "status", "seconds"), [("retry-after:2", 503, "2"), ("retry-after:3600:429", 429, "3600")]
)
def test_retry_after_sends_the_header(cave: Sandbox, client: Client, how: str, status: int, seconds: str) -> None:
    """503 or 429 comes with the seconds to wait."""
    cave.misbehave("info", how)
    got = client.get()
    assert (got.status_code, got.headers["Retry-After"]) == (status, seconds)


def test_html_is_a_page_instead_of_json(cave: Sandbox, client: Client) -> None:
    """A maintenance page comes with status 200."""
    cave.misbehave("info", "html")
    got = client.get()
    assert (got.status_code, got.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert got.text.startswith("<!doctype html>")


def test_redirect_leads_to_another_host_that_logs_requests(cave: Sandbox, client: Client) -> None:
    """By default it redirects to a guest network's page on the other server, whose log shows leaks."""
    cave.misbehave("info", "redirect")
    got = client.get(allow_redirects=True)
    assert got.url == f"{cave.local_server}/captive-portal"
    assert "Guest network" in got.text
    assert [(r.host in cave.server, r.path) for r in cave.requests] == [(True, FULL), (False, "/captive-portal")]
    assert cave.requests[1].authorization is False


def test_the_target_of_redirect_can_be_chosen(cave: Sandbox, client: Client) -> None:
    """`redirect:URL` redirects to that URL, even one with colons."""
    cave.misbehave("info", "redirect:https://sso.example.org:8443/in?x=1")
    assert client.get().headers["Location"] == "https://sso.example.org:8443/in?x=1"


def test_loop_never_ends(cave: Sandbox, client: Client) -> None:
    """A redirect loop makes requests give up."""
    cave.misbehave("info", "loop")
    with pytest.raises(requests.TooManyRedirects):
        client.get(allow_redirects=True)


def test_reset_and_close_end_the_connection(cave: Sandbox, client: Client) -> None:
    """Both end the connection without a response, the first with a TCP reset."""
    cave.misbehave("info", "reset")
    with pytest.raises(requests.ConnectionError, match="reset"):
        client.get()
    cave.misbehave("info", "close")
    with pytest.raises(requests.ConnectionError, match="without"):
        client.get()


def test_garbage_is_unexpected_json(cave: Sandbox, client: Client) -> None:
    """200 with valid JSON of another shape; the text can be chosen."""
    cave.misbehave("info", "garbage")
    assert client.get().json() == {"maintenance": True, "eta": [1, 2, 3]}
    cave.misbehave("info", 'garbage:["a:b", 2]')
    assert client.get().json() == ["a:b", 2]


def test_truncated_breaks_off(cave: Sandbox, client: Client) -> None:
    """The body is shorter than its `Content-Length`."""
    cave.misbehave("info", "truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.get()


def test_big_is_five_megabytes(cave: Sandbox, client: Client) -> None:
    """The response is a page of about 5 MB."""
    cave.misbehave("info", "big")
    assert 5_000_000 < len(client.get().content) < 6_000_000


def test_error500_of_info_is_json(cave: Sandbox, client: Client) -> None:
    """An internal error of the info service is JSON."""
    cave.misbehave("info", "error500")
    got = client.get()
    assert (got.status_code, got.json()) == (500, {"message": "Internal Server Error"})


@pytest.mark.parametrize("path", ["/auth/api/v1/user/cache", "/sticky_auth/settings/tokens"])
def test_error500_of_auth_is_a_page(cave: Sandbox, client: Client, path: str) -> None:
    """An internal error of the auth server is Flask's HTML page."""
    cave.misbehave("all", "error500")
    got = client.get(path)
    assert (got.status_code, got.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert "<title>500 Internal Server Error</title>\n<h1>Internal Server Error</h1>" in got.text


def test_escapes_are_added_to_every_name_and_message(cave: Sandbox, client: Client) -> None:
    """Names, descriptions and messages contain terminal codes, HTML and markup; the rest stays usable."""
    cave.misbehave("all", "escapes")
    passport = client.get("/auth/api/v1/user/cache").json()
    assert passport["name"] == f"Ada Example{ESCAPES}"
    assert passport["email"] == "ada@example.org"
    assert client.get().json()["description"].endswith(ESCAPES)
    assert client.get("/info/api/v2/datastacks").json()[-1] == ESCAPES
    assert client.get(FULL.replace("minnie65_public", "nope")).json()["message"].endswith(ESCAPES)


def test_a_custom_function_can_respond(cave: Sandbox, client: Client) -> None:
    """A function gets the Flask request and returns the response."""

    def teapot(request: flask.Request) -> flask.Response:
        return flask.Response(f"{request.method} {request.path}", 418)

    cave.misbehave("auth", teapot)
    got = client.get("/auth/version")
    assert (got.status_code, got.text) == (418, "GET /auth/version")
    assert cave.misbehaving == {"auth": "teapot"}


def test_one_service_can_misbehave(cave: Sandbox, client: Client) -> None:
    """The other services keep working, even those with a similar path."""
    cave.misbehave("auth", "down")
    assert client.get("/auth/version").status_code == 502
    assert client.get("/sticky_auth/settings/tokens").status_code == 200
    assert client.get("/info/version").status_code == 200


def test_one_path_can_misbehave(cave: Sandbox, client: Client) -> None:
    """A target can be a path, with everything below it."""
    cave.misbehave("/info/api/v2/datastack", "down")
    assert client.get().status_code == 502
    assert client.get("/info/api/v2/datastacks").status_code == 200


def test_one_method_can_misbehave(cave: Sandbox, client: Client) -> None:
    """A method before the path limits the target to it: tokens are listed but not created."""
    path = "/auth/api/v1/user/token"
    cave.misbehave(f"POST {path}", "down")
    made = requests.post(cave.server + path, headers=client.headers, json={"description": "x"}, timeout=60)
    assert (made.status_code, client.get(path).status_code) == (502, 200)
    assert cave.misbehaving == {f"POST {path}": "down"}
    cave.behave(f"POST {path}")
    assert requests.post(cave.server + path, headers=client.headers, timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("target", "global_status", "local_status"),
    [("all", 502, 502), ("global", 502, 200), ("local", 200, 502), ("GET local", 200, 502), ("POST local", 200, 200)],
)
def test_one_server_can_misbehave(cave: Sandbox, target: str, global_status: int, local_status: int) -> None:
    """`global` and `local` mean every path of a server, known or not."""
    cave.misbehave(target, "down")
    assert requests.get(f"{cave.server}/info/version", timeout=60).status_code == global_status
    assert requests.get(f"{cave.local_server}/materialize/version", timeout=60).status_code == local_status


def test_a_target_can_be_the_url_of_a_server() -> None:
    """One of several data servers misbehaves, or a path of it, and the others keep working."""
    with Sandbox(datastacks=2, local_servers=2) as cave:
        first, second = (f"{server}/materialize/version" for server in cave.local_servers)
        cave.misbehave(cave.local_servers[1], "missing")
        assert [requests.get(url, timeout=60).status_code for url in (first, second)] == [200, 404]
        cave.behave()
        cave.misbehave(f"{cave.local_servers[0]}/materialize", "down")
        assert [requests.get(url, timeout=60).status_code for url in (first, second)] == [502, 200]
        assert requests.get(f"{cave.local_servers[0]}/annotation/version", timeout=60).status_code == 200
        with pytest.raises(UnknownMisbehaviour, match="is not a URL of this practice server; it has: http"):
            cave.misbehave("http://127.0.0.1:9", "down")


def test_a_custom_function_sees_the_requested_server() -> None:
    """It sees the URL that the client used, even at the second data server."""
    with Sandbox(datastacks=2, local_servers=2) as cave:
        cave.misbehave("all", lambda request: flask.Response(request.host_url))
        for server in (cave.server, *cave.local_servers):
            assert requests.get(f"{server}/materialize/version", timeout=60).text == f"{server}/"


def test_missing_is_a_web_server_without_the_service(cave: Sandbox) -> None:
    """For each service of the data server nginx returns its own 404 page, as if none were installed."""
    cave.misbehave("local", "missing")
    for path in ("/materialize/version", "/segmentation/api/version", "/"):
        got = requests.get(cave.local_server + path, timeout=60)
        assert (got.status_code, got.headers["Content-Type"]) == (404, "text/html")
        assert "<center><h1>404 Not Found</h1></center>" in got.text


def test_the_latest_misbehaviour_counts(cave: Sandbox, client: Client) -> None:
    """A new misbehaviour replaces that of the same target, the latest takes precedence, and `behave` ends all."""
    cave.misbehave("info", "down")
    cave.misbehave("info", "status:418")
    cave.misbehave("/info/version", "status:429")
    assert cave.misbehaving == {"info": "status:418", "/info/version": "status:429"}
    assert [client.get(path).status_code for path in (FULL, "/info/version")] == [418, 429]
    cave.behave("/info/version")
    assert client.get("/info/version").status_code == 418
    cave.behave()
    assert client.get("/info/version").status_code == 200
    assert cave.misbehaving == {}


@pytest.mark.parametrize("service", ["materialize", "chunkedgraph", "l2cache", "skeleton", "annotation"])
def test_local_services_misbehave_on_the_local_server(cave: Sandbox, service: str) -> None:
    """Each local service is a target by its name, which the log uses too."""
    path = {"chunkedgraph": "/segmentation/api/version", "l2cache": "/l2cache/api/v1/table_mapping"}
    path |= {"skeleton": "/skeletoncache/api/version"}
    url = cave.local_server + path.get(service, f"/{service}/version")
    cave.misbehave(service, "down")
    assert requests.get(url, timeout=60).status_code == 502
    assert cave.requests[0].service == service


@pytest.mark.parametrize("path", ["/info/version", "/nowhere"])
def test_all_covers_every_path(cave: Sandbox, path: str) -> None:
    """`all` covers every path, known or not."""
    cave.misbehave("all", "down")
    assert requests.get(cave.server + path, timeout=60).status_code == 502


@pytest.mark.parametrize(
    ("target", "how", "message"),
    [
        ("info", "sulky", "choose one of: silent, drip"),
        ("inf", "down", "nor one of: all, global, local, auth"),
        ("", "down", "'' is neither a path"),
        ("POST", "down", "'POST' is neither a path"),
        ("POST ", "down", "'POST ' is neither a path"),
        ("post /info", "down", "'post /info' is neither a path"),
        ("/info /auth", "down", "neither a path"),
        ("127.0.0.1:80", "down", "neither a path"),
        ("info", "slow", "needs a number, for example 'slow:3'"),
        ("info", "slow:soon", "takes a number, not 'soon'"),
        ("info", "status", "needs a number"),
        ("info", "retry-after:1:x", "takes a number"),
        ("info", "retry-after:1:429:5", "seconds from 0 to 86400, then a status from 200 to 599"),
        ("info", "retry-after:1:429.0", "takes a number"),
        ("info", "status:9999", "not '9999': a status from 200 to 599"),
        ("info", "status:99", "a status from 200"),
        ("info", "status:404.5", "a status from 200"),
        ("info", "slow:nan", "seconds from 0 to 86400"),
        ("info", "slow:1e99", "seconds from 0 to 86400"),
        ("info", "drip:-1", "seconds from 0 to 86400"),
        ("info", "slow:1:2", "seconds from 0 to 86400"),
        ("info", 5, "5 is not a misbehaviour; choose one of: silent, drip"),
        ("info", None, "choose one of: silent, drip"),
        (5, "down", "5 is neither a path"),
        (None, lambda request: None, "None is neither a path"),
    ],
)
def test_unknown_misbehaviour_is_rejected(cave: Sandbox, target: Any, how: Any, message: str) -> None:
    """An unknown service, misbehaviour or argument raises UnknownMisbehaviour, which lists the choices."""
    with pytest.raises(UnknownMisbehaviour, match=message):
        cave.misbehave(target, how)
    assert cave.misbehaving == {}


def test_every_misbehaviour_has_a_working_example() -> None:
    """The examples in `help` are accepted."""
    cave = Sandbox()
    for known in MISBEHAVIOURS.values():
        cave.misbehave("info", known.example)
    assert cave.misbehaving == {"info": "escapes"}
