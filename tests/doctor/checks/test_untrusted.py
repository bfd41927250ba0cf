"""Facts whose text comes from a server, a file or the user: no check shows an escape code or a token in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cave_magic.credentials.scrub import LeftoverToken
from cave_magic.doctor import healthy
from cave_magic.doctor.checks import CHECKS
from cave_magic.doctor.evidence import CallFacts, DatastackFacts, Machine, ServerFacts
from cave_magic.doctor.model import Status
from cave_magic.environment.caveclient_adapter import AskedKey, Client, FailedCall, WrongArgument
from cave_magic.token import Token
from cave_magic.ui.document import plain_text
from cave_magic.ui.redact import Untrusted

from .facts import error, finding, page, response

SECRET = "0f1e2d3c" * 4
HOSTILE = f"x\x1b]0;{SECRET}\u202e"
SERVER = "https://global.daf-apis.com"
CALL = FailedCall(function="query_table", service="materialize", server=SERVER)
KEY = AskedKey(key=HOSTILE, file=Path(HOSTILE), found=False)
MAP = replace(healthy.DATASTACK_MAP, entries={HOSTILE: "https://x@cave.example.org"})
LEFT = LeftoverToken(found_in=f"the notebook {HOSTILE}", details="cell 1", path=Path(HOSTILE))


def call(failed: FailedCall, **facts: Any) -> DatastackFacts:
    """A datastack with a call that failed."""
    return DatastackFacts(call=CallFacts(call=failed, **facts))


FACTS: dict[str, Machine | ServerFacts | DatastackFacts] = {
    "names in the map": Machine(datastack_map=MAP),
    "a notebook": Machine(leftover_tokens=(LEFT,)),
    "a client": ServerFacts(stale_clients=(Client(variable="client", datastack=HOSTILE),)),
    "netrc": ServerFacts(netrc_file=f"/{HOSTILE}", identity=error(401, "invalid_token"), account=None),
    "a page": ServerFacts(identity=page(200, HOSTILE), account=None),
    "a code": ServerFacts(identity=error(403, HOSTILE), account=None),
    "a message": ServerFacts(identity=response(418, {"error": HOSTILE, "message": HOSTILE}), account=None),
    "a token file": ServerFacts(
        stored=replace(healthy.STORED, server_file=replace(healthy.STORED.server_file, token=Token(HOSTILE))),
    ),
    "terms": DatastackFacts(info=error(403, "missing_tos", tos_form_url=f"{SERVER}/{HOSTILE}", tos_name=HOSTILE)),
    "a permission": DatastackFacts(info=error(403, "missing_permission", dataset_name=HOSTILE)),
    "a missing datastack": DatastackFacts(info=response(404, {"error": HOSTILE})),
    "a data server": DatastackFacts(info=response(200, {"local_server": HOSTILE, "aligned_volume": {"name": HOSTILE}})),
    "a service": DatastackFacts(services={"materialize": response(500, {"message": HOSTILE})}),
    "a version": DatastackFacts(services={"materialize": response(200, HOSTILE)}),
    "a function": call(replace(CALL, function=HOSTILE), same=response(400, {"message": "no"})),
    "a table": call(replace(CALL, table=Untrusted(HOSTILE)), tables=("cells",), valid=(3,)),
    "an argument": call(replace(CALL, wrong=WrongArgument(name="table", type=HOSTILE, expected="a string"))),
    "a datastack": call(replace(CALL, datastack=Untrusted(HOSTILE))),
    "an address": call(replace(CALL, server=HOSTILE)),
    "a key": call(replace(CALL, key=KEY), key_file=healthy.STORED.server_file),
    "data": call(replace(CALL, error="KeyError"), same=response(200, {HOSTILE: HOSTILE})),
    "a refusal": call(CALL, same=response(400, {"message": HOSTILE})),
}


@pytest.mark.parametrize("name", FACTS)
def test_text_from_outside_is_sanitized_by_every_check(name: str):
    """Evidence, next steps, fixes and what was tried have no control character, no mark of direction and no token."""
    facts = FACTS[name]
    found = [one for check in CHECKS if isinstance(facts, check.about) and (one := finding(check, facts)) is not None]
    assert [one for one in found if one.status is not Status.OK]
    lines = [line for one in found for line in (one.evidence, one.next_step.line if one.next_step else (), *one.tried)]
    texts = [*map(plain_text, lines), *(one.fix.words for one in found if one.fix)]
    assert [text for text in texts if SECRET in text or not text.isprintable()] == []
