"""The JSON routes of the auth server, under `/auth`, answering as middle_auth 2.30.3 does."""

from __future__ import annotations

from typing import Any

import flask
from flask import Blueprint, Response, jsonify

from cave_magic.sandbox.accounts import TERMS, Account, http_date
from cave_magic.sandbox.gate import TOKEN, end_session, signed_in, visitor, world

auth = Blueprint("auth", __name__, url_prefix="/auth")
_NO_ADMIN = "Requires admin privilege."


@auth.get("/version")
def version() -> str:
    """Text, not JSON, and with this spelling."""
    return f"neuroglance_auth -- version {world().auth_version}"


@auth.get("/api/v1/user/cache")
@signed_in
def user_cache() -> Response:
    """Who the token belongs to, with permissions and missing terms."""
    return jsonify(world().accounts.passport(visitor()))


@auth.get("/api/v1/my_permissions")
@signed_in
def my_permissions() -> Response:
    """The permissions of the token's owner."""
    passport = world().accounts.passport(visitor())
    return jsonify({key: value for key, value in passport.items() if key.startswith("permissions")})


@auth.get("/api/v1/user/me")
@signed_in
def user_me() -> Response:
    """The account behind the token, without permissions."""
    person = visitor()
    passport = world().accounts.passport(person)
    same = ("admin", "affiliations", "email", "id", "name", "pi", "service_account")
    more = {
        "admin_datasets": list(person.admin_of),
        "created": http_date(person.created),
        "gdpr_consent": False,
    }
    return jsonify({**{key: passport[key] for key in same}, **more})


@auth.get("/api/v1/user/missing")
@signed_in
def user_missing() -> Response:
    """Terms of service that wait for a signature."""
    return jsonify(world().accounts.missing_terms(visitor()))


@auth.get("/api/v1/user")
@signed_in
def users() -> Response:
    """People by id: for service accounts, dataset administrators and administrators only."""
    asking = visitor()
    if not asking.may_list_people:
        return Response(_NO_ADMIN, 403)
    full = asking.admin or asking.service_account
    return jsonify([_described(person, full) for person in _people(flask.request.args.get("id", ""))])


@auth.get("/api/v1/user/<int:user_id>")
@signed_in
def user(user_id: int) -> Response:
    """One person's public name."""
    found = _people(str(user_id))
    if not found:
        return Response("User doesn't exist", 404)
    return jsonify({"id": found[0].id, "name": found[0].name, "pi": found[0].pi})


@auth.get("/api/v1/username")
@signed_in
def usernames() -> Response:
    """Public names by id, which anybody may ask for."""
    found = _people(flask.request.args.get("id", ""))
    return jsonify([{"id": person.id, "name": person.name} for person in found])


@auth.get("/api/v1/group/<int:group_id>/user")
@signed_in
def group_users(group_id: int) -> Response:
    """The members of a group, for those who may list people."""
    if not visitor().may_list_people:
        return Response(_NO_ADMIN, 403)
    name = {1: "default", 2: "connectomics"}.get(group_id)
    members = [p for p in world().accounts.everyone() if name in p.groups]
    return jsonify([{"id": p.id, "name": p.name, "admin": False} for p in members])


@auth.get("/api/v1/dataset")
@signed_in
def datasets() -> Response:
    """The datasets that the visitor administers."""
    return jsonify([{"name": name} for name in visitor().admin_of])


@auth.get("/api/v1/tos")
@signed_in
def terms() -> Response:
    """All terms of service with their text."""
    return jsonify([{"id": n, "name": name, "text": text} for n, (name, text) in TERMS.items()])


@auth.get("/api/v1/service/<namespace>/table/<table>/dataset")
@signed_in
def table_dataset(namespace: str, table: str) -> Response:
    """The dataset that guards a datastack or a table."""
    dataset = world().catalogue.dataset(namespace, table)
    if dataset is None:
        return Response("No dataset for given service and table names", 404)
    return jsonify(dataset)


@auth.get("/api/v1/user/token")
@signed_in
def list_tokens() -> Response:
    """The visitor's keys with their values, newest first; log-in tokens are not among them."""
    return jsonify([row.as_json() for row in world().accounts.keys(visitor().id)])


@auth.post("/api/v1/user/token")
@signed_in
def make_token() -> Response:
    """A new key with a description. Broken JSON is taken for none; a list makes the server fail."""
    _since_2_19()
    data: Any = flask.request.get_json(force=True, silent=True) or {}
    return jsonify(world().accounts.make_key(visitor().id, data.get("description")))


@auth.delete("/api/v1/user/token/<int:row_id>")
@signed_in
def delete_token(row_id: int) -> Response:
    """Delete one of the visitor's keys by the id of its row."""
    _since_2_19()
    if not world().accounts.delete_row(row_id, visitor().id):
        return Response("Token doesn't exist", 404)
    return jsonify("success")


@auth.get("/api/v1/user/token/<token>/ttl")
@signed_in
def token_ttl(token: str) -> Response:
    """Seconds that one of the visitor's tokens has left; -1 for a key."""
    left = world().accounts.seconds_left(token, visitor().id)
    if left is not None:
        return jsonify(left)
    # The spelling is the real server's.
    message = "Token does not exist or is not asociated with your account."
    refusal = jsonify({"error": "invalid_token", "message": message})
    refusal.status_code = 404
    return refusal


@auth.get("/api/v1/create_token")
@signed_in
def create_token() -> Response:
    """One more key for every visit, HEAD included."""
    return jsonify(world().accounts.make_key(visitor().id))


@auth.get("/api/v1/refresh_token")
@signed_in
def refresh_token() -> Response:
    """Replace the visitor's only key, or make the first one."""
    try:
        return jsonify(world().accounts.refresh_key(visitor().id))
    except ValueError:
        return Response("Refresh token does not work for accounts with more than one API Key", 400)


@auth.get("/api/v1/logout")
@signed_in
def logout() -> Response:
    """End the log-in token that asks, and the browser's session with it."""
    if world().accounts.is_key(flask.g.auth_token):
        return Response("Can't logout an API Key.", 422)
    world().accounts.delete_token(flask.g.auth_token)
    end_session()
    return _without_cookie(jsonify("success"))


@auth.get("/api/v1/logout_all")
@signed_in
def logout_all() -> Response:
    """End every log-in token of the visitor; keys live on."""
    world().accounts.end_logins(visitor().id)
    return _without_cookie(jsonify("success"))


def _without_cookie(response: Response) -> Response:
    if TOKEN in flask.request.cookies:
        response.delete_cookie(TOKEN)
    return response


def _since_2_19() -> None:
    if world().accounts.one_key:
        flask.abort(405)


def _people(ids: str) -> list[Account]:
    wanted = {int(part) for part in ids.split(",") if part.strip().isdigit()}
    return [person for person in world().accounts.everyone() if not wanted or person.id in wanted]


def _described(person: Account, full: bool) -> dict[str, Any]:
    short = {"id": person.id, "name": person.name}
    if not full:
        return short
    return {
        **short,
        "email": person.email,
        "admin": person.admin,
        "pi": person.pi,
        "service_account": person.service_account,
    }
