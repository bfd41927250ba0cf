"""Which experiments to make for a failed request, given the settings of this computer."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from ...api import endpoints, http
from ...api.failures import UNTRUSTED, Failure
from ...api.http import Way
from ...api.responses import Response
from ...api.urls import host_of, is_on_this_computer, parse_url, proxy_parts
from ...credentials.target import Target
from ...credentials.token_files import show_path
from ...deployments import KNOWN_SERVERS, deployment_of
from ...environment.name_lookup import is_ip_address
from ...environment.proxies import BUNDLES, exceptions_for, proxy_values, read_proxy_settings
from ...ui.door import either
from .model import Change

NO_SERVER = "http://no-such-server.invalid/"
"""No host has a name that ends in `.invalid` (RFC 6761): a response to it comes from the network itself."""

OTHER_BUNDLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO")
"""Variables that institutes set to name their certificates for other programs; requests does not use them."""

MOST_SERVERS = 2
"""How many other CAVE servers, each in a different domain, are contacted for comparison."""

_NOT_HTTPS = (Failure.NOT_TLS, Failure.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An `Experiment` that is still to be made; its URL is "" if it goes where the request went before."""

    change: Change
    source: str = ""
    way: Way = field(default_factory=Way)
    url: str = ""


def trials(response: Response, target: Target) -> list[Trial]:
    """The experiments on a request that failed, in the order of preference."""
    url = response.url
    found = [Trial(change=Change.AGAIN), *_as_installed()]
    found += _ways_through_a_proxy(url)
    if file := http.netrc_for(url):
        found.append(Trial(change=Change.NETRC, way=Way(uses_netrc=False), source=file))
    if response.failure in UNTRUSTED:
        found += _certificates()
    if http.proxy_for(url):
        found.append(Trial(change=Change.NO_PROXY, way=Way(proxy="")))
    found += _addresses(response, target)
    if response.failure in UNTRUSTED:
        # Whoever answers instead of the server must not get the password in .netrc.
        found.append(Trial(change=Change.UNVERIFIED, way=Way(verified=False, uses_netrc=False)))
    return found


def _as_installed(made_up_token: bool = False) -> Iterator[Trial]:
    """If code of this process, such as a startup file, replaced a part of requests."""
    if file := http.changed_by():
        source = show_path(Path(file)) if os.path.isfile(file) else either("code in this kernel", "this program")
        way = Way(as_installed=True, made_up_token=made_up_token)
        yield Trial(change=Change.AS_INSTALLED, source=source, way=way)


def _ways_through_a_proxy(url: str) -> Iterator[Trial]:
    current, scheme = http.proxy_for(url), parse_url(url)
    written, bare = proxy_parts(current)
    if current not in (usual := f"{written}://{bare}", bare):
        wrong = "address" if bare in current else "password"
        yield Trial(change=Change.PROXY_SPELLING, way=Way(proxy=usual), source=wrong)
    for other in ("http", "https", *(["socks5h"] if find_spec("socks") else [])) if current else ():
        if other != written:
            yield Trial(change=Change.PROXY_SCHEME, way=Way(proxy=f"{other}://{bare}"), source=other)
    if not current and scheme and (entries := exceptions_for(url)):
        named = read_proxy_settings().proxy_for(url)
        if value := proxy_values().get(named, ""):
            yield Trial(change=Change.NO_EXCEPTION, way=Way(proxy=value), source=",".join(entries))
    seen = {current}
    for name, value in sorted(proxy_values().items()):
        if value not in seen and (current or not exceptions_for(url)):
            seen.add(value)
            yield Trial(change=Change.OTHER_PROXY, way=Way(proxy=value), source=name)


def _certificates() -> Iterator[Trial]:
    used = [name for name in BUNDLES if os.environ.get(name)]
    for count in range(1, len(used) + 1):
        rest = os.environ[used[count]] if count < len(used) else ""
        yield Trial(change=Change.NO_BUNDLE, way=Way(certificates=rest), source=" and ".join(used[:count]))
    system = ssl.get_default_verify_paths()
    meant = {os.path.expanduser(os.environ[name].strip(" \t\r\n'\"")) for name in used}
    paths = {path: path for path in sorted(meant) if path not in map(os.environ.get, used)}
    paths |= {name: os.environ[name] for name in OTHER_BUNDLES if os.environ.get(name)}
    for path in (system.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        paths[path] = path
    for source, path in paths.items():
        if os.path.exists(path):
            yield Trial(change=Change.OTHER_BUNDLE, way=Way(certificates=path), source=source)


def _addresses(response: Response, target: Target) -> Iterator[Trial]:
    """Other addresses of the host, and the other scheme: http only if nothing there speaks https, because others
    could read the token."""
    url = response.url
    address = parse_url(url)
    if address is None:
        return
    if not is_ip_address(address.host) and not http.proxy_for(url):
        for name, family in (("IPv4", socket.AF_INET), ("IPv6", socket.AF_INET6)):
            yield Trial(change=Change.FAMILY, way=Way(family=family), source=name)
        yield Trial(change=Change.OTHER_ADDRESS, way=Way(family=socket.AF_INET, skipped=1))
    other = "http" if address.scheme == "https" else "https"
    if other == "https" or (response.failure in _NOT_HTTPS and target.server not in KNOWN_SERVERS):
        changed = other + url[len(address.scheme) :]
        yield Trial(change=Change.SCHEME, url=changed, way=Way(uses_netrc=other == "https"), source=other)


def of_the_token(url: str) -> Iterator[Trial]:
    """Whether a token arrives, if the server says that it got none: tries a made-up one, which it must reject."""
    yield Trial(change=Change.MADE_UP, way=Way(made_up_token=True))
    yield from _as_installed(made_up_token=True)
    if http.proxy_for(url):
        yield Trial(change=Change.MADE_UP_DIRECT, way=Way(proxy="", made_up_token=True))


def comparisons(target: Target) -> Iterator[Trial]:
    """Requests to other servers, if nothing on this one works."""
    for server in other_servers(target):
        yield Trial(change=Change.OTHER_SERVER, source=host_of(server), url=endpoints.info_version_url(server))
    if not is_on_this_computer(target.server):
        yield Trial(change=Change.NO_SERVER, url=NO_SERVER)


def other_servers(target: Target) -> list[str]:
    """Known CAVE servers to compare with: the one that has the datastack, and others in different domains.

    A server on this computer is not compared with any: it needs no network.
    """
    home = deployment_of(target.datastack)
    known = [home.server] if home and target.named_by == "map" and home.server != target.server else []
    domains = {_domain(server) for server in (target.server, *known)}
    for server in () if is_on_this_computer(target.server) else KNOWN_SERVERS:
        if _domain(server) not in domains and len(known) < MOST_SERVERS:
            domains.add(_domain(server))
            known.append(server)
    return known


def _domain(server: str) -> str:
    return ".".join(host_of(server).split(".")[-2:])
