"""The other global services: info, and what a client needs of the schema and state services to start."""

from __future__ import annotations

import difflib
import re
from typing import Any

import flask
from flask import Blueprint, Response, jsonify, render_template
from werkzeug.exceptions import NotFound

from cave_magic.sandbox.catalogue import Datastack
from cave_magic.sandbox.gate import may_view, needs_permission, open_to_all, signed_in, world

info = Blueprint("info", __name__, url_prefix="/info", template_folder="templates")
schema = Blueprint("schema", __name__, url_prefix="/schema")
state = Blueprint("state", __name__, url_prefix="/nglstate")

open_to_all(info, "/version", "4.3.3")
open_to_all(info, "/api/versions", [2])
open_to_all(schema, "/versions", [1, 2])
open_to_all(state, "/api/v1/version", "0.5.1")


@info.get("/")
@signed_in
def index() -> str:
    """The page with links to the datastacks that the visitor may view."""
    names = [name for name in world().catalogue.datastacks if may_view("datastack", name)]
    return render_template("datastacks.html", names=names)


@info.get("/datastack/<datastack>")
@needs_permission("datastack", "datastack")
def datastack_page(datastack: str) -> str:
    """The page of one datastack."""
    row = world().catalogue.datastacks.get(datastack) or flask.abort(404)
    return render_template("info_datastack.html", row=row.full(local_server(row)), name=datastack)


@info.get("/api/v2/datastacks")
@signed_in
def datastacks() -> Response:
    """Names that the visitor may view, even without accepting the terms."""
    return jsonify([name for name in world().catalogue.datastacks if may_view("datastack", name)])


@info.get("/api/v2/datastack/full/<string:datastack>")
@needs_permission("datastack", "datastack")
def datastack_full(datastack: str) -> Response:
    """The whole record of a datastack."""
    row = world().catalogue.datastacks.get(datastack)
    return jsonify(row.full(local_server(row))) if row else _no_row()


@info.get("/api/v2/datastack/<string:datastack>")
@needs_permission("datastack", "datastack", ignore_tos=True)
def datastack_short(datastack: str) -> Response:
    """The short record of a datastack, which does not require the terms to be accepted."""
    row = world().catalogue.datastacks.get(datastack)
    return jsonify(row.short(local_server(row))) if row else _no_row()


@info.get("/api/v2/datastack/<string:datastack>/image_sources")
@needs_permission("datastack", "datastack")
def image_sources(datastack: str) -> Response:
    """The one image source of a datastack."""
    row = world().catalogue.datastacks.get(datastack)
    return jsonify([row.aligned_volume()]) if row else _no_row()


@info.get("/api/v2/aligned_volume")
@signed_in
def aligned_volumes() -> Response:
    """Names of the image volumes that the visitor may view, even without accepting the terms."""
    names = [row.volume for row in world().catalogue.datastacks.values()]
    return jsonify([name for name in names if may_view("aligned_volume", name)])


@info.get("/api/v2/aligned_volume/<string:volume>")
@needs_permission("aligned_volume", "volume")
def aligned_volume(volume: str) -> Response:
    """One image volume."""
    rows = _on(volume)
    return jsonify(rows[0].aligned_volume()) if rows else _no_row()


@info.get("/api/v2/aligned_volume/id/<int:number>")
def aligned_volume_by_id(number: int) -> Response:
    """One image volume by its id; needs no token."""
    rows = [row for row in world().catalogue.datastacks.values() if row.volume_id == number]
    return jsonify(rows[0].aligned_volume()) if rows else _no_row()


@info.get("/api/v2/aligned_volume/<string:volume>/datastacks")
@signed_in
def volume_datastacks(volume: str) -> Response:
    """Names of the datastacks on an image volume that the visitor may view."""
    rows = _on(volume)
    return jsonify([row.name for row in rows if may_view("datastack", row.name)]) if rows else _no_row()


def _on(volume: str) -> list[Datastack]:
    return [row for row in world().catalogue.datastacks.values() if row.volume == volume]


@schema.get("/type", defaults={"api": 1})
@schema.get("/api/v2/type", defaults={"api": 2})
@signed_in
def schema_types(api: int) -> Response:
    """Names of annotation schemas."""
    return jsonify(list(_SCHEMAS))


@schema.get("/api/v2/types_all")
@signed_in
def schema_definitions() -> Response:
    """The definitions of all annotation schemas."""
    return jsonify({name: _definition(name) for name in _SCHEMAS})


@schema.get("/type/<name>", defaults={"api": 1})
@schema.get("/api/v2/type/<name>", defaults={"api": 2})
@signed_in
def schema_definition(api: int, name: str) -> Response:
    """The definition of one annotation schema."""
    return jsonify(_definition(name)) if name in _SCHEMAS else _no_row()


_SCHEMAS = {"bound_tag": "tag", "cell_type_local": "cell_type", "nucleus_detection": "volume", "synapse": "size"}
"""Annotation schemas, and the field that each has beside its point."""


def _definition(name: str) -> dict[str, Any]:
    """A schema as JSON Schema, as EMAnnotationSchemas writes it."""
    kind = {"type": "string"} if name in ("bound_tag", "cell_type_local") else {"type": "number", "format": "float"}
    properties = {"pt": {"type": "object", "$ref": "#/definitions/BoundSpatialPoint"}, _SCHEMAS[name]: kind}
    return {"$ref": f"#/definitions/{name}", "definitions": {name: {"type": "object", "properties": properties}}}


def local_server(row: Datastack) -> str:
    """The URL of the local server of a datastack."""
    return world().local_servers[row.local]


def _no_row() -> Response:
    """The 404 for a name that only the auth server knows; flask-restx suggests similar routes."""
    rules = {re.sub("(<.*>)", "", rule.rule): rule.rule for rule in flask.current_app.url_map.iter_rules()}
    close = [rules[match] for match in difflib.get_close_matches(flask.request.path, rules)]
    message = NotFound.description
    if close:
        message += f" You have requested this URI [{flask.request.path}] but did you mean {' or '.join(close)} ?"
    return flask.make_response(jsonify({"message": message}), 404)
