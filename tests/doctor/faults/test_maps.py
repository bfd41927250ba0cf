"""Wrong entries of the datastack map, and several servers side by side."""

from __future__ import annotations

import json

import pytest

from cave_magic.api.urls import host_of
from cave_magic.sandbox import Sandbox

from ...support.shell import settings
from .world import FULL, World, says


@pytest.fixture
def world(mapped: World) -> World:
    """Ada's computer, on which the map decides the server."""
    return mapped


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1",
        "http://no.such.host.invalid",
        "global.daf-apis.com",
        "127.0.0.1:8900",
        "ftp://x.org",
        "",
        "http://",
    ],
)
def test_a_wrong_address_in_the_map_is_named_and_fixed(world, address):
    """A wrong address is the one cause, and `--fix` corrects it."""
    world.write(world.map_file, {"minnie65_public": address, "mine": "https://my.server.org"})
    report = world.check()
    if address:
        assert [row.id for row in report.rows if row.status == "failed"] == ["map"]
        assert report.next.commands == ("%cave_check --fix",)
    report = world.fix()
    assert report.ok
    entries = json.loads(world.map_file.read_text())
    assert entries["mine"] == "https://my.server.org"
    assert not address or entries["minnie65_public"] == world.cave.server


@pytest.mark.parametrize("form", ["{host}", "http://{host}/info/", "HTTP://{host}?x=1"])
def test_a_token_goes_to_the_server_that_a_wrong_entry_means(world, monkeypatch, form):
    """For an unknown datastack only the map counts, not the default server."""
    world.write(world.map_file, {"mine": form.format(host=host_of(world.cave.server))})
    monkeypatch.setenv("MINE", world.cave.new_token("ada"))
    ran = world.run("%cave_save --from-env MINE --overwrite --datastack mine")
    assert not ran.error, ran.message
    assert f"server    {host_of(world.cave.server)}" in ran.out
    world.run("%cave_check mine --fix --yes")
    assert json.loads(world.map_file.read_text())["mine"] == world.cave.server


@pytest.mark.parametrize("entry", ["http://ada:pw12345@{host}", [1], "???"])
def test_a_token_is_not_sent_to_a_guessed_server(world, monkeypatch, entry):
    """If nothing says which server is meant, nothing is sent; after the fix, the save works."""
    entry = entry.format(host=host_of(world.cave.server)) if isinstance(entry, str) else entry
    world.write(world.map_file, {"mine": entry})
    monkeypatch.setenv("MINE", world.cave.new_token("ada"))
    for line in ("%cave_save --from-env MINE --datastack mine", "%cave_setup new --paste --datastack mine"):
        ran = world.run(line)
        assert ran.error == "BadInput"
        assert "Nothing was sent. To fix the map: %cave_check mine --fix" in ran.message
        assert "pw12345" not in ran.message
    world.run("%cave_check mine --fix --yes")
    if isinstance(entry, str) and "@" in entry:
        ran = world.run("%cave_save --from-env MINE --overwrite --datastack mine")
        assert f"server    {host_of(world.cave.server)}" in ran.out


def test_an_address_that_is_not_text_is_fixed(world):
    """It is named and fixed like any other wrong address."""
    world.write(world.map_file, {"minnie65_public": [1]})
    assert [row.id for row in world.check().rows if row.status == "failed"] == ["map"]
    assert world.fix().ok


def test_a_map_that_opens_another_server_is_a_warning(world):
    """With another server in the settings, the line to start work with names it."""
    world.write(world.map_file, {"minnie65_public": "http://127.0.0.1:1"})
    settings(world.shell).server = world.cave.server
    ran = world.run("%cave_check")
    assert f'CAVEclient("minnie65_public", server_address="{world.cave.server}")' in ran.out
    assert world.fix().ok
    assert 'CAVEclient("minnie65_public")' in world.run("%cave_check").out


def test_a_map_that_is_a_folder_is_moved_away(world):
    """The printed line moves it away."""
    world.map_file.unlink()
    world.map_file.mkdir()
    report = world.fix()
    assert report.ok
    assert not [row for row in report.rows if row.id == "map-file"]


def test_a_fix_keeps_a_backup_of_the_map(world):
    """The map is backed up before it is changed."""
    world.write(world.map_file, {"minnie65_public": "http://127.0.0.1:1"})
    ran = world.run("%cave_check --fix --yes")
    assert "backup: " in ran.out
    assert "All well" in ran.out
    copies = [
        path for path in world.secrets.iterdir() if path.name.startswith(world.map_file.name) and path != world.map_file
    ]
    assert [json.loads(path.read_text()) for path in copies] == [{"minnie65_public": "http://127.0.0.1:1"}]


def test_a_token_in_a_saved_address_is_found_and_removed(world):
    """A `middle_auth_token=` in the map is a warning that does not show it, and `--fix` removes it."""
    secret = "0123456789abcdef0123456789abcdef"
    world.write(world.map_file, {"other": f"https://x.org/?middle_auth_token={secret}"})
    report = world.check()
    row = next(row for row in report.rows if row.id == "map-secret")
    assert row.status == "warning"
    assert secret not in json.dumps(report.to_dict())
    world.run("%cave_check --fix --yes")
    assert secret not in world.map_file.read_text()


