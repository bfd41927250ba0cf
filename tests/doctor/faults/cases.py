"""The faults: how to cause each one, which row must name it, and whether the user can fix it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass

from cave_magic.api.urls import host_of
from cave_magic.doctor import gather_computer

from .world import NEW, World


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
        id: its name.
        make: causes it in a world in which everything works.
        row: the id of the row that must name it.
        status: failed, warning or unknown.
        fixed_by: whether following `Next:` must make the check pass.
        kind: "file" for the user's computer, "server" for the server.
    """

    id: str
    make: Callable[[World], object]
    row: str
    status: str = "failed"
    fixed_by: bool = True
    kind: str = "file"


def _remove_all(world: World) -> None:
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink(missing_ok=True)


def _only_in(name: str, content: Callable[[World], object]) -> Callable[[World], None]:
    """The only token file has this content."""

    def make(world: World) -> None:
        _remove_all(world)
        world.write(getattr(world, name), content(world))

    return make


def _stored(change: Callable[[str], object]) -> Callable[[World], None]:
    """The stored token is malformed."""
    return _only_in("server_file", lambda world: {"token": change(world.token)})


def _raw(change: Callable[[str], str]) -> Callable[[World], None]:
    return _only_in("server_file", lambda world: change(world.token))


def _bare(world: World) -> None:
    """Not one that is a number in JSON, as one of digits around a single `e` is."""
    while world.token.replace("e", "").isdecimal():
        world.token = world.cave.new_token(world.person)
    _raw(lambda token: token + "\n")(world)


def _legacy(world: World) -> None:
    _remove_all(world)
    world.write(world.secrets / "chunkedgraph-secret.json", {"token": world.token})


def _old_and_good(world: World) -> None:
    world.write(world.server_file, {"token": NEW})


def _hidden(world: World) -> None:
    world.write(world.server_file, {"other": "x"})


def _directory(world: World) -> None:
    _remove_all(world)
    world.default_file.mkdir()


def _shared(world: World) -> None:
    world.server_file.chmod(0o644)


def _huge(world: World) -> None:
    world.write(world.server_file, "x" * 21_000_000)


def _folder_is_file(world: World) -> None:
    os.rename(world.secrets, world.secrets.with_name("kept"))
    world.secrets.write_text("")


def _folder_dangles(world: World) -> None:
    os.rename(world.secrets, world.secrets.with_name("kept"))
    world.secrets.symlink_to(world.home / "nowhere")


def _map_of_nothing(world: World) -> None:
    world.write(world.map_file, "[1, 2]")


def _broken_map(world: World) -> None:
    world.write(world.map_file, '{"minnie65_public": ')


def _documents(world: World) -> None:
    _remove_all(world)
    folder = world.home / "Documents" / ".cloudvolume" / "secrets"
    world.write(folder / "cave-secret.json", {"token": world.token})


def _too_high(world: World) -> None:
    _remove_all(world)
    world.write(world.home / ".cloudvolume" / "cave-secret.json", {"token": world.token})


def _downloaded(world: World) -> None:
    """A file of the tokens page that a browser has saved for the second time."""
    _remove_all(world)
    host = host_of(world.cave.server)
    content = {"token": world.token, "description": "laptop", "middle_auth_url": f"{host}/auth"}
    world.write(world.home / "Downloads" / f"{host.replace(':', '_')}_auth-cave-secret (1).json", content)


def _token_of_another_server(world: World) -> None:
    world.save(NEW)
    world.write(world.secrets / "proofreading.zetta.ai-cave-secret.json", {"token": NEW})


def _link_to_nothing(world: World) -> None:
    _remove_all(world)
    (world.home / "dotfiles").mkdir()
    world.server_file.symlink_to(world.home / "dotfiles" / "cave.json")


def _link_to_a_drive(world: World) -> None:
    _remove_all(world)
    world.server_file.symlink_to(world.home / "usb" / "cave.json")


