"""Which environment variables name a proxy, as requests reads them."""

from __future__ import annotations

import urllib.request

import pytest

from cave_magic.environment.proxies import read_proxy_settings

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
    found = {scheme: settings[name] for scheme, name in read_proxy_settings(settings).proxies.items()}
    assert found == {
        scheme: value for scheme, value in urllib.request.getproxies_environment().items() if scheme != "no"
    }
