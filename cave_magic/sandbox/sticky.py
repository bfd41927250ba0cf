"""The web pages of the auth server: sign-in, user name, terms of service, tokens; and one in place of Google's."""

from __future__ import annotations

import re
import secrets
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import flask
from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from cave_magic.sandbox.accounts import TERMS
from cave_magic.sandbox.gate import TOKEN, signed_in, visitor, world
from cave_magic.sandbox.people import Account
from cave_magic.sandbox.token_store import DescriptionTooLong

sticky = Blueprint("sticky", __name__, url_prefix="/sticky_auth", template_folder="templates")
practice = Blueprint("practice", __name__, template_folder="templates")

SIGN_IN_PAGE = "/practice/sign-in"
_OAUTH_ERROR = "authorization error"
Page = BaseResponse | str | tuple[str, int]


@practice.get("/")
def welcome() -> str:
    """The start page, with links to the others."""
    return render_template("welcome.html", world=world(), people=_pickable())


@practice.get(SIGN_IN_PAGE)
def sign_in_page() -> Page:
    """Replaces Google's page: choose an account."""
    return _sign_in_page(flask.request.args.get("state", ""))


@practice.post(SIGN_IN_PAGE)
def sign_in() -> Page:
    """Redirects to the auth server with a one-time code for the chosen e-mail."""
    email = flask.request.form.get("email", "").strip().lower()
    state = flask.request.form.get("state", "")
    if not _is_email(email):
        return _sign_in_page(state, typed=email, problem="Type a complete e-mail address."), 400
    return redirect(_back_with(state, code=world().accounts.make_code(email)))


def _sign_in_page(state: str, **more: str) -> str:
    cancel = _back_with(state, error="access_denied")
    return render_template("sign_in.html", people=_pickable(), state=state, cancel=cancel, **more)


def _back_with(state: str, **outcome: str) -> str:
    """The auth server's callback, as Google calls it with a code or an error."""
    return f"{world().server}/sticky_auth/api/v1/oauth2callback?{urlencode({'state': state, **outcome})}"


@sticky.get("/api/v1/authorize")
def authorize() -> Page:
    """Starts a sign-in: stores the redirect URL and sends the browser to the sign-in page.

    A browser has one session, so a second sign-in replaces an unfinished one.
    """
    flask.session.permanent = True
    flask.session["state"] = secrets.token_urlsafe(16)
    flask.session["redirect"] = flask.request.args.get("redirect")
    flask.session["tos_id"] = flask.request.args.get("tos_id", type=int)
    query = {
        "response_type": "code",
        "client_id": "practice-client-id.example.org",
        "redirect_uri": f"{world().server}/sticky_auth/api/v1/oauth2callback",
        "scope": "openid email profile",
        "state": flask.session["state"],
        "prompt": "consent",
    }
    url = f"{world().server}{SIGN_IN_PAGE}?{urlencode(query)}"
    if flask.request.headers.get("X-Requested-With"):
        return url
    return redirect(url)


@sticky.get("/api/v1/oauth2callback")
def oauth2callback() -> Page:
    """Ends a sign-in: creates the account if it is new, and a temporary token.

    The real callback requires https, which a practice server does not have.
    """
    if "session" not in flask.request.cookies:
        return "Invalid Request, are third-party cookies enabled?", 400
    if "state" not in flask.session:
        return "Your session has expired.", 400
    args = flask.request.args
    if args.get("state") != flask.session["state"]:
        return flask.jsonify(_OAUTH_ERROR)
    if "code" not in args:  # "Cancel" on Google's page
        flask.abort(500)
    email = world().accounts.take_code(args["code"])
    return flask.jsonify(_OAUTH_ERROR) if email is None else _enter(email)


def _enter(email: str) -> Page:
    accounts = world().accounts
    try:
        person, new = accounts.find(email), False
    except LookupError:
        person, new = accounts.sign_up(email), True
    token = accounts.tokens.create_temporary(person.id)
    if new:
        return _with_cookie(redirect(url_for("sticky.choose_username", new_account="true")), token)
    return _onward(token)


@sticky.get("/api/v1/register/choose_username")
@sticky.get("/settings/username")
@signed_in
def choose_username() -> Page:
    """Asks for the public name: that of the Google account, or a custom one, which is final."""
    return render_template("choose_username.html", person=visitor())


@sticky.post("/api/v1/register/choose_username")
@sticky.post("/settings/username")
@signed_in
def set_username() -> Page:
    """Saves the name in `customName`, or without it resets it; a new account continues its sign-in."""
    custom = flask.request.form.get("customName")
    if not world().accounts.choose_name(visitor().id, custom):
        return render_template("choose_username.html", person=visitor(), problem="You cannot change your custom name.")
    if flask.request.args.get("new_account") == "true":
        return _onward(flask.g.auth_token)
    kept = f"changed to {custom}" if custom else "reset to the one associated with your Google Account"
    return _onward(flask.g.auth_token, ("User Settings Updated", f"Your username was {kept}"))


def _onward(token: str, message: tuple[str, str] | None = None) -> Page:
    """Redirects to the terms, if the sign-in was for them, or to the stored URL; else shows a message or the token."""
    tos_id = _pop_from_session("tos_id")
    if tos_id is not None:
        return _with_cookie(redirect(url_for("sticky.terms_page", tos_id=tos_id)), token)
    target = _pop_from_session("redirect")
    if target:
        return _with_cookie(redirect(with_token(target, token)), token)
    if message:
        return render_template("message.html", title=message[0], message=message[1])
    return render_template("post_message.html", message={"token": token, "app_urls": []})


