"""Signing in through the browser, played over HTTP: what is made, saved, said and ended."""

from __future__ import annotations

import _thread
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cave_magic import place, signin
from cave_magic.frontend import Frontend
from cave_magic.place import Place
from cave_magic.receiver import DONE
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Page, Visitor
from cave_magic.signin import came_by_address, description

MINE = "cave_magic on lab-mac"


class Desk:
    """A person's own computer: what the browser was told to open, what is asked and answered."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.questions: list[str] = []
        self.answers: list[str] = []
        self.pages: list[Future[Any]] = []
        self.goes: Callable[[str], Any] = lambda address: None
        self._pool = ThreadPoolExecutor(8)

    def open_browser(self, address: str) -> bool:
        """Opens a page in the background; the person there does what `goes` says."""
        self.opened.append(address)
        self.pages.append(self._pool.submit(self.goes, address))
        return True

    def answer(self, question: str = "") -> str:
        """The next answer; when there is none left the person interrupts."""
        self.questions.append(question)
        if not self.answers:
            raise KeyboardInterrupt
        return self.answers.pop(0)

    @property
    def last_page(self) -> Page:
        """Where the browser ended."""
        page: Page = self.pages[-1].result(20)
        return page

    def close(self) -> None:
        """Goes home."""
        self._pool.shutdown()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Desk]:
    """The kernel runs on the person's own desktop, and the person can be asked."""
    desk = Desk()
    monkeypatch.setattr(place, "find_place", lambda environ=None: Place("", False, True))
    monkeypatch.setattr(place, "open_browser", desk.open_browser)
    monkeypatch.setattr(Frontend, "can_ask", property(lambda self: True))
    monkeypatch.setattr("builtins.input", desk.answer)
    monkeypatch.setattr("getpass.getpass", desk.answer)
    monkeypatch.setattr("platform.node", lambda: "lab-mac")
    yield desk
    desk.close()


@pytest.fixture
def here(cave: Sandbox, run: Any, desk: Desk) -> Any:
    """Runs cells where the practice server is the configured one."""
    run(f'%config CaveMagics.server = "{cave.server}"')
    return run


def stored(home: Path) -> list[str]:
    """The tokens that are saved, each once."""
    files = (home / ".cloudvolume" / "secrets").glob("*-secret.json")
    return list({json.loads(path.read_text())["token"] for path in files})


def by_name(cave: Sandbox, person: str) -> dict[str, str]:
    """The tokens of a person by description."""
    return {row["description"]: row["token"] for row in cave.tokens(person)}


def living_logins(cave: Sandbox) -> list[str]:
    """Log-in tokens of people that still let somebody in."""
    accounts = cave._accounts
    return [one for one in accounts.known_tokens() if (who := accounts.owner(one)) and who.id > 0 and not accounts.is_key(one)]


def nothing_secret(cave: Sandbox, *texts: str) -> bool:
    """Whether no token that was ever made stands in these texts, or in a path that a server was asked for."""
    asked = [record.path for record in cave.requests]
    return not [token for token in cave._accounts.known_tokens() for text in (*texts, *asked) if token in text]


# ---------------------------------------------------------------- the three ways home

def test_a_new_person_signs_in_without_copying_anything(here, cave, desk, home):
    """Log-in, user name and terms in one tab; a token with this computer's name is made and saved, the log-in ended."""
    desk.goes = Visitor("robin@lab.example.org", "Robin").open
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert (len(desk.opened), desk.questions) == (1, [])
    assert "You are set up" in ran.out
    assert "robin@lab.example.org" in ran.out
    assert "One thing is left" not in ran.out
    assert by_name(cave, "robin@lab.example.org") == {MINE: stored(home)[0]}
    assert living_logins(cave) == []
    assert nothing_secret(cave, ran.out)


def test_the_tab_ends_on_a_clean_page_of_ours(here, cave, desk):
    """The browser ends at an address without query, on a page that sends the person back and holds no token."""
    desk.goes = Visitor("robin@lab.example.org").open
    here("%cave_setup new")
    assert urlsplit(desk.last_page.address).path == DONE
    assert urlsplit(desk.last_page.address).query == ""
    assert "Done, go back to your notebook" in desk.last_page.source
    assert nothing_secret(cave, desk.last_page.source, desk.last_page.address)


