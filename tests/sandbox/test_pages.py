"""The pages, without a browser: sign-in, user name, terms, tokens, sign-out."""

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
    """A client that keeps cookies and does not follow redirects to other hosts."""

    def __init__(self, cave: Sandbox) -> None:
        self.cave = cave
        self.session = requests.Session()
        self.page = requests.Response()

    def open(self, url: str) -> Person:
        """Go to an address and follow redirects, though not off the practice servers."""
        return self._follow(self.session.get(url, allow_redirects=False, timeout=60))

    def send(self, path: str = "", **fields: str) -> Person:
        """Send the form of the present page, to `path` or to the page's own address."""
        url = self.cave.server + path if path else self.page.url
        return self._follow(self.session.post(url, data=fields, allow_redirects=False, timeout=60))

    def sign_in(self, email: str) -> Person:
        """Chooses an account on the sign-in page."""
        return self.send("/practice/sign-in", email=email, state=self.state)

    @property
    def state(self) -> str:
        """The state that the sign-in page must return."""
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
            answer = self.session.get(target, allow_redirects=False, timeout=60)
        self.page = answer
        return self


@pytest.fixture
def person(cave: Sandbox) -> Iterator[Person]:
    """A client of a fresh practice server."""
    somebody = Person(cave)
    with somebody.session:
        yield somebody


def authorize(cave: Sandbox, target: str, more: str = "") -> str:
    """The URL that starts a sign-in which redirects to `target`."""
    return f"{cave.server}/sticky_auth/api/v1/authorize?redirect={requests.utils.quote(target, safe='')}{more}"


def who(cave: Sandbox, token: str) -> requests.Response:
    """What auth says about a token."""
    return requests.get(f"{cave.server}/auth/api/v1/user/me", headers={"Authorization": f"Bearer {token}"}, timeout=60)


def test_a_known_account_is_redirected_with_a_temporary_token(cave: Sandbox, person: Person) -> None:
    """After the sign-in the browser goes to the redirect URL, with the token in its query twice."""
    person.open(authorize(cave, RECEIVER))
    assert person.title == "Who are you today?"
    person.sign_in("ada@example.org")
    assert person.where.startswith("http://127.0.0.1:1/done?")
    query = parse_qs(urlsplit(person.where).query)
    assert set(query) == {"state", "middle_auth_token", "middle_auth_url", "token"}
    assert query["state"] == ["abc"]
    assert query["token"] == query["middle_auth_token"]
    assert query["middle_auth_url"] == [cave.server.removeprefix("http://") + "/sticky_auth"]
    ttl = f"{cave.server}/auth/api/v1/user/token/{query['token'][0]}/ttl"
    left = requests.get(ttl, headers={"Authorization": f"Bearer {query['token'][0]}"}, timeout=60).json()
    assert 604_700 < left <= 604_800


def test_a_temporary_token_can_create_tokens_and_revoke_itself(cave: Sandbox, person: Person) -> None:
    """A program with the temporary token lists the permanent ones, creates one, and signs out."""
    person.open(authorize(cave, RECEIVER)).sign_in("alice@example.org")
    token = parse_qs(urlsplit(person.where).query)["token"][0]
    headers, api = {"Authorization": f"Bearer {token}"}, f"{cave.server}/auth/api/v1"
    listed = requests.get(f"{api}/user/token", headers=headers, timeout=60).json()
    assert [row["description"] for row in listed] == ["cluster", "laptop"]
    made = requests.post(f"{api}/user/token", headers=headers, json={"description": "on HOST"}, timeout=60).json()
    assert cave.tokens("alice")[0]["token"] == made
    assert requests.get(f"{api}/logout", headers=headers, timeout=60).json() == "success"
    assert requests.get(f"{api}/user/me", headers=headers, timeout=60).status_code == 401
    assert person.open(cave.server + TOKENS).title == "Who are you today?"


def test_a_new_user_chooses_a_name_first(cave: Sandbox, person: Person) -> None:
    """A new e-mail address creates an account, and the page asks for a user name."""
    person.open(authorize(cave, RECEIVER)).sign_in(" Zoe@Lab.example.org ")
    assert person.where == cave.server + USERNAME
    assert person.title == "Choose Username"
    assert re.findall('name="(name|customName)"', person.page.text) == ["name", "name", "customName"]
    person.send(name="custom", customName="Zoé <b>")
    assert person.where.startswith("http://127.0.0.1:1/done?state=abc&middle_auth_token=")
    assert cave.tokens("zoe") == []
    assert cave.people()[-1].public_name == "Zoé <b>"
    person.open(f"{cave.local_server}/materialize/views/datastack/flywire_fafb_public")
    assert "Zoé &lt;b&gt;, you have access." in person.page.text


