"""Faults in environment variables: proxies in all spellings, certificates, folders, tokens, terminals."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..support.odd_server import OddServer, says, says_nothing
from ..support.proxy import Proxy, page
from .registry import fault
from .world import PASSWORD, World

DEAD = "127.0.0.1:1"

# ---------------------------------------------------------------- proxies


def _unset(*names: str) -> Callable[[World], None]:
    def undo(world: World) -> None:
        for name in names:
            world.outer.pop(name, None)
        world.restart()

    return undo


def _proxy(answer: bytes, reaches: bool = False) -> Callable[[World], str]:
    """The address of a proxy that answers for every host, or that reaches the practice server."""

    def make(world: World) -> str:
        hosts = [url.partition("://")[2] for url in (world.cave.server, world.cave.local_server)]
        proxy = world.stack.enter_context(Proxy(hosts if reaches else [], answer))
        return proxy.address

    return make


def _silent(world: World) -> str:
    return f"http://{world.stack.enter_context(OddServer(says_nothing)).host}"


def _odd(world: World) -> str:
    return f"http://{world.stack.enter_context(OddServer(says('X: y', b'garbage'))).host}"


def _text(value: str) -> Callable[[World], str]:
    return lambda world: value


KINDS: dict[str, Callable[[World], str]] = {
    "dead": _text(f"http://{DEAD}"),
    "dead with a password": _text(f"http://ada:{PASSWORD}@{DEAD}"),
    "without a scheme": _text(DEAD),
    "https to a dead one": _text(f"https://{DEAD}"),
    "https to an http one": lambda world: _proxy(page(200), reaches=True)(world).replace("http:", "https:"),
    "socks": _text(f"socks5://{DEAD}"),
    "an unknown scheme": _text(f"foo://{DEAD}"),
    "no address": _text("not an address"),
    "only a scheme": _text("http://"),
    "no such port": _text("http://127.0.0.1:99999"),
    "an unknown host": _text("http://proxy.no.such.host.invalid:3128"),
    "a space before": _text(f" http://{DEAD}"),
    "quotes": _text(f'"http://{DEAD}"'),
    "a line break": _text(f"http://{DEAD}\n"),
    "half an IPv6 address": _text("http://[::1"),
    "a path": _text(f"http://{DEAD}/proxy.pac"),
    "a word for a port": _text("http://127.0.0.1:port"),
    "capitals": _text(f"HTTP://{DEAD}"),
    "another script": _text("http://pr\u043exy:3128"),
    "an invisible character": _text(f"http://{DEAD}\u200b"),
    "an odd password": _text(f"http://ada:{PASSWORD}@#@{DEAD}"),
    "403": _proxy(page(403, "Blocked by policy")),
    "407": _proxy(page(407, "Proxy Authentication Required")),
    "502": _proxy(page(502)),
    "a portal": _proxy(page(200, "Welcome to the Guest Wi-Fi")),
    "silent": _silent,
    "garbage": _odd,
}
SLOW = ("silent",)
VARIABLES = {"HTTP_PROXY": False, "http_proxy": False, "ALL_PROXY": False, "all_proxy": False,
             "HTTPS_PROXY": True, "https_proxy": True}  # fmt: skip
"""The variables, and whether they count for https."""

for _variable, _tls in VARIABLES.items():
    for _name, _address in KINDS.items():

        def _set(world: World, variable: str = _variable, address: Callable[[World], str] = _address) -> None:
            world.environ(variable, address(world))

        fault(
            "variables", f"{_variable}={_name}", names=("network", "account", "map", "data-server"), tls=_tls,
            place="proxy", by_hand=(_variable, "proxy"), undo=_unset(_variable), slow=_name in SLOW,
        )(_set)  # fmt: skip

for _variable, _value in {
    "HTTP_PROXY": "",
    "https_proxy": f"http://{DEAD}",  # the practice server has http, which this does not concern
    "FTP_PROXY": f"http://{DEAD}",
    "NO_PROXY": "*",
    "no_proxy": " , ,,[::1]:x,",
    "REQUESTS_CA_BUNDLE": "",
}.items():
    fault("variables", f"harmless-{_variable}", place="proxy")(
        lambda world, name=_variable, value=_value: world.environ(name, value)
    )


@fault("variables", place="proxy")
def proxy_that_works(world: World) -> None:
    """The proxy reaches the servers."""
    world.environ("HTTP_PROXY", _proxy(page(502), reaches=True)(world))


@fault("variables", place="proxy")
def dead_proxy_with_exception(world: World) -> None:
    """NO_PROXY has the server."""
    world.environ("HTTP_PROXY", f"http://{DEAD}")
    world.environ("NO_PROXY", "localhost,127.0.0.1")


# ---------------------------------------------------------------- certificates


def _file(content: bytes) -> Callable[[World], str]:
    def make(world: World) -> str:
        path = world.home / "company.pem"
        world.raw(path, content)
        return str(path)

    return make


def _unreadable(world: World) -> str:
    path = world.home / "company.pem"
    world.raw(path, b"x", 0)
    return str(path)


def _folder(world: World) -> str:
    (world.home / "certificates").mkdir()
    return str(world.home / "certificates")


def _another(world: World) -> str:
    import tempfile
    from pathlib import Path

    from cave_magic.sandbox import tls

    return str(tls.self_signed(Path(tempfile.mkdtemp(dir=world.home)), ("example.org",)))


BUNDLES: dict[str, Callable[[World], str]] = {
    "missing": _text("/no/such/company.pem"),
    "relative": _text("company.pem"),
    "empty": _file(b""),
    "no certificates": _file(b"hello\n"),
    "a broken certificate": _file(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    "DER": _file(b"\x30\x82\x03\x00\x30\x82"),
    "unreadable": _unreadable,
    "a folder": _folder,
    "another authority": _another,
    "quotes": lambda world: f'"{world.cave.certificate}"',
    "a space after": lambda world: f"{world.cave.certificate} ",
}
for _variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
    for _name, _value in BUNDLES.items():

        def _bundle(world: World, variable: str = _variable, value: Callable[[World], str] = _value) -> None:
            world.environ(variable, value(world))

        fault(
            "variables", f"{_variable}={_name}", names=("network",), tls=True, place="bundle",
            by_hand=(_variable,), undo=_unset(_variable),
        )(_bundle)  # fmt: skip
    fault("variables", f"{_variable}=good", tls=True, place="bundle")(
        lambda world, name=_variable: world.environ(name, str(world.cave.certificate))
    )

# ---------------------------------------------------------------- the home folder

HOMES: dict[str, Callable[[World], str]] = {
    "missing": lambda world: str(world.home / "gone"),
    "a file": _file(b""),
    "the null device": _text(os.devnull),
    "root": _text("/"),
    "empty": lambda world: str(_folder(world)),
    "a line break after": lambda world: f"{world.home}\n",
    "quotes": lambda world: f'"{world.home}"',
}
for _name, _value in HOMES.items():

    def _home(world: World, value: Callable[[World], str] = _value) -> None:
        home = value(world)
        world.environ("HOME", home)

    fault(
        "variables", f"HOME={_name}", names=("token-folder", "token", "map"), place="home", by_hand=("HOME",),
        undo=lambda world: (world.outer.update(HOME=str(world.home)), world.restart()),
    )(_home)  # fmt: skip

# ---------------------------------------------------------------- oddities


def _netrc_variable(world: World) -> None:
    world.raw(world.home / "my-netrc", f"default login me password {PASSWORD}\n".encode())
    world.environ("NETRC", str(world.home / "my-netrc"))


fault("variables", "NETRC=default", names=("account",), place="netrc", by_hand=("NETRC",), undo=_unset("NETRC"))(
    _netrc_variable
)
NETRCS: dict[str, tuple[Callable[[World], str], tuple[str, ...]]] = {
    "a pipe": (lambda world: _odd_netrc(world, os.mkfifo), ("netrc",)),
    "a folder": (lambda world: _odd_netrc(world, os.mkdir), ()),
    "empty": (lambda world: "", ()),
    "the null device": (lambda world: os.devnull, ()),
    "a device": (lambda world: "/dev/zero", ("netrc",)),
    "huge": (_file(b"machine a login b password c\n" * 40_000), ("netrc",)),
    "UTF-16": (_file("default login me password x".encode("utf-16")), ("netrc",)),
    "relative": (lambda world: "my-netrc", ()),
}


def _odd_netrc(world: World, make: Callable[[str], object]) -> str:
    make(path := str(world.home / "my-netrc"))
    return path


for _name, (_value, _names) in NETRCS.items():
    fault("variables", f"NETRC={_name}", names=_names, place="netrc")(
        lambda world, value=_value: world.environ("NETRC", value(world))
    )
ODD = {
    "NETRC": "/no/such/netrc",
    "CLOUD_VOLUME_DIR": "/no/such/folder",
    "CLOUD_FILES_DIR": "/no/such/folder",
    "CAVE_TOKEN": "YOUR_TOKEN",
    "CAVECLIENT_TOKEN": "x\ny",
    "API_SECRET": " ",
    "CAVE_TOKEN_FILE": "/no/such/file",
    "PYTHONPATH": "/no/such/folder",
    "SSL_CERT_FILE": "/no/such/file.pem",
    "SSL_CERT_DIR": "/no/such/folder",
    "SSLKEYLOGFILE": "/no/such/folder/keys",
    "PYTHONHTTPSVERIFY": "0",
    "TMPDIR": "/no/such/folder",
    "LANG": "C",
    "LC_ALL": "xx_YY.UTF-99",
    "PYTHONIOENCODING": "ascii",
    "COLUMNS": "12",
    "LINES": "x",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "TZ": "Mars/Olympus",
    "USER": "",
    "USERNAME": "a\u202eb",
    "COLAB_RELEASE_TAG": "x",
    "BINDER_SERVICE_HOST": "x",
    "KAGGLE_KERNEL_RUN_TYPE": "x",
    "SLURM_JOB_ID": "1",
    "JPY_SESSION_NAME": "/no/such/notebook.ipynb",
    "USERPROFILE": "C:\\Users\\ada",
    "R_USER": "/no/such/folder",
    "XDG_CONFIG_HOME": "/no/such/folder",
    "LONG": "x" * 100_000,
}
for _variable, _value in ODD.items():
    fault("variables", f"odd-{_variable}", place=f"odd-{_variable}" if _variable != "NETRC" else "netrc")(
        lambda world, name=_variable, value=_value: world.environ(name, value)
    )


@fault("variables", "odd-CLOUD_VOLUME_DIR with another token")
def _other_cloud_volume(world: World) -> None:
    world.write(world.home / "cv/secrets/cave-secret.json", {"token": "f" * 32})
    world.environ("CLOUD_VOLUME_DIR", str(world.home / "cv"))


@fault("variables", "odd-CAVE_TOKEN with a token")
def _token_variable(world: World) -> None:
    world.environ("CAVE_TOKEN", world.token)