def test_a_known_person_needs_the_log_in_only(here, cave, desk, home):
    """Whoever has accepted the terms is done after the log-in; the older tokens live on."""
    before = by_name(cave, "ada")
    desk.goes = Visitor("ada@example.org").open
    assert here("%cave_setup new").error == ""
    after = by_name(cave, "ada")
    assert after.keys() - before.keys() == {MINE}
    assert before.items() <= after.items()
    assert stored(home) == [after[MINE]]
    assert living_logins(cave) == []


def test_missing_terms_are_accepted_in_the_same_tab(here, cave, desk):
    """The tab goes on to the terms and comes back; the data can be read."""
    desk.goes = Visitor("bob@example.org").open
    ran = here("%cave_setup new")
    assert "One thing is left" not in ran.out
    assert cave._accounts.has_accepted(cave._accounts.find("bob").id, 2)
    assert urlsplit(desk.last_page.address).path == DONE
    assert len(desk.opened) == 1


# ---------------------------------------------------------------- an existing person's tokens

def test_an_existing_person_is_shown_the_tokens_and_reuses_one(here, cave, desk, home):
    """The list has names, days and endings, the one used last in front; Enter takes that one and makes none."""
    keys = by_name(cave, "alice")
    cave._accounts.let_in(keys["laptop"])
    desk.goes, desk.answers = Visitor("alice@example.org").open, [""]
    ran = here("%cave_setup existing")
    assert ran.error == ""
    assert by_name(cave, "alice") == keys
    assert stored(home) == [keys["laptop"]]
    assert "Alice Example <alice@example.org>" in ran.out
    assert ran.out.index("laptop") < ran.out.index("cluster")
    assert keys["cluster"][-4:] in ran.out
    assert "never" in ran.out
    assert living_logins(cave) == []
    assert nothing_secret(cave, ran.out)


@pytest.mark.parametrize(("answer", "taken"), [("2", "laptop"), ("1", "cluster"), ("n", MINE), ("NEW", MINE)])
def test_the_answer_decides(here, cave, desk, home, answer, taken):
    """A number takes that token, n makes one for this computer."""
    desk.goes, desk.answers = Visitor("alice@example.org").open, [answer]
    assert here("%cave_setup existing").error == ""
    assert stored(home) == [by_name(cave, "alice")[taken]]


def test_three_odd_answers_cancel_and_end_the_log_in(here, cave, desk, home):
    """A number that is none of them is asked again, three times at most."""
    desk.goes, desk.answers = Visitor("alice@example.org").open, ["7", "0", "x"]
    assert here("%cave_setup existing").error == "Cancelled"
    assert stored(home) == []
    assert living_logins(cave) == []


@pytest.mark.parametrize(("use", "made"), [("latest", False), ("new", True)])
def test_with_use_nothing_is_asked(here, cave, desk, use, made):
    """`--use latest` and `--use new` decide beforehand."""
    desk.goes = Visitor("alice@example.org").open
    assert here(f"%cave_setup existing --use {use}").error == ""
    assert desk.questions == []
    assert (MINE in by_name(cave, "alice")) is made


def test_use_replaces_a_working_token_without_asking(here, cave, desk, home):
    """On a computer that is set up already, `--use` is the yes to replacing."""
    desk.goes = Visitor("ada@example.org").open
    assert here("%cave_setup existing --use latest").error == ""
    assert here("%cave_setup existing --use new").error == ""
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert desk.questions == []


def test_somebody_without_tokens_gets_one_without_a_question(here, cave, desk, home):
    """Where there is nothing to choose from, one is made."""
    desk.goes = Visitor("dave@example.org").open
    assert here("%cave_setup existing").error == ""
    assert desk.questions == []
    assert stored(home) == [by_name(cave, "dave")[MINE]]


def test_a_listed_token_that_is_dead_is_not_taken(here, cave, desk, home):
    """The list may hold tokens that the server lost; the choice is then offered again without it."""
    keys = by_name(cave, "alice")
    cave.lose_token(keys["cluster"])
    desk.goes, desk.answers = Visitor("alice@example.org").open, ["1", "1"]
    ran = here("%cave_setup existing")
    assert "does not work any more" in ran.out
    assert stored(home) == [keys["laptop"]]


