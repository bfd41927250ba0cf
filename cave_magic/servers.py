"""The known CAVE deployments, and which server an address or a datastack means. Data and pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import urlsplit

from .errors import BadInput

DEFAULT_SERVER = "https://global.daf-apis.com"
"""Where caveclient goes when nothing else is said (caveclient 7 and 8, `endpoints.py`)."""

DEFAULT_DATASTACK = "minnie65_public"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A public CAVE deployment.

    Attributes:
        name: what people call it.
        server: address of its global server (auth and info services).
        local_servers: addresses of the servers with its data services.
        public: datastacks that anyone with an account and accepted terms may read.
        restricted: datastacks that need a permission.
    """

    name: str
    server: str
    local_servers: tuple[str, ...]
    public: tuple[str, ...] = ()
    restricted: tuple[str, ...] = ()

    @property
    def datastacks(self) -> tuple[str, ...]:
        """All of its datastacks, the public ones first."""
        return self.public + self.restricted


# Collected in November 2026 from public code and documents of the projects.
DEPLOYMENTS = (
    Deployment(
        "MICrONS",
        DEFAULT_SERVER,
        ("https://minnie.microns-daf.com",),
        ("minnie65_public", "minnie35_public_v0"),
        ("minnie65_phase3_v1",),
    ),
    Deployment(
        "FlyWire",
        DEFAULT_SERVER,
        ("https://prod.flywire-daf.com",),
        ("flywire_fafb_public",),
        ("flywire_fafb_production",),
    ),
    Deployment(
        "BANC",
        DEFAULT_SERVER,
        ("https://cave.fanc-fly.com",),
        ("brain_and_nerve_cord_public",),
        ("brain_and_nerve_cord",),
    ),
    Deployment("FANC", DEFAULT_SERVER, ("https://cave.fanc-fly.com",), (), ("fanc_production_mar2021",)),
    Deployment(
        "V1DD",
        "https://global.em.brain.allentech.org",
        ("https://api.em.brain.allentech.org",),
        ("v1dd_public",),
        ("v1dd",),
    ),
    Deployment(
        "H01 and Fish1",
        "https://global.brain-wire-test.org",
        ("https://local.brain-wire-test.org",),
        ("h01_c3_flat", "fish1_full"),
    ),
    Deployment(
        "Zetta",
        "https://proofreading.zetta.ai",
        ("https://data.proofreading.zetta.ai",),
        ("kronauer_ant", "lichtman_zebrafish_hindbrain"),
    ),
)

KNOWN_SERVERS = tuple(dict.fromkeys(deployment.server for deployment in DEPLOYMENTS))
KNOWN_DATASTACKS = tuple(sorted(name for deployment in DEPLOYMENTS for name in deployment.datastacks))


def deployment_of(datastack: str) -> Deployment | None:
    """The known deployment that has this datastack, or None."""
    return next((one for one in DEPLOYMENTS if datastack in one.datastacks), None)


def local_servers_of(server: str) -> tuple[str, ...]:
    """Addresses of the data servers that are known to belong to a global server."""
    found = (local for one in DEPLOYMENTS if one.server == server for local in one.local_servers)
    return tuple(dict.fromkeys(found))


def host_of(address: str) -> str:
    """`https://host:port/path` -> `host:port`, as caveclient names token files after it; "" if there is none."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""


def server_for(datastack: str, configured: str, remembered: Mapping[str, object]) -> str:
    """Which server a datastack is on, as an address.

    Args:
        datastack: its name.
        configured: the address from `--server` or `%config CaveMagics.server`, or "".
        remembered: caveclient's own datastack-to-server map.
    Returns:
        The first of: configured, remembered, known deployments, caveclient's default. Not checked for form.
    """
    if configured:
        return configured
    if isinstance(entry := remembered.get(datastack), str) and entry:
        return entry
    known = deployment_of(datastack)
    return known.server if known else DEFAULT_SERVER


def datastack_for(server: str, preferred: str) -> str:
    """The datastack to look at on a server when none was named: the preferred one if it can be there."""
    preferred = preferred.strip() or DEFAULT_DATASTACK
    home = deployment_of(preferred)
    if home is None or home.server == server:
        return preferred
    return next((one.datastacks[0] for one in DEPLOYMENTS if one.server == server), preferred)


def check_address(text: str) -> str:
    """Puts a server's address into the one form used everywhere: scheme and host, nothing behind.

    Returns:
        The address with a lower-case host, no default port and no final slash.
    Raises:
        BadInput: what is wrong with it, and the corrected form.
    """
    meant = _meant(text) if isinstance(text, str) else None
    if meant is None:
        raise BadInput(f"this is not a server's address. An address looks like this: {DEFAULT_SERVER}")
    if problem := _problem_with(text.strip().rstrip("/")):
        raise BadInput(f"the address {problem}. Use {meant}")
    return meant


def _problem_with(address: str) -> str | None:
    parts = urlsplit(address if "://" in address else f"//{address}")
    host = (parts.hostname or "").lower()
    if "://" not in address:
        return "has no http:// in front" if _is_loopback(host) else "has no https:// in front"
    if parts.scheme.lower() not in ("http", "https"):
        return f"begins with {parts.scheme}://, which is not for the web"
    if "@" in parts.netloc:
        return "has a name or password in it"
    if _place(address) in map(_place, (local for one in DEPLOYMENTS for local in one.local_servers)):
        return "is that of a data server, not of the server where one logs in"
    if parts.scheme.lower() == "http" and _place(address) in map(_place, KNOWN_SERVERS):
        return "begins with http://; this server wants https://"
    if parts.path or parts.query or parts.fragment:
        return "has something behind the host"
    return None


def _meant(text: str) -> str | None:
    """The address that was probably meant, or None where there is nothing to go by."""
    scheme, sep, rest = text.strip().strip("\"'<>").rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError:
        return None
    if not re.fullmatch(r"[0-9a-z_][0-9a-z_.-]*|[0-9a-f:]+", host):
        return None
    if not sep and "." not in host and host != "localhost" and port is None:
        return _nearest_known(host)
    for one in DEPLOYMENTS:
        if _place(rest) in map(_place, (one.server, *one.local_servers)):
            return one.server
    scheme = scheme.lower() if scheme.lower() in ("http", "https") else "http" if _is_loopback(host) else "https"
    default = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}" + (f":{port}" if port not in (None, default) else "")


def _place(address: str) -> tuple[str, int | None]:
    """The host of an address, and its port where that is not the usual one."""
    parts = urlsplit(f"//{address.rpartition('://')[2]}")
    host = (parts.hostname or "").lower().rstrip(".")
    return host, None if parts.port in (80, 443) else parts.port


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("localhost", "::1")


def _nearest_known(word: str) -> str | None:
    """`microns`, `flywire`, `v1dd` -> the server of that deployment."""
    names = {part.lower(): one.server for one in DEPLOYMENTS for part in (*one.name.split(), *one.datastacks)}
    match = get_close_matches(word.lower(), names, n=1, cutoff=0.8)
    return names[match[0]] if match else None
