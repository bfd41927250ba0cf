"""Reading the call to caveclient that failed: from frames and attributes only, whatever objects are there."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from cave_magic.environment.caveclient_adapter import FailedCall, failed_call

SOURCE = """
class Client:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)
    @property
    def version(self):
        raise SystemExit("a property sends requests")
    def query_table(self, table, **more):
        raise ValueError("zero-size array")
"""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A class in a module with the name of caveclient's, whose properties must not be read."""
    module = ModuleType("caveclient.materializationengine")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(SOURCE, module.__dict__)
    return module.__dict__["Client"]


def _failure(one: Any, *args: Any, **more: Any) -> FailedCall | None:
    with pytest.raises(ValueError, match="zero-size") as caught:
        one.query_table(*args, **more)
    return failed_call(caught.value)


def test_a_call_is_read_from_its_frames(service: Any):
    """Function, service, table, version and client are found; no property is read."""
    auth = service(_token="t", _token_key="token", _token_file="f")
    client = service(
        _auth_config={}, _server_address="https://a.org/", _datastack_name="d", local_server="https://l.org", _auth=auth
    )
    call = _failure(service(_fc=client, _version=7, _api_version=2), "nuclei")
    assert call is not None
    assert (call.function, call.service, call.server, call.local_server) == (
        "query_table", "materialize", "https://a.org", "https://l.org",
    )  # fmt: skip
    assert (call.datastack == "d", call.table == "nuclei", call.version, call.api) == (True, True, 7, 2)
    assert call.token is not None
    assert call.key is None


@pytest.mark.parametrize("attributes", [{}, {"_fc": 3}, {"_version": "x", "_api_version": "latest"}, {"_auth": []}])
def test_an_unknown_client_gives_what_is_known(service: Any, attributes: dict[str, Any]):
    """Attributes of another version of caveclient, or none, are ignored."""
    call = _failure(service(**attributes), 5)
    assert call is not None
    assert (call.server, call.version, call.token) == ("", None, None)
    assert call.wrong is not None
    assert (call.wrong.name, call.wrong.type) == ("table", "int")


class Hostile(Exception):
    """An error whose attributes raise."""

    @property
    def reason(self) -> Any:
        raise RuntimeError


@pytest.mark.parametrize("error", [None, ValueError("x"), Hostile("x"), KeyboardInterrupt(), AttributeError("x")])
def test_an_error_without_caveclient_has_no_call(error: BaseException | None):
    """The user's own errors are not followed, and none of them breaks the check."""
    assert failed_call(error) is None
