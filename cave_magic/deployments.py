"""The known CAVE deployments, and which server an address or a datastack refers to. Data and pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum
from functools import cache

from .api.urls import Url, host_of, host_port_of, parse_url
from .errors import BadInput
from .token import BASE64, HEX, TokenFormat, formats

DEFAULT_SERVER = "https://global.daf-apis.com"
"""The server that caveclient uses by default (caveclient 7 and 8, `endpoints.py`)."""

DEFAULT_DATASTACK = "minnie65_public"

SHORT = 4
"""Names of deployments with this few letters (without digits at the end) are not guessed: they resemble other words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A public CAVE deployment.

    Attributes:
        name: what people call it.
        server: address of its global server (auth and info services).
        local_servers: addresses of the servers with its data services.
        public: datastacks that anyone with an account may read after accepting the terms.
        restricted: datastacks that need a permission.
        formats: the formats of the tokens that its auth server creates.
        contact: how to reach its administrators, in words, such as an e-mail address; "" if unknown.
        access: the page where one asks for permissions; "" if there is none.
        status_page: the address of the page that says what is down; "" if unknown, as for all of them in 2026.
    """

    name: str
    server: str
    local_servers: tuple[str, ...]
    public: tuple[str, ...] = ()
    restricted: tuple[str, ...] = ()
    formats: tuple[TokenFormat, ...] = (HEX,)
    contact: str = ""
    access: str = ""
    status_page: str = ""

    @property
    def datastacks(self) -> tuple[str, ...]:
        """All of its datastacks, the public ones first."""
        return self.public + self.restricted

    @property
    def names(self) -> tuple[str, ...]:
        """The names in its name: two projects can share a deployment."""
        return tuple(self.name.split(" and "))


# Collected in November 2026 from the public code and documents of these projects. The address of FlyWire is in its own
# Neuroglancer, BANC's page in FlyWire's guide for citizen scientists (blog.flywire.ai, 2024), and the form for H01 in
# the README of its laboratory (github.com/VCG/cave-scripts). No public document names one for the others.
DEPLOYMENTS = (
    Deployment(name="MICrONS", server=DEFAULT_SERVER, local_servers=("https://minnie.microns-daf.com",),
               public=("minnie65_public", "minnie35_public_v0"), restricted=("minnie65_phase3_v1",)),
    Deployment(name="FlyWire", server=DEFAULT_SERVER, local_servers=("https://prod.flywire-daf.com",),
               public=("flywire_fafb_public",), restricted=("flywire_fafb_production",),
               contact="flywire@princeton.edu"),
    Deployment(name="BANC", server=DEFAULT_SERVER, local_servers=("https://cave.fanc-fly.com",),
               public=("brain_and_nerve_cord_public",), restricted=("brain_and_nerve_cord",),
               access="https://flywire.ai/banc"),
    Deployment(name="FANC", server=DEFAULT_SERVER, local_servers=("https://cave.fanc-fly.com",),
               restricted=("fanc_production_mar2021",)),
    Deployment(name="V1DD", server="https://global.em.brain.allentech.org",
               local_servers=("https://api.em.brain.allentech.org",), public=("v1dd_public",), restricted=("v1dd",)),
    Deployment(name="H01 and Fish1", server="https://global.brain-wire-test.org",
               local_servers=("https://local.brain-wire-test.org",), public=("h01_c3_flat", "fish1_full"),
               access="https://forms.gle/tpbndoL1J6xB47KQ9"),
    Deployment(name="Zetta", server="https://proofreading.zetta.ai",
               local_servers=("https://data.proofreading.zetta.ai",),
               public=("kronauer_ant", "lichtman_zebrafish_hindbrain"), formats=(HEX, BASE64)),
)  # fmt: skip

KNOWN_SERVERS = tuple(dict.fromkeys(deployment.server for deployment in DEPLOYMENTS))
KNOWN_DATASTACKS = tuple(sorted(name for deployment in DEPLOYMENTS for name in deployment.datastacks))


def deployment_of(datastack: str) -> Deployment | None:
    """The known deployment that has this datastack, or None."""
    return next((one for one in DEPLOYMENTS if datastack in one.datastacks), None)


def datastack_called(word: str, server: str = "") -> str:
    """The first datastack of the deployment with this name, in upper or lower case; "" without one.

    With a `server` it has to be a deployment there.
    """
    for one in DEPLOYMENTS:
        for name in one.names:
            if name.lower() == word.lower() and server in ("", one.server):
                return next((each for each in one.datastacks if each.startswith(name.lower())), one.datastacks[0])
    return ""


@cache
def hosts_of(deployment: Deployment) -> frozenset[tuple[str, int | None] | None]:
    """Host and port of a deployment's global server and data servers, to compare."""
    return frozenset(map(host_port_of, (deployment.server, *deployment.local_servers)))


def local_servers_of(server: str) -> tuple[str, ...]:
    """Addresses of the data servers that are known to belong to a global server."""
    found = (local for one in DEPLOYMENTS if one.server == server for local in one.local_servers)
    return tuple(dict.fromkeys(found))


