"""The pages a person meets: log-in, user name, terms of service, tokens. Under `/sticky_auth`, and where
Google's page would be."""

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

LOGIN_PAGE = "/practice/log-in"
_OAUTH_ERROR = "authorization error"
Page = BaseResponse | str | tuple[str, int]


@practice.get("/")
def welcome() -> str:
    """What this server is, and where its pages are."""
    return render_template("welcome.html", world=world(), people=_pickable())


@practice.get(LOGIN_PAGE)
def log_in_page() -> Page:
    """Stands where Google's page is: whom do you want to be?"""
    return _log_in_page(flask.request.args.get("state", ""))


@practice.post(LOGIN_PAGE)
def log_in() -> Page:
    """Go back to the auth server with a one-time code for the chosen e-mail."""
    email = flask.request.form.get("email", "").strip().lower()
    state = flask.request.form.get("state", "")
    if not _is_email(email):
        return _log_in_page(state, typed=email, problem="Type a whole e-mail address."), 400
    return redirect(_back_with(state, code=world().accounts.make_code(email)))


def _log_in_page(state: str, **more: str) -> str:
    cancel = _back_with(state, error="access_denied")
    return render_template("log_in.html", people=_pickable(), state=state, cancel=cancel, **more)


def _back_with(state: str, **outcome: str) -> str:
    """The auth server's callback, as Google calls it with a code or an error."""
    return f"{world().server}/sticky_auth/api/v1/oauth2callback?{urlencode({'state': state, **outcome})}"


@sticky.get("/api/v1/authorize")
def authorize() -> Page:
    """Begin a sign-in: remember where to go afterwards and send the browser to the log-in page.

    A browser has one session, so a second sign-in takes the place of one that has not ended.
    """
    flask.session.permanent = True
    flask.session["state"] = secrets.token_urlsafe(16)
    flask.session["redirect"] = flask.request.args.get("redirect")
    flask.session["tos_id"] = flask.request.args.get("tos_id", type=int)
    question = {
        "response_type": "code",
        "client_id": "practice-client-id.example.org",
        "redirect_uri": f"{world().server}/sticky_auth/api/v1/oauth2callback",
        "scope": "openid email profile",
        "state": flask.session["state"],
        "prompt": "consent",
    }
    url = f"{world().server}{LOGIN_PAGE}?{urlencode(question)}"
    if flask.request.headers.get("X-Requested-With"):
        return url
    return redirect(url)


@sticky.get("/api/v1/oauth2callback")
def oauth2callback() -> Page:
    """Come back from the log-in page: make the account if it is new, and a temporary token.

    The real callback insists on https, which a practice server does not have.
    """
    if "session" not in flask.request.cookies:
        return "Invalid Request, are third-party cookies enabled?", 400
    if "state" not in flask.session:
        return "Your session has expired.", 400
    said = flask.request.args
    if said.get("state") != flask.session["state"]:
        return flask.jsonify(_OAUTH_ERROR)
    if "code" not in said:  # Google was left with "Cancel"
        flask.abort(500)
    email = world().accounts.take_code(said["code"])
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
    """Ask for the name that others will see: that of the Google account, or another, which is final."""
    return render_template("choose_username.html", person=visitor())


@sticky.post("/api/v1/register/choose_username")
@sticky.post("/settings/username")
@signed_in
def set_username() -> Page:
    """Save the name, which `customName` alone decides; a new account goes on to where the sign-in was to lead."""
    custom = flask.request.form.get("customName")
    if not world().accounts.choose_name(visitor().id, custom):
        return render_template("choose_username.html", person=visitor(), problem="You cannot change your custom name.")
    if flask.request.args.get("new_account") == "true":
        return _onward(flask.g.auth_token)
    kept = f"changed to {custom}" if custom else "reset to the one associated with your Google Account"
    return _onward(flask.g.auth_token, ("User Settings Updated", f"Your username was {kept}"))


def _onward(token: str, message: tuple[str, str] | None = None) -> Page:
    """To the terms if the sign-in was for them, or to the remembered address; else a message, or the token itself."""
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
    """`target` with the token in its query, its own path and query kept."""
    more = {TOKEN: token, "middle_auth_url": urlsplit(world().server).netloc + "/sticky_auth", "token": token}
    parts = urlsplit(target)
    query = "&".join(part for part in (parts.query, urlencode(more, safe="/")) if part)
    return urlunsplit(parts._replace(query=query))


def _with_cookie(answer: BaseResponse, token: str) -> BaseResponse:
    """Set a session cookie, which nothing deletes before the browser is closed, not even signing out."""
    answer.set_cookie(TOKEN, token, secure=True, httponly=True)
    return answer


def _pop_from_session(name: str) -> Any:
    """Take a value out of the session; a session that is empty then is deleted."""
    if name not in flask.session:
        return None
    value = flask.session.pop(name)
    if not set(flask.session) - {"_permanent"}:
        flask.session.clear()
    return value


