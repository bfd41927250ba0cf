"""A token or a password in any address: nothing shows it, and no request goes there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import flask
import pytest

from cave_magic.api.urls import host_of
from cave_magic.credentials.target import find_target
from cave_magic.deployments import Deployment
from cave_magic.doctor.diagnose import look

from ...support.odd_server import OddServer
from ...support.odd_server import says as responses
from ...support.shell import settings
from .world import FULL, World, says

SECRETS = {
    "token": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "odd token": "qwERty7uIopAsdFghJklZxcVbnM1/23456qwErtyuQa=",
    "token and password": "0f1e2d3c4b5a69788796a5b4c3d2e1f0:Hunter2Zq",
}
LEAST = 9
"""This many characters in a row count as a part of a secret."""

CHECKS = ("-v", "--json")
OTHERS = ("%cave_whoami", "%cave_setup", "%cave_save --from-env MINE")


@pytest.fixture(autouse=True)
def known_server(world, monkeypatch):
    """The practice server is the known server of the datastack and CAVEclient's default."""
    deployment = Deployment(
        name="practice", server=world.cave.server, local_servers=(world.cave.local_server,), public=("minnie65_public",)
    )
    monkeypatch.setattr("cave_magic.deployments.DEPLOYMENTS", (deployment,))
    monkeypatch.setattr("cave_magic.deployments.DEFAULT_SERVER", world.cave.server)
    world.patch.setenv("MINE", world.token)


def in_the_map(form: str):
    """A saved address, in the check of that datastack and of another one."""

    def plant(world: World, secret: str, elsewhere: str) -> str:
        settings(world.shell).server = ""
        remembered = form.format(secret=secret, host=elsewhere)
        world.write(world.map_file, {"minnie65_public": remembered, "mine": remembered, "other": [remembered]})
        return "minnie65_public mine"

    return plant


def in_the_option(form: str):
    """`--server`."""
    return lambda world, secret, elsewhere: f"--server {form.format(secret=secret, host=elsewhere)}"


def in_the_argument(world: World, secret: str, elsewhere: str) -> str:
    """`server=` of the function for scripts, which fails in the cell before the check."""
    world.run("import cave_magic")
    ran = world.run(f'cave_magic.check(server="http://{secret}@{elsewhere}")')
    assert ran.error == "BadInput"
    assert not shown_of(secret, ran.out + ran.message)
    return ""


def in_the_setting(world: World, secret: str, elsewhere: str) -> str:
    """`CaveMagics.server`."""
    world.run(f'%config CaveMagics.server = "http://{secret}@{elsewhere}"')
    return ""


def in_the_data_server(world: World, secret: str, elsewhere: str) -> str:
    """`local_server` in the response about the datastack."""
    body = {"aligned_volume": {}, "local_server": f"http://{secret}@{elsewhere}"}
    world.cave.misbehave(FULL, says(200, body))
    return ""


def in_a_redirect(form: str):
    """`Location` of every response."""

    def plant(world: World, secret: str, elsewhere: str) -> str:
        location = form.format(secret=secret, host=elsewhere)
        world.cave.misbehave("all", lambda request: flask.Response("", 302, {"Location": location}))
        return ""

    return plant


def in_the_proxy(world: World, secret: str, elsewhere: str) -> str:
    """The variable of a dead proxy."""
    world.patch.setenv("HTTP_PROXY", f"http://{secret}@127.0.0.1:1/{secret}")
    return ""


def in_an_unknown_proxy(world: World, secret: str, elsewhere: str) -> str:
    """The variable of a proxy of an unknown kind."""
    world.patch.setenv("ALL_PROXY", f"odd://{secret}@127.0.0.1:1")
    return ""


def in_a_client(world: World, secret: str, elsewhere: str) -> str:
    """The server's address of a client in the notebook."""
    made = f'CAVEclient(server_address="http://{secret}@{host_of(world.cave.server)}", auth_token="x")'
    assert not world.run(f"from caveclient import CAVEclient\nclient = {made}").error
    return ""


def in_the_last_error(world: World, secret: str, elsewhere: str) -> str:
    """The message of the last cell's exception."""
    text = f"500 Server Error for url: http://{secret}@{elsewhere}/info/{secret}?token={secret}"
    assert world.run(f"import requests\nraise requests.HTTPError({text!r})").error
    return ""


def in_netrc(world: World, secret: str, elsewhere: str) -> str:
    """A password for the server, which requests sends instead of the token."""
    world.write(world.home / ".netrc", f"machine 127.0.0.1\nlogin ada\npassword {secret.replace('/', '')}\n")
    return ""


