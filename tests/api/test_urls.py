"""URLs are parsed in one place, which shows no password and no token."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cave_magic.api.urls import (
    UNREADABLE,
    display_file_name,
    display_page,
    display_url,
    holds_secret,
    host_of,
    host_port_of,
    name_of_host,
    parse_url,
    proxy_parts,
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
def test_a_url_has_one_normal_form(text, normal):
    """Scheme, host and port in lower case; whatever else was typed is left out."""
    url = parse_url(text)
    assert url is not None
    assert url.normal == normal


@pytest.mark.parametrize(
    "text",
    ["", "/x", "https://", "https://https://a.org", "http://a.org:0", "http://a.org:99999", "http://a b.org", "http://[::1",
     f"http://{TOKEN}", f"http://{TOKEN.upper()}.org/x", TOKEN, f"https://{ODD}", f"https://{ODD}@a.org", "http://ada:1/2@a.org",
     "http://a.org\n.b.org", "x" * 3000, 5, None, ["https://a.org"]],
)  # fmt: skip
def test_invalid_urls_are_rejected(text):
    """No host, an invalid port, a token instead of the host, a password with a slash, not a text at all."""
    assert parse_url(text) is None
    assert display_url(text) == UNREADABLE


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.1:8900", True), ("[::1]", True), ("localhost", True), ("127.evil.org", False)]
)
def test_loopback_is_recognised(host, here):
    """Only this computer itself is loopback, not a name that begins in the same way."""
    url = parse_url(f"http://{host}")
    assert url is not None
    assert url.is_loopback is here


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
def test_a_host_has_no_credentials(text, host, name):
    """With its port for messages, without it for proxies; "" for a URL without a scheme, which requests cannot use."""
    assert host_of(text) == host
    assert name_of_host(text) == name


def test_spellings_of_one_host_and_port_are_equal():
    """Capitals, the default port, credentials and the scheme make no difference; another port does."""
    ways = ("https://a.org", "http://A.org.", "a.org:443", "https://ada:pw@a.org:80/x")
    assert {host_port_of(text) for text in ways} == {("a.org", None)}
    assert host_port_of("https://a.org:8443") == ("a.org", 8443)
    assert host_port_of("not a URL") is None


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
def test_a_page_is_shown_with_its_path(location, page):
    """A redirect is shown without credentials, query, fragment and token."""
    assert display_page(location, "http://a.org:8900/info") == page


@given(
    st.text(WORD, min_size=9, max_size=40),
    st.sampled_from(["https://{}@a.org/x", "https://ada:{}@a.org", "{}@a.org", "https://a.org?{}", "https://a.org#{}"]),
)
def test_no_password_is_shown(password, form):
    """What precedes the host, or is in a query or fragment, is in no text and no repr."""
    text = form.format(password)
    for said in (display_url(text), display_page(text, "https://b.org"), host_of(text), repr(parse_url(text))):
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
def test_a_secret_in_a_url_is_detected(value):
    """Wherever it is, and whatever there is instead of a URL."""
    assert holds_secret(value)
    assert not holds_secret("https://global.daf-apis.com")


def test_a_token_file_is_shown_without_the_password():
    """The displayed name of a token file contains only the host."""
    assert display_file_name("ada:pw@a.org-cave-secret.json") == "****@a.org-cave-secret.json"
    assert display_file_name(f"{TOKEN}-cave-secret.json") == "****-cave-secret.json"
    assert display_file_name("cave-secret.json") == "cave-secret.json"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("socks5h://proxy.example:1080/", "socks5h://proxy.example:1080/"),
        ("'http://proxy.example:3128' ", "http://proxy.example:3128"),
        ("https:/proxy.example:3128", "https://proxy.example:3128"),
        ("http://ada:a%20b@proxy.example:3128", "http://ada:a%20b@proxy.example:3128"),
        ("http://ada:a#b@c/d@proxy.example:3128", "http://ada:a%23b%40c%2Fd@proxy.example:3128"),
        ("", "http://"),
    ],
)
def test_the_address_of_a_proxy_is_respelled(written: str, meant: str):
    """Quotes go, slashes come, and the password is encoded once."""
    assert "://".join(proxy_parts(written)) == meant
