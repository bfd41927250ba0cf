"""The JSON routes of the auth server, under `/auth` and `/sticky_auth`, as in middle_auth 2.30.3."""

from __future__ import annotations

from typing import Any

import flask
from flask import Blueprint, Response, jsonify

from cave_magic.sandbox.accounts import TERMS
from cave_magic.sandbox.gate import signed_in, visitor, world
from cave_magic.sandbox.people import Account
from cave_magic.sandbox.token_store import http_date

auth = Blueprint("auth", __name__, url_prefix="/auth")
_NO_ADMIN = "Requires admin privilege."


@auth.get("/version")
def version() -> str:
    """Text, not JSON, and with this spelling."""
    return f"neuroglance_auth -- version {world().auth_version}"


@auth.get("/api/v1/user/cache")
@signed_in
def user_cache() -> Response:
    """The account of the token, with permissions and missing terms."""
    return jsonify(world().accounts.passport(visitor()))


@auth.get("/api/v1/my_permissions")
@signed_in
def my_permissions() -> Response:
    """The same as `user/cache`, read from the database."""
    return jsonify(world().accounts.passport(visitor()))


@auth.get("/api/v1/user/me")
@signed_in
def user_me() -> Response:
    """The account of the token, without permissions."""
    return jsonify(_described(visitor(), full=True))


@auth.get("/api/v1/user/missing")
@signed_in
def user_missing() -> Response:
    """The terms of service that are not accepted yet."""
    return jsonify(world().accounts.missing_terms(visitor()))


@auth.get("/api/v1/user")
@signed_in
def users() -> Response:
    """People by id, or all; for service accounts and for administrators of a dataset or of the server."""
    asking = visitor()
    if not asking.may_list_people:
        return Response(_NO_ADMIN, 403)
    if "id" in flask.request.args:
        return jsonify([_described(person, _sees_all(asking)) for person in _people(flask.request.args["id"])])
    people = [person for person in world().accounts.everyone() if not person.service_account]
    return jsonify({"pages": 1, "items": [_described(person) for person in people]})


@auth.get("/api/v1/user/<int:user_id>")
@signed_in
def user(user_id: int) -> Response:
    """One person, not a service account; the e-mail is for administrators and service accounts."""
    found = [person for person in _people(str(user_id)) if not person.service_account]
    if not found:
        return Response("User doesn't exist", 404)
    return jsonify(_described(found[0], _sees_all(visitor())))


@auth.get("/api/v1/username")
@signed_in
def usernames() -> Response:
    """Public names by id, for anybody with a token."""
    found = _people(flask.request.args.get("id", ""))
    return jsonify([{"id": person.id, "name": person.public_name} for person in found])


@auth.get("/api/v1/group/<int:group_id>/user")
@signed_in
def group_users(group_id: int) -> Response:
    """The members of a group, for those who may list people."""
    if not visitor().may_list_people:
        return Response(_NO_ADMIN, 403)
    name = {1: "default", 2: "connectomics"}.get(group_id)
    members = [p for p in world().accounts.everyone() if name in p.groups and not p.service_account]
    return jsonify([{"id": p.id, "name": p.name, "admin": False} for p in members])


@auth.get("/api/v1/dataset")
@signed_in
def datasets() -> Response:
    """The datasets that the visitor administers; all of them for an administrator."""
    accounts, person = world().accounts, visitor()
    return jsonify(accounts.dataset_rows(accounts.tos_of if person.admin else person.admin_of))


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
    """The visitor's permanent tokens with their values, newest first; temporary ones are not listed."""
    return jsonify([row.as_json() for row in world().accounts.tokens.of(visitor().id)])


@auth.get("/api/v1/create_token")
@auth.post("/api/v1/user/token")
@signed_in
def make_token() -> Response:
    """Creates a permanent token on every visit, HEAD included.

    A body that is not declared as JSON, or is broken, is ignored; a list makes the server fail.
    """
    if flask.request.method == "POST":
        _since_2_19()
    data: Any = flask.request.get_json(silent=True) or {}
    return jsonify(world().accounts.tokens.create_permanent(visitor().id, data.get("description")))


@auth.delete("/api/v1/user/token/<int:row_id>")
@signed_in
def delete_token(row_id: int) -> Response:
    """Deletes one of the visitor's permanent tokens by its id."""
    _since_2_19()
    if not world().accounts.tokens.delete(row_id, visitor().id):
        return Response("Token doesn't exist", 404)
    return jsonify("success")


@auth.get("/api/v1/user/token/<token>/ttl")
@signed_in
def token_ttl(token: str) -> Response:
    """Seconds until one of the visitor's tokens expires; -1 for a permanent one."""
    left = world().accounts.tokens.seconds_left(token, visitor().id)
    if left is not None:
        return jsonify(left)
    # The spelling is the real server's.
    message = "Token does not exist or is not asociated with your account."
    return flask.make_response(jsonify({"error": "invalid_token", "message": message}), 404)


@auth.get("/api/v1/refresh_token")
@signed_in
def refresh_token() -> Response:
    """Replaces the visitor's only permanent token, or creates the first one."""
    try:
        return jsonify(world().accounts.tokens.refresh(visitor().id))
    except ValueError:
        return Response("Refresh token does not work for accounts with more than one API Key", 400)


@auth.get("/api/v1/logout")
@signed_in
def logout() -> Response:
    """Revokes the temporary token of the request, in every tab that uses it; the browser keeps the cookie."""
    if world().accounts.tokens.is_permanent(flask.g.auth_token):
        return Response("Can't logout an API Key.", 422)
    world().accounts.tokens.revoke(flask.g.auth_token)
    return jsonify("success")


@auth.get("/api/v1/logout_all")
@signed_in
def logout_all() -> Response:
    """Revokes every temporary token of the visitor; permanent ones stay valid."""
    world().accounts.tokens.revoke_temporary(visitor().id)
    return jsonify("success")


def _since_2_19() -> None:
    if world().accounts.tokens.one_token:
        flask.abort(405)


def _people(ids: str) -> list[Account]:
    wanted = {int(part) for part in ids.split(",") if part.strip().isdigit()}
    return [person for person in world().accounts.everyone() if person.id in wanted]


def _sees_all(asking: Account) -> bool:
    return asking.admin or asking.service_account


def _described(person: Account, full: bool = False) -> dict[str, Any]:
    """An account as the auth server shows it; the full form has the e-mail."""
    short = {
        "id": person.id,
        "service_account": person.service_account,
        "name": person.public_name,
        "created": http_date(person.created),
        "pi": person.pi,
        "affiliations": [[]],
    }
    if not full:
        return short
    rows = world().accounts.dataset_rows(person.admin_of)
    whole = {
        **short,
        "gdpr_consent": False,
        "admin_datasets": [{"id": row["id"], "name": row["name"]} for row in rows],
        "admin": person.admin,
        "email": person.email,
    }
    if person.parent_id is not None:
        whole |= {"parent_id": person.parent_id, "parent": _described(world().accounts.find(person.parent_id))}
    return whole
