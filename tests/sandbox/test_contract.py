"""The practice server responds as real servers did: recorded requests, replayed over a socket.

`contract.json` has responses of middle_auth 2.30.3 and the info service 4.3.3. Tokens in it are placeholders;
times, URLs and descriptions may differ, nothing else.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

CONTRACT = json.loads(Path(__file__).with_name("contract.json").read_text())
RECORDS: list[dict[str, Any]] = [
    {
        **record,
        "headers": CONTRACT["headers"][record["headers"]] if "headers" in record else {},
        "body": CONTRACT["bodies"][record["body"]],
    }
    for record in CONTRACT["records"]
]

AT_ANY_TIME = ("users", "ttl", "malformed", "no_header", "query_token", "sticky")
"""Groups of records that change nothing, so that each can be replayed by itself."""

LEFT_OUT = {334: "inspects Redis, not a route"}

NO_REDIS = {"/auth/api": "error500", "sticky_auth": "error500"}
OUTAGES: dict[str, tuple[range, dict[str, str]]] = {
    "auth is down": (range(370, 379), {"auth": "down"}),
    "info is down": (range(379, 380), {"info": "down"}),
    "Redis is down": (range(380, 389), NO_REDIS),
    "before PostgreSQL went down": (range(389, 391), {}),
    "PostgreSQL is down": (range(391, 400), {**NO_REDIS, "/info/api/v2": "error500"}),
    "everything works again": (range(400, 414), {}),
}
"""The records of each outage, and the misbehaviour that causes it."""

DIFFERENT = {"segmentation_source", "skeleton_source", "local_server", "text", "image_source"}
"""Keys with texts about practice data; only their presence is compared."""

TIMES = {"created", "updated", "last_used"}
Ask = Callable[..., Any]


class Names(dict[str, str]):
    """The values of the contract's placeholders in one sandbox."""

    def fill(self, text: str) -> str:
        """`text` with tokens instead of placeholders."""
        text = re.sub(r"<a x (\d+)>", lambda m: "a" * int(m[1]), text)
        return re.sub(r"<([^<>|]+)(?:\|(\w+))?>", self._one, text)

    def learn(self, recorded: Any, got: Any) -> None:
        """Takes the values of placeholders in a recorded response from the real one."""
        if isinstance(recorded, str) and re.fullmatch(r"<new key \d+>", recorded):
            self.setdefault(recorded[1:-1], got)
        elif isinstance(recorded, list) and isinstance(got, list):
            for one, other in zip(recorded, got, strict=False):
                self.learn(one, other)
        elif isinstance(recorded, dict) and "token" in recorded:
            self.learn(recorded["token"], got["token"])

    def _one(self, match: re.Match[str]) -> str:
        token, part = self[match[1]], match[2]
        cut = {"first31": token[:31], "first16": token[:16], "last16": token[16:], "upper": token.upper()}
        return cut[part] if part else token


def cast(cave: Sandbox) -> Names:
    """The tokens of the accounts in the contract; erin's is deleted, frank's has expired."""
    names = Names({"state": "", "session": "none"})
    for nick, placeholders in {
        "admin": ["admin.api_key"],
        "alice": ["alice.api_key_2", "alice.api_key_1"],
        "bob": ["bob.api_key"],
        "carol": ["carol.api_key"],
        "bot": ["bot.sa_key"],
        "dora": ["dora.api_key"],
        "erin": ["erin.deleted"],
        "heidi": ["heidi.api_key_1"],
        "ivan": ["ivan.api_key_2", "ivan.api_key_1"],
    }.items():
        names.update(zip(placeholders, [row["token"] for row in cave.tokens(nick)], strict=True))
    for nick in ("alice", "dave", "heidi", "ivan", "judy"):
        names[f"{nick}.temp"] = cave.new_login_token(nick)
    names["frank.expired_temp"] = cave.new_login_token("frank", seconds=0)
    cave.delete_token(names["erin.deleted"])
    names.update({"new key 1": secrets.token_hex(16), "new key 2": secrets.token_hex(16)})
    return names