@sticky.get("/api/v1/tos/<int:tos_id>/accept")
@signed_in
def terms_page(tos_id: int) -> Page:
    """The terms of service, to be accepted.

    This page's own `redirect` says where to go afterwards; where it is absent, that of the sign-in is forgotten too.
    """
    flask.session.permanent = True
    flask.session["redirect"] = flask.request.args.get("redirect")
    return _no_terms_to_accept(tos_id) or render_template("terms.html", terms=TERMS[tos_id], person=visitor())


@sticky.post("/api/v1/tos/<int:tos_id>/accept")
@signed_in
def accept_terms(tos_id: int) -> Page:
    """Accept; without an address to go to the server fails *after* it noted the acceptance."""
    page = _no_terms_to_accept(tos_id)
    if page:
        return page
    world().accounts.accept_terms(visitor().id, tos_id)
    target = _pop_from_session("redirect")
    if not target:
        flask.abort(500)
    return _with_cookie(redirect(with_token(target, flask.g.auth_token)), flask.g.auth_token)


def _no_terms_to_accept(tos_id: int) -> Page | None:
    """The answer when there is nothing to accept; None when there is."""
    if tos_id not in TERMS:
        return "Terms of Service does not exist", 404
    if world().accounts.has_accepted(visitor().id, tos_id):
        title = f"{TERMS[tos_id][0]}'s Terms of Service"
        return render_template("message.html", title=title, message="You have already accepted the Terms of Service")
    return None


@sticky.get("/settings/tokens")
@signed_in
def tokens_page() -> Page:
    """The keys of the visitor: list, name, make, delete, download."""
    return _tokens_page()


@sticky.post("/settings/tokens")
@signed_in
def make_token() -> Page:
    """Make a key with a description and show it."""
    if not _own_page():
        return "This form belongs to the page of this server.", 403
    accounts, person = world().accounts, visitor()
    description = flask.request.form.get("description", "").strip() or None
    try:
        accounts.tokens.create_permanent(person.id, description)
    except DescriptionTooLong:
        return _tokens_page("That description is too long, 120 characters is the most."), 400
    newest = accounts.tokens.of(person.id)[0]
    return redirect(url_for("sticky.tokens_page", new=newest.id), 303)


@sticky.post("/settings/tokens/<int:row_id>/delete")
@signed_in
def delete_token(row_id: int) -> Page:
    """Delete a key; whatever uses it stops working at once."""
    if not _own_page():
        return "This form belongs to the page of this server.", 403
    world().accounts.tokens.delete(row_id, visitor().id)
    return redirect(url_for("sticky.tokens_page"), 303)


@sticky.get("/settings/tokens/<int:row_id>/download")
@signed_in
def download_token(row_id: int) -> Page:
    """A token as the file that the real page's button downloads, under the name that Chromium gives it."""
    rows = [row for row in world().accounts.tokens.of(visitor().id) if row.id == row_id]
    if not rows:
        return "Token doesn't exist", 404
    home = urlsplit(world().server).netloc + "/auth"
    description = rows[0].description or "unknown"
    answer = flask.jsonify({"token": rows[0].token, "description": description, "middle_auth_url": home})
    name = re.sub("[:/]", "_", home)
    answer.headers["Content-Disposition"] = f"attachment; filename={name}-cave-secret.json"
    return answer


@sticky.post("/settings/log-out")
@signed_in
def log_out() -> Page:
    """Revoke this browser's temporary token, as the real page does by calling `logout`; the cookie stays."""
    if not _own_page():
        return "This form belongs to the page of this server.", 403
    accounts = world().accounts
    if not accounts.tokens.is_permanent(flask.g.auth_token):
        accounts.tokens.revoke(flask.g.auth_token)
    return render_template("logged_out.html", person=visitor())


def _tokens_page(problem: str = "") -> str:
    if world().accounts.tokens.one_token:
        flask.abort(404)
    person = visitor()
    return render_template(
        "tokens.html",
        person=person,
        keys=world().accounts.tokens.of(person.id),
        new=flask.request.args.get("new", type=int),
        problem=problem,
    )


def _own_page() -> bool:
    """Whether a form was sent from a page of this server, which the browser says in `Origin`."""
    origin = flask.request.headers.get("Origin")
    return origin in (None, flask.request.host_url.rstrip("/"))


def _pickable() -> list[Account]:
    """People to choose from, the ordinary one first."""
    people = [person for person in world().accounts.everyone() if person.note]
    return sorted(people, key=lambda person: person.nick != "ada")


def _is_email(text: str) -> bool:
    name, at, host = text.partition("@")
    return bool(name and at and "." in host) and not any(c.isspace() for c in text) and len(text) <= 120
