"""Further faults: odd servers, proxies and lines, and a broken caveclient."""

from __future__ import annotations

import builtins
import json

import flask
import pytest

from cave_magic.api.urls import host_of
from cave_magic.doctor import next_steps
from cave_magic.environment import packages

from ...support.packages import CAVECLIENT
from .world import FULL, ID, World, bad, says

ODD_REFUSALS = {
    "a page of a proxy": (401, "<html><h1>401 Authorization Required</h1><hr>nginx</html>"),
    "a list": (401, ["invalid_token"]),
    "nested": (401, {"error": {"code": "invalid_token"}}),
    "a message alone": (401, {"message": "Unauthorized"}),
    "nothing": (403, ""),
    "broken": (502, "<html>502</html>"),
}


@pytest.mark.parametrize("response", ODD_REFUSALS.values(), ids=ODD_REFUSALS)
def test_only_the_auth_server_rejects_a_token(world: World, response):
    """Without its `invalid_token`, no magic says that the token was rejected."""
    world.cave.misbehave(ID, says(*response))
    for line in ("%cave_setup", "%cave_whoami", "%cave_check"):
        assert "rejected the stored token" not in world.run(line).out, line


@pytest.mark.parametrize("line", ["%cave_setup", "%cave_setup existing --paste", "%cave_setup new --paste"])
def test_a_set_up_asks_for_nothing_while_the_auth_service_is_down(world: World, line):
    """There is no prompt for a token that cannot be verified, even if the info service works."""
    world.cave.misbehave("auth", "down")
    world.patch.setattr("getpass.getpass", lambda prompt="": pytest.fail("asked"))
    assert world.run(line).error == "ServerInTrouble"


def test_a_set_up_names_an_unsendable_token(world: World):
    """No server rejected the token, so the set-up says what is wrong with it."""
    world.write(world.server_file, {"token": f"{world.token}\n"})
    assert "line break" in world.run("%cave_setup").out


def test_a_save_does_not_promise_access(world: World):
    """After an unexpected response of the info service, the save says that the datastack cannot be read yet."""
    world.cave.misbehave(FULL, says(200, {}))
    assert "cannot be read yet" in world.run("%cave_save --overwrite").out


@pytest.mark.parametrize("line", ["%cave_check > out.txt", "%cave_check | head", "%cave_check ?"])
def test_what_only_a_shell_understands_is_no_name(world: World, line):
    """Nothing is asked about it."""
    world.cave.clear_requests()
    assert "is not the name of a datastack" in world.run(line).message
    assert not world.cave.requests


@pytest.mark.parametrize("name", ["a/b", "minnie65_public/", "..", "https://global.daf-apis.com"])
def test_invalid_names_are_rejected(world: World, name):
    """A slash in a name would change the URL; for an address, the message names `--server`."""
    world.cave.clear_requests()
    ran = world.run(f"%cave_check {name}")
    assert ran.error == "BadInput"
    assert "--server" in ran.message
    assert not world.cave.requests


def test_quotes_around_a_word_are_not_part_of_it(world: World):
    """IPython does not remove quotes around a name, an address or a path with a space."""
    world.write(world.home / "my token.json", {"token": world.token})
    assert not world.run('%cave_save --from-file "~/my token.json"').error
    world.argument = f"\"minnie65_public\" --server '{world.cave.server}'"
    assert world.check().ok


def test_a_name_with_a_space_can_be_checked_again(world: World):
    """The line that runs the check again has the name in quotes."""
    world.argument = "'my stack'"
    world.cave.misbehave("info", "down")
    report = world.check()
    assert report.next.commands[-1] == f'%cave_check "my stack" --server {world.cave.server}'
    world.follow(report.next)
    assert world.check().datastacks == ("my stack",)


def test_a_comment_is_not_a_name(world: World):
    """Text after `# ` is ignored."""
    world.argument = "minnie65_public  # what is wrong?"
    assert world.run("%cave_check minnie65_public -v # what is wrong?").error == ""
    assert world.run("_report = %cave_check -o # minnie65_public?").error == ""
    assert world.shell.user_ns["_report"].ok


@pytest.mark.parametrize("end", [";", " ;", ";  ", "; # quiet"])
def test_a_semicolon_at_the_end_is_ignored(world: World, end):
    """In IPython it means "show no result"."""
    assert world.run(f"%cave_check minnie65_public{end}").error == ""
    assert world.run(f"_report = %cave_check -o{end}").error == ""
    assert world.shell.user_ns["_report"].datastacks == ("minnie65_public",)
    assert world.run(f"_report = %cave_check minnie65_public -o{end}").error == ""
    assert world.shell.user_ns["_report"].ok


