"""The pages a person meets, walked through without a browser: log-in, user name, terms, tokens, log-out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from cave_magic.sandbox import Sandbox

RECEIVER = "http://127.0.0.1:1/done?state=abc"
TERMS = "/sticky_auth/api/v1/tos/2/accept"
TOKENS = "/sticky_auth/settings/tokens"


class Person:
    """Somebody with a browser that keeps cookies and stops at addresses of others."""

    def __init__(self, cave: Sandbox) -> None:
        self.cave = cave
        self.session = requests.Session()
        self.page = requests.Response()

    def open(self, url: str) -> Person:
        """Go to an address and follow redirects, though not off the practice servers."""
        return self._follow(self.session.get(url, allow_redirects=False, timeout=5))

    def send(self, path: str = "", **fields: str) -> Person:
        """Send the form of the present page, to `path` or to the page's own address."""
        url = self.cave.server + path if path else self.page.url
        return self._follow(self.session.post(url, data=fields, allow_redirects=False, timeout=5))

    def log_in(self, email: str) -> Person:
        """Pick an account on the log-in page."""
        return self.send("/practice/log-in", email=email, state=self.state)

    @property
    def state(self) -> str:
        """What the log-in page has to give back."""
        found = re.search('name="state" value="([^"]*)"', self.page.text)
        return found[1] if found else ""

    @property
    def title(self) -> str:
        """The heading of the present page."""
        found = re.search("<h1>(.*?)</h1>", self.page.text)
        return unescape(found[1]) if found else ""

    @property
    def where(self) -> str:
        """The address of the present page, or where a redirect off the servers leads."""
        return self.page.headers.get("Location", self.page.url)

    def _follow(self, answer: requests.Response) -> Person:
        homes = (self.cave.server, self.cave.local_server)
        while answer.is_redirect and answer.headers["Location"].startswith(("/", *homes)):
            target = answer.headers["Location"]
            target = self.cave.server + target if target.startswith("/") else target
            answer = self.session.get(target, allow_redirects=False, timeout=5)
        self.page = answer
        return self


@pytest.fixture
def person(cave: Sandbox) -> Iterator[Person]:
    """Somebody in front of a fresh practice server."""
    somebody = Person(cave)
    with somebody.session:
        yield somebody


def authorize(cave: Sandbox, target: str, more: str = "") -> str:
    """The address that begins a log-in for `target`."""
    return f"{cave.server}/sticky_auth/api/v1/authorize?redirect={requests.utils.quote(target, safe='')}{more}"


def test_a_known_person_is_sent_back_with_a_log_in_token(cave: Sandbox, person: Person) -> None:
    """After the log-in the browser goes to the given address, its own query kept and the token added twice."""
    person.open(authorize(cave, RECEIVER))
    assert person.title == "Who are you today?"
    person.log_in("ada@example.org")
    assert person.where.startswith("http://127.0.0.1:1/done?")
    query = parse_qs(urlsplit(person.where).query)
    assert set(query) == {"state", "middle_auth_token", "middle_auth_url", "token"}
    assert query["state"] == ["abc"]
    assert query["token"] == query["middle_auth_token"]
    assert query["middle_auth_url"] == [cave.server.removeprefix("http://") + "/sticky_auth"]
    ttl = f"{cave.server}/auth/api/v1/user/token/{query['token'][0]}/ttl"
    left = requests.get(ttl, headers={"Authorization": f"Bearer {query['token'][0]}"}, timeout=5).json()
    assert 604_700 < left <= 604_800


def test_a_log_in_token_can_list_and_make_keys_and_end_itself(cave: Sandbox, person: Person) -> None:
    """With the token that arrived a program lists all keys, makes one with a description, and logs out."""
    person.open(authorize(cave, RECEIVER)).log_in("alice@example.org")
    token = parse_qs(urlsplit(person.where).query)["token"][0]
    headers, api = {"Authorization": f"Bearer {token}"}, f"{cave.server}/auth/api/v1"
    listed = requests.get(f"{api}/user/token", headers=headers, timeout=5).json()
    assert [row["description"] for row in listed] == ["cluster", "laptop"]
    made = requests.post(f"{api}/user/token", headers=headers, json={"description": "on HOST"}, timeout=5).json()
    assert cave.tokens("alice")[0]["token"] == made
    assert requests.get(f"{api}/logout", headers=headers, timeout=5).json() == "success"
    assert requests.get(f"{api}/user/me", headers=headers, timeout=5).status_code == 401
    assert person.open(cave.server + TOKENS).title == "Who are you today?"


