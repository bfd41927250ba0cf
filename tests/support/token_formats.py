"""A token format that the package does not know, to test that registering it is enough."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from cave_magic import token
from cave_magic.token import TokenFormat

_PIECE = r"[A-Za-z0-9_-]"
_THREE_PIECES = rf"eyJ{_PIECE}{{10,500}}\.{_PIECE}{{20,2000}}\.{_PIECE}{{43,700}}"

JWT = TokenFormat(
    looks="three pieces of base64url with dots between them",
    whole=_THREE_PIECES,
    pattern=_THREE_PIECES,
    part=rf"eyJ{_PIECE}{{25,2000}}(?:\.{_PIECE}{{0,2000}}){{0,2}}",
    lengths=(100, 3000),
    beside="_-",
    header="X-Cave-Token",
    scheme="JWT",
    shown=6,
)
"""A signed token: header, claims and signature (RFC 7519), in its own HTTP header."""


@contextmanager
def registered(token_format: TokenFormat = JWT) -> Iterator[TokenFormat]:
    """Registers one more format during a test."""
    with mock.patch.object(token, "FORMATS", (*token.FORMATS, token_format)):
        yield token_format


def make_jwt(seed: object = 0) -> str:
    """A token of about 600 characters; different seeds give different tokens."""
    source = random.Random(repr(seed))
    claims = {"scope": source.randbytes(170).hex(), "sub": "ada"}
    header = {
        "kid": source.randbytes(4).hex(),
        "alg": "HS256",
    }  # no text of a test begins so, which could be taken for it
    pieces = (json.dumps(header).encode(), json.dumps(claims).encode(), source.randbytes(32))
    return ".".join(base64.urlsafe_b64encode(piece).decode().rstrip("=") for piece in pieces)