def test_a_semicolon_is_not_saved(world: World):
    """A variable, a file and a token are read without it."""
    world.shell.user_ns["mine"] = world.token
    assert not world.run("%cave_save $mine;").error
    world.write(world.home / "token.json", {"token": world.token})
    assert not world.run("%cave_save --from-file ~/token.json;").error
    assert not world.run(f"%cave_save {world.token};").error


@pytest.mark.parametrize("proxy", ["http://[::1", "http://127.0.0.1:99999", "ftp://127.0.0.1:1"])
def test_a_malformed_proxy_is_not_blamed_on_the_server(world: World, proxy):
    """The variable is the cause, not the server's address; the Next line fixes it."""
    world.patch.setenv("http_proxy", proxy)
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert "proxy" in report.rows[[row.id for row in report.rows].index("network")].evidence
    world.patch.setenv("NO_PROXY", "")
    assert world.fix().ok


def test_the_lower_case_no_proxy_is_changed(world: World):
    """If `no_proxy` is set, requests ignores `NO_PROXY`, so Next changes the former."""
    world.patch.setenv("http_proxy", "http://127.0.0.1:1")
    world.patch.setenv("no_proxy", "localhost")
    assert world.fix().ok


def test_an_empty_response_is_named(world: World):
    """Status 200 without a body is not called a web page."""
    world.cave.misbehave("all", says(200, ""))
    assert "an empty response" in next(row.evidence for row in world.check().rows if row.id == "network")


def test_a_byte_order_mark_is_named(world: World):
    """CAVEclient cannot read JSON after it."""
    world.cave.misbehave(FULL, lambda request: flask.Response('\ufeff{"a": 1}', content_type="application/json"))
    ran = world.run(f'from caveclient import CAVEclient; CAVEclient("minnie65_public", "{world.cave.server}")')
    assert ran.error == "JSONDecodeError"
    assert "a byte order mark" in next(row.evidence for row in world.check().rows if row.id == "info")


def test_the_wrong_scheme_is_corrected(world: World):
    """The line to type has the other scheme."""
    world.argument = f"--server {world.cave.server.replace('http:', 'https:')}"
    report = world.check()
    assert bad(report) == [("network", "failed")]
    world.follow(report.next)
    assert world.check().ok


BROKEN = {
    "at import": "raise RuntimeError('boom')",
    "exits": "raise SystemExit(3)",
}


@pytest.fixture
def broken(world: World):
    """Shadows the installed caveclient with another one, and forgets it afterwards."""
    import sys

    def put(source: str) -> None:
        package = world.home / "stub" / "caveclient"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(source)
        (package / "auth.py").write_text(
            "class AuthClient:\n    def __init__(self, **k):\n        raise TypeError('old')\n"
        )
        for name in [name for name in sys.modules if name.partition(".")[0] == "caveclient"]:
            world.patch.delitem(sys.modules, name)
        world.patch.syspath_prepend(str(package.parent))

    yield put
    for name in [name for name in sys.modules if name.partition(".")[0] == "caveclient"]:
        if "stub" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_a_broken_caveclient_is_the_cause(world: World, broken, tmp_path, source):
    """A copy that does not work hides the one that does: its folder is named, and left out by the printed line."""
    CAVECLIENT.install(tmp_path / "works")
    world.patch.syspath_prepend(str(tmp_path / "works"))
    broken(source)
    world.argument = "--timeout 60"
    report = world.check()
    assert len(bad(report)) == 1
    assert next_steps.leave_out(str(world.home / "stub")).text in report.next.commands


def test_an_unfamiliar_caveclient_is_upgraded(world: World, broken):
    """If it can be imported but not used, the advice is to update it."""
    broken("from . import auth")
    report = world.check()
    assert len(bad(report)) == 1
    assert "%pip install -U caveclient" in report.next.commands


@pytest.mark.parametrize("source", ["raise RuntimeError('boom')", "raise SystemExit(3)"])
def test_a_token_is_saved_if_caveclient_cannot_be_imported(world: World, broken, source):
    """The token is saved, whatever the import raises."""
    broken(source)
    ran = world.run("%cave_save --overwrite")
    assert not ran.error, ran.message
    assert json.loads(world.server_file.read_text())["token"] != world.token


