"""The way through a Jupyter server: one hello from the notebook page opens it, and whatever does not match is refused."""

from __future__ import annotations

from typing import Any

import pytest

from cave_magic.login.loopback import REFUSED, Receiver, parse_request
from cave_magic.login.route import Route, route_of
from cave_magic.token import Token

from ..support.waiting import LONG
from .test_loopback import CAME, GOOD, Got, Handler, ask, path_of, waiting

HUB = "https://hub.example.org/user/ada/"
PORT = 4711


def hello(**changes: str | None) -> dict[str, str]:
    """The headers of a hello through a hub, as they were measured; None leaves one out."""
    usual = {
        "Host": "hub.example.org",
        "X-Forwarded-Prefix": f"/user/ada/proxy/{PORT}",
        "X-Cave-Page": HUB,
        "Referer": f"{HUB}lab/tree/a.ipynb",
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Dest": "empty",
    }
    changed = usual | {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in changed.items() if value is not None}


def lines_of(headers: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def found(headers: dict[str, str], more: str = "") -> Route | None:
    """The way that a hello with these headers shows."""
    request = parse_request(f"GET /x HTTP/1.1\r\n{lines_of(headers)}{more}".removesuffix("\r\n").encode("latin-1"))
    assert request is not None
    return route_of(request, PORT)


@pytest.mark.parametrize(
    ("page", "headers"),
    [
        (HUB, {}),
        (HUB, {"Referer": None, "Sec_Fetch_Site": None, "Sec_Fetch_Mode": None, "Sec_Fetch_Dest": None}),
        (HUB, {"Referer": "https://hub.example.org/", "Origin": "https://hub.example.org"}),
        ("http://localhost:8888/", {"Host": "localhost:8888", "X_Forwarded_Prefix": "/proxy/4711"}),
        ("http://[::1]:8888/", {"Host": "[::1]:8888", "X_Forwarded_Prefix": "/proxy/4711"}),
        ("https://hub.example.org:8443/a/", {"Host": "hub.example.org", "X_Forwarded_Prefix": "/a/proxy/4711"}),
        (HUB, {"Host": "127.0.0.1:8000", "X_Forwarded_Host": "hub.example.org"}),
        (HUB.replace("ada", "ada%40lab.org"), {"X_Forwarded_Prefix": "/user/ada@lab.org/proxy/4711"}),
    ],
)
def test_a_page_is_believed_if_everything_agrees(page: str, headers: dict[str, str | None]):
    """A hub, plain http, an ssh tunnel, a port or a host that a reverse proxy replaces, a name with an @."""
    route = found(hello(**{"X_Cave_Page": page, "Referer": page, **headers}))
    assert route is not None
    assert route.base == f"{page}proxy/{PORT}"


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Cave_Page": None},
        {"X_Cave_Page": "https://evil.example.com/user/ada/"},
        {"X_Cave_Page": "https://hub.example.org.evil.example.com/user/ada/"},
        {"X_Cave_Page": "https://evil@hub.example.org/user/ada/"},
        {"X_Cave_Page": "https://hub.example.org/user/eve/"},
        {"X_Cave_Page": "https://hub.example.org/user/ada"},
        {"X_Cave_Page": "https://hub.example.org/"},
        {"X_Cave_Page": f"{HUB}?a=b"},
        {"X_Cave_Page": f"{HUB}#a"},
        {"X_Cave_Page": f"{HUB}<b>/"},
        {"X_Cave_Page": "javascript://hub.example.org/user/ada/"},
        {"X_Cave_Page": "//hub.example.org/user/ada/"},
        {"X_Cave_Page": "http://hub.example.org/user/ada/"},
        {"X_Forwarded_Prefix": None},
        {"X_Forwarded_Prefix": "/user/eve/proxy/4711"},
        {"X_Forwarded_Prefix": "/user/ada/proxy/4712"},
        {"X_Forwarded_Prefix": "/user/ada/proxy/absolute/4711"},
        {"Host": None},
        {"Host": "evil.example.com"},
        {"Host": "127.0.0.1:4711"},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Referer": "https://evil.example.com/"},
        {"Referer": "https://hub.example.org/user/eve/lab"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Mode": "navigate"},
        {"Sec_Fetch_Dest": "image"},
        {"Sec_Fetch_Dest": "document"},
    ],
)
def test_a_page_is_not_believed_if_something_disagrees(headers: dict[str, str | None]):
    """Another site, another person's server, another port, a part of a page, an address that is not plain."""
    assert found(hello(**headers)) is None


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Prefix", "X-Cave-Page"])
def test_a_repeated_header_is_not_believed(name: str):
    """Of two values nobody knows which one the proxy has set."""
    assert found(hello(), f"{name}: {hello()[name]}\r\n") is None


# ---------------------------------------------------------------- the receiver behind a Jupyter server


def through(receiver: Receiver, target: str, method: str = "GET", **changes: str | None) -> Got:
    """A request through the hub, with the headers of a hello."""
    headers = hello(**{"X_Forwarded_Prefix": f"/user/ada/proxy/{receiver._port}", **changes})
    return ask(receiver, target, method, host=headers.pop("Host"), more=lines_of(headers))


