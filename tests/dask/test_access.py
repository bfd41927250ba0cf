"""`CaveAccess` gives the workers of a real cluster the token, and leaves it nowhere else."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import urllib.request
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from cave_magic.api.urls import host_of
from cave_magic.errors import NoToken, TokenNotSaved, TokenNotSent
from cave_magic.sandbox import Sandbox

from ..support.waiting import LONG, until
from .conftest import cluster_of, separate_homes

if TYPE_CHECKING:
    from cave_magic.dask import CaveAccess

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="the extra `dask` is not installed")

DATASTACK = "minnie65_public"


def readings(local: str, server: str) -> list[str]:
    """What a process sends: the tokens of caveclient, and those in the files that cloud-volume reads."""
    from caveclient.auth import AuthClient

    from cave_magic.environment.cloud_volume import readings as files

    token = AuthClient(server_address=server).token
    return [token, *(one.file.token.reveal() if one.file.token else "" for one in files(local))]


def token_files(home: Path) -> dict[str, str]:
    """The files in the secrets folder of a home that contain a token; a worker may just remove one."""
    tokens = {}
    for path in sorted((home / ".cloudvolume" / "secrets").glob("*-secret.json")):
        with suppress(FileNotFoundError):
            tokens[path.name] = json.loads(path.read_text()).get("token", "")
    return tokens


@pytest.fixture
def access(cave: Sandbox, set_up: str) -> CaveAccess:
    """The plugin for the practice server; Ada's token is stored here."""
    return access_to(cave)


def access_to(cave: Sandbox, **options: Any) -> CaveAccess:
    """The plugin for a practice server."""
    from cave_magic.dask import CaveAccess

    return CaveAccess(DATASTACK, server=cave.server, **options)


def test_every_worker_gets_the_token(client: Any, access: CaveAccess, cave: Sandbox, set_up: str, homes: Path):
    """caveclient and cloud-volume read it on each worker, other servers' tokens stay, and at the end it is gone."""
    other = homes / "0" / ".cloudvolume" / "secrets" / "other.org-cave-secret.json"
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text('{"token": "ffffffffffffffffffffffffffffffff"}')
    client.register_plugin(access)
    one = max(client.run(os.getpid))  # the import of caveclient takes seconds
    assert client.run(readings, host_of(cave.local_server), cave.server, workers=[one]) == {one: [set_up] * 3}
    own = [token for name in "01" for file, token in token_files(homes / name).items() if file != other.name]
    assert own == [set_up] * 6
    assert {
        path.stat().st_mode & 0o777 for path in homes.glob("*/.cloudvolume/secrets/*-cave-secret.json") if path != other
    } == {0o600}
    client.unregister_worker_plugin(access.name)
    assert token_files(homes / "0") == {other.name: "f" * 32}
    assert token_files(homes / "1") == {}
    other.unlink()


def test_a_worker_that_dies_gets_it_again(client: Any, access: CaveAccess, cave: Sandbox, set_up: str, homes: Path):
    """The nanny starts a new process, which has the token; it is still removed at the end."""
    client.register_plugin(access)
    before = client.run(os.getpid)
    victim = min(before)
    client.run(os.kill, before[victim], signal.SIGKILL, workers=[victim], on_error="ignore")
    until(lambda: len(set(client.run(os.getpid, on_error="ignore").values()) - {before[victim]}) == 2)
    assert [set(token_files(homes / name).values()) for name in "01"] == [{set_up}] * 2
    client.unregister_worker_plugin(access.name)
    assert [token_files(homes / name) for name in "01"] == [{}, {}]


def test_the_token_is_nowhere_else(client: Any, access: CaveAccess, set_up: str, caplog: pytest.LogCaptureFixture):
    """It is in no page of the dashboard, no log, no event, no task and no repr."""
    client.register_plugin(access)
    client.submit(len, [1]).result()
    seen = [repr(access), str(access), repr(client.get_worker_logs()), repr(client.get_scheduler_logs()), caplog.text]
    seen += [repr(client.get_events()), repr(client.scheduler_info()), repr(client.story("len"))]
    seen += client.run(lambda dask_worker: repr(dask_worker.plugins)).values()
    worker = quote(min(client.scheduler_info()["workers"]), safe="")
    root = f"http://127.0.0.1:{client.scheduler_info()['services']['dashboard']}/"
    pages = {path: _page(root + path.replace(r"([^\/]+)", worker).replace("(.*)", worker)) for path in _paths()}
    assert {"info/main/workers.html", "info/main/logs.html", "json/counts.json"} <= {
        path for path in pages if pages[path]
    }
    assert [text[:200] for text in (*seen, *pages.values()) if set_up in text] == []
    client.unregister_worker_plugin(access.name)


def _paths() -> list[str]:
    """The paths of the scheduler's HTTP server, those of the dashboard included if bokeh is installed."""
    from distributed.http.scheduler import info, json

    found = [route[0] for module in (info, json) for route in module.routes]
    with suppress(ImportError):
        from distributed.dashboard.scheduler import applications

        found += [path.lstrip("/") for path in applications if "individual" not in path]  # parts of the others
    return [*(path for path in found if path != "eventstream"), "metrics"]  # which has tasks, and never ends


