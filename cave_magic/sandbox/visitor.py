"""A user with a browser: opens the pages of a practice server over HTTP and fills in their forms.

`python -m cave_magic.sandbox.visitor URL` opens one page, so that the program can serve as a BROWSER.
"""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import IO
from urllib.parse import urlencode, urljoin

_MOST_FORMS = 6
_PATIENCE = 30.0


class LostOnThePages(Exception):
    """A page lacks what the visitor was looking for."""


@dataclass
class Form:
    """A form on a page: where it is sent, and its fields with their values."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A page: its URL, status and source."""

    address: str
    status: int
    source: str

    @property
    def forms(self) -> list[Form]:
        """The forms in the order of the page."""
        reader = _Reader(self.address)
        reader.feed(self.source)
        return reader.forms


class Visitor:
    """A new user, who signs in with an unused e-mail address and accepts all terms of service."""

    def __init__(self, email: str = "robin@lab.example.org", name: str = "Robin") -> None:
        self.email = email
        self.name = name
        no_proxy = urllib.request.ProxyHandler({})
        self._opener = urllib.request.build_opener(no_proxy, urllib.request.HTTPCookieProcessor(CookieJar()))

    def open(self, address: str) -> Page:
        """Opens a link, and completes sign-in, user name and terms of service if they come first."""
        page = self._load(address)
        for _ in range(_MOST_FORMS):
            form = self._in_the_way(page)
            if form is None:
                return page
            page = self._send(form)
        raise LostOnThePages(f"{address} leads to more forms than expected")

    def make_token(self, tokens_page: str, description: str) -> str:
        """Creates a token on the tokens page and copies it."""
        form = self._form_with(self.open(tokens_page), "description")
        page = self._send(Form(form.action, {"description": description}))
        found = re.search(r'id="new-token"[^>]*value="([^"]+)"', page.source)
        if not found:
            raise LostOnThePages("the tokens page shows no new token")
        return found[1]

    def delete_token(self, tokens_page: str) -> None:
        """Deletes the first token on the tokens page."""
        form = self._form_with(self.open(tokens_page), action="/delete")
        self._send(form)

    def download_token(self, tokens_page: str) -> str:
        """The downloaded file of the first token on the tokens page, as text."""
        page = self.open(tokens_page)
        found = re.search(r'href="([^"]+/download)"', page.source)
        if not found:
            raise LostOnThePages("the tokens page offers no download")
        return self._load(urljoin(page.address, found[1])).source

    def _in_the_way(self, page: Page) -> Form | None:
        """The form that comes before the page that was asked for, filled in; None if there is none."""
        for form in page.forms:
            if form.action.endswith("/practice/sign-in") and "state" in form.fields:
                return Form(form.action, {**form.fields, "email": self.email})
            if "customName" in form.fields:
                return Form(form.action, {"name": "custom", "customName": self.name})
            if form.action.endswith("/accept") or "/accept?" in form.action:
                return form
        return None

    def _form_with(self, page: Page, name: str = "", action: str = "") -> Form:
        for form in page.forms:
            if (name and name in form.fields) or (action and form.action.endswith(action)):
                return form
        raise LostOnThePages(f"{page.address} has no form for {name or action}")

    def _load(self, address: str) -> Page:
        return self._fetch(urllib.request.Request(address))  # noqa: S310 - a page of the practice server

    def _send(self, form: Form) -> Page:
        return self._fetch(urllib.request.Request(form.action, urlencode(form.fields).encode()))  # noqa: S310

    def _fetch(self, request: urllib.request.Request) -> Page:
        try:
            with self._opener.open(request, timeout=_PATIENCE) as response:
                return _page(response, response.status)
        except urllib.error.HTTPError as response:
            with response:
                return _page(response, response.code)  # accepting terms may end on an error page too
        except OSError as error:
            raise LostOnThePages(f"{request.full_url.partition('?')[0]} did not open ({error})") from None


def _page(response: IO[bytes], status: int) -> Page:
    return Page(str(getattr(response, "url", "")), status, response.read().decode(errors="replace"))


class _Reader(HTMLParser):
    """Collects the forms that are sent with POST."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._address = address
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post":
            self.forms.append(Form(urljoin(self._address, given.get("action", ""))))
            self._open = True
        elif tag == "input" and self._open and given.get("name"):
            self.forms[-1].fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


if __name__ == "__main__":
    Visitor().open(sys.argv[1])
