"""What a worker says about itself: `facts` sends no request, `check` those of `%cave_check`.

Both return plain data, because the worker may have another version of this package. They contain no token: it is
recognised by a digest whose key is made for one check, and named by its ending.
"""

from __future__ import annotations

import hmac
import json
import os
import platform
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..api.urls import host_of
from ..credentials.stored_tokens import resolve
from ..credentials.target import find_target
from ..environment.packages import version_of
from ..environment.proxies import BUNDLES, PROXY_VARIABLES, read_proxy_settings

NETWORK = (*PROXY_VARIABLES, "no_proxy", *map(str.lower, BUNDLES), "ssl_cert_file")
"""The variables, in lower case, that can make a request behave differently on two computers."""


def version() -> dict[str, Any]:
    """The version of this package."""
    return {"version": version_of("cave-magic")}


def facts(names: Sequence[str], server: str, key: bytes) -> dict[str, Any]:
    """What may differ from computer to computer. Sends no request and imports no other package.

    Args:
        names: the datastacks that will be checked.
        server: the address of their server; "" for the server of each datastack.
        key: of the digests; made for this check.
    Returns:
        `host`, `user`, `home`, `python`, `versions`, `clock` (seconds since 1970), `variables` (names only),
        `network` (a digest of their values), and `tokens`: for each datastack its `server`, and the `ending` and the
        `digest` of the token that CAVEclient would send, or "".
    """
    return {**_facts(tuple(names), server, key), "clock": time.time()}


@lru_cache(1)
def _facts(names: Sequence[str], server: str, key: bytes) -> dict[str, Any]:
    """The same without the clock; workers that share a process share the result."""
    settings = read_proxy_settings()
    variables = {name: value for name, value in os.environ.items() if name.lower() in NETWORK and value}
    return {
        "host": platform.node(),
        "user": os.getuid() if hasattr(os, "getuid") else -1,
        "home": os.path.expanduser("~"),
        "python": platform.python_version(),
        "versions": {name: version_of(name) or "" for name in ("cave-magic", "caveclient")},
        "variables": sorted({*settings.proxies.values(), *variables}),
        "network": _digest(json.dumps(variables, sort_keys=True), key),
        "tokens": [_token(name, server, key) for name in names],
    }


def check(names: Sequence[str], server: str, seconds: float) -> dict[str, Any]:
    """The report of `%cave_check` on this computer, as `Report.to_dict` gives it."""
    from ..doctor.diagnose import diagnose

    return diagnose([find_target(name, server, asked=True) for name in names], seconds).to_dict()


def _token(name: str, server: str, key: bytes) -> dict[str, str]:
    target = find_target(name, server, asked=True)
    stored = resolve(target.server)
    known = stored.token if stored.token is not None and stored.token.format is not None else None
    # Equal tokens have the same digest. A token has at least 128 random bits, so it cannot be found by trying.
    digest = _digest(known.reveal(), key) if known else "" if stored.token is None else "odd"
    return {"server": host_of(target.server), "ending": known.ending if known else "", "digest": digest}


def _digest(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode(errors="surrogatepass"), "sha256").hexdigest()[:32]
