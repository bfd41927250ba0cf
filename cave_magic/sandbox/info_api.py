"""The global services besides auth: info, and enough of the schema and state services for a client to start."""

from __future__ import annotations

from typing import Any

import flask
from flask import Blueprint, Response, jsonify

from cave_magic.sandbox.catalogue import Datastack
from cave_magic.sandbox.gate import may_view, needs_permission, signed_in, world

info = Blueprint("info", __name__, url_prefix="/info")
schema = Blueprint("schema", __name__, url_prefix="/schema")
state = Blueprint("state", __name__, url_prefix="/nglstate")

VERSION = "4.3.3"


@info.get("/version")
def version() -> Response:
    """Answers anybody, whatever the token."""
    return jsonify(VERSION)


@info.get("/api/versions")
def versions() -> Response:
    """The versions of the interface."""
    return jsonify([2])


@info.get("/api/v2/datastacks")
@signed_in
def datastacks() -> Response:
    """Names that the visitor may view, also those whose terms are not signed."""
    return jsonify([name for name in world().catalogue.datastacks if may_view(name)])


@info.get("/api/v2/datastack/full/<datastack>")
@needs_permission("datastack", "datastack")
def datastack_full(datastack: str) -> Response:
    """The whole record of a datastack."""
    row = world().catalogue.datastacks.get(datastack)
    return jsonify(row.full(local_server(row))) if row else _no_row()


@info.get("/api/v2/datastack/<datastack>")
@needs_permission("datastack", "datastack", ignore_tos=True)
def datastack_short(datastack: str) -> Response:
    """The short record, for whose sake no terms need be signed."""
    row = world().catalogue.datastacks.get(datastack)
    return jsonify(row.short(local_server(row))) if row else _no_row()


@info.get("/api/v2/aligned_volume")
@signed_in
def aligned_volumes() -> Response:
    """Names of all image volumes."""
    return jsonify([row.volume for row in world().catalogue.datastacks.values()])


@info.get("/api/v2/aligned_volume/<name>")
@signed_in
def aligned_volume(name: str) -> Response:
    """One image volume."""
    rows = [row for row in world().catalogue.datastacks.values() if row.volume == name]
    return jsonify(rows[0].aligned_volume()) if rows else _no_row()


@info.get("/api/v2/aligned_volume/id/<int:number>")
@signed_in
def aligned_volume_by_id(number: int) -> Response:
    """One image volume by its id."""
    rows = [row for row in world().catalogue.datastacks.values() if row.volume_id == number]
    return jsonify(rows[0].aligned_volume()) if rows else _no_row()


@info.get("/api/v2/aligned_volume/<name>/datastacks")
@signed_in
def volume_datastacks(name: str) -> Response:
    """Names of the datastacks on an image volume."""
    rows = world().catalogue.datastacks.values()
    return jsonify([row.name for row in rows if row.volume == name])


@info.get("/api/v2/datastack/<datastack>/image_sources")
@needs_permission("datastack", "datastack")
def image_sources(datastack: str) -> Response:
    """The one image source of a datastack."""
    row = world().catalogue.datastacks.get(datastack)
    return jsonify([row.aligned_volume()]) if row else _no_row()


@schema.get("/versions")
def schema_versions() -> Response:
    """The versions of the interface."""
    return jsonify([1, 2])


@schema.get("/type", defaults={"api": 1})
@schema.get("/api/v2/type", defaults={"api": 2})
@signed_in
def schema_types(api: int) -> Response:
    """Names of annotation schemas."""
    return jsonify(["bound_tag", "cell_type_local", "nucleus_detection", "synapse"])


@state.get("/api/v1/version")
def state_version() -> Response:
    """The version of the state service."""
    return jsonify("0.5.1")


def local_server(row: Datastack) -> str:
    """The address of the local server that holds a datastack."""
    return world().local_servers[row.local]


def _no_row() -> Response:
    """The auth server knows the name, the info service has no such row."""
    here: Any = flask.request.path
    message = (
        "The requested URL was not found on the server. If you entered the URL manually please check your "
        f"spelling and try again. You have requested this URI [{here}] but did you mean "
        "/info/api/v2/datastack/full/<string:datastack> or /info/api/v2/datastacks or "
        "/info/api/v2/datastack/<string:datastack> ?"
    )
    answer = jsonify({"message": message})
    answer.status_code = 404
    return answer