OPENED: dict[str, Any] = {"X_Cave_Page": None, "Referer": None, "Sec_Fetch_Site": "cross-site",
                          "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}  # fmt: skip
"""What differs when a person opens an address in a tab."""


@pytest.fixture
def handler() -> Handler:
    """A handler that accepts one token."""
    return Handler()


@pytest.fixture
def receiver(handler: Handler) -> Any:
    """A waiting receiver to which the page of a notebook has said hello."""
    with waiting(handler) as receiver:
        assert find_route(receiver)
        yield receiver


def find_route(receiver: Receiver, **changes: str | None) -> bool:
    """Whether a page that says hello shows a way."""
    return receiver.find_route(lambda port, path: through(receiver, path, **changes).status == 200, LONG)


def test_after_the_hello_the_sign_in_comes_back_through_the_hub(receiver: Receiver, handler: Handler):
    """The addresses are those of the hub; the browser is redirected to a whole address there, without a token."""
    base = f"{HUB}proxy/{receiver._port}/"
    assert receiver.sign_in_url.startswith(base)
    assert receiver.return_url.startswith(base)
    path = receiver.sign_in_url.removeprefix(base[:-1])
    got = through(receiver, f"{path}?{CAME}", **OPENED)
    assert (got.status, got.headers["location"], got.body) == (303, base[:-1] + receiver._done_path, "")
    assert handler.asked == [Token(GOOD)]
    assert "You are signed in" in through(receiver, receiver._done_path, **OPENED).body


def test_a_redirect_elsewhere_stays_as_it_is(receiver: Receiver, handler: Handler):
    """The page with the terms of service is on the auth server."""
    handler.where = "https://example.org/terms"
    path = "/" + receiver.sign_in_url.rpartition("/")[2]
    assert through(receiver, f"{path}?{CAME}", **OPENED).headers["location"] == handler.where


@pytest.mark.parametrize(
    "changes",
    [
        {"X_Forwarded_Prefix": "/user/eve/proxy/1"},
        {"Host": "evil.example.com"},
        {"Host": "127.0.0.1:1"},
        {"Sec_Fetch_Dest": "image"},
        {"Sec_Fetch_Dest": "iframe"},
    ],
)
def test_another_way_than_that_of_the_hello_is_refused(receiver: Receiver, handler: Handler, changes: Any):
    """Another person's server on the same computer, a foreign name, a part of a page: no token is taken."""
    path = "/" + receiver.sign_in_url.rpartition("/")[2]
    got = through(receiver, f"{path}?{CAME}", **{**OPENED, **changes})
    assert got.headers["location"].endswith(REFUSED)
    assert handler.asked == []
    assert handler.strays == [(Token(GOOD), True)]


def test_a_neighbour_who_connects_directly_is_refused(receiver: Receiver, handler: Handler):
    """A program of somebody else on the same computer reaches the port, but knows no path, and comes another way."""
    path = "/" + receiver.sign_in_url.rpartition("/")[2]
    assert ask(receiver, f"{path}?{CAME}").headers["location"].endswith(REFUSED)
    assert ask(receiver, "/").status == 403
    assert through(receiver, "/" + "A" * 22).status == 404
    assert handler.asked == []


def test_one_hello_counts(handler: Handler):
    """A second page, or the same one shown again, changes nothing."""
    with waiting(handler) as receiver:
        path = receiver._hello_path
        assert find_route(receiver)
        before = receiver.sign_in_url
        again = through(receiver, path, Host="other.example.org", X_Cave_Page="https://other.example.org/user/ada/")
        assert again.status == 403
        assert through(receiver, path).status == 404
        assert receiver.sign_in_url == before


def test_two_notebooks_that_sign_in_at_once_do_not_mix(receiver: Receiver, handler: Handler):
    """Each has a port and a path of its own, and takes no sign-in of the other, even through the same server."""
    with waiting(Handler()) as other:
        assert find_route(other)
        assert other.sign_in_url.rpartition("/")[0] != receiver.sign_in_url.rpartition("/")[0]
        path = "/" + other.sign_in_url.rpartition("/")[2]
        assert through(receiver, f"{path}?token={GOOD}", **OPENED).headers["location"].endswith(REFUSED)
        assert through(other, f"{path}?token={GOOD}", **OPENED).headers["location"].endswith(other._done_path)
    assert handler.asked == []


@pytest.mark.parametrize("changes", [{"Host": "evil.example.com"}, {"Referer": "https://evil.example.com/"}])
def test_a_hello_that_disagrees_changes_nothing(handler: Handler, changes: Any):
    """It finds nothing, no way is found, and a sign-in directly on this computer still works."""
    with waiting(handler) as receiver:
        assert not find_route(receiver, **changes)
        assert receiver.sign_in_url.startswith("http://127.0.0.1:")
        assert ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}").headers["location"] == receiver._done_path


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS"])
def test_a_hello_is_a_plain_get(handler: Handler, method: str):
    """A preflight of another site learns nothing and is not a hello."""
    with waiting(handler) as receiver:
        got = through(receiver, receiver._hello_path, method)
        assert got.status == 403
        assert not [name for name in got.headers if name.startswith("access-control")]
        assert not receiver._found_route.is_set()


def test_a_hello_that_is_too_late_changes_nothing(handler: Handler):
    """Once the prompt is on the screen with an address on this computer, the address stays true."""
    with waiting(handler) as receiver:
        paths: list[str] = []
        assert not receiver.find_route(lambda port, path: bool(paths.append(path)), LONG)
        assert through(receiver, paths[0]).status == 403
        assert receiver.sign_in_url.startswith("http://127.0.0.1:")


def test_without_a_page_nobody_waits(handler: Handler):
    """A terminal has no page, so the prompt comes at once."""
    with waiting(handler) as receiver:
        assert not receiver.find_route(lambda port, path: False, 60)