def test_without_requests_the_check_still_reports(world: World):
    """In a damaged environment there is still a report."""
    real = builtins.__import__

    def lacking(name, *args, **options):
        if name.partition(".")[0] == "requests" or name == "connections":
            raise ImportError("requests")
        return real(name, *args, **options)

    world.patch.setattr(builtins, "__import__", lacking)
    ran = world.run("%cave_check")
    assert not ran.error, ran.message
    assert "stored token" in ran.out


def test_an_odd_variable_does_not_break_the_check(world: World):
    """A variable whose class has no usable module changes nothing."""
    world.run("X = type('X', (), {'__module__': None}); x = X()")
    world.run("class Y(type):\n    __module__ = property(lambda self: 1 / 0)\ny = Y('Y', (), {})()")
    world.shell.user_ns[5] = "not a name"
    assert world.check().ok


class Odd(dict):
    """A mapping that raises at every access."""

    def __contains__(self, key: object) -> bool:
        raise RuntimeError("not yours")

    get = __getitem__ = __contains__


@pytest.mark.parametrize("kept", [5, {"token": 5}, Odd(token="x"), None])
def test_an_odd_cache_of_cloud_volume_is_ignored(world: World, kept):
    """A cache of an unknown form does not break the check."""
    import sys
    import types

    cache = Odd() if kept is None else {host_of(world.cave.local_server): kept}
    world.patch.setitem(sys.modules, "cloudvolume.secrets", types.SimpleNamespace(CAVE_CREDENTIALS_CACHE=cache))
    assert world.check().ok


def test_the_cache_of_cloud_volume_is_not_changed(world: World):
    """Its cache creates an entry for every host that is looked up; the check creates none."""
    import sys
    import types
    from collections import defaultdict

    cache = defaultdict(dict)
    world.patch.setitem(sys.modules, "cloudvolume.secrets", types.SimpleNamespace(CAVE_CREDENTIALS_CACHE=cache))
    assert "cloud-volume" not in [row.id for row in world.check().rows if row.status == "warning"]
    assert not cache


@pytest.fixture
def metadata(world: World):
    """Shadows the metadata of the installed caveclient with another `.dist-info` folder."""

    def put(**files: bytes) -> None:
        folder = world.home / "site" / "caveclient-8.0.0.dist-info"
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        world.patch.syspath_prepend(str(folder.parent))

    return put


BROKEN_METADATA = {
    "nothing": {},
    "not text": {"METADATA": b"Name: caveclient\nVersion: 8.0.0\nAuthor: J\xf6rg\n"},
    "no version": {"METADATA": b"Name: caveclient\n"},
}


@pytest.mark.parametrize("files", BROKEN_METADATA.values(), ids=BROKEN_METADATA)
def test_broken_metadata_is_skipped(world: World, metadata, files):
    """Leftovers of an uninstall are ignored in favour of the working metadata."""
    from importlib.metadata import version

    have = version("caveclient")
    metadata(**files)
    report = world.check()
    assert report.ok
    assert next(row for row in report.rows if row.id == "environment").evidence.startswith(f"caveclient {have}, ")


@pytest.mark.parametrize("files", BROKEN_METADATA.values(), ids=BROKEN_METADATA)
def test_an_unknown_version_is_not_shown(world: World, metadata, files):
    """If no metadata has the version of caveclient, neither it nor its requirements are reported."""
    import sys

    metadata(**files)
    world.patch.setattr(sys, "path", [one for one in sys.path if "-packages" not in one])
    report = world.check()
    assert not [row.id for row in report.rows if "None" in row.evidence or row.status == "crashed"]
    assert "packages" not in {row.id for row in report.rows}


def test_without_packaging_the_check_still_reports(world: World):
    """Only the requirements of caveclient cannot be checked then."""
    import sys

    packages._requirement.cache_clear()
    world.patch.setattr(packages, "unmet_requirements", packages.unmet_requirements.__wrapped__)  # not read before
    world.patch.setitem(sys.modules, "packaging.requirements", None)
    report = world.check()
    assert report.ok
    assert "packages" not in {row.id for row in report.rows}


def test_a_home_that_is_a_file_is_named(world: World):
    """The check says that it is not a folder."""
    path = world.home / "file"
    path.write_text("")
    world.patch.setenv("HOME", str(path))
    row = next(row for row in world.check().rows if row.id == "token-folder")
    assert "is not a folder" in row.evidence


