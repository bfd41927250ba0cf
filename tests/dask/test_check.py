"""`%cave_check --workers` runs the check on the workers of a real cluster, and groups what is the same."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import cave_magic
from cave_magic.credentials.save import save_token
from cave_magic.dask import look
from cave_magic.dask.check import BEFORE_THE_TOKEN
from cave_magic.doctor.checks import CHECKS
from cave_magic.doctor.checks.environment import CAVECLIENT as ENVIRONMENT
from cave_magic.errors import BadInput
from cave_magic.sandbox import Sandbox
from cave_magic.token import Token

from ..support.shell import Run
from ..support.waiting import until
from .conftest import cluster_of
from .test_access import find_package, lose_package

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="the extra `dask` is not installed")
DATASTACK = "minnie65_public"


def test_a_check_of_the_environment_needs_no_token():
    """A worker that fails one is not given a token, which would not help; a new check of that kind belongs in the list."""
    environment = {check.id for check in CHECKS if check.group == ENVIRONMENT.group}
    assert environment - set(BEFORE_THE_TOKEN) == set()
    assert set(BEFORE_THE_TOKEN) - {check.id for check in CHECKS} == set()


@pytest.fixture(scope="module")
def many(pytestconfig: pytest.Config) -> Iterator[Any]:
    """A client of 40 workers, or with `--everything` of 200, all in this process."""
    count = 200 if pytestconfig.getoption("everything") else 40
    with cluster_of(n_workers=count, processes=False) as cluster, cluster.get_client() as client:
        yield client


def test_many_workers_ask_once(many: Any, cave: Sandbox, set_up: str):
    """All say the same as this computer, so one check is made for all, within the timeout."""
    count = len(many.cluster.workers)
    cave.requests.clear()
    start = time.monotonic()
    report = cave_magic.check(DATASTACK, server=cave.server, workers=many, timeout=60)
    assert time.monotonic() - start < 60
    assert report.ok
    assert [(len(one.workers), one.status, one.differs) for one in report.groups] == [(count, "ok", ())]
    assert sum(one.service == "auth" for one in cave.requests) <= 2
    assert report.next is None
    assert f"{count} workers on " in str(report)
    assert set_up not in json.dumps(report.to_dict()) + str(report) + repr(report)


def test_what_a_worker_says_has_no_token(cave: Sandbox, set_up: str):
    """A worker reports the digest of its token, which is the same for the same key, and another one for each check."""
    one, again, other = (look.facts([DATASTACK], cave.server, key)["tokens"] for key in (b"key", b"key", b"other"))
    assert one == again
    assert one[0]["digest"] != other[0]["digest"]
    assert one[0]["ending"] == set_up[-4:]
    assert set_up not in str(one)


def test_what_differs_is_grouped(many: Any, cave: Sandbox, set_up: str, monkeypatch: pytest.MonkeyPatch):
    """Each kind of worker asks once; kinds that say the same are one row, with what is not as it is here."""
    count, real, numbers = len(many.cluster.workers), look.facts, iter(range(1000))
    there = {"home": "/scratch/home", "network": "0", "variables": ["HTTPS_PROXY"], "host": "node7"}

    def facts(names: Any, server: str, key: bytes) -> dict[str, Any]:
        said, number = real(names, server, key), next(numbers)
        if number % (count // 4) == 1:  # the first one is this computer
            said |= {**there, "clock": said["clock"] + 7200, "versions": {**said["versions"], "caveclient": "7.0.0"}}
        return said | {"home": f"/other/{number}"} if number % (count // 4) == 2 else said

    monkeypatch.setattr(look, "facts", facts)
    cave.requests.clear()
    report = cave_magic.check(DATASTACK, server=cave.server, workers=many, timeout=60)
    assert report.ok
    assert [len(one.workers) for one in report.groups] == [count - 8, 4, 4]
    found = [{one.what: one.there for one in group.differs} for group in report.groups]
    first, second, third, _ = sorted(f"/other/{number}" for number in range(2, count, count // 4))
    assert {"home": f"{first}, {second}, {third} and 1 more"} in found
    away = {
        "home": "/scratch/home",
        "caveclient": "7.0.0",
        "network variables": "HTTPS_PROXY",
        "clock": "2 hours ahead",
    }
    assert away in found
    assert sum(one.service == "auth" for one in cave.requests) <= 12


def test_workers_without_a_token_are_named(client: Any, cave: Sandbox, set_up: str, homes: Path, run: Run, shell: Any):
    """The table groups them, and the printed line gives them the token; then all is well."""
    shell.user_ns["client"] = client
    ran = run(f"%cave_check {DATASTACK} --server {cave.server} --workers client --timeout 40")
    assert not ran.error
    assert "stored token: none" in ran.out
    assert str(homes / "0") in "".join(ran.out.split())
    report = cave_magic.check(DATASTACK, server=cave.server, workers=client, timeout=40)
    assert {one.check for one in report.groups} == {"token"}
    assert sum(len(one.workers) for one in report.groups) == 2
    line = report.next.commands[0]
    assert line.startswith("from cave_magic.dask import CaveAccess; client.register_plugin(CaveAccess(")
    assert not run(line).error
    after = run(f"%cave_check {DATASTACK} --server {cave.server} --workers client --json --timeout 40")
    assert json.loads(after.out)["ok"] is True
    name = f"cave-access-{cave.server.removeprefix('http://')}"
    client.unregister_worker_plugin(name)


def test_another_account_is_seen(client: Any, cave: Sandbox, set_up: str, homes: Path, monkeypatch: pytest.MonkeyPatch):
    """Access works on both, but one worker uses another account: the endings and the accounts are shown."""
    other = cave.new_token("bob")
    with monkeypatch.context() as patch:
        patch.setenv("HOME", str(homes / "1"))
        save_token(Token(other), cave.server, local_servers=[cave.local_server], opened=[DATASTACK])
    report = cave_magic.check(DATASTACK, server=cave.server, workers=client, timeout=40)
    shutil.rmtree(homes / "1" / ".cloudvolume")
    assert "Bob" in str(report)
    (mine,) = (one for one in report.groups if any(difference.what == "account" for difference in one.differs))
    said = {one.what: (one.there, one.here) for one in mine.differs}
    assert said["token"] == (f"ending in {other[-4:]}", f"ending in {set_up[-4:]}")
    assert said["account"][0].startswith("Bob")
    assert other not in json.dumps(report.to_dict())


def busy(began: str, release: str) -> None:
    """Keeps a worker busy, from the moment that `began` can be read until something is written to `release`."""
    open(began, "w").close()
    open(release).close()


def test_a_worker_that_does_not_respond_is_named(client: Any, cave: Sandbox, set_up: str, tmp_path: Path):
    """The others are reported in time; a line says how to restart it."""
    stuck = min(client.run(os.getpid))
    pipes = [str(tmp_path / name) for name in ("began", "release")]
    for pipe in pipes:
        os.mkfifo(pipe)
    held = threading.Thread(target=client.run, args=(busy, *pipes), kwargs={"workers": [stuck]})
    held.start()
    open(pipes[0]).close()
    try:
        report = cave_magic.check(DATASTACK, server=cave.server, workers=client, timeout=5)
    finally:
        open(pipes[1], "w").close()
        held.join()
    silent = next(one for one in report.groups if one.evidence == "no response")
    assert silent.workers == (stuck,)
    assert silent.who == f"1 worker ({stuck})"
    assert len(report.groups) == 2


def test_a_worker_without_the_package_is_reported(client: Any, cave: Sandbox, set_up: str):
    """The line that installs it on all workers comes first."""
    worker = min(client.run(os.getpid))
    client.run(lose_package, workers=[worker])
    report = cave_magic.check(DATASTACK, server=cave.server, workers=client, timeout=40)
    client.run(find_package, workers=[worker])
    assert [one.workers for one in report.groups if one.evidence == "cave-magic is not installed"] == [(worker,)]
    assert report.next.commands[0].startswith("from distributed import PipInstall; client.register_plugin(")


BAD = {
    "--workers nobody": "--workers takes the name of a variable with a distributed.Client",
    "--workers tcp://127.0.0.1:9": "the scheduler at tcp://127.0.0.1:9 does not respond",
    "--workers client": "this client is closed",
    "--workers client --fix": "--workers can only be combined with",
}


@pytest.mark.parametrize("options", BAD)
def test_bad_input_is_one_line(run: Run, shell: Any, many: Any, options: str):
    """Each gives one line, and leaves no thread and no client."""
    import distributed

    shell.user_ns["client"] = distributed.Client(many.scheduler.address, set_as_default=False)
    shell.user_ns["client"].close()
    before = set(threading.enumerate())
    ran = run(f"%cave_check {options} --timeout 2")
    assert ran.error in ("BadInput",)
    assert BAD[options] in ran.message
    assert "\n" not in ran.message
    until(lambda: not set(threading.enumerate()) - before)


def test_a_port_that_never_answers_ends_within_the_timeout(home: Path):
    """A dead tunnel, or the port of a dashboard, accepts the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(BadInput, match="does not respond"):
            cave_magic.check(workers=address, timeout=1)
        assert time.monotonic() - start < 20


def test_without_dask_the_install_line_is_printed(run: Run, monkeypatch: pytest.MonkeyPatch):
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    ran = run("%cave_check --workers client --timeout 40")
    assert "dask.distributed is not installed here. Next: " in ran.message
    assert "cave-magic[dask]" in ran.message


def test_a_cluster_without_workers_is_named(run: Run, shell: Any):
    """There is nothing to check, and it says so."""
    with cluster_of(n_workers=0, processes=False) as cluster:
        shell.user_ns["cluster"] = cluster
        assert "the cluster has no workers" in run("%cave_check --workers cluster").message