# ---------------------------------------------------------------- old servers

@pytest.fixture
def old(run: Any, desk: Desk) -> Iterator[Sandbox]:
    """A server on which a person has one token."""
    with Sandbox(auth_version="2.18.3") as sandbox:
        run(f'%config CaveMagics.server = "{sandbox.server}"')
        yield sandbox


@pytest.mark.parametrize("line", ["%cave_setup new", "%cave_setup existing --use new"])
def test_on_an_old_server_it_is_said_and_asked_before_anything_is_done(old, desk, run, line):
    """Where a new token ends the other: no browser, no log-in, nothing made, unless the person says yes."""
    desk.answers = ["n"]
    ran = run(line)
    assert ran.error == "Cancelled"
    assert "ends the one that is in use elsewhere" in desk.questions[0]
    assert desk.opened == []


def test_on_an_old_server_a_yes_replaces_the_token(old, desk, run, home):
    """After the yes the one token is a new one, and it is saved."""
    before = old.tokens("ada")[0]["token"]
    desk.answers, desk.goes = ["y"], Visitor("ada@example.org").open
    assert run("%cave_setup new").error == ""
    assert [row["token"] for row in old.tokens("ada")] == stored(home) != [before]
    assert living_logins(old) == []


def test_on_an_old_server_reusing_ends_nothing(old, desk, run, home):
    """The list says what making one would do; taking the one there is needs no second yes."""
    before = old.tokens("ada")[0]["token"]
    desk.answers, desk.goes = [""], Visitor("ada@example.org").open
    ran = run("%cave_setup existing")
    assert "ends the one that is in use elsewhere" in " ".join(ran.out.split())
    assert stored(home) == [before]


def test_on_an_old_server_making_one_from_the_list_is_asked(old, desk, run, home):
    """Choosing a new one there is asked once more, and a no ends the log-in."""
    desk.answers, desk.goes = ["n", "no"], Visitor("ada@example.org").open
    assert run("%cave_setup existing").error == "Cancelled"
    assert len(old.tokens("ada")) == 1
    assert living_logins(old) == []
    assert stored(home) == []


# ---------------------------------------------------------------- when it does not come

def interrupt_when(condition: Callable[[], bool]) -> None:
    """Presses the stop button once something is so."""

    def watch() -> None:
        deadline = time.monotonic() + 20
        while not (met := condition()) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.1)
        if met:
            _thread.interrupt_main()

    threading.Thread(target=watch, daemon=True).start()


def test_interrupting_the_wait_gives_the_prompt(here, cave, desk, home):
    """The stop button during the wait: the guide and the prompt, and the door is closed."""
    desk.answers = [cave.new_token("ada", description="by hand")]
    interrupt_when(lambda: bool(desk.opened))
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert desk.questions == ["Token (hidden): "]
    assert "make one on this page" in " ".join(ran.out.split())
    assert stored(home) == [by_name(cave, "ada")["by hand"]]
    back = desk.opened[0].partition("redirect=")[2].replace("%3A", ":").replace("%2F", "/")
    with pytest.raises(Exception, match="did not open"):
        Visitor().open(back)


def test_interrupting_the_wait_for_the_terms_goes_on_without_them(here, cave, desk, home):
    """Who is logged in already gets the token; the card says that the terms are left."""
    visitor = Visitor("bob@example.org")
    visitor._in_the_way = _only_the_log_in(visitor)
    desk.goes = visitor.open
    interrupt_when(lambda: bool(desk.pages and desk.pages[-1].done()))
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert "/sticky_auth/api/v1/tos/2/accept" in desk.last_page.address
    assert "One step left." in ran.out
    assert stored(home) == [by_name(cave, "bob")[MINE]]
    assert living_logins(cave) == []


def _only_the_log_in(visitor: Visitor) -> Callable[[Page], Any]:
    whole = visitor._in_the_way
    return lambda page: whole(page) if "/log-in" in page.address else None