def replay(record: dict[str, Any], cave: Sandbox, names: Names, raw: Ask) -> Any:
    """Sends the recorded request and compares the response; returns its data."""
    headers = {name: names.fill(value) for name, value in record.get("send", {}).items()}
    body = record.get("data")
    got = raw(cave.server, names.fill(record["ask"]), headers, body)
    names.learn(record["body"], got.data)
    assert got.status == record["status"]
    _compare_headers(record["headers"], got.headers, cave)
    _compare(_seen(record["body"], cave, names), _seen(got.data, cave, names))
    return got.data


def _compare_headers(recorded: dict[str, str], got: Any, cave: Sandbox) -> None:
    base = cave.server
    for name in ("Content-Type", "WWW-Authenticate"):
        expected = recorded.get(name)
        assert got.get(name) == (expected and expected.replace("https://cave.example", base)), name
    _compare_cookies(recorded.get("Set-Cookie", ""), got.get_all("Set-Cookie") or [])
    if "fake-google" in recorded.get("Location", ""):
        assert got["Location"].startswith(f"{base}/practice/sign-in?response_type=code&")
    elif "Location" in recorded:
        assert _address(got["Location"], base) == _address(recorded["Location"], "https://cave.example")
    assert "Warning" not in got
    assert "Retry-After" not in got


def _compare_cookies(recorded: str, got: list[str]) -> None:
    """The recorded cookie is set with its attributes and lifetime; without `Secure` over plain http."""
    if not recorded:
        assert got == []
        return
    name, *attributes = recorded.split("; ")
    (cookie,) = [one for one in got if one.startswith(f"{name}=")]
    set_now = {part if part.startswith(("Max-Age", "Path")) else part.split("=")[0] for part in cookie.split("; ")[1:]}
    assert set(attributes) - {"Secure"} <= set_now
    assert set_now - set(attributes) <= {"HttpOnly"}


def _address(location: str, base: str) -> str:
    """A URL without the server's name and with tokens masked, to compare."""
    quoted = base.removeprefix("http://").removeprefix("https://").replace(":", "%3A")
    location = location.replace(base, "")
    for form in (quoted, quoted.replace("%3A", ":")):
        location = location.replace(f"http%3A//{form}", "").replace(f"https%3A//{form}", "").replace(form, "")
    return re.sub(r"token=[^&]+", "token=", location)


