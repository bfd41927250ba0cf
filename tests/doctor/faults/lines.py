"""Causes CAVE errors and prints the line below each: `python tests/doctor/faults/lines.py [WORDS ...]`.

The faults of the table, each service misbehaving in each way under each call, wrong calls, networks, and errors that have nothing
to do with CAVE. Each says what its line has to say; no line at all is "left alone", and anything else is wrong. WORDS choose
the variants whose name contains them all. It runs with any caveclient that is installed (7 and 8), and with cloud-volume
if that is installed.
"""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.doctor.faults.cases import CASES
from tests.doctor.faults.world import NEW, World, from_nothing, says
from tests.support.proxy import Proxy, page

CAVE = "CAVE: "
NONE = ""
"""What has to be said about an error that is not of CAVE, or about which nothing is known: nothing."""
ANY = ".*"
"""What is said differs between versions of caveclient."""
FINE = r".*Your token is (?:fine|not the cause)\."


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to provoke an error.

    Attributes:
        name: its name.
        cell: the cell that fails; `{server}` and `{data}` are the addresses of the practice server.
        says: a pattern for the whole line; NONE if there must be none.
        make: what is broken before.
        may_pass: whether the cell may succeed: not every fault harms CAVEclient.
    """

    name: str
    cell: str
    says: str
    make: Callable[[World], object] = lambda world: None
    may_pass: bool = False


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The error of a variant, the line below it, and whether it is right."""

    name: str
    error: str
    line: str
    verdict: str

    def __str__(self) -> str:
        return f"| {self.name} | {self.error} | {self.line} | {self.verdict} |"


# ---------------------------------------------------------------- the faults of the table

ON_FILES = r"(a token file|CAVEclient found no token|the token contains|.* (rejected the token|received no)).*To fix it"
NETWORK = r"(?!.*rejected the token)(?!.*terms).*To see why"
BY_CHECK = {
    "token": ON_FILES,
    "token-shadow": ON_FILES,
    "token-form": ON_FILES,
    "token-folder": ON_FILES,
    "account": r"[\w.:]+ (rejected the token|received no)|.*" + NETWORK,
    "access": r"your account has no permission to view \w+" + FINE,
    "terms": r"the terms of service of minnie65_public are not accepted\. Your token is fine\. To fix it: %cave_check$",
    "datastack": r".*(has no datastack|no information about) \w+" + FINE,
    "map-file": "the file in which CAVEclient remembers the server of each datastack is malformed.*To fix it",
}
SAID = {
    "nine thousand characters": r".* rejected that request \(400\); the token is one of its headers\. To see why",
    "unexpected info": rf".* returned something other than a version number\.{FINE} To see why",
    "slow down": rf".* asked you to slow down \(429\)\.{FINE}$",
}
"""The same for single faults."""
"""For each check, what the line below the error of CAVEclient may say; for all others, that it is not the token."""


def _cases() -> Iterator[Variant]:
    for case in CASES:
        if "silent" in case.id or case.id == "deep JSON":
            continue  # CAVEclient hangs
        yield Variant(
            name=f"fault: {case.id}", cell="CAVEclient({argument})", make=case.make, may_pass=True,
            says=SAID.get(case.id) or BY_CHECK.get(case.row, NETWORK),
        )  # fmt: skip


# ---------------------------------------------------------------- services that misbehave

