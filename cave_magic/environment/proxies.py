"""The proxy variables that requests, and so caveclient, obeys. Facts have only their names, never their values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from ..api.urls import parse_url

PROXY_VARIABLES = ("https_proxy", "http_proxy", "all_proxy")
"""The variables that name a proxy for the web, in lower case."""

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables whose file of certificates requests uses, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """Which variables are set. Their values may contain a password, so they are not kept.

    Attributes:
        proxies: scheme, or "all" -> the variable that sets the proxy for it.
        no_proxy: the variable for hosts without a proxy; lower case wins if both are set.
        has_exceptions: whether that variable is set.
        bundle: the variable that names the file of trusted certificates, or "".
    """

    proxies: Mapping[str, str] = field(default_factory=dict)
    no_proxy: str = "NO_PROXY"
    has_exceptions: bool = False
    bundle: str = ""

    def proxy_for(self, address: str) -> str:
        """The variable that sets the proxy for an address; "" if there is none."""
        parsed = parse_url(address)
        scheme = parsed.scheme if parsed else ""
        return self.proxies.get(scheme) or self.proxies.get("all", "")


def read_proxy_settings() -> ProxySettings:
    """Finds the variables in the environment that requests 2.34 obeys."""
    env = os.environ
    no_proxy = "no_proxy" if env.get("no_proxy") else "NO_PROXY"
    bundle = next((name for name in BUNDLES if env.get(name)), "")
    return ProxySettings(proxies=_proxies(), no_proxy=no_proxy, has_exceptions=bool(env.get(no_proxy)), bundle=bundle)


def proxy_values() -> dict[str, str]:
    """Variable -> the address of the proxy that it names, which may contain a password: never show or keep it."""
    return {name: value for name, value in os.environ.items() if value and name.lower() in PROXY_VARIABLES}


def exceptions_for(address: str) -> tuple[str, ...]:
    """The entries of NO_PROXY because of which requests 2.34 uses no proxy for an address (`should_bypass_proxies`)."""
    url = parse_url(address)
    entries = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").replace(" ", "").split(",")
    if entries == ["*"]:
        return ("*",)
    return tuple(one for one in entries if url is not None and one and _excepts(one, url.host, url.port))


def _excepts(entry: str, host: str, port: int | None) -> bool:
    with suppress(ValueError):
        return ip_address(host) in ip_network(entry, strict=False)
    return any(f".{one}".endswith("." + entry.lstrip(".").lower()) for one in (host, f"{host}:{port}"))


def _proxies() -> dict[str, str]:
    """Scheme -> variable, as `urllib.request.getproxies_environment`: lower case wins, even if empty."""
    found: dict[str, str] = {}
    names = [name for name in os.environ if name.lower().endswith("_proxy")]
    for name in sorted(names, key=lambda name: name.endswith("_proxy")):
        scheme = name.lower().removesuffix("_proxy")
        if os.environ[name]:
            found[scheme] = name
        elif name.endswith("_proxy"):
            found.pop(scheme, None)
    return found