@pytest.mark.parametrize("typed", ["minnie65_public,flywire_fafb_public", "minnie65_public , flywire_fafb_public,"])
def test_names_with_commas_are_several_names(world: World, typed):
    """A comma separates datastacks as a space does."""
    world.argument = typed
    assert world.check().datastacks == ("minnie65_public", "flywire_fafb_public")


def test_an_option_takes_one_name(world: World):
    """Two names in one `--datastack` are rejected."""
    assert "one datastack name" in world.run("%cave_whoami --datastack a,b").message


@pytest.mark.parametrize("between", [",", ", "])
def test_a_token_among_names_is_not_repeated(world: World, between):
    """No corrected line is printed if it would contain a token."""
    ran = world.run(f"%cave_check a{between}{world.token}")
    assert ran.error == "BadInput"
    assert world.token[:8] not in ran.message + ran.out


@pytest.mark.parametrize("name", [" minnie65_public ", "", "  "])
def test_spaces_around_the_name_in_the_settings_are_ignored(world: World, name):
    """An empty name means the default datastack."""
    world.run(f'%config CaveMagics.datastack = "{name}"')
    report = world.check()
    assert report.datastacks == ("minnie65_public",)
    assert report.ok


LIST = "/info/api/v2/datastacks"
NO_ROW = {"message": "The requested URL was not found on the server."}


def _row(report, name: str):
    return next(row for row in report.rows if row.id == name)


def test_a_listed_datastack_without_information_is_the_servers_fault(world: World):
    """If a server lists a known name without information about it, no other server is suggested."""
    world.cave.misbehave(FULL, says(404, NO_ROW))
    report = world.check()
    assert bad(report) == [("datastack", "failed")]
    assert "lists minnie65_public" in _row(report, "datastack").evidence
    assert "tell the administrators of" in report.next.text
    assert "daf-apis" not in json.dumps(report.to_dict())


@pytest.mark.parametrize(
    "response", [(404, NO_ROW), (400, {"error": "invalid_table_id", "message": "Invalid table_id"})]
)
def test_a_server_without_the_default_datastack_suggests_its_own(world: World, response):
    """The user typed only the server, so Next names one of its datastacks."""
    world.cave.misbehave(FULL, says(*response))
    world.cave.misbehave(LIST, says(200, ["flywire_fafb_public"]))
    world.argument = f"--server {world.cave.server}"
    report = world.check()
    assert bad(report) == [("datastack", "failed")]
    assert "daf-apis" not in json.dumps(report.to_dict())
    assert report.next.commands == (f"%cave_check flywire_fafb_public --server {world.cave.server}",)
    assert world.fix().ok


def test_the_netrc_file_is_named(world: World):
    """A password may also be in `~/_netrc` or in the file that NETRC names."""
    entry = "machine 127.0.0.1 login a password b\n"
    world.write(world.home / "_netrc", entry)
    assert "~/_netrc has a password" in world.run("%cave_check").out
    world.write(world.home / "mine", entry)
    world.patch.setenv("NETRC", str(world.home / "mine"))
    assert "the file that NETRC names has a password" in world.run("%cave_check").out


@pytest.mark.parametrize("stored", [None, "YOUR_TOKEN"])
def test_a_password_in_netrc_goes_before_a_token_is_saved(world: World, stored):
    """It would replace the new token, too, so that no set-up could verify it."""
    world.save(stored or "")
    if stored is None:
        for path in (world.server_file, world.default_file, world.local_file):
            path.unlink()
    world.write(world.home / ".netrc", "default login a password b\n")
    report = world.check()
    assert bad(report) == [("token-form" if stored else "token", "failed")]
    assert report.next.commands == ("%env NETRC=/dev/null", "%cave_check")
    assert world.fix(report).ok


@pytest.mark.parametrize(
    ("written", "right"), [("{}/info", "{}"), ("ftp://127.0.0.1:1", "http://127.0.0.1:1"), ("x y", "")]
)
def test_a_wrong_setting_is_named_with_the_line_that_corrects_it(world: World, written, right):
    """The line has no address, so the message names the setting, which may be in a file of IPython."""
    world.run(f'%config CaveMagics.server = "{written.format(world.cave.server)}"')
    ran = world.run("%cave_check")
    assert "the setting CaveMagics.server is wrong: " in ran.message
    corrected = f'%config CaveMagics.server = "{right.format(world.cave.server)}"'
    assert ran.message.endswith(f"Correct it: {corrected}")
    world.run(corrected)
    assert world.run("%cave_check").error == ""