CALLS = {
    "auth": "auth.get_tokens()",
    "info": "info.get_datastacks()",
    "materialize": 'materialize.query_table("nuclei", limit=1)',
    "chunkedgraph": "chunkedgraph.get_root_id(1)",
    "l2cache": "l2cache.get_l2data([1])",
    "skeleton": "skeleton.get_skeleton(1)",
    "annotation": "annotation.get_tables()",
    "schema": "schema.get_schemas()",
    "state": "state.get_state_json(1)",
}
"""A call of each service."""
WAYS = {
    "down": rf".* was down or broken \(502\)\.{FINE} To see why",
    "reset": rf".* closed the connection without a response\.{FINE} To see why",
    "html": rf"a server returned something other than data|.* returned something other than a version{FINE}",
    "status:401": r".* refused access \(401\) without a reason\. To see why",
    "status:403": r".* refused access \(403\) without a reason\. To see why",
    "status:404": rf".* \(404\)\.{FINE} To see why",
    "status:410": rf".* rejected that request \(410\)\.{FINE} To see why",
    "status:413": rf".* too large \(413\); request less at once\.{FINE}$",
    "status:429": rf".* asked you to slow down \(429\)\.{FINE}$",
    "retry-after:60:429": rf".* asked you to slow down \(429\), and asked you to wait 60 seconds\.{FINE}$",
    "retry-after:60": rf".* was down or broken \(503\), and asked you to wait 60 seconds\.{FINE} To see why",
    "status:500": rf".* was down or broken \(500\)\.{FINE} To see why",
    "status:503": rf".* was down or broken \(503\)\.{FINE} To see why",
    "status:504": rf".* timed out on that request \(504\)(; request less at once)?\.{FINE}",
    "loop": rf".* redirected the request in a loop\.{FINE}",
    "redirect:http://127.0.0.1:9/portal": r"the request was redirected to 127.0.0.1:9, although it carried a token\. To see why",
    "redirect:https://accounts.google.com/x": r"the request was redirected to accounts.google.com, although it carried a token\. To see why",
    "truncated": rf".* closed the connection in the middle of its response\.{FINE}|a server returned something other",
    "garbage": r"(?!.*token file).*",
    "error500": rf".* (was down or broken|failed on that request) \(500\).*{FINE}",
}

UNREAD = r"a server returned HTTP \d+ with something other than data \(a web page, or nothing\)\."
"""caveclient reads what the skeleton service returns before it looks at the status."""


def _misbehaving() -> Iterator[Variant]:
    for service, call in CALLS.items():
        for how, words in WAYS.items():
            yield Variant(
                name=f"{service} {how.replace('http', 'to http')}: {call}",
                cell=f"client = make(); client.{service}\n{{misbehave}}\nclient.{call}",
                says=rf"{words}|{UNREAD}" if service == "skeleton" else words, make=lambda world, service=service, how=how: setattr(world, "argument", f"{service} {how}"),
                may_pass=how in ("garbage", "loop", "html", "truncated"),
            )  # fmt: skip


# ---------------------------------------------------------------- responses


def _json(status: int, body: object) -> Callable[[World], object]:
    return lambda world: world.cave.misbehave("POST /materialize", says(status, body))


RESPONSES = {
    "401 invalid_token": (401, {"error": "invalid_token", "message": "x"}, r"[\w.:]+ rejected the token\. To fix it"),
    "401 no_token": (401, {"error": "no_token", "message": "x"}, r"[\w.:]+ received no token\. To fix it"),
    "400 bad_auth_header": (400, {"error": "bad_auth_header"}, r"[\w.:]+ received no valid token\. To fix it"),
    "403 missing_tos": (403, {"error": "missing_tos", "data": {"tos_form_url": "http://127.0.0.1:9/"}}, "the terms of service of minnie65_public are not acc"),
    "403 edit": (403, {"error": "missing_permission", "data": {"auth_dataset": "lab", "required_permission": "edit"}}, "your account has no permission to edit lab"),
    "403 odd permission": (403, {"error": "missing_permission", "data": {"auth_dataset": "\x1b[31m", "required_permission": "<b>"}}, "your account has no permission for minnie65_public"),
    "400 with a message": (400, {"message": "bad column \x1b[31mx"}, r"materialize on [\w.:]+ rejected that request \(400\): bad column"),
    "422 with a message": (422, {"message": "no such id"}, r"materialize on [\w.:]+ rejected that request \(422\): no such id"),
    "400 of nginx about headers": (400, "<html><h1>400 Bad Request</h1>Request Header Or Cookie Too Large</html>", r".* rejected that request \(400\); the token is one of its headers\."),
    "404 of a table": (404, {"message": "table nuclie not found"}, r"materialize on [\w.:]+ does not know that table, view or version \(404\)" + FINE),
    "404 of a version": (404, {"message": "version 9 not found"}, r"that materialization version is not available" + FINE),
    "410 of a version": (410, {"message": "version 9 has expired"}, r"that materialization version is not available" + FINE),
    "500 with an exception": (500, {"code": 500, "message": "column x does not exist"}, r"materialize on [\w.:]+ failed on that request \(500\): column x does not exist" + FINE),
    "500 that stands for 404": (500, {"code": 500, "message": "404 Not Found: version 9 not found in d"}, r"that materialization version" + FINE),
    "403 of nginx": (403, "<html>forbidden</html>", r"materialize on [\w.:]+ refused access \(403\) without a reason\. To see why"),
}  # fmt: skip