def contact_of(host: str) -> str:
    """How to reach the administrators of a global server or data server; "" if unknown.

    Of a server with several deployments, only what is true of all of them.
    """
    contacts = {one.contact for one in _at(host)}
    return contacts.pop() if len(contacts) == 1 else ""


def is_known_host(host: str) -> bool:
    """Whether a host, with its port, is a known global server or data server, so that its address is right."""
    return bool(_at(host))


def where_to_ask(datastack: str, host: str) -> str:
    """Where to ask for the permission for a datastack on a server, as an address or in words; "" if unknown."""
    home = deployment_of(datastack)
    if home is None or host != host_of(home.server):
        return contact_of(host)
    return home.access or home.contact


def status_page_of(host: str) -> str:
    """The page that says what is down on a global server or data server; "" if unknown."""
    return next((one.status_page for one in _at(host) if one.status_page), "")


def _at(host: str) -> tuple[Deployment, ...]:
    """The deployments with this server, a host with its port."""
    return tuple(one for one in DEPLOYMENTS if host in map(host_of, (one.server, *one.local_servers)))


def formats_of(server: str) -> tuple[TokenFormat, ...]:
    """The formats of a server's tokens: those of its deployments, or all if the server is unknown."""
    found = [one.formats for one in DEPLOYMENTS if one.server == server] or [formats()]
    return tuple(dict.fromkeys(token_format for some in found for token_format in some))


def server_meant(datastack: str, entry: object) -> str:
    """The server that a wrong entry of the datastack map refers to; "" if that is unclear."""
    known = deployment_of(datastack)
    return known.server if known else meant_address(entry)


def datastack_for(server: str, preferred: str) -> str:
    """The datastack to check on a server if none was named: the preferred one, unless another server has it."""
    preferred = preferred.strip() or DEFAULT_DATASTACK
    home = deployment_of(preferred)
    if home is None or home.server == server:
        return preferred
    return next((one.datastacks[0] for one in DEPLOYMENTS if one.server == server), preferred)


def check_address(text: str) -> str:
    """Normalizes a server's address: scheme, host and port, nothing after them.

    Raises:
        BadInput: what is wrong with it, and the correct form. Only the host is quoted.
    """
    problem = problem_with_address(text)
    if problem is None:
        return meant_address(text)
    if problem is AddressFault.NOT_AN_ADDRESS:
        raise BadInput(f"{problem}. An address looks like this: {DEFAULT_SERVER}")
    raise BadInput(f"{problem}. Use {meant_address(text)}")


class AddressFault(Enum):
    """What can be wrong with a server's address; `str()` says so in words."""

    NOT_AN_ADDRESS = "this is not a server address"
    NAME = "this is a name, not an address"
    CREDENTIALS = "the address contains a user name or password"
    NO_HTTP = "the address does not begin with http://"
    NO_HTTPS = "the address does not begin with https://"
    DATA_SERVER = "the address is that of a data server, not of the server where you sign in"
    NOT_HTTPS = "the address begins with http://, but this server requires https://"
    MORE_THAN_HOST = "the address has something after the host"
    SURROUNDED = "there is a space, a quote or another character around the address"

    def __str__(self) -> str:
        return self.value


def problem_with_address(text: object) -> AddressFault | None:
    """Why a text is not the correct address of a global server, or None; white space around it does not matter."""
    address = parse_url(text)
    if address is None or not meant_address(text):
        return AddressFault.NOT_AN_ADDRESS
    if address.has_credentials:
        return AddressFault.CREDENTIALS
    if _is_word(address):
        return AddressFault.NAME
    if address.scheme not in ("http", "https"):
        return AddressFault.NO_HTTP if address.is_loopback else AddressFault.NO_HTTPS
    if any(address.host_port == host_port_of(local) for one in DEPLOYMENTS for local in one.local_servers):
        return AddressFault.DATA_SERVER
    if address.scheme == "http" and address.host_port in map(host_port_of, KNOWN_SERVERS):
        return AddressFault.NOT_HTTPS
    return AddressFault.MORE_THAN_HOST if address.has_more else None


def meant_address(text: object) -> str:
    """The normalized address that was probably meant; "" without one."""
    address = parse_url(text)
    if address is None:
        return ""
    if _is_word(address):
        return _server_called(address.host)
    for one in DEPLOYMENTS:
        if address.host_port in hosts_of(one):
            return one.server
    is_web = address.scheme in ("http", "https")
    return (address if is_web else replace(address, scheme="http" if address.is_loopback else "https")).normal


def _is_word(address: Url) -> bool:
    """Whether it may be the name of a deployment: without scheme, dot and port."""
    return not (address.scheme or address.port or "." in address.host or address.is_loopback)


def _server_called(word: str) -> str:
    """The server of the deployment or datastack with this name or a similar one; "" without one.

    A short name has to match exactly: `fancy`, `fish` and `and` are words.
    """
    names = {part.lower(): one.server for one in DEPLOYMENTS for part in (*one.names, *one.datastacks)}
    near = get_close_matches(word, [name for name in names if len(name.rstrip("0123456789")) > SHORT], n=1, cutoff=0.8)
    return names.get(word) or (names[near[0]] if near else "")