def _seen(value: Any, cave: Sandbox, names: Names) -> Any:
    """A body in which tokens, URLs and the word for practice data are replaced, to compare."""
    if isinstance(value, dict):
        return {key: _seen(item, cave, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_seen(item, cave, names) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith(("<html", "\n\n<html", "<!doctype html>\n<html lang=")):
        return _page(value)
    value = value.replace("(fake)", "(practice)").replace("the fake", "the practice").replace("fake al", "practice al")
    value = value.replace("https://cave.example", cave.server).replace(
        "/fake-google/o/oauth2/auth", "/practice/sign-in"
    )
    if "/practice/sign-in?" in value:
        return value.split("?")[0]
    return names.fill(value) if re.search(r"<[a-z]+[ .][^>]+>$", value) else value


def _page(html: str) -> str:
    """The title of a Flask or nginx page; other pages are not compared."""
    if "<html lang=en>" in html:
        return "Flask " + (re.search(r"<title>(.)", html) or ["", "?"])[1]
    return html if "nginx" in html else "a page"


def _compare(recorded: Any, got: Any, key: str = "") -> None:
    if key in TIMES:
        assert got is None or re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", got)
    elif key in DIFFERENT:
        assert type(got) is type(recorded), key
    elif isinstance(recorded, dict):
        assert isinstance(got, dict)
        assert set(got) == set(recorded)
        for name in recorded:
            _compare(recorded[name], got[name], name)
    elif isinstance(recorded, list):
        assert isinstance(got, list)
        assert len(got) == len(recorded)
        for one, other in zip(recorded, got, strict=True):
            _compare(one, other, key)
    elif isinstance(recorded, int) and recorded > 604_000:
        assert 604_700 < got <= 604_800
    else:
        assert got == recorded, key


def _of(*groups: str) -> list[Any]:
    chosen = [record for record in RECORDS if record["group"] in groups]
    return [pytest.param(record, id=f"{record['n']}-{record['token']}") for record in chosen]


@pytest.fixture(scope="module")
def still() -> Iterator[tuple[Sandbox, Names]]:
    """A sandbox that no test changes, with its placeholders."""
    with Sandbox() as cave:
        yield cave, cast(cave)


@pytest.mark.parametrize("record", _of(*AT_ANY_TIME))
def test_a_request_gets_the_recorded_response(record: dict[str, Any], still: tuple[Sandbox, Names], raw: Ask) -> None:
    """Status, error, challenge and body are those of the real servers."""
    replay(record, *still, raw)


def test_changes_happen_as_recorded(cave: Sandbox, raw: Ask) -> None:
    """Creating, refreshing, deleting and losing tokens in the recorded order has the recorded effects."""
    names = cast(cave)
    for record in RECORDS:
        if record["group"] != "mutate" or record["n"] in LEFT_OUT:
            continue
        if record["n"] == 362:
            cave.lose_token(names["alice.api_key_2"])
        before = cave._accounts.tokens.known()
        replay(record, cave, names, raw)
        if record["n"] == 330:
            (names["new key 9"],) = cave._accounts.tokens.known() - before


def test_terms_are_accepted_as_recorded(cave: Sandbox, raw: Ask) -> None:
    """Accepting terms ends in an error page, although it worked, or in a redirect with the token."""
    names = cast(cave)
    cave.withdraw_terms("heidi", "minnie65_public")
    for record in [r for r in RECORDS if r["group"] == "tosflow"]:
        cookie = names["session"]
        data = _replay_with_session(record, cave, names, raw, cookie)
        names["session"] = data or cookie


def _replay_with_session(record: dict[str, Any], cave: Sandbox, names: Names, raw: Ask, cookie: str) -> str | None:
    """Replays one step; returns the session that the server set."""
    replay(record, cave, names, raw)
    if record["ask"].startswith("GET /sticky_auth"):
        headers = {name: names.fill(value) for name, value in record["send"].items()}
        got = raw(cave.server, record["ask"], headers)
        return str(got.headers["Set-Cookie"]).split("session=")[1].split(";")[0]
    return None


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("outage", OUTAGES)
def test_outages_have_the_recorded_effects(cave: Sandbox, raw: Ask, outage: str) -> None:
    """A service that is down is nginx's 502, a database a 500; info uses its cache and otherwise fails."""
    names = cast(cave)
    warm = {"Authorization": f"Bearer {names['alice.api_key_1']}"}
    raw(cave.server, "GET /info/api/v2/datastack/full/minnie65_public", warm)
    numbers, faults = OUTAGES[outage]
    for target, how in faults.items():
        cave.misbehave(target, how)
    for number in numbers:
        replay(RECORDS[number], cave, names, raw)


def test_every_record_is_replayed_or_listed() -> None:
    """Every record is replayed by a test above, or is in the list of exceptions with a reason."""
    replayed = {r["n"] for r in RECORDS if r["group"] in (*AT_ANY_TIME, "mutate", "tosflow")} - set(LEFT_OUT)
    replayed |= {number for numbers, _ in OUTAGES.values() for number in numbers}
    assert replayed.union(LEFT_OUT) == {record["n"] for record in RECORDS}
    assert [record["n"] for record in RECORDS] == list(range(414))