def _responses() -> Iterator[Variant]:
    for name, (status, body, words) in RESPONSES.items():
        yield Variant(
            name=f"response: {name}", cell='make().materialize.query_table("nuclei")', says=words,
            make=_json(status, body),
        )  # fmt: skip


# ---------------------------------------------------------------- wrong calls

WRONG = {
    'make("")': ".* has nothing at the URL of that request \\(404\\)" + FINE,
    'make("minie65_public")': "[\\w.:]+ has no datastack minie65_public" + FINE + " To fix it: %cave_check minie65_public --server",
    'make("v1dd_public")': "[\\w.:]+ has no datastack v1dd_public" + FINE,
    'make("secret_ds")': "your account has no permission to view secret_ds" + FINE + " To see why: %cave_check secret_ds --server",
    'make("ghost_ds")': "the info service on [\\w.:]+ has no information about ghost_ds",
    'make("minnie65_public\\u00a0")': "[\\w.:]+ has no datastack with that name" + FINE,
    f'make("{NEW}")': "(?!.*0123456789).*has no datastack with that name",
    'make().materialize.query_table("nuclie")': "materialize on [\\w.:]+ does not know that table, view or version" + FINE,
    'make().materialize.query_view("nuclei")': "materialize on [\\w.:]+ failed on that request \\(500\\)" + FINE,
    'make().materialize.join_query([["nuclei", "id"], ["x", "id"]])': "materialize on [\\w.:]+ .*\\(404\\)" + FINE,
    'make().materialize.tables["nuclie"]': "that version has no table nuclie" + FINE,
    "make().materialize.views.nuclie": ".*(that version has no view nuclie|\\(404\\))" + FINE,
    "make().materialize.version = 99": "that materialization version is not available" + FINE,
    "make(version=99)": "(that materialization version|materialize on [\\w.:]+ does not know)" + FINE,
    "make(version=1181).materialize.query_table('nuclei')": "that materialization version is not available" + FINE,
    'make(version="1300")': NONE,
    'make().materialize.query_table(["nuclei"])': ANY,
    "make().chunkedgraph.get_root_id(8.64e17)": ANY,
    'make(auth_token_file="~/none.json")': "CAVEclient found no token when the client was created.* To fix it",
    'make(auth_token_key="fanc")': "CAVEclient found no token when the client was created.* To fix it",
    f'make(auth_token="{NEW}")': "(?!.*0123)[\\w.:]+ rejected the token\\. To fix it",
    'make(auth_token="")': "[\\w.:]+ received no valid token",
    'make(auth_token=" x")': "[\\w.:]+ received no token",
    f'make(auth_token="{NEW}\\n")': "(?!.*0123)the token contains a line break",
    "make(server_address={server!r}[7:])": "the server's address is malformed: it must begin with",
    'make(server_address="http://no.such.host.invalid")': "no.such.host.invalid cannot be found" + FINE,
    'make(server_address="http://127.0.0.1:1")': "127.0.0.1:1 refused the connection" + FINE,
    'make(server_address="https://127.0.0.1:" + {server!r}.rpartition(":")[2])': "127.0.0.1:\\d+ does not speak https" + FINE,
    'make(server_address="http://a..b")': ".*(malformed|cannot be found|not a valid).*",
    "make().auth.get_user_information([1])": "since 2025, only administrators can list users.* Your token is fine\\.$",
    "make().auth.save_token(token='x')": ".*another token is already saved.*%cave_save .*--overwrite$",
    "CAVEclient().materialize": "this client was created without a datastack; .*CAVEclient\\(\"minnie65_public\"",
    "make(None).chunkedgraph": "this client was created without a datastack; .*CAVEclient\\(\"minnie65_public\"",
    "make().materialize.query_table()": NONE,
    "make().no_such_service": NONE,
}  # fmt: skip
"""Cells that are wrong themselves, and what the line says."""