def _another_has_access(world: World) -> None:
    """Carol's token is stored; Ada's is next to it in a file of the tokens page."""
    name = f"{host_of(world.cave.server).replace(':', '_')}_auth-cave-secret.json"
    world.write(world.secrets / name, {"token": world.token})
    world.save(world.cave.new_token("carol"))


def _variable(world: World) -> None:
    _remove_all(world)
    world.patch.setenv("CAVE_TOKEN", world.token)


def _deleted(world: World) -> None:
    world.cave.delete_token(world.token)
    world.cave.forget()


def _netrc(world: World) -> None:
    path = world.home / ".netrc"
    path.write_text("default login me password s3cret\n")
    path.chmod(0o600)


def _login_token(world: World) -> None:
    world.token = world.cave.new_login_token(world.person)
    world.save(world.token)


def _no_group(world: World) -> None:
    world.token = world.cave.new_token("carol")
    world.save(world.token)


def _terms(world: World) -> None:
    world.cave.withdraw_terms(world.person, "minnie65_public")
    world.cave.forget()


def _revoked(world: World) -> None:
    world.check()
    world.cave.revoke(world.person, "minnie65_public")


def _granted(world: World) -> None:
    world.cave.revoke(world.person, "minnie65_public")
    world.cave.forget()
    world.check()
    world.cave.use_up_rechecks()
    world.cave.grant(world.person, "minnie65_public")


def _asks_for(name: str) -> Callable[[World], None]:
    def make(world: World) -> None:
        world.argument = name

    return make


def _does(service: str, how: str) -> Callable[[World], None]:
    def make(world: World) -> None:
        world.cave.misbehave(service, how)
        if how == "silent":
            world.hurry()

    return make


def _data_server_down(world: World) -> None:
    for service in ("materialize", "chunkedgraph", "l2cache", "skeleton"):
        world.cave.misbehave(service, "down")


def _proxy(world: World) -> None:
    world.patch.setenv("HTTP_PROXY", "http://me:s3cret@127.0.0.1:1")


def _no_such_name(world: World) -> None:
    world.argument = "--server https://no.such.host.invalid"


def _nothing_listens(world: World) -> None:
    world.argument = "--server http://127.0.0.1:1"


def _data_server_address(world: World) -> None:
    world.argument = f"--server {world.cave.local_server}"


def _with_cloud_volume(world: World) -> None:
    """Pretends that cloud-volume is installed."""
    installed = gather_computer.versions()
    world.patch.setattr(gather_computer, "versions", lambda: {**installed, "cloud-volume": "12.15.2"})


def _cloud_volume_stale(world: World) -> None:
    _with_cloud_volume(world)
    world.write(world.local_file, {"token": NEW})


def _cloud_volume_other_server(world: World) -> None:
    _with_cloud_volume(world)
    world.local_file.unlink()
    world.write(world.default_file, {"token": NEW})


def _cloud_volume_moved(world: World) -> None:
    _with_cloud_volume(world)
    folder = world.home / "elsewhere"
    world.patch.setenv("CLOUD_VOLUME_DIR", str(folder))
    world.write(folder / "secrets" / "cave-secret.json", {"token": NEW})


def _stale_client(world: World) -> None:
    world.run("from caveclient import CAVEclient")
    world.run(f'client = CAVEclient("minnie65_public", server_address="{world.cave.server}")')
    world.save(world.cave.new_token(world.person))


def _colab(world: World) -> None:
    world.patch.setenv("COLAB_RELEASE_TAG", "release-colab_20261101")


SAMPLE = '{\n  "token: ""ghd2345678901234567890123456789012"\n}'
"""A broken sample that was once in a package's documentation."""

