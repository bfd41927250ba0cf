"""The services of a local server: materialization, chunkedgraph, level-2 cache, skeletons, annotation."""

from __future__ import annotations

import importlib
import io
from datetime import datetime, timedelta, timezone
from typing import Any

import flask
from flask import Blueprint, Response, jsonify, render_template

from cave_magic.sandbox.gate import needs_permission, open_to_all, signed_in, visitor, world

materialize = Blueprint("materialize", __name__, url_prefix="/materialize", template_folder="templates")
chunkedgraph = Blueprint("chunkedgraph", __name__, url_prefix="/segmentation")
l2cache = Blueprint("l2cache", __name__, url_prefix="/l2cache")
skeleton = Blueprint("skeleton", __name__, url_prefix="/skeletoncache/api")
annotation = Blueprint("annotation", __name__, url_prefix="/annotation")

BLUEPRINTS = (materialize, chunkedgraph, l2cache, skeleton, annotation)
VERSIONS = {1412: True, 1300: True, 1181: False}
"""Materialization versions, newest first, and whether each is still valid."""

TABLES = ("nuclei", "synapses", "cell_types")
VIEWS = {
    "nuclei_by_type": {"datastack_name": "minnie65_public", "description": "Practice view.", "live_compatible": True}
}
_ROWS = 25
_DATASTACK = "/api/v<int:api>/datastack/<datastack>"

viewable = needs_permission("datastack", "datastack")
graph_viewable = needs_permission("pcg_table", "table")


for _blueprint, _path, _version in (
    (materialize, "/version", "5.20.0"),
    (materialize, "/api/versions", [2, 3]),
    (chunkedgraph, "/api/version", "3.2.0"),
    (chunkedgraph, "/api/versions", [0, 1]),
    (skeleton, "/version", "0.22.40"),
    (skeleton, "/versions", [-1, 0, 1, 2, 3, 4]),  # of skeletons
    (annotation, "/version", "4.31.0"),
    (annotation, "/api/versions", [0, 2]),
):
    open_to_all(_blueprint, _path, _version)


@materialize.get("/views/datastack/<datastack>")
@viewable
def datastack_page(datastack: str) -> str:
    """The first page for a new user: requires sign-in and the terms, and shows the versions."""
    return render_template("datastack.html", datastack=datastack, versions=VERSIONS, person=visitor())


@materialize.get(f"{_DATASTACK}/versions")
@viewable
def versions(api: int, datastack: str) -> Response:
    """Materialization versions, including expired ones on request."""
    everything = flask.request.args.get("expired", "false").lower() == "true"
    return jsonify([number for number, valid in VERSIONS.items() if valid or everything])


@materialize.get(f"{_DATASTACK}/metadata")
@viewable
def versions_metadata(api: int, datastack: str) -> Response:
    """Metadata of every valid materialization."""
    return jsonify([_metadata(datastack, number) for number, valid in VERSIONS.items() if valid])


@materialize.get(f"{_DATASTACK}/version/<int:version>")
@viewable
def version_metadata(api: int, datastack: str, version: int) -> Response:
    """Metadata of one materialization."""
    return jsonify(_metadata(datastack, version)) if version in VERSIONS else _missing("No version found")


@materialize.get(f"{_DATASTACK}/version/<int:version>/tables")
@viewable
def tables(api: int, datastack: str, version: int) -> Response:
    """Names of the tables of a materialization."""
    return jsonify(list(TABLES)) if version in VERSIONS else _missing(None)


@materialize.get(f"{_DATASTACK}/version/<int:version>/tables/metadata")
@viewable
def tables_metadata(api: int, datastack: str, version: int) -> Response:
    """Metadata of all tables of a materialization."""
    return _no_version(datastack, version) or jsonify([_table(name) for name in TABLES])


@materialize.get(f"{_DATASTACK}/version/<int:version>/table/<table>/metadata")
@viewable
def table_metadata(api: int, datastack: str, version: int, table: str) -> Response:
    """Metadata of one table."""
    if table not in TABLES:
        found = f"No table named '{table}' found for version '{version}' in datastack '{datastack}'"
        return _no_version(datastack, version) or _missing(found)
    return _no_version(datastack, version) or jsonify(_table(table))


