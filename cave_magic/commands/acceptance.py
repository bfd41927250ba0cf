"""Waits until the person has accepted terms of service in the browser, so that the page turns green by itself."""

from __future__ import annotations

import time
from contextlib import suppress

from ..api import endpoints, responses
from ..api.http import Session
from ..credentials.stored_tokens import resolve
from ..credentials.target import Target
from ..login.exchange import PATIENCE
from ..ui.document import Page, Span, line
from ..ui.durations import duration
from .context import Context

LONGEST = 180.0
"""How many seconds to wait; after that the person types the line that the page ends with."""

INTERVAL = 2.0
"""Seconds between a response of the auth server and the next request."""


def is_accepted_meanwhile(context: Context, target: Target, url: str) -> bool:
    """Waits until the terms at a URL, which is on the screen, are accepted; returns whether they were.

    It asks the auth server alone, with the token that is stored for it. False after `LONGEST`, after an interrupt, if
    nobody is watching, or if the settings turn it off.
    """
    token, frontend, until = resolve(target.server).token, context.frontend, time.monotonic() + LONGEST
    if token is None or not (frontend.is_watched and context.waits_for_terms):
        return False
    words = "Once you have accepted them, this goes on by itself.", f"To stop waiting, {frontend.interrupt}."
    page, after = (Page((line(Span(one, "dim")),)) for one in words)
    with suppress(KeyboardInterrupt), Session() as session, frontend.standing(page, after) as say:
        while (left := until - time.monotonic()) > 0:
            say("waiting for the terms of service", f"{duration(round(left, -1) or 10)} left")
            response = session.get(endpoints.identity_url(target.server), token, seconds=PATIENCE)
            account = responses.account_in(response, target.server)
            if account is not None and url not in {terms.url for terms in account.unsigned}:
                return True
            time.sleep(INTERVAL)
    return False