def test_the_google_name_is_the_default(cave: Sandbox, person: Person) -> None:
    """Without a custom name the account has the name of the Google account."""
    person.open(authorize(cave, RECEIVER)).sign_in("zoe@lab.example.org").send(name="google")
    assert person.where.startswith("http://127.0.0.1:1/done?")
    assert cave.people()[-1].public_name == "zoe"


def test_a_custom_name_is_final(cave: Sandbox, person: Person) -> None:
    """It can be reset and restored; another custom name is rejected."""
    page = f"{cave.server}/sticky_auth/settings/username"
    person.open(page).sign_in("ada@example.org")
    for custom, title in (("Countess", "User Settings Updated"), ("Duchess", "Choose Username"), ("", "User Settings Updated")):  # fmt: skip
        assert person.open(page).send(customName=custom).title == title
    assert cave.people()[9].public_name == "Ada Example"
    assert "reset to the one associated with your Google Account" in person.page.text
    assert "changed to Countess" in person.open(page).send(customName="Countess").page.text
    assert cave.people()[9].public_name == "Countess"
    assert "You cannot change your custom name." in person.open(page).send(customName="Duchess").page.text


def test_a_token_is_valid_before_the_user_name_is_chosen(cave: Sandbox, person: Person) -> None:
    """The temporary token of a new account exists before the page asks for a name, and lasts 7 days."""
    person.open(authorize(cave, RECEIVER)).sign_in("zoe@lab.example.org")
    token = person.session.cookies["middle_auth_token"]
    cave.advance(7 * 24 * 3600 - 60)
    assert who(cave, token).json()["email"] == "zoe@lab.example.org"
    cave.advance(60)
    assert who(cave, token).status_code == 401


def test_the_page_of_a_datastack_leads_through_sign_in(cave: Sandbox, person: Person) -> None:
    """Sign-in, user name and terms come first, then the page, without a token in its URL."""
    person.open(f"{cave.local_server}/materialize/views/datastack/minnie65_public")
    person.sign_in("new@example.net").send(name="custom", customName="New")
    assert person.title == "MICrONS Public TOS (practice)"
    person.send()
    assert person.title == "minnie65_public"
    assert person.where.startswith(f"{cave.local_server}/materialize/views/datastack/minnie65_public")
    assert "middle_auth_token=" not in person.where
    assert "New, you have access." in person.page.text


def test_terms_redirect_with_the_token(cave: Sandbox, person: Person) -> None:
    """Accepting redirects to `redirect`, with the browser's token in the URL."""
    person.open(authorize(cave, f"{cave.server}{TERMS}?redirect=https%3A//ngl.example.org/x%3Fy%3D1"))
    person.sign_in("bob@example.org")
    assert person.title == "MICrONS Public TOS (practice)"
    person.send()
    assert person.where.startswith("https://ngl.example.org/x?y=1&middle_auth_token=")
    assert person.open(cave.server + TERMS).page.status_code == 200
    assert "You have already accepted" in person.page.text


@pytest.mark.parametrize(("target", "title"), [("/info/", "Datastacks"), (TOKENS, "API tokens")])
def test_terms_can_redirect_to_the_same_server(cave: Sandbox, person: Person, target: str, title: str) -> None:
    """Accepting can redirect to the info page or the tokens page, which remove the token from the URL."""
    person.open(f"{cave.server}{TERMS}?redirect={cave.server}{target}").sign_in("bob@example.org").send()
    assert (person.page.status_code, person.title) == (200, title)
    assert person.where.startswith(cave.server + target)
    assert "token=" not in person.where
    assert "You have already accepted" in person.open(cave.server + TERMS).page.text