def with_token(target: str, token: str) -> str:
    """`target` with the token added to its query."""
    more = {TOKEN: token, "middle_auth_url": urlsplit(world().server).netloc + "/sticky_auth", "token": token}
    parts = urlsplit(target)
    query = "&".join(part for part in (parts.query, urlencode(more, safe="/")) if part)
    return urlunsplit(parts._replace(query=query))


def _with_cookie(response: BaseResponse, token: str) -> BaseResponse:
    """Sets a session cookie, which stays until the browser is closed, even after signing out."""
    response.set_cookie(TOKEN, token, secure=True, httponly=True)
    return response


def _pop_from_session(name: str) -> Any:
    """Removes a value from the session, and deletes the session if it is then empty."""
    if name not in flask.session:
        return None
    value = flask.session.pop(name)
    if not set(flask.session) - {"_permanent"}:
        flask.session.clear()
    return value


@sticky.get("/api/v1/tos/<int:tos_id>/accept")
@signed_in
def terms_page(tos_id: int) -> Page:
    """Shows terms of service to accept. Its own `redirect`, even if missing, replaces that of the sign-in."""
    flask.session.permanent = True
    flask.session["redirect"] = flask.request.args.get("redirect")
    return _no_terms_to_accept(tos_id) or render_template("terms.html", terms=TERMS[tos_id], person=visitor())


@sticky.post("/api/v1/tos/<int:tos_id>/accept")
@signed_in
def accept_terms(tos_id: int) -> Page:
    """Accepts the terms; without a redirect URL the server fails *after* recording that."""
    page = _no_terms_to_accept(tos_id)
    if page:
        return page
    world().accounts.accept_terms(visitor().id, tos_id)
    target = _pop_from_session("redirect")
    if not target:
        flask.abort(500)
    return _with_cookie(redirect(with_token(target, flask.g.auth_token)), flask.g.auth_token)


def _no_terms_to_accept(tos_id: int) -> Page | None:
    """The page to show if there is nothing to accept, else None."""
    if tos_id not in TERMS:
        return "Terms of Service does not exist", 404
    if world().accounts.has_accepted(visitor().id, tos_id):
        title = f"{TERMS[tos_id][0]}'s Terms of Service"
        return render_template("message.html", title=title, message="You have already accepted the Terms of Service")
    return None


@sticky.get("/settings/tokens")
@signed_in
def tokens_page() -> Page:
    """Lists the visitor's permanent tokens, with forms to create, delete and download them."""
    return _tokens_page()


@sticky.post("/settings/tokens")
@signed_in
def make_token() -> Page:
    """Creates a permanent token with a description and shows it."""
    _refuse_other_pages()
    accounts, person = world().accounts, visitor()
    description = flask.request.form.get("description", "").strip() or None
    try:
        accounts.tokens.create_permanent(person.id, description)
    except DescriptionTooLong:
        return _tokens_page("That description is too long: use at most 120 characters."), 400
    newest = accounts.tokens.of(person.id)[0]
    return redirect(url_for("sticky.tokens_page", new=newest.id), 303)


@sticky.post("/settings/tokens/<int:row_id>/delete")
@signed_in
def delete_token(row_id: int) -> Page:
    """Deletes a permanent token, which stops working at once."""
    _refuse_other_pages()
    world().accounts.tokens.delete(row_id, visitor().id)
    return redirect(url_for("sticky.tokens_page"), 303)


@sticky.get("/settings/tokens/<int:row_id>/download")
@signed_in
def download_token(row_id: int) -> Page:
    """A token as the file that the real page downloads, under the name that Chromium gives it."""
    rows = [row for row in world().accounts.tokens.of(visitor().id) if row.id == row_id]
    if not rows:
        return "Token doesn't exist", 404
    home = urlsplit(world().server).netloc + "/auth"
    description = rows[0].description or "unknown"
    response = flask.jsonify({"token": rows[0].token, "description": description, "middle_auth_url": home})
    name = re.sub("[:/]", "_", home)
    response.headers["Content-Disposition"] = f"attachment; filename={name}-cave-secret.json"
    return response


@sticky.post("/settings/sign-out")
@signed_in
def sign_out() -> Page:
    """Revokes this browser's temporary token, as the real page does through `logout`; the cookie stays."""
    _refuse_other_pages()
    accounts = world().accounts
    if not accounts.tokens.is_permanent(flask.g.auth_token):
        accounts.tokens.revoke(flask.g.auth_token)
    return render_template("signed_out.html", person=visitor())


def _tokens_page(problem: str = "") -> str:
    if world().accounts.tokens.one_token:
        flask.abort(404)
    person = visitor()
    return render_template(
        "tokens.html",
        person=person,
        tokens=world().accounts.tokens.of(person.id),
        new=flask.request.args.get("new", type=int),
        problem=problem,
    )


def _refuse_other_pages() -> None:
    """Ends the request with a 403 if `Origin` says that a page of another server sent its form."""
    if flask.request.headers.get("Origin") not in (None, flask.request.host_url.rstrip("/")):
        flask.abort(flask.make_response("Only a page of this server may send this form.", 403))


def _pickable() -> list[Account]:
    """The accounts to choose from, ada first."""
    people = [person for person in world().accounts.everyone() if person.note]
    return sorted(people, key=lambda person: person.nick != "ada")


def _is_email(text: str) -> bool:
    name, at, host = text.partition("@")
    return bool(name and at and "." in host) and not any(c.isspace() for c in text) and len(text) <= 120
