"""Network faults: names, addresses, certificates, proxies and portals, and others that respond in a server's place."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import requests.adapters

from ..support.odd_server import OddServer, drips, full_backlog, says, says_nothing
from .registry import fault
from .world import World, loopback

REACH = ("network", "map")
"""What may be named if nothing of a server's own arrives."""

# ---------------------------------------------------------------- names


def _raises(error: Callable[[], Exception]) -> Callable[[World], None]:
    def make(world: World) -> None:
        def look_up(host: str, port: int) -> Any:
            raise error()

        world.lookup = look_up

    return make


ERRORS: dict[str, Callable[[], Exception]] = {
    "unknown": lambda: socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    "no name server": lambda: socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    "a failure": lambda: socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"),
    "no files left": lambda: OSError(24, "Too many open files"),
    "no memory": lambda: socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure"),
    "a bad label": lambda: UnicodeError("label empty or too long"),
    "forbidden": lambda: PermissionError(13, "Permission denied"),
}
for _name, _error in ERRORS.items():
    fault("network", f"dns={_name}", names=REACH, others=True, tls=True, place="dns")(_raises(_error))


def _answers(addresses: Callable[[World, int], list[Any]]) -> Callable[[World], None]:
    def make(world: World) -> None:
        world.lookup = lambda host, port: addresses(world, world.names.get(host, 1))

    return make


V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0))
for _name, _addresses in {
    "nothing": lambda world, port: [],
    "a host that refuses": lambda world, port: loopback(1),
    "only a dead IPv6": lambda world, port: [V6],
}.items():
    fault("network", f"dns={_name}", names=REACH, others=True, tls=True, place="dns")(_answers(_addresses))


@fault("network", "dns=a dead IPv6 first", tls=True, place="dns")
def _v6_first(world: World) -> None:
    """The next address is tried."""
    world.lookup = lambda host, port: [V6, *loopback(world.names[host])]


@fault("network", "dns=a dead address first", tls=True, place="dns")
def _dead_first(world: World) -> None:
    """The next address is tried."""
    world.lookup = lambda host, port: [*loopback(1), *loopback(world.names[host])]


def _slowly(seconds: float) -> Callable[[World], None]:
    def make(world: World) -> None:
        def look_up(host: str, port: int) -> Any:
            time.sleep(seconds)
            return loopback(world.names[host])

        world.lookup = look_up

    return make


fault("network", "dns=half a second", tls=True, place="dns", slow=True)(_slowly(0.2))
fault("network", "dns=very slow", names=("network", "account", "auth", "info", "access", "services"), others=True,
      tls=True, place="dns", slow=True)(_slowly(4))  # fmt: skip

# ---------------------------------------------------------------- who answers in the server's place


def _instead(answer: Callable[..., None]) -> Callable[[World], None]:
    """Another program answers for both servers, and must never get a token."""

    def make(world: World) -> None:
        odd = world.stack.enter_context(OddServer(answer))
        world.foreign.append(lambda: odd.got)
        port = int(odd.host.partition(":")[2])
        world.names = dict.fromkeys(world.names, port)

    return make


for _name, _answer in {
    "plain http": says("Content-Type: text/html", b"<html>Welcome to the Guest Wi-Fi</html>"),
    "silence": says_nothing,
    "garbage": drips(b"\x00\x01\x02garbage\r\n\r\n", b"x", 0.05),
    "closed at once": lambda sock, over: None,
}.items():
    fault("network", f"answered by={_name}", names=REACH, others=True, tls=True, place="dns",
          slow=_name in ("silence", "garbage"))(_instead(_answer))  # fmt: skip


@fault("network", "answered by=another certificate", names=REACH, others=True, tls=True, place="dns")
def _another_host(world: World) -> None:
    """A server with a certificate for other names, which this computer trusts."""
    from cave_magic.sandbox import Sandbox

    other = world.stack.enter_context(Sandbox(tls=True, hosts=("other.example.org", "more.example.org")))
    world.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", other.certificate)
    world.names = dict(zip(world.names, other.doors.values(), strict=True))


def _names_the_certificate(world: World) -> None:
    world.outer["REQUESTS_CA_BUNDLE"] = str(world.cave.certificate)
    world.restart()