@materialize.get(f"{_DATASTACK}/version/<int:version>/table/<table>/count")
@viewable
def table_count(api: int, datastack: str, version: int, table: str) -> Response:
    """The number of rows of a table."""
    return _no_table(datastack, version, table) or jsonify(_ROWS)


@materialize.post(f"{_DATASTACK}/version/<int:version>/table/<table>/query")
@viewable
def query(api: int, datastack: str, version: int, table: str) -> Response:
    """The rows of a table as an Arrow stream; ignores all filters but `limit`."""
    return _no_table(datastack, version, table) or _rows(datastack, version)


@materialize.get(f"{_DATASTACK}/version/<int:version>/views")
@viewable
def views(api: int, datastack: str, version: int) -> Response:
    """The views, by name."""
    return _no_version(datastack, version) or jsonify(VIEWS)


@materialize.get(f"{_DATASTACK}/version/<int:version>/views/<view>/metadata")
@viewable
def view_metadata(api: int, datastack: str, version: int, view: str) -> Response:
    """Metadata of one view; materialize fails for a view that does not exist."""
    unknown = None if view in VIEWS else _failure("'NoneType' object has no attribute '__dict__'")
    return _no_version(datastack, version) or unknown or jsonify({"table_name": view, **VIEWS[view]})


@materialize.post(f"{_DATASTACK}/version/<int:version>/views/<view>/query")
@viewable
def query_view(api: int, datastack: str, version: int, view: str) -> Response:
    """The rows of a view."""
    return _no_version(datastack, version) or _rows(datastack, version)


@chunkedgraph.get("/table/<table>/info")
@graph_viewable
def graph_info(table: str) -> Response:
    """The metadata of a segmentation, as neuroglancer reads it."""
    scale = {
        "chunk_sizes": [[256, 256, 512]],
        "encoding": "compressed_segmentation",
        "key": "8_8_40",
        "resolution": [8, 8, 40],
        "size": [192424, 131051, 13008],
        "voxel_offset": [26385, 30308, 14850],
    }
    graph = {"chunk_size": [256, 256, 512], "n_layers": 12, "n_bits_for_layer_id": 8, "spatial_bit_masks": {}}
    return jsonify(
        {
            "app": {"supported_api_versions": [0, 1]},
            "data_dir": "gs://practice/segmentation",
            "data_type": "uint64",
            "graph": graph,
            "num_channels": 1,
            "scales": [scale],
            "type": "segmentation",
        }
    )


@chunkedgraph.get("/api/v1/table/<table>/oldest_timestamp")
@graph_viewable
def oldest_timestamp(table: str) -> Response:
    """The time of the first segmentation."""
    return jsonify({"iso": "2020-06-25T20:00:00+00:00"})


@chunkedgraph.get("/api/v1/table/<table>/node/<int:node>/root")
@graph_viewable
def root(table: str, node: int) -> Response:
    """The root id of a supervoxel, one of a few practice cells."""
    return jsonify({"root_id": _root_id(node % _ROWS)})


@chunkedgraph.post("/api/v1/table/<table>/is_latest_roots")
@graph_viewable
def is_latest_roots(table: str) -> Response:
    """Nothing is ever edited here, so every root is the latest."""
    data = flask.request.get_json(force=True, silent=True) or {}
    return jsonify({"is_latest": [True] * len(data.get("node_ids", []))})


@l2cache.get("/api/v1/attribute_metadata")
@signed_in
def attribute_metadata() -> Response:
    """Names and types of the cached features."""
    return jsonify({"area_nm2": "UINT32", "rep_coord_nm": "3D UINT64", "size_nm3": "UINT32"})


@l2cache.get("/api/v1/table_mapping")
@signed_in
def table_mapping() -> Response:
    """The chunkedgraph tables that have a cache."""
    rows = world().catalogue.datastacks.values()
    return jsonify({row.chunkedgraph: {"l2cache_id": f"l2_{row.name}", "cv_path": ""} for row in rows})


@l2cache.post("/api/v1/table/<table>/attributes")
@graph_viewable
def attributes(table: str) -> Response:
    """Features of level-2 ids."""
    data = flask.request.get_json(force=True, silent=True) or {}
    feature = {"area_nm2": 4242, "rep_coord_nm": [480000, 520000, 840000], "size_nm3": 424242}
    return jsonify({str(node): feature for node in data.get("l2_ids", [])})