def _page(url: str) -> str:
    """A page of the dashboard; "" if it is an error, as for a task that has ended."""
    with suppress(OSError), urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode(errors="replace")
    return ""


def test_it_cannot_get_into_a_task(client: Any, access: CaveAccess):
    """Pickled by anything but the registration, it raises an error and reveals nothing."""
    with pytest.raises(TypeError, match="contains a token"):
        pickle.dumps(access)
    with pytest.raises(Exception, match=r"pickle|serial|contains a token"):
        client.submit(repr, access).result(timeout=60)


def test_another_token_of_a_worker_is_kept(client: Any, access: CaveAccess, cave: Sandbox, set_up: str, homes: Path):
    """The error names the worker; with `overwrite`, it is replaced."""
    file = homes / "0" / ".cloudvolume" / "secrets" / f"{host_of(cave.server)}-cave-secret.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"token": "e" * 32}))
    with pytest.raises(TokenNotSaved, match=r"1 of 2 workers did not save the token\. On tls://.*was kept") as caught:
        client.register_plugin(access)
    assert set_up not in str(caught.value)
    assert json.loads(file.read_text())["token"] == "e" * 32
    client.register_plugin(access_to(cave, overwrite=True))
    assert json.loads(file.read_text())["token"] == set_up
    client.unregister_worker_plugin(access.name)
    file.unlink()


def test_a_plain_connection_is_refused(access: CaveAccess, set_up: str, monkeypatch: pytest.MonkeyPatch):
    """To another computer, the token goes over TLS only, unless the person says otherwise; the line says how."""
    import cave_magic.dask.access as module

    with cluster_of(n_workers=1, processes=False, protocol="tcp") as cluster, cluster.get_client() as client:
        real = module.cluster.addresses_of

        async def remote(client: Any) -> tuple[str, ...]:
            return ("tcp://10.0.0.5:8786", *(await real(client))[1:])

        monkeypatch.setattr(module.cluster, "addresses_of", remote)
        with pytest.raises(TokenNotSent, match=r"tcp://10\.0\.0\.5:8786 is not encrypted, .*Security.temporary\(\)"):
            client.register_plugin(access)
        assert access.name not in client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.worker_plugins))


def test_nothing_is_registered_without_a_token(cave: Sandbox):
    """Without a stored token there is nothing to give; the error says what to do."""
    with pytest.raises(NoToken, match="no token is stored here for"):
        access_to(cave)


def lose_package() -> None:
    """Makes a process one without this package."""

    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    version.real = metadata.version  # type: ignore[attr-defined]
    metadata.version = version
    sys.modules["cave_magic.dask.look"] = None  # type: ignore[assignment]


def find_package() -> None:
    """Undoes `lose_package`."""
    metadata.version = metadata.version.real  # type: ignore[attr-defined]
    del sys.modules["cave_magic.dask.look"]


def test_a_worker_without_the_package_is_named(
    client: Any, access: CaveAccess, set_up: str, homes: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nothing is sent, and the line that installs the package there is printed."""
    monkeypatch.setattr("cave_magic.dask.access._PATIENCE", LONG)
    worker = min(client.run(os.getpid))
    client.run(lose_package, workers=[worker])
    with pytest.raises(TokenNotSent) as caught:
        client.register_plugin(access)
    client.run(find_package, workers=[worker])
    assert f"cave-magic is not installed on 1 of 2 workers, such as {worker}" in str(caught.value)
    assert 'client.register_plugin(PipInstall(["cave-magic==' in str(caught.value)
    assert [token_files(homes / name) for name in "01"] == [{}, {}]


def test_a_worker_that_comes_later_gets_it(access: CaveAccess, cave: Sandbox, set_up: str, tmp_path: Path):
    """With adaptive scaling, the second worker has the token as soon as it works, and none after it has left."""
    homes = tmp_path / "homes"
    homes.mkdir()

    def with_token() -> int:
        return sum(set(token_files(path).values()) == {set_up} for path in homes.iterdir() if path.is_dir())

    with separate_homes(homes, n_workers=1) as cluster, cluster.get_client() as client:
        client.register_plugin(access)
        cluster.adapt(minimum=2, maximum=2, interval="100ms")
        client.wait_for_workers(2, timeout=60)
        until(lambda: with_token() == 2)
        cluster.adapt(minimum=1, maximum=1, interval="100ms")
        until(lambda: with_token() == 1)
        cluster._adaptive.stop()


def test_a_later_worker_without_the_package_starts(
    access: CaveAccess, set_up: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """It can unpack the plugin, or Dask would log what it cannot; the plugin says why there is no token."""
    from distributed.protocol.pickle import dumps, loads

    from cave_magic.dask.access import _Sealed

    sent = dumps(_Sealed(access))
    assert set_up.encode() in sent
    monkeypatch.setitem(sys.modules, "cave_magic.dask.access", None)
    with pytest.raises(
        RuntimeError, match=r"cannot be used on this worker \(ModuleNotFoundError\): it has no CAVE token"
    ):
        loads(sent).setup(None)
    assert set_up not in caplog.text