FILES = (
    Case("no token", _remove_all, "token"),
    Case("key with a capital", _only_in("server_file", lambda w: {"Token": w.token}), "token"),
    Case("key of another name", _only_in("default_file", lambda w: {"api_key": w.token}), "token"),
    Case("null as the token", _only_in("server_file", lambda w: {"token": None}), "token"),
    Case("an old token hides a good one", _old_and_good, "token-shadow"),
    Case("a file without a token hides a good one", _hidden, "token"),
    Case("only the deprecated file", _legacy, "token-legacy", "warning"),
    Case("empty file", _raw(lambda t: ""), "token"),
    Case("NUL bytes", _raw(lambda t: "\0" * 40), "token"),
    Case("bare token", _bare, "token"),
    Case("quoted token", _raw(lambda t: f'"{t}"'), "token"),
    Case("two objects", _raw(lambda t: f'{{"token": "{t}"}}' * 2), "token"),
    Case("a list of tokens", _raw(lambda t: json.dumps([{"token": t, "id": 1}])), "token"),
    Case("a number", _raw(lambda t: "12345"), "token"),
    Case("a sample that was never valid", _raw(lambda t: SAMPLE), "token"),
    Case("single quotes", _raw(lambda t: f"{{'token': '{t}'}}"), "token"),
    Case("a trailing comma", _raw(lambda t: f'{{"token": "{t}",}}'), "token"),
    Case("a web page as token file", _raw(lambda t: "<html>log in</html>"), "token"),
    Case("deep JSON", _raw(lambda t: "[" * 50_000), "token"),
    Case("a folder instead of the file", _directory, "token"),
    Case("a file of 21 megabytes", _huge, "token"),
    Case("others can read it", _shared, "token-private", "warning"),
    Case("the folder is a file", _folder_is_file, "token-folder"),
    Case("the folder is a dangling link", _folder_dangles, "token-folder"),
    Case("the map is a list", _map_of_nothing, "map-file"),
    Case("the map is broken", _broken_map, "map-file", "warning"),
    Case("the token is in R's home", _documents, "token"),
    Case("one level too high", _too_high, "token"),
    Case("still in the downloads folder", _downloaded, "token"),
    Case("the token for another server", _token_of_another_server, "token"),
    Case("a dangling link", _link_to_nothing, "token"),
    Case("a link to a drive that is not mounted", _link_to_a_drive, "token"),
    Case("only an environment variable", _variable, "token"),
    Case("quotes inside", _stored(lambda t: f'"{t}"'), "token-form"),
    Case("capitals", _stored(str.upper), "token-form"),
    Case("the whole file pasted as token", _stored(lambda t: json.dumps({"token": t})), "token-form"),
    Case("Bearer before it", _stored(lambda t: f"Bearer {t}"), "token-form"),
    Case("part of it is missing", _stored(lambda t: t[:-1]), "token-form"),
    Case("a number under the key", _stored(lambda t: 5), "token-form"),
    Case("a space before it", _stored(lambda t: f" {t}"), "token-form"),
    Case("an empty token", _stored(lambda t: ""), "token-form"),
    Case("a line break after it", _stored(lambda t: f"{t}\n"), "token-form"),
    Case("typographic quotes", _stored(lambda t: f"\u201c{t}\u201d"), "token-form"),
    Case("a placeholder", _stored(lambda t: "YOUR_TOKEN"), "token-form"),
    Case("nine thousand characters", _stored(lambda t: t * 281), "token-form"),
    Case("a space after it works", lambda w: w.save(f"{w.token} "), "token-form", "warning"),
    Case("a password in .netrc", _netrc, "account"),
    Case("cloud-volume reads an old token", _cloud_volume_stale, "cloud-volume", "warning"),
    Case("cloud-volume reads another server's", _cloud_volume_other_server, "cloud-volume", "warning"),
    Case("CLOUD_VOLUME_DIR has another token", _cloud_volume_moved, "cloud-volume", "warning"),
    Case("a client made with an old token", _stale_client, "clients", "warning"),
    Case("a home folder that is deleted", _colab, "home", "warning", fixed_by=False),
)

