"""What people see in a front end that shows updates, and in consoles, which drop them: all that matters, and it once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cave_magic.credentials.save import save_token
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Visitor
from cave_magic.token import Token

pytest.importorskip("jupyter_client")

from ..support.front_ends import CONSOLE, FRONT_ENDS, NOTEBOOK, STOP, FrontEnd, Kernel, Message, kernel, text_of

Run = Callable[..., list[Message]]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all tests."""
    with kernel(tmp_path_factory.mktemp("kernel")) as one:
        yield one


@pytest.fixture
def run(started: Kernel, home: Path, cave: Sandbox) -> Run:
    """Runs a cell with the test's home and the practice server, whose auth server takes its time."""
    note = home / "note"
    started.run(
        f"import os\nos.environ.update(HOME={str(home)!r}, NOTE={str(note)!r})\n%config CaveMagics.server = {cave.server!r}"
    )
    cave.misbehave("auth", "slow:0.3")
    return started.run


@pytest.fixture
def token(cave: Sandbox, home: Path) -> str:
    """Ada's token, saved where it belongs."""
    token = cave.new_token("ada", description="laptop")
    save_token(Token(token), cave.server, local_servers=[cave.local_server])
    (home / "token.txt").write_text(token)
    return token


def assert_seen(messages: list[Message], *texts: str, waits: int = 1) -> None:
    """Every front end ends with one output for each of these texts, in this order, and none comes twice.

    Where updates are shown nothing else is left. Where they are dropped there may be so many lines of waiting, which
    count no seconds, since they stay.
    """
    for front_end in FRONT_ENDS:
        outputs = front_end.draw(messages)
        lines = [one for one in outputs if one.startswith(("waiting for ", "signed in as "))]
        assert len(lines) <= (0 if front_end.updates else waits), outputs
        assert all(one.endswith(" …") for one in lines)
        others = [one for one in outputs if one not in lines]
        assert len(others) == len(texts), (front_end, outputs)
        assert all(text in output for text, output in zip(texts, others, strict=True)), outputs


def waited(messages: list[Message]) -> bool:
    """Whether the seconds were counted while the cell ran."""
    return any("waiting for 127.0.0.1" in text and text.endswith(" s") for text in map(text_of, messages))


# ---------------------------------------------------------------- the four magics


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("%cave_check", "All well."),
        ("%cave_check --json", '"ok": true'),
        ("%cave_whoami", "Ada Example"),
        ("%cave_setup", "You are set up."),
        ("%cave_save --from-file ~/token.txt", "This token is already saved."),
    ],
)
def test_the_page_of_every_magic_is_a_display_of_its_own(run: Run, token: str, line: str, text: str):
    """After a wait each page is seen once, in notebooks and in consoles, and the seconds were counted on the way."""
    messages = run(line)
    assert waited(messages)
    assert_seen(messages, text)


def test_an_error_after_a_wait_is_seen(run: Run, cave: Sandbox, token: str):
    """An error comes after the waiting line, of which a notebook keeps nothing."""
    cave.delete_token(token)
    messages = run("%cave_whoami")
    assert waited(messages)
    assert_seen(messages, "TokenRejected: ")


def test_what_else_a_cell_shows_stays(run: Run, token: str):
    """In a cell with other lines nothing but the waiting line goes away."""
    assert_seen(run("print('before')\n%cave_check\nprint('after')"), "before", "All well.", "after")


def test_what_was_captured_can_be_shown(run: Run, token: str):
    """`%%capture` keeps the page; shown again it stands there without the waiting line."""
    assert_seen(run("%%capture kept\n%cave_check"))
    assert_seen(run("kept.show()"), "All well.")


# ---------------------------------------------------------------- prompts and the stop button


def test_a_dialogue_is_seen_once(run: Run, cave: Sandbox, token: str):
    """A question, the guide, a wrong answer, the right one, the card: each page once, in this order."""
    new = cave.new_token("alice")
    messages = run("%cave_setup existing --paste", "y", "abc", new)
    assert_seen(messages, "Access to minnie65_public", "This is not a token", "You are set up.", waits=3)
    assert "Alice Example" in CONSOLE.draw(messages)[-1]


@pytest.mark.parametrize(("front_end", "cell"), [(NOTEBOOK, True), (CONSOLE, False)])
def test_a_stopped_prompt_leaves_the_pages_before_it(run: Run, front_end: FrontEnd, cell: bool):
    """What stood there stays, once. A notebook's cell is drawn again for that, since a dead prompt would stay in it."""
    messages = run("%cave_setup new --paste", STOP, cell=cell)
    *_, guide, error = front_end.draw(messages)
    assert "Access to minnie65_public" in guide
    assert error == "Cancelled: nothing was changed."
    after = messages[next(at for at, one in enumerate(messages) if "Access to" in text_of(one)) :]
    assert any(one["header"]["msg_type"] == "clear_output" for one in after) is cell


@pytest.mark.parametrize("line", ["%cave_check", "%cave_whoami", "%cave_setup", "%cave_save --from-file ~/token.txt"])
def test_the_stop_button_leaves_one_line(run: Run, cave: Sandbox, token: str, line: str):
    """Stopped in a wait, a magic leaves one line, and nothing of the wait where that can be taken away."""
    cave.misbehave("all", "silent")
    assert_seen(run(line, stop_at="waiting for"), "Cancelled: stopped. ")


# ---------------------------------------------------------------- the sign-in


def browse(home: Path, visitor: Visitor) -> Callable[[str], None]:
    """What opens the page that the kernel wants opened, once the wait for the log-in is shown."""
    started: list[threading.Thread] = []

    def look(text: str) -> None:
        if "waiting for your sign-in" in text and not started:
            started.append(threading.Thread(target=visitor.open, args=((home / "note").read_text(),), daemon=True))
            started[0].start()

    return look


def test_a_sign_in_shows_its_card(run: Run, cave: Sandbox, home: Path):
    """A notebook ends with the card alone; a console has what to do, then the card."""
    cave.behave()
    messages = run("%cave_setup new", seen=browse(home, Visitor("robin@lab.example.org", "Robin")))
    notebook, console = NOTEBOOK.draw(messages), CONSOLE.draw(messages)
    assert ["You are set up." in text for text in notebook] == [True]
    page, line, *_, card = [text for text in console if not text.startswith("waiting for 127.")]
    assert "A browser tab has opened" in page
    assert f"{cave.server}/sticky_auth" in page.replace("\n", "")
    assert line == "waiting for your sign-in in the browser …"
    assert "You are set up." in card


def test_a_console_hears_that_the_terms_are_waited_for(run: Run, cave: Sandbox, home: Path):
    """After the log-in a line of its own says whose it is and what is left to do; the stop button goes on without."""
    cave.behave()
    visitor = Visitor("bob@example.org")
    whole = visitor._in_the_way
    visitor._in_the_way = lambda page: whole(page) if "/sign-in" in page.address else None
    messages = run("%cave_setup new", seen=browse(home, visitor), stop_at="waiting for the terms of service, ")
    assert ["/tos/2/accept" in text for text in NOTEBOOK.draw(messages)] == [True]
    console = CONSOLE.draw(messages)
    assert "signed in as Bob Example <bob@example.org>; waiting for the terms of service …" in console
    assert "/tos/2/accept" in console[-1]