def test_the_info_page_lists_the_datastacks(cave: Sandbox, person: Person) -> None:
    """It requires sign-in, lists the datastacks of the account, and has a page for each."""
    assert person.open(f"{cave.server}/info/").title == "Who are you today?"
    person.sign_in("ada@example.org")
    assert re.findall('href="(/info/[^"]*)"', person.page.text) == [
        "/info/datastack/minnie65_public",
        "/info/datastack/flywire_fafb_public",
    ]
    assert person.open(f"{cave.server}/info/datastack/minnie65_public").title == "minnie65_public"
    assert person.open(f"{cave.server}/info/datastack/secret_ds").page.json()["error"] == "missing_permission"
    assert person.open(f"{cave.server}/info/datastack/ghost_ds").page.status_code == 404


def test_a_sign_in_for_terms_loses_the_redirect(cave: Sandbox, person: Person) -> None:
    """With `tos_id` the redirect URL is lost, so that accepting works but ends on an error page."""
    person.open(authorize(cave, RECEIVER, "&tos_id=2")).sign_in("bob@example.org")
    assert person.where == cave.server + TERMS
    assert person.send().page.status_code == 500
    assert "You have already accepted" in person.open(cave.server + TERMS).page.text


def test_opening_the_terms_does_not_accept_them(cave: Sandbox, person: Person) -> None:
    """Opening the terms, even twice, accepts nothing."""
    person.open(authorize(cave, cave.server + TERMS)).sign_in("bob@example.org").open(cave.server + TERMS)
    assert person.title == "MICrONS Public TOS (practice)"


def test_the_tokens_page_creates_and_deletes_tokens(cave: Sandbox, person: Person) -> None:
    """A token that is created there is shown and works; a deleted one is rejected."""
    person.open(cave.server + TOKENS).sign_in("dave@example.org")
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
        f"{cave.server}/auth/api/v1/user/me", headers={"Authorization": f"Bearer {row['token']}"}, timeout=60
    )
    assert refused.status_code == 401


def test_a_long_description_is_rejected(cave: Sandbox, person: Person) -> None:
    """The page reports that 121 characters are too many."""
    person.open(cave.server + TOKENS).sign_in("dave@example.org").send(TOKENS, description="x" * 121)
    assert person.page.status_code == 400
    assert "too long" in person.page.text
    assert cave.tokens("dave") == []


def test_a_token_can_be_downloaded(cave: Sandbox, person: Person) -> None:
    """The file has the token, its description and the auth server; other people's tokens are not found."""
    cave.new_token("ada")
    (unnamed, row), home = cave.tokens("ada"), cave.server.removeprefix("http://")
    person.open(cave.server + TOKENS).sign_in("ada@example.org").open(f"{cave.server}{TOKENS}/{row['id']}/download")
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


def test_signing_out_revokes_the_temporary_token_only(cave: Sandbox, person: Person) -> None:
    """After that the page asks to sign in again, permanent tokens remain valid, and another account can sign in."""
    person.open(cave.server + TOKENS).sign_in("ada@example.org")
    person.send("/sticky_auth/settings/sign-out")
    assert person.title == "You are signed out"
    assert person.open(cave.server + TOKENS).title == "Who are you today?"
    assert len(cave.tokens("ada")) == 1
    assert "alice@example.org" in person.sign_in("alice@example.org").page.text


def test_the_cookie_is_a_session_cookie(cave: Sandbox, person: Person) -> None:
    """The cookie has no expiry, and signing out revokes its token but does not delete it."""
    person.open(cave.server + TOKENS).sign_in("ada@example.org")
    (cookie,) = [one for one in person.session.cookies if one.name == "middle_auth_token"]
    assert cookie.expires is None
    assert cookie.has_nonstandard_attr("HttpOnly")
    out = person.session.get(f"{cave.server}/sticky_auth/api/v1/logout", timeout=60)
    assert out.json() == "success"
    assert "middle_auth_token" not in out.headers.get("Set-Cookie", "")
    assert person.session.cookies["middle_auth_token"] == cookie.value
    assert person.open(cave.server + TOKENS).title == "Who are you today?"