def _wrong() -> Iterator[Variant]:
    for cell, words in WRONG.items():
        yield Variant(name=f"call: {cell}", cell=cell, says=words)


# ---------------------------------------------------------------- networks


def _environ(name: str, value: str) -> Callable[[World], object]:
    return lambda world: world.patch.setenv(name, value)


def _proxy(answer: bytes) -> Callable[[World], object]:
    def make(world: World) -> None:
        proxy = Proxy([], answer)
        world.closing.append(proxy.__exit__)
        proxy.__enter__()
        world.patch.setenv("HTTP_PROXY", proxy.address.replace("http://", "http://me:s3cret@"))

    return make


NETWORKS = {
    "a dead proxy": (_environ("HTTP_PROXY", "http://me:s3cret@127.0.0.1:1"), "(?!.*s3cret).*unreachable through the configured proxy"),
    "a proxy of an unknown name": (_environ("HTTP_PROXY", "http://no.such.proxy.invalid:1"), ".*unreachable through the configured proxy"),
    "a SOCKS proxy": (_environ("ALL_PROXY", "socks5h://127.0.0.1:1"), ".*(SOCKS|proxy).*"),
    "a proxy that wants a login": (_proxy(page(407)), "(?!.*s3cret).*407.*"),
    "a proxy that cannot reach it": (_proxy(page(503)), "a request to the info service on [\\w.:]+ through the configured proxy returned HTTP 503" + FINE),
}  # fmt: skip


def _networks() -> Iterator[Variant]:
    for name, (make, words) in NETWORKS.items():
        yield Variant(name=f"network: {name}", cell="make()", says=words, make=make)


# ---------------------------------------------------------------- where errors go

