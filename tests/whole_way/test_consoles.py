"""What people see in front ends with updates, and in consoles, which drop them: each page once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
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
    """Runs a cell with the test's home and the practice server, whose auth server responds once a wait is counted."""
    note = home / "note"
    started.run(
        f"import os\nos.environ.update(HOME={str(home)!r}, NOTE={str(note)!r})\n%config CaveMagics.server = {cave.server!r}\n"
        "%config CaveMagics.timeout = 60.0"
    )
    cave.misbehave("auth", "silent")
    return partial(started.run, seen=lambda text: is_count(text) and cave.misbehave("auth", "silent"))  # ends the other


@pytest.fixture
def token(cave: Sandbox, home: Path) -> str:
    """Ada's token, already saved."""
    token = cave.new_token("ada", description="laptop")
    save_token(Token(token), cave.server, local_servers=[cave.local_server])
    (home / "token.txt").write_text(token)
    return token


def assert_seen(messages: list[Message], *texts: str, waits: int = 1) -> None:
    """Every front end ends with exactly one output for each of these texts, in this order.

    With updates there is nothing else. Without updates there may be this many waiting lines, which
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


def is_count(text: str) -> bool:
    """Whether a text counts the seconds of a wait."""
    return "waiting for 127.0.0.1" in text and text.endswith(" s")


def waited(messages: list[Message]) -> bool:
    """Whether the seconds were counted while the cell ran."""
    return any(map(is_count, map(text_of, messages)))


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
def test_every_magic_shows_its_page_once(run: Run, token: str, line: str, text: str):
    """After a wait with a counter, each page appears once in notebooks and in consoles."""
    messages = run(line)
    assert waited(messages)
    assert_seen(messages, text)


SLOW_IMPORT = """
import threading
from cave_magic.environment import packages
from cave_magic.ui.notebook import NotebookFrontend
drafted, whole, draft = threading.Event(), packages.import_caveclient, NotebookFrontend.draft
def shows(*page):
    draft(*page)
    drafted.set()
packages.import_caveclient, NotebookFrontend.draft = lambda: str(not drafted.wait(60) or "") or whole(), shows
"""


def test_rows_appear_during_the_import(run: Run, token: str):
    """JupyterLab shows what is known while caveclient is imported, and in the end the report alone; consoles only that."""
    run(SLOW_IMPORT)
    in_lab = run("%cave_check", lab=True)
    run("drafted.clear()")
    in_console = run("%cave_check", cell=False)
    run("packages.import_caveclient, NotebookFrontend.draft = whole, draft")
    (rows,) = (text for text in map(text_of, in_lab) if "Importing caveclient" in text)
    assert "stored token" in rows
    assert "All well" not in rows
    assert [text for text in NOTEBOOK.draw(in_lab) if "All well." in text] == NOTEBOOK.draw(in_lab)
    assert not [text for text in map(text_of, in_console) if "Importing" in text]
    assert_seen(in_console, "All well.")


# ---------------------------------------------------------------- errors

NOT_SET = "✘ The environment variable NOT_SET is not set, or is empty. Nothing was changed."


def outputs_of(messages: list[Message]) -> list[tuple[str, str]]:
    """The kind and the text of each output, without the codes of terminals."""
    kinds = ("stream", "display_data", "error")
    shown = ((one["header"]["msg_type"], text_of(one)) for one in messages)
    return [(kind, re.sub(r"\x1b\[[0-9;]*m", "", text)) for kind, text in shown if kind in kinds]


def test_an_error_is_a_page_in_jupyterlab_and_fails_the_cell(run: Run, started: Kernel):
    """A page takes the place of the error output; the reply, which stops "Run All", has the class and the message."""
    assert outputs_of(run("%cave_save --from-env NOT_SET", lab=True)) == [("display_data", NOT_SET)]
    assert (started.reply["status"], started.reply["ename"]) == ("error", "BadInput")
    assert "NOT_SET is not set" in started.reply["evalue"]
    assert [re.sub(r"\x1b\[[0-9;]*m", "", one) for one in started.reply["traceback"]] == [NOT_SET]


@pytest.mark.parametrize("cell", [True, False])
def test_elsewhere_an_error_output_has_the_same_words(run: Run, cell: bool):
    """VS Code, which looks at the output, and consoles get an error output, without the name of its class."""
    assert outputs_of(run("%cave_save --from-env NOT_SET", cell=cell)) == [("error", NOT_SET)]


def test_commands_are_bold_in_an_error_output(run: Run):
    """Of its colours only that of the mark is not the front end's own."""
    (error,) = [one for one in run("%cave_whoami") if one["header"]["msg_type"] == "error"]
    assert "To get one:\n\x1b[1m%cave_setup new" in text_of(error)
    assert re.findall(r"\x1b\[[0-9;]*3\dm(.)", text_of(error)) == ["✘"]


def test_a_cancelled_command_is_grey(run: Run):
    """It is not a failure: its page has no mark."""
    (page,) = [one for one in run("%cave_save", STOP, lab=True) if "Cancelled" in text_of(one)]
    assert text_of(page) == "Cancelled. Nothing was changed."
    assert page["content"]["data"]["text/html"].count('<span style="opacity:.75">') == 2
    assert "color:" not in page["content"]["data"]["text/html"]


def test_a_captured_error_is_seen(run: Run):
    """`%%capture` would keep a page, so the error output comes, in whose place it would be."""
    assert outputs_of(run("%%capture\n%cave_save --from-env NOT_SET", lab=True)) == [("error", NOT_SET)]


