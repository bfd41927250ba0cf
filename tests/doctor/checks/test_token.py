"""The checks of the stored token, its file and its folder, on facts alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cave_magic.api.responses import Response
from cave_magic.credentials.file_problems import FileFault
from cave_magic.credentials.obstacles import Obstacle, WayOut
from cave_magic.credentials.token_files import State, TokenFile
from cave_magic.doctor import healthy, next_steps
from cave_magic.doctor.checks.token import FOLDER as TOKEN_FOLDER
from cave_magic.doctor.checks.token import (
    FORM,
    LEGACY,
    LINK,
    PRIVATE,
    SHADOW,
    TOKEN,
    VARIABLE,
)
from cave_magic.doctor.evidence import Machine, ServerFacts
from cave_magic.token import Token

from .facts import (
    CHECK,
    DEFAULT,
    EXISTING,
    FOLDER,
    HOST,
    NEW,
    NO_TOKEN,
    OTHER,
    OWN,
    REJECTED,
    SAVE_DEFAULT,
    SAVE_OWN,
    Case,
    case,
    each,
    finding,
    problem,
    response,
    shared,
    stored,
    token_file,
)
from .facts import LEGACY as LEGACY_NAME

MINE = healthy.TOKEN
ABSENT, EMPTY = State.ABSENT, {"state": State.MALFORMED, "problem": problem(FileFault.EMPTY)}
NEAR = token_file(path=Path("~/Downloads/cave-secret.json"), token=OTHER)
SAVE_NEAR = "%cave_save --from-file ~/Downloads/cave-secret.json"
FROM_ENV = "%cave_save --from-env CAVE_TOKEN"
GOOD, QUIET = healthy.IDENTITY, Machine(can_ask=False)
DOWN = response(503)
QUOTED, BROKEN = Token(f'"{MINE.reveal()}"'), Token("a" * 31 + "\n")


def _moved(path: str) -> str:
    return f"!mv {path} {path}.old"


# ---------------------------------------------------------------- the folder


def _folder(way: WayOut, fault: FileFault = FileFault.NOT_A_FOLDER, **facts: Any) -> Machine:
    found = {"path": healthy.FOLDER, "problem": problem(fault), "way": way, "unusable": True, "mode": 0o700} | facts
    return Machine(folder_problem=Obstacle(**found))


UNSAVED = next_steps.without_saving(healthy.TARGET).text
FOLDERS = [
    case("the folder is fine", TOKEN_FOLDER, Machine(), "nothing"),
    case("no home", TOKEN_FOLDER, _folder(WayOut.SET_HOME, FileFault.HOME_UNKNOWN), "failed", "the home folder is unknown", CHECK, UNSAVED, advises="set HOME"),
    case("another home can be used", TOKEN_FOLDER, _folder(WayOut.SET_HOME, FileFault.HOME_UNKNOWN, home="/home/ada"), "failed", "home folder", "%env HOME=/home/ada", CHECK),
    case("a link to a drive that is not mounted", TOKEN_FOLDER, _folder(WayOut.RESTORE_LINK), "failed", "is not a folder", _moved(FOLDER), CHECK, advises="mount it"),
    case("a file in its place", TOKEN_FOLDER, _folder(WayOut.MOVE_AWAY), "failed", "is not a folder", _moved(FOLDER), CHECK),
    case("a link to another user's folder", TOKEN_FOLDER, _folder(WayOut.MOVE_AWAY, unusable=False), "warning", "is not a folder", _moved(FOLDER), CHECK),
    case("it may not be opened", TOKEN_FOLDER, _folder(WayOut.GRANT_ACCESS, FileFault.NOT_OPENABLE), "failed", "is not accessible to you", f"!chmod 700 {FOLDER}", CHECK),
    case("it may not be written", TOKEN_FOLDER, _folder(WayOut.GRANT_ACCESS, FileFault.NOT_WRITABLE, unusable=False), "warning", "is not writable by you", f"!chmod 700 {FOLDER}", CHECK),
    case("another user's folder", TOKEN_FOLDER, _folder(WayOut.OWNER, FileFault.NOT_OPENABLE, owner="bob"), "failed", "is not accessible to you; it belongs to bob", CHECK, UNSAVED, advises=f"ask bob to let you write to {FOLDER}"),
    case("root's folder", TOKEN_FOLDER, _folder(WayOut.ADMINISTRATOR, FileFault.NOT_OPENABLE, owner="root"), "failed", "it belongs to root", CHECK, UNSAVED, advises="ask the administrator of this computer"),
    case("a full disk", TOKEN_FOLDER, _folder(WayOut.FREE_SPACE, FileFault.NO_SPACE, unusable=False), "warning", "is on a full disk", CHECK, UNSAVED, advises=f"free some space on the disk of {FOLDER}"),
    case("too many open files", TOKEN_FOLDER, _folder(WayOut.CLOSE_FILES, unusable=False), "warning", "", CHECK, advises="restart the kernel"),
]  # fmt: skip


# ---------------------------------------------------------------- finding the token


def _none(own: TokenFile | None = None, default: TokenFile | None = None, **facts: Any) -> ServerFacts:
    """A server for which caveclient finds no token in these files."""
    return ServerFacts(**NO_TOKEN | {"stored": stored(own, default)} | facts)


def _theirs(**facts: Any) -> ServerFacts:
    files = stored(token_file(token=MINE), belongs_to="https://proofreading.zetta.ai")
    return ServerFacts(**NO_TOKEN | {"stored": files} | facts)


UNREADABLE = token_file(state=State.UNREADABLE, problem=problem(FileFault.NOT_READABLE))
BARE = token_file(**EMPTY | {"problem": problem(FileFault.NOT_JSON, "")}, inside=MINE)
NO_KEY = token_file(problem=problem(FileFault.NO_KEY))
GAP = token_file(state=ABSENT, problem=problem(FileFault.LINK_INTO_NOTHING, "/x/y", "/x"), link="/x/y", gap="/x")
SAVE_NEAR_AGAIN = f"{SAVE_NEAR} --overwrite"
THEIRS = "has the token for proofreading.zetta.ai, which is sent only there"
TWO_FILES = replace(
    stored(token_file(token=MINE), token_file(DEFAULT, OTHER)), belongs_to="https://proofreading.zetta.ai"
)
VARIABLE_SET = Machine(token_variables={"CAVE_TOKEN": OTHER})

FINDING = [
    case("a token is stored", TOKEN, ServerFacts(), "ok", f"{OWN}, ends in 5a3b, only you can read it"),
    case("a token is stored on Windows", TOKEN, ServerFacts(stored=replace(ServerFacts().stored, server_file=replace(ServerFacts().stored.server_file, readable_by_others=None))), "ok", f"{OWN}, ends in 5a3b"),
    case("a token that others can read", TOKEN, ServerFacts(stored=stored(token_file(token=MINE, readable_by_others=True))), "ok", f"{OWN}, ends in 5a3b"),
    case("a token that is too short to show", TOKEN, ServerFacts(stored=stored(token_file(token=Token("abc")))), "ok", f"{OWN}, only you"),
    case("the token comes from the usual file", TOKEN, ServerFacts(stored=stored(default=token_file(DEFAULT, MINE))), "ok", f"{DEFAULT}, ends in"),
    case("caveclient takes another token", TOKEN, ServerFacts(caveclient_disagrees=True), "unknown", f"does not use the token in {OWN}", CHECK, "%pip install -U caveclient", advises="restart the kernel, then"),
    case("caveclient was not tried", TOKEN, ServerFacts(caveclient_disagrees=None), "ok"),
    case("no token", TOKEN, _none(), "failed", f"none for {HOST} in {FOLDER}", NEW, EXISTING, advises="if you have an account"),
    case("no token without a prompt", TOKEN, _none(machine=QUIET), "failed", "none for", FROM_ENV, advises="keep a token as CAVE_TOKEN in an environment variable"),
    case("no token, and a server that is down", TOKEN, _none(anonymous_identity=DOWN), "warning", ("none for", "fix the server first")),
    case("no token, and a gateway", TOKEN, _none(anonymous_identity=response(401, {"message": "Unauthorized"})), "warning", ("none for", "fix the server first")),
    case("a token in a variable", TOKEN, _none(machine=VARIABLE_SET), "failed", "CAVE_TOKEN is set", "%cave_save --from-env CAVE_TOKEN"),
    case("a token in a variable and one that works", TOKEN, _none(machine=VARIABLE_SET, misplaced_file=NEAR), "failed", "has one that works", SAVE_NEAR),
    case("a token in a variable and one to try", TOKEN, _none(machine=VARIABLE_SET, untried_file=NEAR), "failed", "was not tried", SAVE_NEAR, EXISTING),
    case("a misplaced token works", TOKEN, _none(misplaced_file=NEAR), "failed", ("none for", "~/Downloads/cave-secret.json has one that works"), SAVE_NEAR),
    case("a misplaced token was not tried", TOKEN, _none(untried_file=NEAR), "failed", "does not name its server", SAVE_NEAR, EXISTING),
    case("a misplaced token without a prompt", TOKEN, _none(untried_file=NEAR, machine=QUIET), "failed", "was not tried", SAVE_NEAR, FROM_ENV),
    case("the file may not be read", TOKEN, _none(UNREADABLE), "failed", f"{FOLDER}/{OWN} is not readable by you", f"!chmod 600 {FOLDER}/{OWN}", CHECK),
    case("a link to a file that may not be read", TOKEN, _none(replace(UNREADABLE, link="/x")), "failed", "is not readable", _moved(f"{FOLDER}/{OWN}"), CHECK),
    case("a folder in place of the usual file", TOKEN, _none(default=token_file(DEFAULT, state=State.NOT_A_FILE, problem=problem(FileFault.IS_A_FOLDER))), "failed", "is a folder", _moved(f"{FOLDER}/{DEFAULT}"), CHECK),
    case("a folder in place of the server's file", TOKEN, _none(token_file(state=State.NOT_A_FILE, problem=problem(FileFault.IS_A_FOLDER))), "failed", "is a folder", _moved(f"{FOLDER}/{OWN}"), CHECK),
    case("a huge file", TOKEN, _none(token_file(state=State.TOO_LARGE, problem=problem(FileFault.TOO_LARGE, "21"))), "failed", "(21 MB)", _moved(f"{FOLDER}/{OWN}"), CHECK),
    case("a bare token", TOKEN, _none(BARE), "failed", "but contains a token", SAVE_OWN, fix="shape"),
    case("a bare token that is rejected", TOKEN, _none(BARE, salvaged_identity=REJECTED), "failed", "but contains a token", EXISTING),
    case("a bare token that works", TOKEN, _none(BARE, salvaged_identity=GOOD), "failed", "but contains a token", SAVE_OWN, fix="shape"),
    case("an empty file", TOKEN, _none(token_file(**EMPTY)), "failed", "is empty", EXISTING),
    case("an empty file, and a token in a variable", TOKEN, _none(token_file(**EMPTY), machine=VARIABLE_SET), "failed", ("is empty", "CAVE_TOKEN is set"), f"{FROM_ENV} --overwrite", EXISTING),
    case("no token, and a password in .netrc", TOKEN, _none(netrc_file="~/.netrc"), "failed", ("none for", f"~/.netrc has a password for {HOST}"), "%env NETRC=/dev/null", CHECK, advises="remove the entry"),
    case("an empty file hides a token", TOKEN, _none(token_file(**EMPTY), token_file(DEFAULT, MINE)), "failed", ("is empty", f"{DEFAULT} has a token, but is not read"), SAVE_DEFAULT),
    case("an empty usual file", TOKEN, _none(default=token_file(DEFAULT, **EMPTY)), "failed", "is empty", EXISTING),
    case("an empty file, and a misplaced token", TOKEN, _none(token_file(**EMPTY), misplaced_file=NEAR), "failed", ("is empty", "has one that works"), SAVE_NEAR_AGAIN),
    case("a link to a folder that is not there", TOKEN, _none(GAP), "failed", "is a link to /x/y", _moved(f"{FOLDER}/{OWN}"), CHECK, advises="mount it"),
    case("no key, and a hidden token", TOKEN, _none(NO_KEY, token_file(DEFAULT, MINE)), "failed", f'has no key "token", and hides the token in {DEFAULT}', SAVE_DEFAULT),
    case("another key", TOKEN, _none(replace(NO_KEY, inside=MINE)), "failed", "has a token under another key", SAVE_OWN, fix="shape"),
    case("another key in the usual file", TOKEN, _none(default=token_file(DEFAULT, problem=problem(FileFault.NO_KEY), inside=MINE)), "failed", f"{DEFAULT} has no key", SAVE_DEFAULT, fix="shape"),
    case("no key", TOKEN, _none(NO_KEY), "failed", f'{OWN} has no key "token"', EXISTING),
    case("no key in the usual file", TOKEN, _none(default=token_file(DEFAULT, problem=problem(FileFault.NO_KEY))), "failed", f"{DEFAULT} has no key", EXISTING),
    case("a link to nothing", TOKEN, _none(token_file(state=ABSENT, problem=problem(FileFault.LINK_TO_NOTHING, "~/x"))), "failed", "is a link to ~/x", EXISTING),
    case("another server's token", TOKEN, _theirs(), "failed", (f"none for {HOST}", f"{OWN} {THEIRS}"), EXISTING),
    case("another server's token, and a misplaced one", TOKEN, _theirs(misplaced_file=NEAR), "failed", (THEIRS, "has one that works"), SAVE_NEAR_AGAIN),
    case("another server's token hides one that works", TOKEN, _theirs(stored=TWO_FILES, salvaged_identity=GOOD), "failed", f"{DEFAULT} has one that works, but it is not read", SAVE_DEFAULT),
    case("another server's token hides one that does not", TOKEN, _theirs(stored=TWO_FILES, salvaged_identity=REJECTED), "failed", THEIRS, EXISTING),
    case("a token of a server of no address", TOKEN, _theirs(stored=replace(TWO_FILES, belongs_to="another server")), "failed", "the token for another server", EXISTING),
]  # fmt: skip


# ---------------------------------------------------------------- its form, its file


def _form(token: Token, identity: Response | None = None, **facts: Any) -> ServerFacts:
    return ServerFacts(stored=stored(token_file(token=token)), identity=identity, account=None, **facts)


def _shadow(salvaged: Response | None, default: Token | None = OTHER) -> ServerFacts:
    files = stored(token_file(token=MINE), token_file(DEFAULT, default))
    return ServerFacts(identity=REJECTED, account=None, stored=files, salvaged_identity=salvaged)


def _own(**file: Any) -> ServerFacts:
    return ServerFacts(stored=stored(token_file(**{"token": MINE} | file)))


LOST = token_file(DEFAULT, state=ABSENT, problem=problem(FileFault.LINK_TO_NOTHING, "~/x"), link="~/x")
FROM_LEGACY = stored(legacy=token_file(LEGACY_NAME, MINE))

FILES = [
    case("a usual token", FORM, ServerFacts(), "nothing"),
    case("no token", FORM, _none(), "nothing"),
    case("an odd token that is accepted", FORM, _form(QUOTED, GOOD), "warning", ("has quotes inside it", f"{HOST} accepts it"), SAVE_OWN, fix="shape"),
    case("an odd token that is accepted as it is", FORM, _form(Token("G" * 40), GOOD), "warning", "is not 32 hexadecimal characters"),
    case("an odd token that is rejected", FORM, _form(QUOTED, REJECTED), "failed", ("has quotes inside it", "cannot work"), SAVE_OWN, fix="shape"),
    case("an odd token whose inside is also rejected", FORM, _form(QUOTED, REJECTED, salvaged_identity=REJECTED), "failed", "cannot work", EXISTING),
    case("a part of a token", FORM, _form(Token("a" * 30), REJECTED), "failed", "has 30 characters", EXISTING),
    case("a token that cannot be sent", FORM, _form(BROKEN), "failed", "line break", EXISTING),
    case("a token that cannot be sent, and a server that is down", FORM, _form(BROKEN, anonymous_identity=DOWN), "warning", ("line break", "fix the server first")),
    case("an odd token that a proxy rejects", FORM, _form(QUOTED, response(431)), "failed", "cannot work", SAVE_OWN, fix="shape"),
    case("an odd token that was not tried", FORM, _form(QUOTED), "nothing"),
    case("an odd token, and a server that is down", FORM, _form(QUOTED, DOWN), "nothing"),
    case("one token alone", SHADOW, ServerFacts(), "nothing"),
    case("the hidden token works", SHADOW, _shadow(GOOD), "failed", (f"{OWN} has an old token", f"{DEFAULT} has one that works"), SAVE_DEFAULT, fix="copies"),
    case("the hidden token is rejected too", SHADOW, _shadow(REJECTED), "nothing"),
    case("the hidden token was not tried", SHADOW, _shadow(None), "nothing"),
    case("nothing is hidden", SHADOW, _shadow(GOOD, MINE), "nothing"),
    case("no link", LINK, ServerFacts(), "nothing"),
    case("a link to nothing and no token", LINK, _none(replace(LOST, path=healthy.FOLDER / OWN)), "nothing"),
    case("no file", LINK, _none(), "nothing"),
    case("a dangling link next to a token", LINK, ServerFacts(stored=stored(token_file(token=MINE), LOST)), "warning", f"{DEFAULT} is a link to ~/x", SAVE_OWN),
    case("a link into a missing folder next to a token", LINK, ServerFacts(stored=stored(token_file(token=MINE), replace(LOST, gap="~/y"))), "warning", "is a link to ~/x", _moved(f"{FOLDER}/{DEFAULT}"), CHECK, advises="mount it"),
    case("a link to another user's file", LINK, _own(link="/home/bob/t.json", foreign=True), "warning", ("a link to /home/bob/t.json", "belongs to another user"), _moved(f"{FOLDER}/{OWN}"), CHECK),
    case("a link to a file of the same user", LINK, _own(link="~/t.json"), "nothing"),
    case("another user's file that is no link", LINK, _own(foreign=True), "nothing"),
    case("the server's own file", LEGACY, ServerFacts(), "nothing"),
    case("the old file", LEGACY, ServerFacts(stored=FROM_LEGACY), "warning", f"comes from {LEGACY_NAME}", fix="legacy"),
    case("no old file", LEGACY, _none(), "nothing"),
    case("only its owner can read it", PRIVATE, ServerFacts(), "nothing"),
    case("others can read it", PRIVATE, _own(readable_by_others=True), "warning", f"other users of this computer can read {OWN}", fix="permissions"),
    case("others can read another user's file", PRIVATE, _own(readable_by_others=True, owned=False), "nothing"),
    case("others can read two files", PRIVATE, ServerFacts(stored=stored(token_file(token=MINE, readable_by_others=True), token_file(DEFAULT, MINE, readable_by_others=True))), "warning", f"can read {OWN} and {DEFAULT}", fix="permissions"),
    case("others can write the folder", PRIVATE, ServerFacts(machine=Machine(folder_writable_by_others=True)), "warning", FOLDER, fix="permissions"),
    case("no variable", VARIABLE, ServerFacts(), "nothing"),
    case("a variable and a stored token", VARIABLE, ServerFacts(machine=VARIABLE_SET), "warning", "CAVE_TOKEN is set"),
    case("two variables and a stored token", VARIABLE, ServerFacts(machine=Machine(token_variables={"CAVE_TOKEN": OTHER, "API_SECRET": OTHER})), "warning", "CAVE_TOKEN and API_SECRET are set"),
    case("a variable with the stored token", VARIABLE, ServerFacts(machine=Machine(token_variables={"CAVE_TOKEN": healthy.STORED.token})), "nothing"),
    case("a variable and no stored token", VARIABLE, _none(machine=VARIABLE_SET), "nothing"),
]  # fmt: skip

CASES = [*FOLDERS, *FINDING, *FILES]


@each(CASES)
def test_the_stored_token(case: Case):
    """Each check of the stored token gives the expected finding."""
    case.run()


def test_no_part_of_a_token_is_shared():
    """The last characters are private."""
    found = finding(TOKEN, ServerFacts())
    assert found is not None
    assert "5a3b" not in shared(found)
