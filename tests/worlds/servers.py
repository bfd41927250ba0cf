"""Server faults: each service with each status, body, header and timing."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import flask

from cave_magic.sandbox import SERVICES

from ..doctor.faults.world import FULL, ID
from ..support.odd_server import OddServer, says
from .registry import fault
from .world import World

LIST = "/auth/api/v1/user/token"
DATA = ("data-server", "materialize", "chunkedgraph", "l2cache", "skeleton", "client-version")
WHAT_INFO_SAYS = ("map", "info", "terms", "datastack", "access", *DATA)
NAMES: dict[str, tuple[str, ...]] = {
    "all": ("map", "network", "account", "auth"),
    "global": ("map", "network", "account", "auth"),
    "auth": ("network", "auth", "account", "token-kind"),
    ID: ("network", "auth", "account"),
    "info": WHAT_INFO_SAYS,
    FULL: WHAT_INFO_SAYS,
    "local": DATA,
    "materialize": DATA,
    "chunkedgraph": DATA,
    "l2cache": DATA,
    "skeleton": DATA,
}
"""Targets that a check needs, and what may be named if they do not work."""
UNUSED = (LIST, *(name for name in SERVICES if name in ("sticky_auth", "schema", "state", "annotation")))
"""Targets whose faults change nothing: nothing asks them, or what they say is an extra."""

HOWS = (
    "silent", "drip", "slow:3", "down", "missing", "html", "redirect", "loop", "reset", "close", "garbage",
    "garbage:[]", "garbage:null", 'garbage:"x"', "garbage:{}", 'garbage:{"error": 5}', 'garbage:{"error": "new_code"}',
    "truncated", "error500", "status:204", "status:301", "status:400", "status:401", "status:402", "status:403",
    "status:404", "status:405", "status:408", "status:409", "status:410", "status:411", "status:414", "status:418",
    "status:422", "status:425", "status:429", "status:431", "status:451", "status:500", "status:501", "status:503",
    "status:504", "status:511", "status:599", "retry-after:1", "retry-after:3600", "retry-after:86400:429",
    "retry-after:3:429", "big",
)  # fmt: skip
HARMLESS = ("escapes", "slow:0.05")
SLOW = ("silent", "drip", "slow:3", "big", "loop")


def _misbehaves(target: str, how: str | Callable[..., Any]) -> Callable[[World], None]:
    return lambda world: world.cave.misbehave(target, how)


for _target, _names in {**NAMES, **dict.fromkeys(UNUSED, ())}.items():
    for _how in HOWS:
        # Not every deployment has an l2cache or skeletons, so their absence is only a warning.
        fault("servers", f"{_target}={_how}", names=_names, others=True, place=f"server {_target}",
              slow=_how in SLOW)(_misbehaves(_target, _how))  # fmt: skip
    for _how in HARMLESS:
        fault("servers", f"{_target}={_how}", place=f"server {_target}")(_misbehaves(_target, _how))


def _reply(status: int, body: object, **headers: str) -> Callable[[flask.Request], flask.Response]:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    kind = "application/json" if not isinstance(body, (str, bytes)) else "text/plain"
    return lambda request: flask.Response(text, status=status, headers={"Content-Type": kind, **headers})


ODD: dict[str, Callable[[flask.Request], flask.Response]] = {
    "JSON as text": _reply(200, '{"x": 1}'),
    "UTF-16": _reply(200, '{"x": 1}'.encode("utf-16")),
    "a BOM": _reply(200, b'\xef\xbb\xbf{"x": 1}'),
    "an unknown encoding": _reply(200, {"x": 1}, **{"Content-Encoding": "zstd-of-mars"}),
    "broken gzip": _reply(200, b"not gzip", **{"Content-Encoding": "gzip"}),
    "an unknown charset": _reply(200, b"\xff\xfe", **{"Content-Type": "text/html; charset=klingon"}),
    "Retry-After as a date": _reply(503, "", **{"Retry-After": "Wed, 21 Oct 2037 07:28:00 GMT"}),
    "Retry-After of nonsense": _reply(503, "", **{"Retry-After": "soon"}),
    "a negative Retry-After": _reply(429, "", **{"Retry-After": "-5"}),
    "a redirect to nowhere": _reply(302, "", Location=""),
    "a redirect to a bad address": _reply(302, "", Location="http://[::1"),
    "a redirect to mail": _reply(302, "", Location="mailto:ada@example.org"),
    "too many headers": _reply(200, {"x": 1}, **{f"X-{number}": "y" for number in range(120)}),
    "an empty 200": _reply(200, ""),
    "NaN": _reply(200, "NaN", **{"Content-Type": "application/json"}),
    "deep JSON": _reply(200, "[" * 20_000, **{"Content-Type": "application/json"}),
    "the error of a firewall": _reply(403, "<html><title>Blocked</title>Your IP has been logged</html>"),
    "a JSON 403 of a gateway": _reply(403, {"message": "Forbidden"}),
    "a JSON 401 of a gateway": _reply(401, {"message": "Unauthorized"}),
    "no_token": _reply(401, {"error": "no_token", "message": "Unauthorized - No Token Provided"}),
    "bad_auth_header": _reply(400, {"error": "bad_auth_header", "message": "Authorization header must begin..."}),
}
for _target in ("all", "auth", ID, "info", FULL, "local", "materialize"):
    for _name, _how in ODD.items():
        fault("servers", f"{_target}={_name}", names=(*NAMES[_target], "account"), others=True,
              place=f"server {_target}")(_misbehaves(_target, _how))  # fmt: skip


ODD_VALUES: dict[str, object] = {
    "null": None,
    "a number": 5,
    "a huge number": 10**400,
    "a text": "x",
    "escapes": "\x1b[2J\u202e<script>[/auth]",
    "a surrogate": "\ud800",
    "a long text": "x" * 100_000,
    "a list": [None, {"id": []}, [[]]],
    "an object": {"": None, "id": {"name": []}},
    "true": True,
}
"""What no service writes where it writes something else."""
KEYS = ("admin", "datasets_admin", "email", "groups", "id", "missing_tos", "parent_id", "permissions_v2",
        "permissions_v2_ignore_tos", "service_account")  # fmt: skip
# A healthy check does not request `/info/version`, so that it cannot see what CAVEclient cannot read there.
PATHS = {LIST: (), "/materialize/version": DATA, "/materialize/api": (), "/segmentation": DATA}
for _target, _names in PATHS.items():
    for _name, _value in ODD_VALUES.items():
        fault("servers", f"odd {_target}={_name}", names=_names, others=True, place=f"server {_target}")(
            _misbehaves(_target, _reply(200, json.dumps(_value).encode(), **{"Content-Type": "application/json"}))
        )


@fault(
    "servers",
    "all=invalid_token",
    names=("token-form", "token-shadow", "auth", "account"),
    others=True,
    place="server all",
)
def _rejects_every_token(world: World) -> None:
    """The auth server has lost its table of tokens."""
    said = {"error": "invalid_token", "message": "Unauthorized - Token is Invalid or Expired"}
    world.cave.misbehave("all", _reply(401, said))


for _target in ("all", "auth", "info", "local"):

    def _elsewhere(world: World, target: str = _target) -> None:
        odd = world.stack.enter_context(OddServer(says("Content-Type: text/html", b"<html>Log in</html>")))
        world.foreign.append(lambda: odd.got)
        world.cave.misbehave(target, f"redirect:http://{odd.host}/portal")

    fault("servers", f"{_target}=a redirect to a stranger", names=NAMES[_target], others=True,
          place=f"server {_target}")(_elsewhere)  # fmt: skip


# ---------------------------------------------------------------- what the info service says


def _says(change: Callable[[dict[str, Any]], object], path: str = FULL) -> Callable[[World], None]:
    """A service describes the datastack, or the account, with something changed, if this token may see it."""

    def make(world: World) -> None:
        import requests

        head, url = {"Authorization": f"Bearer {world.token}"}, world.cave.server + path
        with requests.Session() as session, suppress(requests.RequestException):  # another fault may be in the way
            session.trust_env = False
            got = session.get(url, headers=head, timeout=60, verify=world.cave.certificate)
            if got.status_code == 200:
                body = got.json()
                change(body)
                world.cave.misbehave(path, _reply(200, body))
        world.cave.forget()

    return make


INFO = {
    "no data server": lambda body: body.pop("local_server"),
    "null for the data server": lambda body: body.update(local_server=None),
    "a number for the data server": lambda body: body.update(local_server=5),
    "a data server without a scheme": lambda body: body.update(local_server="minnie.microns-daf.com"),
    "an unknown data server": lambda body: body.update(local_server="https://no.such.host.invalid"),
    "a dead data server": lambda body: body.update(local_server="http://127.0.0.1:1"),
    "no volume": lambda body: body.pop("aligned_volume"),
    "a list for the volume": lambda body: body.update(aligned_volume=[]),
}
for _name, _change in INFO.items():
    fault("servers", f"{FULL}={_name}", names=("access", *DATA), others=True, place=f"server {FULL}")(_says(_change))
for _key in KEYS:
    for _name, _value in ODD_VALUES.items():
        fault("servers", f"odd {ID}={_key}: {_name}", names=(*NAMES[ID], *WHAT_INFO_SAYS), others=True,
              place=f"server {ID}")(_says(lambda body, key=_key, value=_value: body.update({key: value}), ID))  # fmt: skip
for _key in ("aligned_volume", "segmentation_source", "local_server", "description", "viewer_site", "synapse_table"):
    for _name, _value in ODD_VALUES.items():
        fault("servers", f"odd {FULL}={_key}: {_name}", names=(*WHAT_INFO_SAYS, "cloud-volume"), others=True,
              place=f"server {FULL}")(_says(lambda body, key=_key, value=_value: body.update({key: value})))  # fmt: skip
fault("servers", f"{FULL}=new keys", place=f"server {FULL}")(_says(lambda body: body.update(new={"x": [1]})))