def test_a_new_person_chooses_a_name_first(cave: Sandbox, person: Person) -> None:
    """An e-mail that nobody has makes an account, which asks for a user name before going on."""
    person.open(authorize(cave, RECEIVER)).log_in(" Zoe@Lab.example.org ")
    assert person.where.endswith("/sticky_auth/api/v1/register/choose_username")
    assert person.title == "Welcome to CAVE"
    assert person.send(username="   ").page.status_code == 400
    person.send(username="Zoé <b>")
    assert person.where.startswith("http://127.0.0.1:1/done?state=abc&middle_auth_token=")
    assert cave.tokens("zoe") == []
    assert cave.people()[-1].name == "Zoé <b>"
    person.open(cave.server + TOKENS)
    assert "Zoé &lt;b&gt;" in person.page.text


def test_the_first_log_in_page_of_a_datastack_leads_through_everything(cave: Sandbox, person: Person) -> None:
    """Log-in, user name and terms, then the page that was asked for, with no token left in the address."""
    person.open(f"{cave.local_server}/materialize/views/datastack/minnie65_public")
    person.log_in("new@example.net").send(username="New")
    assert person.title == "MICrONS Public TOS (practice)"
    person.send()
    assert person.title == "minnie65_public"
    assert person.where.startswith(f"{cave.local_server}/materialize/views/datastack/minnie65_public")
    assert "middle_auth_token=" not in person.where
    assert "You are in, New." in person.page.text


def test_terms_go_to_where_they_were_asked_for(cave: Sandbox, person: Person) -> None:
    """Accepting with a `redirect` ends there, with the token of the browser in the address."""
    person.open(authorize(cave, f"{cave.server}{TERMS}?redirect=https%3A//ngl.example.org/x%3Fy%3D1"))
    person.log_in("bob@example.org")
    assert person.title == "MICrONS Public TOS (practice)"
    person.send()
    assert person.where.startswith("https://ngl.example.org/x?y=1&middle_auth_token=")
    assert person.open(cave.server + TERMS).page.status_code == 200
    assert "You have already accepted" in person.page.text


def test_a_log_in_for_terms_forgets_where_to_go(cave: Sandbox, person: Person) -> None:
    """With `tos_id` the address is lost on the way, so that accepting works and yet ends in an error page."""
    person.open(authorize(cave, RECEIVER, "&tos_id=2")).log_in("bob@example.org")
    assert person.where == cave.server + TERMS
    assert person.send().page.status_code == 500
    assert "You have already accepted" in person.open(cave.server + TERMS).page.text


def test_nothing_is_accepted_by_looking(cave: Sandbox, person: Person) -> None:
    """Opening the terms, once or twice, signs nothing."""
    person.open(authorize(cave, cave.server + TERMS)).log_in("bob@example.org").open(cave.server + TERMS)
    assert person.title == "MICrONS Public TOS (practice)"


def test_the_tokens_page_makes_names_and_deletes(cave: Sandbox, person: Person) -> None:
    """A key that is made on the page is shown there and works; a deleted one works no longer."""
    person.open(cave.server + TOKENS).log_in("dave@example.org")
    assert "You have no token yet" in person.page.text
    person.send(TOKENS, description="my <laptop>")
    (row,) = cave.tokens("dave")
    assert row["description"] == "my <laptop>"
    assert f'value="{row["token"]}"' in person.page.text
    assert "my &lt;laptop&gt;" in person.page.text
    assert row["token"] not in person.where
    person.send(f"{TOKENS}/{row['id']}/delete")
    assert cave.tokens("dave") == []
    refused = requests.get(
        f"{cave.server}/auth/api/v1/user/me", headers={"Authorization": f"Bearer {row['token']}"}, timeout=5
    )
    assert refused.status_code == 401


