"""Verifies a token with its server, saves it, and proves that caveclient finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..api import endpoints, responses
from ..api.batch import Batch, OnWait, PendingResponse
from ..api.failures import Failure
from ..api.responses import Account, Response, Terms
from ..api.urls import host_of
from ..credentials import save, stored_tokens
from ..credentials.target import Target
from ..deployments import KNOWN_SERVERS, local_servers_of
from ..doctor import next_steps
from ..environment import cloud_volume, packages
from ..errors import TokenNotChecked, TokenNotSaved, TokenRejected
from ..token import Token
from ..ui.document import Span, line
from ..ui.door import in_shell

MOST_DATASTACKS = 20
"""How many datastacks have their data server looked up when a token is saved; caveclient finds the others on use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """A token that its server has accepted, and what it can read.

    Attributes:
        target: the server, and the datastack to read.
        account: whose token it is.
        permanent: False for a temporary token, which expires within 7 days; None if unknown.
        datastacks: the datastacks of the server that the account can see.
        local_servers: addresses of the data servers that accept the same token.
        terms: the terms of service to accept before the target datastack can be read, or None.
        opens: whether the target datastack can be read.
    """

    token: Token
    target: Target
    account: Account
    permanent: bool | None
    datastacks: tuple[str, ...]
    local_servers: tuple[str, ...]
    terms: Terms | None
    opens: bool


def verify_token(
    token: Token, target: Target, seconds: float, on_wait: OnWait | None = None, given: Sequence[str] = ()
) -> VerifiedToken:
    """Asks a token's server whose it is and what it can read. The token is sent to that server only.

    Args:
        seconds: the timeout for all requests together.
        given: how the token was given to `%cave_save`, such as `--from-env NAME`, for the lines in an error message.
    Raises:
        TokenRejected: the auth server does not accept it.
        TokenNotChecked: the auth server did not say whether it does.
    """
    server = target.server
    with Batch(seconds) as batch:
        identity = batch.get(endpoints.identity_url(server), token)
        keys = batch.get(endpoints.tokens_url(server), token)
        listed = batch.get(endpoints.datastacks_url(server), token)
        opened = batch.get(endpoints.datastack_url(server, target.datastack), token)
        others: list[PendingResponse] = []

        def ask_each(response: Response) -> None:
            names = (responses.names_in(response) or ())[:MOST_DATASTACKS]
            others.extend(batch.get(endpoints.datastack_url(server, name), token) for name in names)

        if server not in KNOWN_SERVERS:  # else its data servers are known
            batch.then(listed, ask_each)
        batch.wait(on_wait)
        account = _account_or_raise(identity.response, target, given)
        known = responses.listed_tokens_in(keys.response)
        locals_ = [responses.local_server_in(one.response) for one in (opened, *others)]
        unsigned = opened.response.code == "missing_tos"
        return VerifiedToken(
            token=token,
            target=target,
            account=account,
            permanent=None if known is None else any(key.token == token for key in known),
            datastacks=responses.names_in(listed.response) or (),
            local_servers=tuple(dict.fromkeys(filter(None, (*locals_, *local_servers_of(server))))),
            terms=responses.terms_in(opened.response.data, server) if unsigned else None,
            opens=bool(locals_[0]),
        )


def owner_of(token: Token, server: str, seconds: float, on_wait: OnWait | None = None) -> Account | None:
    """The account of a token that is stored for a server; None if the server does not say."""
    with Batch(seconds) as batch:
        identity = batch.get(endpoints.identity_url(server), token)
        batch.wait(on_wait)
        return responses.account_in(identity.response, server)


def _account_or_raise(response: Response, target: Target, given: Sequence[str]) -> Account:
    account = responses.account_in(response, target.server)
    if account is not None:
        return account
    if response.code == "invalid_token":
        fact, link = f"{response.host} rejected this token.", Span(endpoints.tokens_page(target.server), "link")
        advice = line("Copy it again from ", link, ", then ", next_steps.save(target))
        rejected = TokenRejected(f"{fact} Nothing was changed. ", *advice)
        rejected.why = line(f"{fact} ", advice)
        raise rejected
    error = not_checked(response.sentence, target, given)
    error.is_unreachable = response.failure in (Failure.NAME_NOT_FOUND, Failure.UNREACHABLE)
    raise error


def not_checked(why: str, target: Target, given: Sequence[str]) -> TokenNotChecked:
    """The error if a server did not say whether it accepts a token."""
    error = TokenNotChecked(
        f"{why}, so the token was neither checked nor saved. To see why: ",
        next_steps.check(target),
        ". To save it anyway: ",
        next_steps.save(target, *given, "--no-check"),
    )
    error.why = why
    return error


def save_and_prove(
    token: Token,
    target: Target,
    overwrite: bool,
    verified: VerifiedToken | None = None,
    copies: Sequence[Path] = (),
    replaces: Token | None = None,
) -> save.Saved:
    """Saves a token for its server and its data servers, and updates the datastack map if the token is verified.

    Args:
        copies: other files with the token that this one replaces.
        replaces: the only token that may be replaced; None for any.
    Raises:
        TokenExists, TokenNotSaved: as `credentials.save.save_token`.
    """

    def prove() -> None:
        if not _found_again(token, target.server):
            raise _NotFoundAgain(f"CAVEclient would still read another token for {host_of(target.server)}.")

    local_servers = verified.local_servers if verified else local_servers_of(target.server)
    try:
        saved = save.save_token(
            token,
            target.server,
            local_servers=local_servers,
            datastacks=verified.datastacks if verified else (),
            opened=(target.datastack,) if verified and (verified.opens or verified.terms) else (),
            copies=copies,
            replaces=replaces,
            overwrite=overwrite,
            confirm=prove,
        )
    except TokenNotSaved as error:
        raise _whole(error, target) from None
    cloud_volume.forget_cached((target.server, *local_servers))
    return saved


def try_saving(target: Target) -> None:
    """Tests whether a token can be saved, before one is asked for or created. Leaves no trace.

    Raises:
        TokenNotSaved: it cannot be saved; the message says why, and what to do, as the check does.
    """
    if (obstacle := save.obstacle_to_saving(target.server)) is not None:
        raise _whole(save.Obstructed(obstacle), target)


class _NotFoundAgain(TokenNotSaved):
    """caveclient did not read the saved token, so all files were restored."""


def _whole(error: TokenNotSaved, target: Target) -> TokenNotSaved:
    """The same error with the state of the files and the next step."""
    if isinstance(error, save.NotPutBack):
        return TokenNotSaved(*error.args, " To see what is there: ", next_steps.check(target))
    from ..doctor.feasible import after  # lazily: a script that saves a token checks nothing

    check = next_steps.check(target)
    why = line(" To see why: ", check) if isinstance(error, _NotFoundAgain) else ()
    then = after(error, check, why, next_steps.without_saving(target))
    return TokenNotSaved(*error.args, f" {save.UNCHANGED}", *then)


def _found_again(token: Token, server: str) -> bool:
    """Whether caveclient finds the token; a shell, whose other programs read it, does not wait for the import."""
    if in_shell() or packages.import_caveclient():
        return stored_tokens.resolve(server).token == token
    from ..environment import caveclient_adapter

    try:
        return caveclient_adapter.token_of_caveclient(server) == token
    except Exception:
        return False