def test_terms_accepted_elsewhere_end_the_wait(here, cave, desk, monkeypatch):
    """If the terms are accepted in another tab, which cannot come back, the wait notices."""
    monkeypatch.setattr(signin, "LOOK_AGAIN", 0.1)
    visitor = Visitor("bob@example.org")
    visitor._in_the_way = _only_the_log_in(visitor)

    def go(address: str) -> Page:
        page = visitor.open(address)
        cave.accept_terms("bob", "minnie65_public")
        return page

    desk.goes = go
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert "One thing is left" not in ran.out


def test_nothing_comes_back_in_time(here, cave, desk, monkeypatch, home):
    """A closed tab: after the life of the door it is said, and the prompt comes."""
    monkeypatch.setattr(signin, "LIFE", 0.5)
    desk.answers = [cave.new_token("ada")]
    ran = here("%cave_setup existing")
    assert "No log-in came back" in ran.out
    assert desk.questions == ["Token (hidden): "]
    assert len(stored(home)) == 1


def test_a_log_in_that_the_server_cannot_confirm_is_ended(here, cave, desk, home):
    """If the server breaks right after the log-in: said in a line, the tab says it too, nothing saved, nothing lives."""
    visitor = Visitor("ada@example.org")

    def go(address: str) -> Page:
        cave.misbehave("/auth/api/v1/user/cache", "error500")
        return visitor.open(address)

    desk.goes = go
    ran = here("%cave_setup new")
    assert ran.error == "ServerInTrouble"
    assert "This did not work" in desk.last_page.source
    assert stored(home) == []
    assert living_logins(cave) == []
    assert nothing_secret(cave, ran.out, ran.message, desk.last_page.source)


def test_a_mistake_of_ours_ends_the_wait(here, cave, desk, monkeypatch):
    """If our own code fails on what came back, that is said at once, in a line, and the log-in is ended."""
    monkeypatch.setattr(signin, "check_token", lambda *_: 1 / 0)
    desk.goes = Visitor("ada@example.org").open
    ran = here("%cave_setup new")
    assert "this should not have happened (ZeroDivisionError in signin.py" in ran.message
    assert "This did not work" in desk.last_page.source
    assert living_logins(cave) == []


@pytest.mark.parametrize(("line", "path"), [("%cave_setup new", "/auth/api/v1/user/token"), ("%cave_setup existing", "/auth/api/v1/user/token")])  # fmt: skip
def test_a_server_that_makes_no_token_ends_the_log_in(here, cave, desk, home, line, path):
    """If no token can be made or listed: one line with the way by hand, nothing saved, the log-in ended."""
    cave.misbehave(path, "error500")
    desk.goes = Visitor("ada@example.org").open
    ran = here(line)
    assert ran.error == "ServerInTrouble"
    assert f"%cave_setup existing --server {cave.server} --paste" in ran.message
    assert stored(home) == []
    assert living_logins(cave) == []


def test_a_log_in_that_cannot_be_ended_is_said(here, cave, desk):
    """The card says that the log-in lives on, for a week at most."""
    cave.misbehave("/auth/api/v1/logout", "error500")
    desk.goes = Visitor("ada@example.org").open
    ran = here("%cave_setup new")
    assert "could not be ended" in ran.out
    assert ran.error == ""


def test_a_token_that_the_server_refuses_does_not_end_the_wait(here, cave, desk, home):
    """Something else that knows the address sends a made-up token: refused, and the real log-in still counts."""
    visitor, statuses = Visitor("ada@example.org"), []

    def go(address: str) -> Page:
        back = address.partition("redirect=")[2].replace("%3A", ":").replace("%2F", "/")
        statuses.append(visitor._load(f"{back}?token={'f' * 32}").status)
        statuses.append(visitor._load(f"{back}?token={by_name(cave, 'ada')['lab workstation']}").status)
        return visitor.open(address)

    desk.goes = go
    ran = here("%cave_setup new")
    assert statuses == [403, 403]
    assert ran.error == ""
    assert stored(home) == [by_name(cave, "ada")[MINE]]


# ---------------------------------------------------------------- where it is not taken

@pytest.mark.parametrize("line", ["%cave_setup new --paste", "%cave_setup existing --paste"])
def test_paste_is_the_prompt(here, cave, desk, home, line):
    """With `--paste` nobody waits for a browser."""
    desk.answers = [cave.new_token("ada")]
    assert here(line).error == ""
    assert desk.questions == ["Token (hidden): "]
    assert "authorize" not in desk.opened[0]