SERVERS = (
    Case("token deleted", _deleted, "account", kind="server"),
    Case("temporary token", _login_token, "token-kind", "warning", kind="server"),
    Case("no permission for anything", _no_group, "access", kind="server"),
    Case("terms not accepted", _terms, "terms", kind="server"),
    Case("no permission for this", _asks_for("secret_ds"), "access", fixed_by=False, kind="server"),
    Case("misspelled datastack", _asks_for("minie65_public"), "datastack", kind="server"),
    Case("datastack in capitals", _asks_for("MINNIE65_PUBLIC"), "datastack", kind="server"),
    Case("a name unlike any other", _asks_for("zzzz"), "datastack", fixed_by=False, kind="server"),
    Case("another deployment's datastack", _asks_for("v1dd_public"), "datastack", fixed_by=False, kind="server"),
    Case("known to auth, not to info", _asks_for("ghost_ds"), "datastack", fixed_by=False, kind="server"),
    Case("server down", _does("all", "down"), "network", fixed_by=False, kind="server"),
    Case("server closes the connection", _does("all", "reset"), "network", fixed_by=False, kind="server"),
    Case("server silent", _does("all", "silent"), "network", fixed_by=False, kind="server"),
    Case("web page instead of data", _does("all", "html"), "network", fixed_by=False, kind="server"),
    Case(
        "redirect to a portal",
        _does("all", "redirect:http://127.0.0.1:9/portal"),
        "network",
        fixed_by=False,
        kind="server",
    ),
    Case("redirect loop", _does("all", "loop"), "network", fixed_by=False, kind="server"),
    Case("slow down", _does("all", "status:429"), "network", fixed_by=False, kind="server"),
    Case("an unknown status", _does("all", "status:418"), "network", "unknown", fixed_by=False, kind="server"),
    Case("unexpected JSON", _does("auth", "garbage"), "account", "unknown", fixed_by=False, kind="server"),
    Case("auth down", _does("auth", "down"), "auth", fixed_by=False, kind="server"),
    Case("auth silent", _does("auth", "silent"), "auth", fixed_by=False, kind="server"),
    Case("auth broken", _does("auth", "error500"), "auth", fixed_by=False, kind="server"),
    Case("info down", _does("info", "down"), "info", fixed_by=False, kind="server"),
    Case("info broken", _does("info", "error500"), "info", fixed_by=False, kind="server"),
    Case("info page", _does("info", "html"), "info", fixed_by=False, kind="server"),
    Case("unexpected info", _does("info", "garbage"), "access", "unknown", fixed_by=False, kind="server"),
    Case("no data service", _does("local", "missing"), "data-server", fixed_by=False, kind="server"),
    Case("no materialize", _does("materialize", "missing"), "materialize", fixed_by=False, kind="server"),
    Case("permission revoked a moment ago", _revoked, "access", fixed_by=False, kind="server"),
    Case("permission granted a moment ago", _granted, "access", fixed_by=False, kind="server"),
    Case("asked to wait for an hour", _does("info", "retry-after:3600"), "info", fixed_by=False, kind="server"),
    Case("materialize down", _does("materialize", "status:503"), "materialize", fixed_by=False, kind="server"),
    Case("chunkedgraph silent", _does("chunkedgraph", "silent"), "chunkedgraph", fixed_by=False, kind="server"),
    Case("l2cache down", _does("l2cache", "down"), "l2cache", fixed_by=False, kind="server"),
    Case("skeleton closes the connection", _does("skeleton", "reset"), "skeleton", fixed_by=False, kind="server"),
    Case("data server down", _data_server_down, "data-server", fixed_by=False, kind="server"),
    Case("dead proxy", _proxy, "network", kind="server"),
    Case("no such host", _no_such_name, "network", fixed_by=False, kind="server"),
    Case("nothing listens", _nothing_listens, "network", fixed_by=False, kind="server"),
    Case("a data server's address", _data_server_address, "network", fixed_by=False, kind="server"),
)
BOTH = (Case("another token has access", _another_has_access, "access"),)
"""Faults of the computer and the server together."""
CASES = FILES + SERVERS + BOTH