@fault("network", "answered by=an interceptor", names=REACH, tls=True, place="bundle",
       by_hand=("REQUESTS_CA_BUNDLE",), undo=_names_the_certificate)  # fmt: skip
def _interceptor(world: World) -> None:
    """The network's own authority signed the certificate, and this computer does not trust it."""
    world.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", requests.certs.where())


@fault("network", "answered by=a full queue", names=REACH, others=True, tls=True, place="dns", slow=True)
def _full(world: World) -> None:
    """Packets are dropped: connecting never ends."""
    host = world.stack.enter_context(full_backlog())
    world.names = dict.fromkeys(world.names, int(host.partition(":")[2]))


@fault("network", "only the data server=refused", names=("services",), others=True, tls=True, place="dns")
def _no_data_server(world: World) -> None:
    world.names["minnie.microns-daf.com"] = 1


@fault("network", "only the data server=unknown", names=("services",), others=True, tls=True, place="dns")
def _unknown_data_server(world: World) -> None:
    del world.names["minnie.microns-daf.com"]


# ---------------------------------------------------------------- what is typed, and what is remembered

for _name, _typed in {
    "no such host": "--server https://no.such.host.invalid",
    "nothing listens": "--server http://127.0.0.1:1",
    "a port of nobody": "--server https://127.0.0.1:65535",
    "IPv6": "--server http://[::1]:1",
}.items():

    def _argument(world: World, typed: str = _typed) -> None:
        world.argument = typed

    fault("network", f"typed={_name}", names=REACH, others=True, place="argument")(_argument)


@fault("network", "typed=a tunnel without another end", names=REACH, others=True, place="argument")
def _tunnel(world: World) -> None:
    """A program on this computer accepts each connection and closes it."""
    odd = world.stack.enter_context(OddServer(lambda sock, over: None))
    world.argument = f"--server http://{odd.host}"


def _remembers(address: Callable[[World], object]) -> Callable[[World], None]:
    def make(world: World) -> None:
        world.write(world.map_file, {"minnie65_public": address(world), "mine": "https://my.server.org"})

    return make


REMEMBERED: dict[str, Callable[[World], object]] = {
    "null": lambda world: None,
    "a number": lambda world: 5,
    "a list": lambda world: [world.cave.server],
    "an object": lambda world: {"server": world.cave.server},
    "true": lambda world: True,
    "a line break after": lambda world: f"{world.cave.server}\n",
    "a slash after": lambda world: f"{world.cave.server}/",
    "only a scheme": lambda world: "https://",
    "a query": lambda world: f"{world.cave.server}?x=1",
    "two addresses": lambda world: f"{world.cave.server}, {world.cave.local_server}",
    "quotes": lambda world: f'"{world.cave.server}"',
    "an invisible character": lambda world: f"{world.cave.server}\u200b",
    "another script": lambda world: "https://glob\u0430l.daf-apis.com",
    "a bad port": lambda world: f"{world.cave.server}:99999",
    "half an IPv6 address": lambda world: "https://[::1",
    "long": lambda world: "https://" + "x" * 5000,
    "a backslash": lambda world: "https:\\\\global.daf-apis.com",
    "a token": lambda world: f"{world.cave.server}/?middle_auth_token={world.token}",
}
for _name, _address in {
    **REMEMBERED,
    "no such host": lambda world: "https://no.such.host.invalid",
    "no scheme": lambda world: "global.daf-apis.com",
    "http": lambda world: "http://global.daf-apis.com",
    "a path": lambda world: f"{world.cave.server}/info/",
    "a space": lambda world: f" {world.cave.server}",
    "a password": lambda world: "https://ada:pass-w0rd-of-ada@global.daf-apis.com",
    "ftp": lambda world: "ftp://global.daf-apis.com",
    "the data server": lambda world: world.cave.local_server,
    "empty": lambda world: "",
    "capitals": lambda world: "HTTPS://GLOBAL.DAF-APIS.COM",
    "a port": lambda world: f"{world.cave.server}:443",
}.items():
    fault("network", f"remembered={_name}", names=("map", "map-secret", "network"), tls=True, place="map")(
        _remembers(_address)
    )