def test_elsewhere_it_is_the_prompt(here, cave, desk, monkeypatch):
    """On a hub, over ssh, in a container: the prompt, and no browser."""
    monkeypatch.setattr(place, "find_place", lambda environ=None: Place("JupyterHub", False, False))
    monkeypatch.setattr(place, "open_browser", lambda address: False)
    desk.answers = [cave.new_token("ada")]
    assert here("%cave_setup new").error == ""
    assert desk.questions == ["Token (hidden): "]


def test_without_a_browser_it_is_the_prompt(here, cave, desk, monkeypatch):
    """A desktop on which no browser can be opened."""
    monkeypatch.setattr(place, "open_browser", lambda address: False)
    desk.answers = [cave.new_token("ada")]
    assert here("%cave_setup new").error == ""
    assert desk.questions == ["Token (hidden): "]


def test_a_server_without_the_sign_in_gets_the_prompt(here, cave, desk):
    """Where the auth server has no such page, nobody is sent there."""
    cave.misbehave("/sticky_auth/api/v1/authorize", "status:404")
    desk.answers = [cave.new_token("ada")]
    assert here("%cave_setup new").error == ""
    assert not [address for address in desk.opened if "authorize" in address]


def test_where_nobody_can_be_asked_nobody_waits(here, cave, desk, monkeypatch):
    """In a batch run no browser is opened and nothing blocks."""
    monkeypatch.setattr(Frontend, "can_ask", property(lambda self: False))
    start = time.monotonic()
    assert here("%cave_setup new").error == "NobodyToAsk"
    assert time.monotonic() - start < 5
    assert desk.opened == []


# ---------------------------------------------------------------- log-in tokens that a person brings

def address_of(token: str) -> str:
    """Where a browser on another machine ends."""
    return f"http://127.0.0.1:40123/k3J_9-abcDEF?middle_auth_token={token}&middle_auth_url=x/sticky_auth&token={token}"


def test_the_address_of_a_page_that_could_not_be_reached_is_exchanged(here, cave, desk, home):
    """A browser on another machine: its address, pasted at the prompt, becomes a permanent token; the log-in is ended."""
    desk.answers = [address_of(cave.new_login_token("ada"))]
    ran = here("%cave_setup existing --paste")
    assert ran.error == ""
    assert desk.questions == ["Token (hidden): "]
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert living_logins(cave) == []
    assert nothing_secret(cave, ran.out)


@pytest.mark.parametrize(("answer", "kept"), [("y", False), ("n", True), ("", True)])
def test_a_pasted_log_in_token_is_offered_an_exchange(here, cave, desk, home, answer, kept):
    """`%cave_save` says that it ends, and makes a permanent one if that is wanted."""
    login = cave.new_login_token("ada")
    desk.answers = [login, answer]
    ran = here("%cave_save")
    assert "ends within 7 days" in desk.questions[1]
    assert stored(home) == [login if kept else by_name(cave, "ada")[MINE]]
    assert ("ends within 7 days" in ran.out) is kept
    assert living_logins(cave) == ([login] if kept else [])


def test_a_token_in_the_way_stops_before_anything_is_made(here, cave, desk, home):
    """Without `--overwrite` another stored token stays, and no token is made for nothing."""
    desk.answers = [cave.new_token("alice"), cave.new_login_token("ada")]
    assert here("%cave_save").error == ""
    assert here("%cave_save").error == "TokenExists"
    assert MINE not in by_name(cave, "ada")


@pytest.mark.usefixtures("permissions_count")
@pytest.mark.parametrize("line", ["%cave_setup new", "%cave_setup existing --paste", "%cave_save"])
def test_where_nothing_can_be_saved_nothing_is_made(here, cave, desk, home, line):
    """A folder that may not be written is said before a browser opens, a token is asked for, or one is made."""
    folder = home / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    desk.answers = [address_of(cave.new_login_token("ada"))]
    ran = here(line)
    assert ran.error == "TokenNotSaved"
    assert "cannot be written (Permission denied). No file was changed." in ran.message
    assert desk.opened == []
    assert MINE not in by_name(cave, "ada")
    assert line == "%cave_save" or desk.questions == []


