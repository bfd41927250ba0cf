"""Unexpected responses and files give a correct result: never "invalid token", never a traceback."""

from __future__ import annotations

import json

import pytest
from flask import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cave_magic.credentials import datastack_map, save, token_files
from cave_magic.credentials.target import find_target
from cave_magic.doctor.diagnose import diagnose
from cave_magic.token import Token

PROPERTY = settings(
    max_examples=settings.default.max_examples // 10,  # each is a whole check
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
codes = st.sampled_from(["missing_tos", "missing_permission", "invalid_table_id", "whatever", "", "\x1b[31mred"])
errors = st.fixed_dictionaries({"error": codes | json_values}, optional={"data": json_values, "message": json_values})
bodies = st.one_of(
    json_values.map(lambda value: json.dumps(value).encode()),
    errors.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=200),
)
statuses = st.integers(200, 599).filter(lambda status: status not in (204, 304))
kinds = st.sampled_from(["application/json", "text/html", "text/plain; charset=latin-1", "x/y"])


@pytest.fixture
def ada(cave, secrets):
    """Ada's saved token, and her target."""
    token = cave.new_token("ada")
    save.save_token(Token(token), cave.server)
    return token, find_target("minnie65_public", cave.server)


def _said(report) -> str:
    steps = " ".join(row.next_step.text for row in report.rows if row.next_step)
    return " ".join((*(row.evidence for row in report.rows), steps))


def _is_honest(report, token: str, rows: tuple[str, ...]) -> None:
    assert not [row for row in report.rows if row.status == "crashed"]
    assert {row.id for row in report.rows if row.status in ("failed", "unknown")} <= set(rows)
    said = _said(report)
    assert token not in said
    assert said.isprintable() or all(part.isprintable() for part in said.split("\n"))


@PROPERTY
@given(status=statuses, body=bodies, kind=kinds)
def test_any_response_of_the_auth_service(cave, ada, status, body, kind):
    """Whatever the auth service returns but its own `invalid_token`, the token is not called rejected."""
    token, target = ada
    cave.misbehave("auth", lambda request: Response(body, status=status, content_type=kind))
    report = diagnose([target], 60)
    _is_honest(report, token, ("auth", "network", "account", "terms", "access"))
    assert "%cave_setup existing" not in (report.next.commands if report.next else ())
    assert "rejected the stored token" not in _said(report)


@PROPERTY
@given(status=statuses, body=bodies, kind=kinds)
def test_any_response_of_the_info_service(cave, ada, status, body, kind):
    """Whatever the info service returns, the account is fine, and at most one check fails."""
    token, target = ada
    cave.misbehave("info", lambda request: Response(body, status=status, content_type=kind))
    report = diagnose([target], 60)
    _is_honest(report, token, ("info", "terms", "datastack", "access"))
    assert next(row for row in report.rows if row.id == "account").status == "ok"
    assert len([row for row in report.rows if row.status in ("failed", "unknown")]) <= 1


@PROPERTY
@given(status=statuses, body=bodies, kind=kinds)
def test_any_response_of_a_data_service(cave, ada, status, body, kind):
    """Whatever materialize returns, only its own check may fail."""
    token, target = ada
    cave.misbehave("materialize", lambda request: Response(body, status=status, content_type=kind))
    _is_honest(diagnose([target], 60), token, ("materialize",))


@PROPERTY
@given(content=st.one_of(st.binary(max_size=300), bodies, json_values.map(lambda v: json.dumps({"token": v}).encode())))
def test_any_token_file(cave, ada, content):
    """Whatever the token file contains, only checks of the token may fail, and none crashes."""
    token, target = ada
    token_files.server_file(cave.server).write_bytes(content)
    report = diagnose([target], 60)
    _is_honest(report, token, ("token", "token-form", "token-shadow", "account"))


@PROPERTY
@given(
    content=st.one_of(
        st.binary(max_size=300),
        bodies,
        st.dictionaries(st.text(max_size=20), json_values).map(
            lambda value: json.dumps({**value, "minnie65_public": "http://x"}).encode()
        ),
    )
)
def test_any_datastack_map(cave, ada, content):
    """Whatever the datastack map contains, only its own check may fail, and none crashes."""
    _, target = ada
    (token_files.secrets_folder() / datastack_map.MAP_NAME).write_bytes(content)
    report = diagnose([target], 60)
    assert not [row for row in report.rows if row.status == "crashed"]
    assert {row.id for row in report.rows if row.status == "failed"} <= {"map-file"}


headers = st.dictionaries(
    st.sampled_from(
        ["Location", "WWW-Authenticate", "Warning", "Retry-After", "Content-Encoding", "Set-Cookie", "X-Odd"]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    max_size=3,
)


@PROPERTY
@given(status=statuses, headers=headers)
def test_any_headers(cave, ada, status, headers):
    """Whatever the headers of a response, no redirect is followed and no check crashes."""
    token, target = ada
    cave.misbehave(
        "all", lambda request: Response(b"{}", status=status, headers=headers, content_type="application/json")
    )
    _is_honest(diagnose([target], 60), token, ("network", "auth", "account", "info", "access"))