SECRET = (
    "your account has no permission to view secret_ds. Your token is fine. To see why: %cave_check secret_ds --server"
)
WRAPPED = {
    "from": 'try:\n    make("secret_ds")\nexcept Exception as error:\n    raise RuntimeError("mine") from error',
    "in a handler": 'try:\n    make("secret_ds")\nexcept Exception:\n    {{}}["x"]',
    "a thread": "from concurrent.futures import ThreadPoolExecutor\nlist(ThreadPoolExecutor(2).map(make, ['secret_ds']))",
    "pickled": 'import pickle\ntry:\n    make("secret_ds")\nexcept Exception as error:\n    copy = pickle.loads(pickle.dumps(error))\n    error = None\nraise copy',
    "async": "import asyncio\nawait asyncio.to_thread(make, 'secret_ds')",
    "a group": 'try:\n    make("secret_ds")\nexcept Exception as error:\n    found = error\nraise ExceptionGroup("all", [ValueError("x"), found])',
    "a group in a group": 'try:\n    make("secret_ds")\nexcept Exception as error:\n    found = error\nraise ExceptionGroup("a", [ExceptionGroup("b", [found])])',
    "raised again": 'try:\n    make("secret_ds")\nexcept Exception as error:\n    found = error\nraise found',
    "a function of the user": "def load():\n    return make('secret_ds')\nload()",
    "a nested cell": "get_ipython().run_cell(\"make('secret_ds')\").raise_error()",
}  # fmt: skip
FOREIGN = {
    "1 / 0": NONE,
    "raise KeyboardInterrupt": NONE,
    "raise SystemExit": NONE,
    "import no_such_package": NONE,
    "def f(:": NONE,
    'try:\n    make("secret_ds")\nexcept Exception:\n    raise RuntimeError("mine") from None': NONE,
    'try:\n    make("secret_ds")\nfinally:\n    raise KeyboardInterrupt': NONE,
    'import requests; requests.get("http://127.0.0.1:1/x")': NONE,
    'requests.get("https://example.org/auth/api/v1/user")': NONE,
    "import requests; requests.get({server!r} + '/nothing').raise_for_status()": "[\\w.:]+ .*\\(404\\)",
    "requests.get({data!r} + '/materialize/nothing').raise_for_status()": "materialize on [\\w.:]+ .*\\(404\\)",
    "requests.get('https://minnie.microns-daf.com/x')": "minnie.microns-daf.com cannot be found" + FINE + " To see why: %cave_check --server https://global.daf-apis.com",
    "requests.get('https://global.em.brain.allentech.org/info')": "global.em.brain.allentech.org cannot be found" + FINE + " To see why: %cave_check --server https://global.em.brain.allentech.org$",
    "requests.get('http://x y')": NONE,
    "%cave_save --from-env NOT_SET": NONE,
    "open('/no/such/file')": NONE,
    "raise ValueError('401 Client Error: Unauthorized for url: https://global.daf-apis.com/auth')": NONE,
    "import json; json.loads('')": NONE,
    "class E(Exception):\n    def __str__(self): raise ZeroDivisionError\nraise E": NONE,
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1')": NONE,
    "from caveclient import nothing": "caveclient has no nothing" + FINE,
    "from caveclient import CAVEClient": "the client is called CAVEclient: from caveclient import CAVEclient; .*",
    "import cave_client": "the package is called caveclient: from caveclient import CAVEclient; .*",
}  # fmt: skip


def _ways() -> Iterator[Variant]:
    for name, cell in WRAPPED.items():
        if "ExceptionGroup" not in cell or sys.version_info >= (3, 11):
            yield Variant(name=f"error: {name}", cell=cell, says=re.escape(SECRET))
    for cell, words in FOREIGN.items():
        yield Variant(name=f"other: {cell}", cell=cell, says=words)


# ---------------------------------------------------------------- cloud-volume

GRAPHENE = 'from cloudvolume import CloudVolume; CloudVolume("graphene://" + {data!r} + "/segmentation/table/minnie3_v1", use_https=True)'
MIDDLEAUTH = 'from cloudfiles import CloudFiles; CloudFiles({data!r} + "/segmentation/table/minnie3_v1").get("info")'


def _no_token(world: World) -> None:
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()


VOLUMES = {
    "no token": (_no_token, "cloud-volume found no token.*To fix it|.*received no.*"),
    "a malformed token": (lambda world: world.save("x"), ".*token.*To fix it"),
    "an unknown token": (lambda world: world.save(NEW), "[\\w.:]+ rejected the token\\. To fix it"),
    "403": (lambda world: world.cave.misbehave("local", "status:403"), ".*refused access \\(403\\) without a reason"),
    "down": (lambda world: world.cave.misbehave("local", "status:503"), ".*down or broken \\(503\\)" + FINE),
    "404": (lambda world: world.cave.misbehave("local", "missing"), ".*\\(404\\)" + FINE),
    "reset": (lambda world: world.cave.misbehave("local", "reset"), ".*closed the connection" + FINE),
}  # fmt: skip


def _volumes() -> Iterator[Variant]:
    if find_spec("cloudvolume"):
        for name, (make, words) in VOLUMES.items():
            for library, cell in {"cloud-volume": GRAPHENE, "cloud-files": MIDDLEAUTH}.items():
                yield Variant(name=f"{library}: {name}", cell=cell, says=words, make=make, may_pass=True)
        yield Variant(
            name="cloud-volume: a bucket of others", says=NONE,
            cell='from cloudvolume import CloudVolume; CloudVolume("precomputed://http://127.0.0.1:1/x")',
        )  # fmt: skip