def test_trying_out_whether_saving_works_leaves_no_trace(here, cave, desk, home):
    """A set-up that is given up leaves the home as it was, and no folder for a token that never came."""
    desk.answers = [""]
    assert here("%cave_setup existing --paste").error == "Cancelled"
    assert not (home / ".cloudvolume").exists()
    assert not list(home.glob(".cave_magic*"))


def test_a_stored_log_in_token_is_exchanged_without_a_browser(here, cave, desk, home):
    """`%cave_setup` says when it dies; `%cave_setup existing` offers the exchange."""
    desk.answers = [cave.new_login_token("ada"), "n"]
    assert here("%cave_save").error == ""
    alone = here("%cave_setup")
    assert "from a log-in and ends by" in " ".join(alone.out.split())
    desk.answers = ["y"]
    assert here("%cave_setup existing").error == ""
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert desk.opened == []
    assert living_logins(cave) == []


@pytest.mark.parametrize("asks", [False, True])
def test_where_nobody_can_be_asked_a_log_in_token_is_saved_as_it_is(here, cave, desk, home, monkeypatch, asks):
    """In a batch run a log-in token is saved with a warning; with somebody there it is offered an exchange."""
    login = cave.new_login_token("ada")
    monkeypatch.setenv("ADA", login)
    monkeypatch.setattr(Frontend, "can_ask", property(lambda self: asks))
    desk.answers = ["y"]
    assert here("%cave_save --from-env ADA").error == ""
    assert (stored(home) == [login]) is not asks


# ---------------------------------------------------------------- small things

def test_two_sign_ins_at_once_do_not_disturb_each_other(cave, desk):
    """Two waits, each with its own door: each gets its own person."""
    from cave_magic.evidence import Target

    target = Target("minnie65_public", cave.server)
    with signin.SignIn(target, 5) as one, signin.SignIn(target, 5) as two, ThreadPoolExecutor(2) as pool:
        pages = pool.map(lambda pair: Visitor(pair[0]).open(pair[1]), [("ada@example.org", one.page), ("bob@example.org", two.page)])
        assert [urlsplit(page.address).path for page in pages] == [DONE, DONE]
        assert (one.came.account.name, two.came.account.name) == ("Ada Example", "Bob Example")
        assert one.end()
        assert len(living_logins(cave)) == 1
    assert living_logins(cave) == []


def test_the_words_say_how_long_is_left(cave):
    """Minutes first, then seconds."""
    from cave_magic.evidence import Target

    with signin.SignIn(Target("minnie65_public", cave.server), 5) as sign_in:
        assert sign_in.words == ("waiting for your log-in in the browser", "5 min left")
        sign_in._receiver._ends = time.monotonic() + 41
        assert sign_in.words == ("waiting for your log-in in the browser", "50 s left")


@pytest.mark.parametrize("name", ["lab-mac.local", "", "x" * 500, "Лаборатория", "<b>\n\x1b[31m"])
def test_the_name_of_the_token_is_short_and_plain(monkeypatch, name):
    """Whatever the computer is called, the description is printable and far from the length that breaks the server."""
    monkeypatch.setattr("platform.node", lambda: name)
    words = description()
    assert words.startswith("cave_magic on ")
    assert words.isascii()
    assert words.isprintable()
    assert len(words) < 100


def test_only_an_address_of_the_door_is_exchanged_unasked():
    """Other addresses and bare tokens are asked about."""
    assert came_by_address(address_of("0" * 32))
    assert came_by_address(f"  {address_of('0' * 32)}")
    assert not came_by_address("0" * 32)
    assert not came_by_address(f"https://ngl.example.org/?middle_auth_token={'0' * 32}")


def test_nothing_shows_a_token(cave):
    """The reprs of what is under way hold none."""
    from cave_magic.evidence import Target

    with signin.SignIn(Target("minnie65_public", cave.server), 5) as sign_in:
        Visitor("ada@example.org").open(sign_in.page)
        assert sign_in.came is not None
        assert nothing_secret(cave, repr(sign_in), repr(sign_in.came), repr(vars(sign_in)))
