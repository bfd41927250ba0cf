"""The pages a person meets: log-in, user name, terms of service, tokens. Under `/sticky_auth`, and where
Google's page would be."""

from __future__ import annotations

import re
import secrets
from urllib.parse import urlencode, urlsplit, urlunsplit

import flask
from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from cave_magic.sandbox.accounts import TERMS, WEEK, Account, DescriptionTooLong
from cave_magic.sandbox.gate import TOKEN, end_session, signed_in, visitor, world

sticky = Blueprint("sticky", __name__, url_prefix="/sticky_auth", template_folder="templates")
practice = Blueprint("practice", __name__, template_folder="templates")

LOGIN_PAGE = "/practice/log-in"
Page = BaseResponse | str | tuple[str, int]


@practice.get("/")
def welcome() -> str:
    """What this server is, and where its pages are."""
    return render_template("welcome.html", world=world(), people=_pickable())


@practice.get(LOGIN_PAGE)
def log_in_page() -> Page:
    """Stands where Google's page is: whom do you want to be?"""
    return render_template("log_in.html", people=_pickable(), state=flask.request.args.get("state", ""))


@practice.post(LOGIN_PAGE)
def log_in() -> Page:
    """Go back to the auth server with a one-time code for the chosen e-mail."""
    email = flask.request.form.get("email", "").strip().lower()
    state = flask.request.form.get("state", "")
    if not _is_email(email):
        again = render_template(
            "log_in.html", people=_pickable(), state=state, typed=email, problem="Type a whole e-mail address."
        )
        return again, 400
    code = world().accounts.make_code(email)
    return redirect(f"{world().server}/sticky_auth/api/v1/oauth2callback?{urlencode({'state': state, 'code': code})}")


@sticky.get("/api/v1/authorize")
def authorize() -> Page:
    """Begin a log-in: remember where to go afterwards and send the browser to the log-in page."""
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
    """Come back from the log-in page: make the account if it is new, and a log-in token."""
    if "state" not in flask.session:
        return "Invalid Request, are third-party cookies enabled?", 400
    if flask.session.pop("state") != flask.request.args.get("state"):
        return "Your session has expired. Please try again.", 400
    email = world().accounts.take_code(flask.request.args.get("code", ""))
    if email is None:
        return "authorization error", 400
    try:
        person, new = world().accounts.find(email), False
    except LookupError:
        person, new = world().accounts.sign_up(email), True
    return _enter(person, new)


def _enter(person: Account, new: bool) -> BaseResponse:
    token = world().accounts.make_login_token(person.id)
    answer = redirect(url_for("sticky.choose_username")) if new else _onward(token)
    answer.set_cookie(TOKEN, token, secure=True, httponly=True, max_age=WEEK)
    return answer


@sticky.get("/api/v1/register/choose_username")
@signed_in
def choose_username() -> Page:
    """Ask a new person for the name that others will see."""
    return render_template("choose_username.html", person=visitor())


@sticky.post("/api/v1/register/choose_username")
@signed_in
def set_username() -> Page:
    """Keep the name and go on to where the log-in was meant to lead."""
    name = " ".join(flask.request.form.get("username", "").split())[:60]
    if not name:
        page = render_template("choose_username.html", person=visitor(), problem="Type a name of at least one letter.")
        return page, 400
    world().accounts.rename(visitor().id, name)
    return _onward(flask.g.auth_token)


def _onward(token: str) -> BaseResponse:
    """To the terms if the log-in was for them, to the remembered address, or nowhere: then the token itself."""
    target = flask.session.pop("redirect", None)
    tos_id = flask.session.pop("tos_id", None)
    if tos_id is not None:
        # The remembered address is forgotten here, as the real server does.
        return redirect(url_for("sticky.terms_page", tos_id=tos_id))
    if target:
        return redirect(with_token(target, token))
    return flask.jsonify(token)


def with_token(target: str, token: str) -> str:
    """`target` with the token in its query, its own path and query kept."""
    more = {TOKEN: token, "middle_auth_url": urlsplit(world().server).netloc + "/sticky_auth", "token": token}
    parts = urlsplit(target)
    query = "&".join(part for part in (parts.query, urlencode(more, safe="/")) if part)
    return urlunsplit(parts._replace(query=query))


@sticky.get("/api/v1/tos/<int:tos_id>/accept")
@signed_in
def terms_page(tos_id: int) -> Page:
    """The terms of service, to be accepted; where to go afterwards comes from this page's own `redirect`."""
    flask.session.permanent = True
    flask.session["tos_redirect"] = flask.request.args.get("redirect")
    return _terms(tos_id) or render_template("terms.html", terms=TERMS[tos_id], person=visitor())


@sticky.post("/api/v1/tos/<int:tos_id>/accept")
@signed_in
def accept_terms(tos_id: int) -> Page:
    """Accept; without an address to go to the server fails *after* it noted the acceptance."""
    page = _terms(tos_id)
    if page:
        return page
    world().accounts.accept_terms(visitor().id, tos_id)
    target = flask.session.get("tos_redirect")
    end_session()
    if target:
        return redirect(with_token(target, flask.g.auth_token))
    return flask.abort(500)


def _terms(tos_id: int) -> Page | None:
    """The answer when there is nothing to accept; None when there is."""
    if tos_id not in TERMS:
        return "Terms of Service does not exist", 404
    if world().accounts.has_accepted(visitor().id, tos_id):
        return render_template("accepted.html", terms=TERMS[tos_id], person=visitor())
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
        accounts.make_key(person.id, description)
    except DescriptionTooLong:
        return _tokens_page("That description is too long, 120 characters is the most."), 400
    newest = accounts.keys(person.id)[0]
    return redirect(url_for("sticky.tokens_page", new=newest.id), 303)


@sticky.post("/settings/tokens/<int:row_id>/delete")
@signed_in
def delete_token(row_id: int) -> Page:
    """Delete a key; whatever uses it stops working at once."""
    if not _own_page():
        return "This form belongs to the page of this server.", 403
    world().accounts.delete_row(row_id, visitor().id)
    return redirect(url_for("sticky.tokens_page"), 303)


@sticky.get("/settings/tokens/<int:row_id>/download")
@signed_in
def download_token(row_id: int) -> Page:
    """A key as a file: `token`, `description` and `middle_auth_url`, with a name as on the real page."""
    rows = [row for row in world().accounts.keys(visitor().id) if row.id == row_id]
    if not rows:
        return "Token doesn't exist", 404
    home = urlsplit(world().server).netloc + "/auth"
    body = {"token": rows[0].token, "description": rows[0].description or "unknown", "middle_auth_url": home}
    answer = flask.jsonify(body)
    name = re.sub("[/:]", "_", f"{home}-cave-secret.json")  # as browsers save it
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    return answer


@sticky.post("/settings/log-out")
@signed_in
def log_out() -> Page:
    """End this browser's log-in; keys live on."""
    if not _own_page():
        return "This form belongs to the page of this server.", 403
    accounts = world().accounts
    if not accounts.is_key(flask.g.auth_token):
        accounts.delete_token(flask.g.auth_token)
    end_session()
    answer = flask.make_response(render_template("logged_out.html", person=visitor()))
    answer.delete_cookie(TOKEN)
    return answer


def _tokens_page(problem: str = "") -> str:
    if world().accounts.one_key:
        flask.abort(404)
    person = visitor()
    return render_template(
        "tokens.html",
        person=person,
        keys=world().accounts.keys(person.id),
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