# ---------------------------------------------------------------- running them

MAKE = """
import warnings; warnings.simplefilter("ignore")
import requests
from caveclient import CAVEclient
def make(name="minnie65_public", **more):
    return CAVEclient(name, **{{"server_address": {server!r}, "write_server_cache": False, "max_retries": 0, **more}})
"""


def variants() -> list[Variant]:
    """All variants."""
    return [*_cases(), *_misbehaving(), *_responses(), *_wrong(), *_networks(), *_ways(), *_volumes()]


def calm(world: World) -> None:
    """Opens no browser, waits for no retry, draws no long tracebacks; the practice server is the default server."""
    from caveclient import frameworkclient

    world.shell.InteractiveTB.set_mode("Minimal")
    world.patch.setattr("webbrowser.open", lambda *_, **__: True)
    world.patch.setattr("urllib3.util.retry.time.sleep", lambda seconds: None)
    world.patch.setattr(frameworkclient, "default_global_server_address", world.cave.server)


def shown(variant: Variant, world: World) -> Shown:
    """Causes the error of a variant in a world in which everything works, and judges the line below it."""
    addresses = {"server": world.cave.server, "data": world.cave.local_server}
    world.run(MAKE.format(**addresses))
    variant.make(world)
    argument = repr("minnie65_public")
    option, _, address = world.argument.partition(" ")
    if variant.name.startswith("fault:"):
        argument = (
            f"'minnie65_public', server_address={address!r}"
            if option == "--server"
            else repr(world.argument or "minnie65_public")
        )
    cell = variant.cell.replace("{{}}", "{}")
    for name, text in {**{f"{key}!r": repr(value) for key, value in addresses.items()}, "argument": argument}.items():
        cell = cell.replace(f"{{{name}}}", text)
    if "{misbehave}" in cell:
        before, after = cell.split("{misbehave}\n")
        world.run(before)
        world.cave.misbehave(option, address)
        cell = after
    ran = world.run(cell)
    said = " ".join(ran.out.rpartition(CAVE)[2].split()) if CAVE in ran.out else ""
    return Shown(
        name=variant.name.replace("\n", " "), line=said.replace(world.cave.server, "(server)"),
        error=f"{ran.error}: {' '.join(ran.message.split())[:70]}" if ran.error else "none, it works",
        verdict=verdict(variant, ran.error, said, ran.out.count(CAVE)),
    )  # fmt: skip


def verdict(variant: Variant, error: str, said: str, times: int) -> str:
    """right, left alone, no error, or wrong."""
    if not error:
        return "no error" if variant.may_pass and not said else "wrong: no error"
    if not said:
        return "left alone"
    return "right" if variant.says and re.match(variant.says, said) and times <= 2 else "wrong"


def show(variant: Variant) -> Shown:
    """The same in a world of its own."""
    for name in [name for name in sys.modules if name.startswith(("cloudvolume", "cloudfiles"))]:
        del sys.modules[name]  # they look for the home once, and keep the tokens
    with from_nothing() as world, ExitStack() as stack:
        calm(world)
        result = shown(variant, world)
        for close in world.closing:
            stack.callback(close)
        return result


def main(words: list[str]) -> int:
    """Prints the table and its totals; 1 if a line is wrong."""
    logging.disable(logging.WARNING)
    count: Counter[str] = Counter()
    print("| variant | error | line | verdict |\n|---|---|---|---|")
    for variant in variants():
        if all(word in variant.name for word in words):
            result = show(variant)
            print(result, flush=True)
            count[result.verdict] += 1
    print(f"\n{sum(count.values())} variants: " + ", ".join(f"{number} {kind}" for kind, number in count.most_common()))
    return int(any(kind.startswith("wrong") for kind in count))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
