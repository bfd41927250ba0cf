"""The proxy variables that requests, and so caveclient, obeys. Only their names are kept, never their values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..api.urls import parse_url


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


def read_proxy_settings(environ: Mapping[str, str] | None = None) -> ProxySettings:
    """Finds the variables that requests 2.34 obeys (default: in the environment of this process)."""
    env = os.environ if environ is None else environ
    no_proxy = "no_proxy" if env.get("no_proxy") else "NO_PROXY"
    bundle = next((name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if env.get(name)), "")
    return ProxySettings(
        proxies=_proxies(env), no_proxy=no_proxy, has_exceptions=bool(env.get(no_proxy)), bundle=bundle
    )


def _proxies(env: Mapping[str, str]) -> dict[str, str]:
    """Scheme -> variable, as `urllib.request.getproxies_environment`: lower case wins, even if empty."""
    found: dict[str, str] = {}
    for name in sorted(env, key=lambda name: name.endswith("_proxy")):
        scheme = name.lower().removesuffix("_proxy")
        if scheme == name.lower():
            continue
        if env[name]:
            found[scheme] = name
        elif name.endswith("_proxy"):
            found.pop(scheme, None)
    return found
