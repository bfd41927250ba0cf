"""Which environment variables name a proxy, as requests reads them."""

from __future__ import annotations

import urllib.request

import pytest
from requests.utils import should_bypass_proxies

from cave_magic.environment.proxies import exceptions_for, proxy_values, read_proxy_settings

SETTINGS = [
    {"HTTP_PROXY": "http://a:1"},
    {"HTTP_PROXY": "http://a:1", "http_proxy": "http://b:2"},
    {"HTTP_PROXY": "http://a:1", "http_proxy": ""},
    {"HTTP_PROXY": "", "http_proxy": "http://b:2"},
    {"http_proxy": "http://b:2", "all_proxy": "socks5://c:3"},
    {"PROXY": "http://a:1"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_proxy_variables_are_those_that_python_obeys(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """The variable found for each scheme has the value that Python uses: lower case first, even if empty."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found = {scheme: settings[name] for scheme, name in read_proxy_settings().proxies.items()}
    assert found == {
        scheme: value for scheme, value in urllib.request.getproxies_environment().items() if scheme != "no"
    }


@pytest.mark.parametrize("host", ["cave.example.org", "10.1.2.3", "cave.example.org:8443"])
@pytest.mark.parametrize(
    "entry",
    ["*", ".org", "example.org", "CAVE.example.org", "ample.org", "10.0.0.0/8", "10.1.2.3", "11.0.0.0/8", "*.org", "x"],
)
def test_exceptions_are_those_that_requests_obeys(host: str, entry: str, monkeypatch: pytest.MonkeyPatch):
    """An entry of NO_PROXY is found if requests uses no proxy because of it."""
    monkeypatch.setenv("NO_PROXY", entry if entry == "*" else f"intranet, {entry}")
    url = f"https://{host}/x"
    assert exceptions_for(url) == ((entry,) if should_bypass_proxies(url, no_proxy=None) else ())


def test_only_proxies_for_the_web_are_tried(monkeypatch: pytest.MonkeyPatch):
    """A proxy for another protocol, an empty one and the exceptions are none."""
    settings = {"FTP_PROXY": "a:1", "https_proxy": "", "NO_PROXY": "b", "All_Proxy": "c:1", "HTTP_PROXY": "d:1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert proxy_values() == {"All_Proxy": "c:1", "HTTP_PROXY": "d:1"}