@pytest.mark.in_turn(
    name=("minnie65_public", "mine"), form=("http://{secret}@{host}", "http://ada:{secret}@{host}/x", "{secret}@{host}")
)
def test_an_address_with_a_token_is_not_used_and_is_fixed(world, name, form):
    """No request goes there; it is the one cause, and `--fix` removes the token without a backup."""
    secret = "0123456789abcdef0123456789abcdef"
    with Sandbox() as other:
        address = form.format(secret=secret, host=host_of(other.server))
        world.write(world.map_file, {name: address, "other": address})
        world.patch.setattr("cave_magic.deployments.DEFAULT_SERVER", world.cave.server)
        world.argument = name
        report = world.check()
        assert not other.requests
        assert [(row.id, row.status.value) for row in report.rows if row.status in ("failed", "warning")] == [
            ("map-secret", "warning"),
            ("map", "failed"),
        ]
        evidence = f"the saved address of {name} is malformed: the address contains a user name or password"
        assert evidence in [row.evidence for row in report.rows]
        for command in report.next.commands:
            out = world.run(command).out
            assert out.count("Fix:") == 1
        known = {"minnie65_public": world.cave.server}
        assert json.loads(world.map_file.read_text()) == {name: known.get(name, other.server), "other": other.server}
    assert not [path for path in world.secrets.iterdir() if secret in path.read_text()]


@pytest.mark.parametrize("address", ["http://{secret}@{host}", "http://{host}/x?token={secret}"])
def test_a_data_server_address_with_a_token_is_not_used(world, address):
    """No request goes to such an address from the info service, and the check says so."""
    secret = "0123456789abcdef0123456789abcdef"
    with Sandbox() as other:
        local = address.format(secret=secret, host=host_of(other.server))
        world.cave.misbehave(FULL, says(200, {"aligned_volume": {"name": "minnie65_phase3"}, "local_server": local}))
        row = next(row for row in world.check().rows if row.id == "access")
        assert not other.requests
    assert row.evidence == f"{host_of(world.cave.server)} returned no usable data server address for minnie65_public"


def test_each_server_keeps_its_own_token(world):
    """After the set-up of a second server both work, and neither token reaches the other server."""
    with Sandbox() as other:
        token = other.new_token("ada")
        world.patch.setenv("OTHER", token)
        world.cave.clear_requests()
        saved = world.run(f"%cave_save --from-env OTHER --server {other.server} --datastack flywire_fafb_public")
        assert not saved.error, saved.message
        assert not [record for record in world.cave.requests if record.authorization]
        assert json.loads(world.server_file.read_text())["token"] == world.token
        assert json.loads(world.default_file.read_text())["token"] == world.token
        assert json.loads((world.secrets / f"{host_of(other.server)}-cave-secret.json").read_text())["token"] == token
        world.argument = "minnie65_public flywire_fafb_public"
        report = world.check()
        assert report.ok, [(row.id, row.evidence) for row in report.rows if row.status == "failed"]
        hosts = {host_of(world.cave.server), host_of(other.server)}
        assert {row.id.partition(":")[2] for row in report.rows if row.id.startswith("account:")} == hosts


def test_the_token_of_another_server_is_not_tried(world):
    """If there is only another server's token, it is not sent."""
    with Sandbox() as other:
        world.argument = f"--server {other.server}"
        report = world.check()
        assert next(row for row in report.rows if row.id == "token").status == "failed"
        assert not [record for record in other.requests if record.authorization or record.cookie]


def test_a_typed_token_in_the_history_is_found_and_scrubbed(world):
    """A token in an earlier input is a warning, and `--fix` removes it."""
    world.run(f'token = "{world.token}"')
    report = world.check()
    row = next(row for row in report.rows if row.id == "token-left")
    assert row.status == "warning"
    assert world.token not in row.evidence
    world.run("%cave_check --fix --yes")
    assert world.token not in "".join(world.shell.history_manager.input_hist_raw)
    assert not [row for row in world.check().rows if row.id == "token-left"]


DEAD = ["http://127.0.0.1:1", "http://no.such.host.invalid"]


@pytest.mark.parametrize("address", DEAD)
def test_a_dead_saved_address_is_traced_to_the_map(world, address):
    """For an unknown datastack the map may be right, so the network check fails and says where the address is from."""
    world.write(world.map_file, {"mine": address})
    world.argument = "mine"
    report = world.check()
    assert [row.id for row in report.rows if row.status == "failed"] == ["network"]
    row = next(row for row in report.rows if row.id == "network")
    assert row.evidence.endswith("(address from cave_datastack_to_server_map.json)")
    assert report.next.text.endswith("; if the address is wrong, name the right one with --server")
    assert report.next.commands == ("%cave_check mine",)


@pytest.mark.parametrize("address", DEAD)
def test_a_typed_address_is_not_traced_to_the_map(world, address):
    """If the user named the server, the map does not matter."""
    world.write(world.map_file, {"mine": address})
    world.argument = f"mine --server {address}"
    assert "map" not in next(row for row in world.check().rows if row.id == "network").evidence


def test_a_saved_address_of_another_site_is_traced_to_the_map(world):
    """If it is not a CAVE server, the address may be wrong."""
    with Sandbox() as other:
        other.misbehave("all", "status:404")
        world.write(world.map_file, {"mine": other.server})
        world.argument = "mine"
        row = next(row for row in world.check().rows if row.id == "network")
    assert "is not a CAVE server" in row.evidence
    assert "cave_datastack_to_server_map.json" in row.evidence