def test_a_description_that_is_too_long_is_refused_with_a_word(cave: Sandbox, person: Person) -> None:
    """121 characters do not fit, and the page says so."""
    person.open(cave.server + TOKENS).log_in("dave@example.org").send(TOKENS, description="x" * 121)
    assert person.page.status_code == 400
    assert "too long" in person.page.text
    assert cave.tokens("dave") == []


def test_a_key_can_be_downloaded_as_a_file(cave: Sandbox, person: Person) -> None:
    """The file has the token, its description and the auth server; foreign keys are not given out."""
    (row,) = cave.tokens("ada")
    person.open(cave.server + TOKENS).log_in("ada@example.org").open(f"{cave.server}{TOKENS}/{row['id']}/download")
    name = cave.server.removeprefix("http://").replace(":", "_") + "_auth-cave-secret.json"
    assert person.page.headers["Content-Disposition"] == f"attachment; filename={name}"
    assert person.page.json() == {
        "token": row["token"],
        "description": "lab workstation",
        "middle_auth_url": cave.server.removeprefix("http://") + "/auth",
    }
    foreign = cave.tokens("alice")[0]["id"]
    assert person.open(f"{cave.server}{TOKENS}/{foreign}/download").page.status_code == 404
    person.send(f"{TOKENS}/{foreign}/delete")
    assert len(cave.tokens("alice")) == 2


def test_logging_out_ends_the_browsers_token_only(cave: Sandbox, person: Person) -> None:
    """After the log-out the page asks for a log-in again, keys live on, and another account can be used."""
    person.open(cave.server + TOKENS).log_in("ada@example.org")
    person.send("/sticky_auth/settings/log-out")
    assert person.title == "You are logged out"
    assert person.open(cave.server + TOKENS).title == "Who are you today?"
    assert len(cave.tokens("ada")) == 1
    assert "alice@example.org" in person.log_in("alice@example.org").page.text


def test_a_log_in_cannot_be_replayed_or_made_up(cave: Sandbox, person: Person) -> None:
    """A callback without a session, with a foreign state, or with a used code ends in a plain message."""
    callback = f"{cave.server}/sticky_auth/api/v1/oauth2callback"
    assert "third-party cookies" in person.open(f"{callback}?state=x&code=y").page.text
    person.open(authorize(cave, RECEIVER))
    assert "session has expired" in person.open(f"{callback}?state=x&code=y").page.text
    person.open(authorize(cave, RECEIVER))
    assert "authorization error" in person.open(f"{callback}?state={person.state}&code=y").page.text


@pytest.mark.parametrize("typed", ["", "zoe", "a b@c.de", "@c.de", "a@", "a@b"])
def test_what_is_no_e_mail_address_is_asked_again(cave: Sandbox, person: Person, typed: str) -> None:
    """The log-in page asks again and keeps what was typed."""
    person.open(authorize(cave, RECEIVER)).log_in(typed)
    assert person.page.status_code == 400
    assert "Type a whole e-mail address." in person.page.text
    assert person.log_in("ada@example.org").where.startswith("http://127.0.0.1:1/done?")


def test_forms_of_other_sites_are_refused(cave: Sandbox, person: Person) -> None:
    """A form that another site sends with the person's cookie makes and deletes nothing."""
    person.open(cave.server + TOKENS).log_in("ada@example.org")
    person.session.headers["Origin"] = "https://evil.example.org"
    for path in (TOKENS, f"{TOKENS}/{cave.tokens('ada')[0]['id']}/delete", "/sticky_auth/settings/log-out"):
        assert person.send(path).page.status_code == 403
    assert len(cave.tokens("ada")) == 1


def test_the_front_page_says_what_this_is(cave: Sandbox, person: Person) -> None:
    """The root of the server is a page with the people and links."""
    person.open(cave.server + "/")
    assert person.title == "A practice CAVE server"
    assert TOKENS in person.page.text
