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
USERNAME = "/sticky_auth/settings/username?new_account=true"
CALLBACK = "/sticky_auth/api/v1/oauth2callback"


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


def who(cave: Sandbox, token: str) -> requests.Response:
    """What auth says about a token."""
    return requests.get(f"{cave.server}/auth/api/v1/user/me", headers={"Authorization": f"Bearer {token}"}, timeout=5)


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
    assert person.where == cave.server + USERNAME
    assert person.title == "Choose Username"
    assert re.findall('name="(name|customName)"', person.page.text) == ["name", "name", "customName"]
    person.send(name="custom", customName="Zoé <b>")
    assert person.where.startswith("http://127.0.0.1:1/done?state=abc&middle_auth_token=")
    assert cave.tokens("zoe") == []
    assert cave.people()[-1].public_name == "Zoé <b>"
    person.open(f"{cave.local_server}/materialize/views/datastack/flywire_fafb_public")
    assert "You are in, Zoé &lt;b&gt;." in person.page.text


def test_the_name_of_the_google_account_is_the_usual_choice(cave: Sandbox, person: Person) -> None:
    """Without a custom name the account is called as Google calls it."""
    person.open(authorize(cave, RECEIVER)).log_in("zoe@lab.example.org").send(name="google")
    assert person.where.startswith("http://127.0.0.1:1/done?")
    assert cave.people()[-1].public_name == "zoe"


def test_a_custom_name_is_final(cave: Sandbox, person: Person) -> None:
    """It can be put aside and taken up again; another one is refused."""
    page = f"{cave.server}/sticky_auth/settings/username"
    person.open(page).log_in("ada@example.org")
    for custom, title in (("Countess", "User Settings Updated"), ("Duchess", "Choose Username"), ("", "User Settings Updated")):  # fmt: skip
        assert person.open(page).send(customName=custom).title == title
    assert cave.people()[9].public_name == "Ada Example"
    assert "reset to the one associated with your Google Account" in person.page.text
    assert "changed to Countess" in person.open(page).send(customName="Countess").page.text
    assert cave.people()[9].public_name == "Countess"
    assert "You cannot change your custom name." in person.open(page).send(customName="Duchess").page.text


def test_a_token_lives_on_when_its_tab_is_closed_at_the_user_name(cave: Sandbox, person: Person) -> None:
    """The log-in token of a new account is made before the page that asks for the name, and lives for 7 days."""
    person.open(authorize(cave, RECEIVER)).log_in("zoe@lab.example.org")
    token = person.session.cookies["middle_auth_token"]
    cave.advance(7 * 24 * 3600 - 60)
    assert who(cave, token).json()["email"] == "zoe@lab.example.org"
    cave.advance(60)
    assert who(cave, token).status_code == 401


def test_the_first_log_in_page_of_a_datastack_leads_through_everything(cave: Sandbox, person: Person) -> None:
    """Log-in, user name and terms, then the page that was asked for, with no token left in the address."""
    person.open(f"{cave.local_server}/materialize/views/datastack/minnie65_public")
    person.log_in("new@example.net").send(name="custom", customName="New")
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


@pytest.mark.parametrize(("target", "title"), [("/info/", "Datastacks"), (TOKENS, "API tokens")])
def test_terms_may_end_at_a_page_of_the_same_server(cave: Sandbox, person: Person, target: str, title: str) -> None:
    """Accepting with a `redirect` to the info page or the tokens page ends there, the token gone from the address."""
    person.open(f"{cave.server}{TERMS}?redirect={cave.server}{target}").log_in("bob@example.org").send()
    assert (person.page.status_code, person.title) == (200, title)
    assert person.where.startswith(cave.server + target)
    assert "token=" not in person.where
    assert "You have already accepted" in person.open(cave.server + TERMS).page.text


def test_the_info_page_lists_what_one_may_view(cave: Sandbox, person: Person) -> None:
    """It asks for a log-in, shows the datastacks of the account, and has a page for each."""
    assert person.open(f"{cave.server}/info/").title == "Who are you today?"
    person.log_in("ada@example.org")
    assert re.findall('href="(/info/[^"]*)"', person.page.text) == [
        "/info/datastack/minnie65_public",
        "/info/datastack/flywire_fafb_public",
    ]
    assert person.open(f"{cave.server}/info/datastack/minnie65_public").title == "minnie65_public"
    assert person.open(f"{cave.server}/info/datastack/secret_ds").page.json()["error"] == "missing_permission"
    assert person.open(f"{cave.server}/info/datastack/ghost_ds").page.status_code == 404


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
    cave.new_token("ada")
    (unnamed, row), home = cave.tokens("ada"), cave.server.removeprefix("http://")
    person.open(cave.server + TOKENS).log_in("ada@example.org").open(f"{cave.server}{TOKENS}/{row['id']}/download")
    name = f"{home.replace(':', '_')}_auth-cave-secret.json"
    assert person.page.headers["Content-Disposition"] == f"attachment; filename={name}"
    assert person.page.json() == {
        "token": row["token"],
        "description": "lab workstation",
        "middle_auth_url": f"{home}/auth",
    }
    assert person.open(f"{cave.server}{TOKENS}/{unnamed['id']}/download").page.json()["description"] == "unknown"
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