@skeleton.get("/v1/<datastack>/precomputed/skeleton/info")
@skeleton.get("/v1/<datastack>/precomputed/skeleton/<int(signed=True):version>/info")
@viewable
def skeleton_info(datastack: str, version: int = 4) -> Response:
    """The metadata of the skeletons, as neuroglancer reads it."""
    radius = {"id": "radius", "data_type": "float32", "num_components": 1}
    return jsonify(
        {"@type": "neuroglancer_skeletons", "transform": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
         "vertex_attributes": [radius]}
    )  # fmt: skip


@annotation.get("/api/v2/aligned_volume/<volume>/table")
@needs_permission("aligned_volume", "volume")
def annotation_tables(volume: str) -> Response:
    """Names of the annotation tables."""
    return jsonify(list(TABLES))


def _metadata(datastack: str, version: int) -> dict[str, Any]:
    frozen = datetime(2026, 1, 5, 10, 10, tzinfo=timezone.utc) - timedelta(weeks=1412 - version)
    stamp = "%Y-%m-%dT%H:%M:%S.%f"
    return {
        "datastack": datastack,
        "expires_on": (frozen + timedelta(weeks=520)).strftime(stamp),
        "id": version,
        "is_merged": True,
        "parent_version": None,
        "status": "AVAILABLE" if VERSIONS[version] else "EXPIRED",
        "time_stamp": frozen.strftime(stamp),
        "valid": VERSIONS[version],
        "version": version,
    }


def _table(name: str) -> dict[str, Any]:
    return {
        "annotation_table": name,
        "created": "2024-03-01T12:00:00.000000",
        "description": f"Practice table {name}.",
        "flat_segmentation_source": None,
        "reference_table": None,
        "id": TABLES.index(name) + 1,
        "schema": {"nuclei": "nucleus_detection", "synapses": "synapse"}.get(name, "cell_type_local"),
        "schema_type": "bound_tag",
        "table_name": name,
        "user_id": "1",
        "valid": True,
        "voxel_resolution_x": 4.0,
        "voxel_resolution_y": 4.0,
        "voxel_resolution_z": 40.0,
    }


def _arrow(rows: int) -> bytes:
    """A small table of cells. pyarrow comes with caveclient and is imported only here."""
    pyarrow: Any = importlib.import_module("pyarrow")

    count = range(min(rows, _ROWS))
    table = pyarrow.table(
        {
            "id": list(count),
            "valid": [True for _ in count],
            "pt_supervoxel_id": [89_000_000_000_000_000 + n for n in count],
            "pt_root_id": [_root_id(n) for n in count],
            "pt_position_x": [180_000 + 97 * n for n in count],
            "pt_position_y": [200_000 + 31 * n for n in count],
            "pt_position_z": [21_000 + 7 * n for n in count],
        }
    )
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _root_id(number: int) -> int:
    return 864_691_135_000_000_000 + number


def _rows(datastack: str, version: int) -> Response:
    if not VERSIONS[version]:  # its database was dropped
        database = f"{datastack}__mat{version}"
        return _failure(f'(psycopg2.OperationalError) FATAL:  database "{database}" does not exist\n')
    data = flask.request.get_json(force=True, silent=True) or {}
    response = Response(_arrow(int(data.get("limit") or _ROWS)), content_type="data.arrow")
    for size in data.get("desired_resolution") or (4.0, 4.0, 40.0):
        response.headers.add("dataframe_resolution", str(size))
    return response


def _no_version(datastack: str, version: int) -> Response | None:
    """What `validate_datastack` aborts with."""
    return None if version in VERSIONS else _failure(f"404 Not Found: version {version} not found in {datastack}")


def _no_table(datastack: str, version: int, table: str) -> Response | None:
    """What `validate_table_args` aborts with."""
    words = f"Analysis table '{table}' not found for version {version} in datastack {datastack}"
    return _no_version(datastack, version) or (None if table in TABLES else _failure(f"404 Not Found: {words}"))


def _missing(body: str | None) -> Response:
    return flask.make_response(jsonify(body), 404)


def _failure(message: str) -> Response:
    """What materialize returns for any exception, its own 404 included (MaterializationEngine 5.26, `common.py`)."""
    body = {"code": 500, "message": message, "traceback": ["Traceback (most recent call last):\n"]}
    return flask.make_response(jsonify(body), 500)
