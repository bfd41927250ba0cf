"""How many requests each magic sends, on how many connections, and that none is sent twice.

| magic | requests to a healthy server | connections, at most |
|---|---|---|
| `%cave_check` of a datastack, the first in a kernel | 7: identity, tokens, datastack; four services | 6 |
| `%cave_check` again (all at the same time) | 7 | 7 |
| the same of a datastack that no permission is named after, the first in a kernel | 1 more: its dataset | 7 |
| `%cave_check --all` of n datastacks on m local servers | 3 + n + 4 m: one for each datastack | 6 more than local servers |
| the same again within five minutes | 3 + m + 4 m: none, but one for each local server | 2 more than local servers |
| `%cave_whoami`, `%cave_setup` where all is well | 2: identity, tokens | 2 |
| `%cave_save` for a known server | 4: identity, tokens, list, datastack | 4 |
| `%cave_save` for another one that lists n datastacks | 3 + n, at most 24 | 6 |
| any of them with a token that the server rejects | 1 more: the auth service without a token | 2 |
| any of them without a token | 2: version, and the auth service without a token | 2 |
| `%cave_save --no-check`, `-h`, `--fix` without a fault | 0 | 0 |

If 300 students of a class all check in the same minute, that is 35 small requests a second for the servers together: 15 for the
global one, 20 for the local one. caveclient's own `CAVEclient("minnie65_public")` makes 2, and 4 more for the services.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from cave_magic import deployments
from cave_magic.api import responses
from cave_magic.credentials.target import Target
from cave_magic.doctor import gather_memory
from cave_magic.doctor.gather import ask_servers, gather
from cave_magic.doctor.gather_memory import MEMORY
from cave_magic.login import verify
from cave_magic.login.verify import MOST_DATASTACKS, verify_token
from cave_magic.sandbox import Sandbox
from cave_magic.token import Token

from ..support.waiting import LONG, until

IDENTITY, TOKENS = "/auth/api/v1/user/cache", "/auth/api/v1/user/token"
LIST, DATASTACK = "/info/api/v2/datastacks", "/info/api/v2/datastack/full/minnie65_public"
SERVICES = {
    "/materialize/version", "/segmentation/api/version", "/l2cache/api/v1/table_mapping", "/skeletoncache/api/version",
}  # fmt: skip
CHECK = {IDENTITY, TOKENS, DATASTACK, *SERVICES}


@pytest.fixture
def asked(cave, set_up):
    """The paths that are requested from now on; none may be requested twice, but for once with and once without a token."""
    cave.clear_requests()

    def paths():
        counts = Counter((one.path, one.authorization) for one in cave.requests)
        assert set(counts.values()) <= {1}, counts
        return {path for path, _ in counts}

    return paths


@pytest.fixture
def target(cave):
    """The default datastack on the practice server."""
    return Target(datastack="minnie65_public", server=cave.server, named_by="option")


def test_a_check_sends_seven_requests(cave, run, asked):
    """`%cave_check` sends seven requests, on at most six connections."""
    run("%cave_check minnie65_public")
    assert asked() == CHECK
    assert cave.connections <= 6


def test_a_second_check_sends_all_requests_at_once(cave, run, asked):
    """A second `%cave_check` sends the same seven requests again, all at the same time, and no more."""
    run("%cave_check minnie65_public")
    cave.clear_requests()
    cave.misbehave("all", "silent")

    def respond_once_all_are_there() -> None:
        until(lambda: len(cave.requests) == 7)
        cave.behave()

    with ThreadPoolExecutor(1) as pool:
        responding = pool.submit(respond_once_all_are_there)
        assert "All well" in run("%cave_check minnie65_public --timeout 60").out
        responding.result()
    assert asked() == CHECK
    assert cave.connections == 7


def test_consecutive_requests_share_a_connection(cave, target, asked):
    """Requests that follow each other use the same connection."""
    MEMORY.accepted.clear()
    ask_servers([target], LONG)
    assert asked() == {IDENTITY, TOKENS}
    assert cave.connections == 1


@pytest.mark.parametrize(("magic", "more"), [("%cave_whoami", set()), ("%cave_setup", {DATASTACK})])
def test_whoami_sends_two_requests_and_setup_three(cave, run, asked, magic, more):
    """`%cave_whoami` and `%cave_setup` request the identity and the tokens; `%cave_setup` also the datastack."""
    assert run(magic).error == ""
    assert asked() == {IDENTITY, TOKENS, *more}
    assert cave.connections <= 3


def test_a_save_sends_one_request_for_each_datastack(cave, set_up, target, asked):
    """Verifying a token for a server that lists five datastacks takes eight requests, at most six at once."""
    checked = verify_token(Token(set_up), target, LONG)
    names = {f"/info/api/v2/datastack/full/{name}" for name in checked.datastacks}
    assert asked() == {IDENTITY, TOKENS, LIST, DATASTACK, *names}
    assert cave.connections <= 6


def test_a_save_for_a_known_server_sends_four_requests(cave, set_up, target, asked, monkeypatch):
    """For a server whose data servers are known only the target datastack is requested: four requests."""
    monkeypatch.setattr(verify, "KNOWN_SERVERS", (*deployments.KNOWN_SERVERS, cave.server))
    verify_token(Token(set_up), target, LONG)
    assert asked() == {IDENTITY, TOKENS, LIST, DATASTACK}
    assert cave.connections <= 4


def test_a_save_requests_at_most_twenty_datastacks():
    """However many datastacks a server lists, a save requests twenty."""
    with Sandbox(datastacks=40) as cave:
        verify_token(
            Token(cave.new_token("ada")),
            Target(datastack="minnie65_public", server=cave.server, named_by="option"),
            LONG,
        )
        assert len(cave.requests) <= 4 + MOST_DATASTACKS
        assert cave.connections <= 6


def test_checking_all_datastacks_sends_no_request_twice(secrets):
    """`--all` sends one request for each datastack and each service of each data server, on few connections."""
    from cave_magic.credentials.save import save_token

    with Sandbox(datastacks=30, local_servers=3) as cave:
        save_token(Token(cave.new_token("ada")), cave.server)
        found = gather(
            [Target(datastack="minnie65_public", server=cave.server, named_by="option")], LONG, everything=True
        )
        paths = Counter((one.host, one.path) for one in cave.requests)
        locals_ = {urlsplit(address).netloc for address in cave.local_servers}
    assert set(paths.values()) == {1}
    assert len(found.datastacks) >= 30
    assert len(paths) == 3 + len(found.datastacks) + 4 * len(locals_)
    assert cave.connections <= 12


@pytest.fixture
def class_server(secrets):
    """A server with thirty datastacks on three data servers; the token that is stored for it."""
    from cave_magic.credentials.save import save_token

    with Sandbox(datastacks=30, local_servers=3) as cave:
        token = cave.new_token("ada")
        save_token(Token(token), cave.server)
        yield cave, token


def check_all(cave):
    """Checks all datastacks of a server; the facts, and the names that its info service was asked for."""
    cave.clear_requests()
    target = Target(datastack="minnie65_public", server=cave.server, named_by="option")
    found = gather([target], LONG, everything=True)
    asked = [one.path.rpartition("/")[2] for one in cave.requests if "/datastack/full/" in one.path]
    return found, asked


def test_checking_all_again_asks_once_for_each_data_server(class_server):
    """While the permissions are the same, a second `--all` asks for one datastack of each data server."""
    cave, _ = class_server
    first, asked = check_all(cave)
    assert len(asked) == len(first.datastacks) >= 30
    again, asked = check_all(cave)
    assert len(asked) == 3
    assert len(cave.requests) == 3 + 3 + 4 * 3
    assert cave.connections <= 12
    assert [(one.name, one.info.body) for one in again.datastacks] == [
        (one.name, one.info.body) for one in first.datastacks
    ]
    assert sum(one.is_remembered for one in again.datastacks) == len(again.datastacks) - 3


def test_checking_all_again_asks_for_what_has_changed(class_server):
    """A datastack without its permission is requested again, whatever the info service said before."""
    cave, _ = class_server
    check_all(cave)
    cave.revoke("ada", "practice_007")
    found, asked = check_all(cave)
    assert "practice_007" in asked
    assert len(asked) == 4
    assert not next(one for one in found.datastacks if one.name == "practice_007").is_remembered


def test_checking_all_with_another_token_asks_for_all(class_server):
    """What one token opened says nothing about another."""
    from cave_magic.credentials.save import save_token

    cave, _ = class_server
    first, _ = check_all(cave)
    save_token(Token(cave.new_token("ada")), cave.server, overwrite=True)
    assert len(check_all(cave)[1]) == len(first.datastacks)


def test_checking_all_again_later_asks_for_all(class_server, monkeypatch):
    """After the time for which the info service itself remembers permissions, all is requested again."""
    cave, _ = class_server
    first, _ = check_all(cave)
    now = gather_memory.time.time() + responses.MEMORY_SECONDS + 1
    monkeypatch.setattr(gather_memory.time, "time", lambda: now)
    assert len(check_all(cave)[1]) == len(first.datastacks)


def test_a_check_without_a_token_sends_two_requests(cave, run):
    """Without a token two requests are sent: to the info service and to the auth service."""
    run(f"%cave_check --server {cave.server}")
    assert sorted(one.path for one in cave.requests) == [IDENTITY, "/info/version"]


def test_an_unknown_token_is_sent_to_no_data_server(cave, set_up, run, asked):
    """A token that the server does not know leads to no request for the list of tokens or to a data server."""
    cave.delete_token(set_up)
    cave.forget()
    run("%cave_check")
    assert asked() == {IDENTITY, DATASTACK}
    assert len(cave.requests) == 3


@pytest.mark.parametrize(
    "line", ["%cave_check -h", "%cave_whoami -h", "%cave_check --nonsense", "%load_ext cave_magic"]
)
def test_loading_and_help_send_nothing(cave, set_up, run, line):
    """Loading, help and mistyped lines send no request."""
    cave.clear_requests()
    run(line)
    assert (len(cave.requests), cave.connections) == (0, 0)


def test_an_unchecked_save_sends_nothing(cave, run, monkeypatch):
    """`%cave_save --no-check` sends no request."""
    monkeypatch.setenv("ADA", cave.new_token("ada"))
    run(f"%cave_save --no-check --from-env ADA --server {cave.server}")
    assert (len(cave.requests), cave.connections) == (0, 0)