def test_the_cookie_lives_as_long_as_the_browser(cave: Sandbox, person: Person) -> None:
    """It has no expiry of its own, and no log-out deletes it: the token in it is dead then."""
    person.open(cave.server + TOKENS).log_in("ada@example.org")
    (cookie,) = [one for one in person.session.cookies if one.name == "middle_auth_token"]
    assert cookie.expires is None
    assert cookie.has_nonstandard_attr("HttpOnly")
    out = person.session.get(f"{cave.server}/sticky_auth/api/v1/logout", timeout=5)
    assert out.json() == "success"
    assert "middle_auth_token" not in out.headers.get("Set-Cookie", "")
    assert person.session.cookies["middle_auth_token"] == cookie.value
    assert person.open(cave.server + TOKENS).title == "Who are you today?"


def test_the_end_of_a_token_logs_out_the_other_tabs_that_use_it(cave: Sandbox, person: Person) -> None:
    """Tabs of one browser share the token of its log-in; another browser's token of the same person stays valid."""
    other = Person(cave)
    with other.session:
        for one in (person, other):
            one.open(authorize(cave, RECEIVER)).log_in("ada@example.org")
        token = parse_qs(urlsplit(person.where).query)["token"][0]
        assert person.open(cave.server + TOKENS).title == "API tokens"
        ended = requests.get(
            f"{cave.server}/auth/api/v1/logout", headers={"Authorization": f"Bearer {token}"}, timeout=5
        )
        assert ended.json() == "success"
        assert person.open(cave.server + TOKENS).title == "Who are you today?"
        assert other.open(cave.server + TOKENS).title == "API tokens"


def test_of_two_log_ins_in_one_browser_the_second_works(cave: Sandbox, person: Person) -> None:
    """The second takes the place of the first, whose callback answers 200 with an error as JSON text."""
    first = person.open(authorize(cave, "http://127.0.0.1:1/first")).state
    second = person.open(authorize(cave, "http://127.0.0.1:1/second")).state
    person.send("/practice/log-in", email="ada@example.org", state=first)
    assert (person.page.status_code, person.page.json()) == (200, "authorization error")
    person.send("/practice/log-in", email="ada@example.org", state=second)
    assert person.where.startswith("http://127.0.0.1:1/second?middle_auth_token=")
    person.send("/practice/log-in", email="ada@example.org", state=first)
    assert person.page.json() == "authorization error"


def test_cancel_ends_in_an_error_page(cave: Sandbox, person: Person) -> None:
    """Whoever changes their mind at Google's page meets an internal error, and may begin anew."""
    person.open(authorize(cave, RECEIVER))
    link = unescape(re.search('href="([^"]*error=access_denied[^"]*)">Cancel', person.page.text)[1])
    assert link.startswith(cave.server + CALLBACK)
    person.open(link)
    assert (person.page.status_code, person.title) == (500, "Internal Server Error")
    assert person.page.headers["Content-Type"] == "text/html; charset=utf-8"
    person.open(authorize(cave, RECEIVER)).log_in("ada@example.org")
    assert person.where.startswith("http://127.0.0.1:1/done?")


def test_a_log_in_that_leads_nowhere_posts_its_token(cave: Sandbox, person: Person) -> None:
    """Without a `redirect` the callback is a script for the window that opened it, and sets no cookie."""
    person.open(f"{cave.server}/sticky_auth/api/v1/authorize").log_in("ada@example.org")
    token = re.search('"token": "([0-9a-f]{32})"', person.page.text)[1]
    assert "window.opener.postMessage" in person.page.text
    assert "middle_auth_token" not in person.session.cookies
    assert who(cave, token).json()["email"] == "ada@example.org"


def test_a_log_in_cannot_be_replayed_or_made_up(cave: Sandbox, person: Person) -> None:
    """A callback without a session, without a log-in in it, with a foreign state or a used code ends in a word."""
    callback = cave.server + CALLBACK
    assert "third-party cookies" in person.open(f"{callback}?state=x&code=y").page.text
    person.open(f"{cave.server}{TERMS}?middle_auth_token={cave.new_login_token('bob')}")
    assert person.open(f"{callback}?state=x&code=y").page.text == "Your session has expired."
    person.open(authorize(cave, RECEIVER))
    assert person.open(f"{callback}?state=x&code=y").page.json() == "authorization error"
    person.open(authorize(cave, RECEIVER))
    assert person.open(f"{callback}?state={person.state}&code=y").page.json() == "authorization error"


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