def test_tabs_of_one_browser_share_a_token(cave: Sandbox, person: Person) -> None:
    """Signing out in one tab signs out the others; another browser's token of the same account stays valid."""
    other = Person(cave)
    with other.session:
        for one in (person, other):
            one.open(authorize(cave, RECEIVER)).sign_in("ada@example.org")
        token = parse_qs(urlsplit(person.where).query)["token"][0]
        assert person.open(cave.server + TOKENS).title == "API tokens"
        ended = requests.get(
            f"{cave.server}/auth/api/v1/logout", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        assert ended.json() == "success"
        assert person.open(cave.server + TOKENS).title == "Who are you today?"
        assert other.open(cave.server + TOKENS).title == "API tokens"


def test_a_second_sign_in_replaces_the_first(cave: Sandbox, person: Person) -> None:
    """In one browser, the callback of the first then returns 200 with an error as JSON."""
    first = person.open(authorize(cave, "http://127.0.0.1:1/first")).state
    second = person.open(authorize(cave, "http://127.0.0.1:1/second")).state
    person.send("/practice/sign-in", email="ada@example.org", state=first)
    assert (person.page.status_code, person.page.json()) == (200, "authorization error")
    person.send("/practice/sign-in", email="ada@example.org", state=second)
    assert person.where.startswith("http://127.0.0.1:1/second?middle_auth_token=")
    person.send("/practice/sign-in", email="ada@example.org", state=first)
    assert person.page.json() == "authorization error"


def test_cancel_ends_on_an_error_page(cave: Sandbox, person: Person) -> None:
    """Cancel on Google's page ends in an internal error, after which a new sign-in works."""
    person.open(authorize(cave, RECEIVER))
    link = unescape(re.search('href="([^"]*error=access_denied[^"]*)">Cancel', person.page.text)[1])
    assert link.startswith(cave.server + CALLBACK)
    person.open(link)
    assert (person.page.status_code, person.title) == (500, "Internal Server Error")
    assert person.page.headers["Content-Type"] == "text/html; charset=utf-8"
    person.open(authorize(cave, RECEIVER)).sign_in("ada@example.org")
    assert person.where.startswith("http://127.0.0.1:1/done?")


def test_a_sign_in_without_a_redirect_posts_its_token(cave: Sandbox, person: Person) -> None:
    """Without `redirect` the callback is a script for the window that opened it, and sets no cookie."""
    person.open(f"{cave.server}/sticky_auth/api/v1/authorize").sign_in("ada@example.org")
    token = re.search('"token": "([0-9a-f]{32})"', person.page.text)[1]
    assert "window.opener.postMessage" in person.page.text
    assert "middle_auth_token" not in person.session.cookies
    assert who(cave, token).json()["email"] == "ada@example.org"


def test_a_sign_in_cannot_be_replayed_or_forged(cave: Sandbox, person: Person) -> None:
    """A callback without a session, without a sign-in, with a wrong state or a used code is an error."""
    callback = cave.server + CALLBACK
    assert "third-party cookies" in person.open(f"{callback}?state=x&code=y").page.text
    person.open(f"{cave.server}{TERMS}?middle_auth_token={cave.new_login_token('bob')}")
    assert person.open(f"{callback}?state=x&code=y").page.text == "Your session has expired."
    person.open(authorize(cave, RECEIVER))
    assert person.open(f"{callback}?state=x&code=y").page.json() == "authorization error"
    person.open(authorize(cave, RECEIVER))
    assert person.open(f"{callback}?state={person.state}&code=y").page.json() == "authorization error"


@pytest.mark.parametrize("typed", ["", "zoe", "a b@c.de", "@c.de", "a@", "a@b"])
def test_an_invalid_e_mail_address_is_asked_again(cave: Sandbox, person: Person, typed: str) -> None:
    """The sign-in page asks again and keeps what was typed."""
    person.open(authorize(cave, RECEIVER)).sign_in(typed)
    assert person.page.status_code == 400
    assert "Type a complete e-mail address." in person.page.text
    assert person.sign_in("ada@example.org").where.startswith("http://127.0.0.1:1/done?")


def test_forms_of_other_sites_are_rejected(cave: Sandbox, person: Person) -> None:
    """A form that another site sends with the user's cookie creates and deletes nothing."""
    person.open(cave.server + TOKENS).sign_in("ada@example.org")
    person.session.headers["Origin"] = "https://evil.example.org"
    for path in (TOKENS, f"{TOKENS}/{cave.tokens('ada')[0]['id']}/delete", "/sticky_auth/settings/sign-out"):
        assert person.send(path).page.status_code == 403
    assert len(cave.tokens("ada")) == 1


def test_the_start_page_explains_the_server(cave: Sandbox, person: Person) -> None:
    """The root of the server is a page with the accounts and links."""
    person.open(cave.server + "/")
    assert person.title == "A practice CAVE server"
    assert TOKENS in person.page.text