def test_a_caught_error_shows_nothing(run: Run):
    """Code can catch the errors of magics by their classes."""
    cell = (
        "from cave_magic.errors import BadInput\ntry:\n    %cave_save --from-env NOT_SET\n"
        "except BadInput as error:\n    print('caught:', error)"
    )
    ((kind, text),) = outputs_of(run(cell, lab=True))
    assert kind == "stream"
    assert text.startswith("caught: the environment variable NOT_SET is not set")


def test_a_persons_own_handlers_stay(run: Run):
    """Exceptions for which somebody has set a handler still go there, and ours are pages."""
    handler = "get_ipython().set_custom_exc((ZeroDivisionError,), lambda *args, tb_offset=None: print('handled'))"
    run(f"{handler}\n%reload_ext cave_magic")
    assert outputs_of(run("1 / 0", lab=True)) == [("stream", "handled\n")]
    assert outputs_of(run("%cave_save --from-env NOT_SET", lab=True)) == [("display_data", NOT_SET)]


def test_an_error_after_a_wait_is_seen(run: Run, cave: Sandbox, token: str):
    """The error replaces the waiting line in a notebook and follows it in a console."""
    cave.delete_token(token)
    messages = run("%cave_whoami")
    assert waited(messages)
    assert_seen(messages, "rejected the stored token")


def test_other_outputs_of_a_cell_stay(run: Run, token: str):
    """In a cell with other lines only the waiting line is removed."""
    assert_seen(run("print('before')\n%cave_check\nprint('after')"), "before", "All well.", "after")


def test_captured_output_can_be_shown(run: Run, cave: Sandbox, token: str):
    """`%%capture` keeps the page without the waiting line."""
    cave.misbehave("auth", "slow:0.6")
    assert_seen(run("%%capture kept\n%cave_check"))
    assert_seen(run("kept.show()"), "All well.")


# ---------------------------------------------------------------- prompts and the stop button


def test_a_dialogue_is_seen_once(run: Run, cave: Sandbox, token: str):
    """The question, the guide, the page after a wrong answer and the card appear once, in this order."""
    new = cave.new_token("alice")
    messages = run("%cave_setup existing --paste", "y", "abc", new)
    assert_seen(messages, "Access to minnie65_public", "This is not a token", "You are set up.", waits=3)
    assert "Alice Example" in CONSOLE.draw(messages)[-1]


@pytest.mark.parametrize(("front_end", "cell"), [(NOTEBOOK, True), (CONSOLE, False)])
def test_a_stopped_prompt_leaves_the_pages_before_it(run: Run, front_end: FrontEnd, cell: bool):
    """Earlier output stays, once. A notebook's cell is redrawn, because a dead prompt would stay in it."""
    messages = run("%cave_setup new --paste", STOP, cell=cell)
    *_, guide, error = front_end.draw(messages)
    assert "Access to minnie65_public" in guide
    assert error == "Cancelled. Nothing was changed."
    after = messages[next(at for at, one in enumerate(messages) if "Access to" in text_of(one)) :]
    assert any(one["header"]["msg_type"] == "clear_output" for one in after) is cell


@pytest.mark.parametrize("line", ["%cave_check", "%cave_whoami", "%cave_setup", "%cave_save --from-file ~/token.txt"])
def test_the_stop_button_leaves_one_line(run: Run, cave: Sandbox, token: str, line: str):
    """A magic that is stopped during a wait leaves one line, and no waiting line if it can be removed."""
    cave.misbehave("all", "silent")
    assert_seen(run(line, stop_at="waiting for"), "Stopped. ")


# ---------------------------------------------------------------- the sign-in


def browse(home: Path, visitor: Visitor) -> Callable[[str], None]:
    """Opens the page that the kernel requests, once the wait for the sign-in is shown."""
    started: list[threading.Thread] = []

    def look(text: str) -> None:
        if "waiting for your sign-in" in text and not started:
            started.append(threading.Thread(target=visitor.open, args=((home / "note").read_text(),), daemon=True))
            started[0].start()

    return look


def test_a_sign_in_shows_its_card(run: Run, cave: Sandbox, home: Path):
    """A notebook ends with only the card; a console has the instructions, then the card."""
    cave.behave()
    messages = run("%cave_setup new", seen=browse(home, Visitor("robin@lab.example.org", "Robin")))
    notebook, console = NOTEBOOK.draw(messages), CONSOLE.draw(messages)
    assert ["You are set up." in text for text in notebook] == [True]
    page, line, after, *_, card = [text for text in console if not text.startswith("waiting for 127.")]
    assert "A browser tab has opened" in page
    assert f"{cave.server}/sticky_auth" in page.replace("\n", "")
    assert line == "waiting for your sign-in in the browser …"
    assert after.startswith("To paste a token instead, press ")
    assert "You are set up." in card


def test_a_console_says_that_it_waits_for_the_terms(run: Run, cave: Sandbox, home: Path):
    """After the sign-in a separate line names the account and the terms; the stop button skips them."""
    cave.behave()
    visitor = Visitor("bob@example.org")
    whole = visitor._in_the_way
    visitor._in_the_way = lambda page: whole(page) if "/sign-in" in page.address else None
    messages = run("%cave_setup new", seen=browse(home, visitor), stop_at="waiting for the terms of service, ")
    assert ["/tos/2/accept" in text for text in NOTEBOOK.draw(messages)] == [True]
    console = CONSOLE.draw(messages)
    assert "signed in as Bob Example <bob@example.org>; waiting for the terms of service …" in console
    assert "/tos/2/accept" in console[-1]