def in_a_file_name(world: World, secret: str, elsewhere: str) -> str:
    """A token file named after such an address, which others can read."""
    name = f"{secret.replace('/', '')}@{elsewhere}-cave-secret.json"
    world.write(world.secrets / name, {"token": world.token})
    (world.secrets / name).chmod(0o644)
    for path in (world.server_file, world.default_file):
        path.unlink()
    world.write(world.default_file, {"token": world.token})
    return ""


def in_a_download(world: World, secret: str, elsewhere: str) -> str:
    """The server that a downloaded token file names."""
    named = f"https://{secret}@global.daf-apis.com/{secret}"
    world.patch.setenv("MINE", json.dumps({"token": world.token, "middle_auth_url": named}))
    return ""


FIELDS_OF_TOKENS = ("map, host", "map, alone", "map, scheme", "option, host", "redirect, path")
"""Places where no rule can distinguish a password from a host or a path."""

FIELDS = {
    "map, user": in_the_map("http://{secret}@{host}"),
    "map, no scheme": in_the_map("{secret}@{host}"),
    "map, path": in_the_map("http://{host}/{secret}"),
    "map, query": in_the_map("http://{host}?token={secret}#{secret}"),
    "map, host": in_the_map("http://{secret}"),
    "map, alone": in_the_map("{secret}"),
    "map, scheme": in_the_map("{secret}://{host}"),
    "option, user": in_the_option("http://{secret}@{host}"),
    "option, path": in_the_option("http://{host}/{secret}"),
    "option, host": in_the_option("http://{secret}"),
    "option, no scheme": in_the_option("{secret}@{host}"),
    "argument": in_the_argument,
    "setting": in_the_setting,
    "local server": in_the_data_server,
    "redirect, user": in_a_redirect("http://{secret}@{host}/x"),
    "redirect, path": in_a_redirect("http://{host}/x/{secret}"),
    "redirect, query": in_a_redirect("http://{host}/x?token={secret}&a={secret}#{secret}"),
    "redirect, relative": in_a_redirect("/x?token={secret}&a={secret}#{secret}"),
    "proxy": in_the_proxy,
    "no proxy": in_an_unknown_proxy,
    "client": in_a_client,
    "last error": in_the_last_error,
    "netrc": in_netrc,
    "file name": in_a_file_name,
    "download": in_a_download,
}


def outputs(world: World, words: str, checks: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """All output: what each line printed, raised and returned, and the repr of our objects."""
    option = words if words.startswith("-") else ""
    others = [f"{line} {option}" for line in OTHERS]
    for line in [*(f"%cave_check {words} {form}" for form in checks), *others, "%config CaveMagics.server"]:
        ran = world.run(line)
        yield line, f"{ran.out} {ran.error} {ran.message} {ran.value!r}"
    found = look([find_target("minnie65_public"), find_target("mine")], 2.0)
    yield "objects", repr([found, found.fixes])


def shown_of(secret: str, text: str) -> bool:
    """Whether a part of a secret is in a text, in any case."""
    secret, text = secret.lower(), text.lower()
    return any(secret[at : at + LEAST] in text for at in range(len(secret) - LEAST + 1))


def kinds_of(field: str) -> tuple[str, str]:
    """The kinds of secrets that can be in a field."""
    return "odd token", "token" if field in FIELDS_OF_TOKENS else "token and password"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Plants one kind of secret in each field, the first and the second in turn; with `--everything` both."""
    everything = metafunc.config.getoption("everything")
    cases = [
        (field, kind)
        for number, field in enumerate(FIELDS)
        for kind in (kinds_of(field) if everything else kinds_of(field)[number % 2 :][:1])
    ]
    metafunc.parametrize(("field", "kind"), cases)


def test_a_secret_in_an_address_is_never_shown(world: World, pytestconfig: pytest.Config, field, kind):
    """A secret in any address is in no output, exception or repr, and no request goes there.

    What a report withholds, `test_report.py` tests field by field.
    """
    checks = (*CHECKS, "--report") if pytestconfig.getoption("everything") else CHECKS
    secret = SECRETS[kind]
    with OddServer(responses("Content-Type: application/json", b"1")) as elsewhere:
        words = FIELDS[field](world, secret, elsewhere.host)
        found = list(outputs(world, words, checks))
        assert elsewhere.connections == 0
        found.append(("the fix", world.run("%cave_check --fix --yes").out))
    assert [name for name, text in found if shown_of(secret, text)] == []
    assert not [text for name, text in found if "Traceback" in text or "unexpected error" in text]
