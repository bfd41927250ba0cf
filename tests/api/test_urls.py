"""Addresses are taken apart in one place, which shows no password and no token."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cave_magic.api.urls import (
    UNREADABLE,
    display_page,
    holds_secret,
    host_of,
    host_port_of,
    name_of_host,
    parse,
    shown,
    shown_file_name,
)

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
ODD = "qwERty7+uIopAsdFghJklZxcVbnM1/23456qwErtyuQ="
WORD = string.ascii_letters + string.digits + "-._~!$&()*+,;=%:"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://Global.Daf-Apis.com./x/?y#z", "https://global.daf-apis.com"),
        ("HTTPS://a.org:443", "https://a.org"),
        ("http://a.org:443", "http://a.org:443"),
        (' "http://[::1]:8900/" ', "http://[::1]:8900"),
        ("ftp://a.org:21", "ftp://a.org:21"),
        ("ada@a.org:8900", "a.org:8900"),
        ("https://global.daf-apis.com@evil.org", "https://evil.org"),
        ("https://ada:p@ss@a.org", "https://a.org"),
    ],
)
def test_an_address_has_one_normal_form(text, normal):
    """Scheme, host and port in small letters; what was typed around, before and behind them is left out."""
    address = parse(text)
    assert address is not None
    assert address.normal == normal


@pytest.mark.parametrize(
    "text",
    ["", "/x", "https://", "https://https://a.org", "http://a.org:0", "http://a.org:99999", "http://a b.org", "http://[::1",
     f"http://{TOKEN}", f"http://{TOKEN.upper()}.org/x", TOKEN, f"https://{ODD}", f"https://{ODD}@a.org", "http://ada:1/2@a.org",
     "http://a.org\n.b.org", "x" * 3000, 5, None, ["https://a.org"]],
)  # fmt: skip
def test_what_is_no_address_is_none(text):
    """No host, a port that is none, a token in the place of the host, a password with a slash, no text at all."""
    assert parse(text) is None
    assert shown(text) == UNREADABLE


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.1:8900", True), ("[::1]", True), ("localhost", True), ("127.evil.org", False)]
)
def test_this_computer_is_known(host, here):
    """Only what means this computer itself is loopback, not a name that begins so."""
    address = parse(f"http://{host}")
    assert address is not None
    assert address.is_loopback is here


@pytest.mark.parametrize(
    ("text", "host", "name"),
    [
        ("https://a.org:1/x", "a.org:1", "a.org"),
        ("https://ada:pw@A.org:443/x", "a.org", "a.org"),
        ("http://[::1]:80", "[::1]", "::1"),
        ("a.org", "", "a.org"),
        ("https://[", "", ""),
        ("", "", ""),
    ],
)
def test_the_host_has_no_name_and_password(text, host, name):
    """With its port for messages, without for proxies; an address without a scheme has none that requests could ask."""
    assert host_of(text) == host
    assert name_of_host(text) == name


def test_one_place_has_many_spellings():
    """Capitals, the usual port, credentials and the scheme make no other place; another port does."""
    ways = ("https://a.org", "http://A.org.", "a.org:443", "https://ada:pw@a.org:80/x")
    assert {host_port_of(text) for text in ways} == {("a.org", None)}
    assert host_port_of("https://a.org:8443") == ("a.org", 8443)
    assert host_port_of("no address") is None


@pytest.mark.parametrize(
    ("location", "page"),
    [
        ("/login?next=x", "http://a.org:8900/login"),
        ("//b.org/x", "http://b.org/x"),
        (f"https://{TOKEN}@b.org/x?{TOKEN}#{TOKEN}", "https://b.org/x"),
        (f"https://b.org/{TOKEN}/{ODD}", "https://b.org/****/****"),
        ("https://[", UNREADABLE),
        ("https://b.org/@x", UNREADABLE),
    ],
)
def test_a_page_is_shown_with_its_path_alone(location, page):
    """A redirect is shown as where it leads, with no credentials, query, fragment or token."""
    assert display_page(location, "http://a.org:8900/info") == page


@given(
    st.text(WORD, min_size=9, max_size=40),
    st.sampled_from(["https://{}@a.org/x", "https://ada:{}@a.org", "{}@a.org", "https://a.org?{}", "https://a.org#{}"]),
)
def test_no_password_is_shown(password, form):
    """Whatever stands before the host, or in a query or fragment, is in no text and no repr."""
    text = form.format(password)
    for said in (shown(text), display_page(text, "https://b.org"), host_of(text), repr(parse(text))):
        assert password not in said


@pytest.mark.parametrize(
    "value",
    [
        f"http://{TOKEN}@a.org",
        "ada:pw@a.org",
        f"http://a.org/{TOKEN}",
        f"a.org?{ODD}",
        TOKEN,
        [TOKEN],
        "https://a.org?token=x",
    ],
)
def test_a_secret_in_an_address_is_seen(value):
    """Wherever it stands, and whatever else stands in the place of an address."""
    assert holds_secret(value)
    assert not holds_secret("https://global.daf-apis.com")


def test_the_name_of_a_token_file_is_shown_without_the_password():
    """The name that is shown has the host alone."""
    assert shown_file_name("ada:pw@a.org-cave-secret.json") == "****@a.org-cave-secret.json"
    assert shown_file_name(f"{TOKEN}-cave-secret.json") == "****-cave-secret.json"
    assert shown_file_name("cave-secret.json") == "cave-secret.json"
