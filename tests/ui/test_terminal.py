"""Pages as plain text, in terminals and as HTML: the layout, and text that must be escaped."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cave_magic.credentials.target import Target
from cave_magic.deployments import DEFAULT_SERVER
from cave_magic.doctor import next_steps
from cave_magic.doctor.model import CheckResult, Command, LastError, Status, advise
from cave_magic.doctor.report import Report
from cave_magic.ui.document import Page, Span, Steps, Table, is_web_address, line
from cave_magic.ui.frontend import TerminalFrontend
from cave_magic.ui.html import as_html, copyable
from cave_magic.ui.terminal import TerminalProgress, as_text, bundle, draw, styled, waiting_words
from cave_magic.ui.text_layout import width_of, wrap

HOSTILE = "\x1b]0;t\x07\x1b[31mred\x1b[2J\r<script>alert(1)</script> [bold]x[/bold] [/auth] \u202e \ud800 end"
URL = "https://global.daf-apis.com/sticky_auth/api/v1/tos/2/accept"

EVERYTHING = Page(
    (
        line(Span("CAVE check: minnie65_public on global.daf-apis.com", "strong")),
        Table(
            (
                (line(Span("✔ ok", "ok")), line("environment"), line("caveclient 8.2.1, " * 12)),
                (line(Span("✘ failed", "failed")), line("data access (flywire_fafb_production)"), line("x" * 150)),
                (line(Span("– skipped", "skipped")), line("terms"), line("你好" * 40)),  # noqa: RUF001
            ),
            "what was checked",
            head=1,
        ),
        Steps(((line("do this and that, " * 8), line(Span(URL, "link"))), (line("then this"),))),
        line(Span("Next: ", "strong"), "accept at ", Span(URL, "link"), ", then ", Span("%cave_check", "command")),
    )
)


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Parsed(HTMLParser):
    """The tags, attributes and texts of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)
        if tag == "a":
            self.links.append((dict(attributes)["href"] or "", dict(attributes)["rel"] or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def in_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 88 columns that shows colours and links, which rich may else not believe of one on Windows."""
    monkeypatch.setattr("rich.console.detect_legacy_windows", lambda: False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "88")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def drawn(page: Page) -> str:
    out = Terminal()
    draw(page, out)
    return out.getvalue()


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize("width", [40, 60, 80, 88])
def test_only_addresses_and_commands_are_longer_than_the_screen(width):
    """Every line fits, except those with something to click or copy."""
    for one in as_text(EVERYTHING, width).splitlines():
        assert width_of(one) <= width or URL in one


def test_no_line_ends_with_a_space():
    """Plain text has no trailing spaces."""
    assert not re.search(r"[ \t]+$", as_text(EVERYTHING), re.MULTILINE)


def test_long_evidence_continues_in_its_own_column():
    """Text that does not fit continues below its own beginning."""
    rows = (line("✘ failed"), line("terms"), line("word " * 40)), (line("✔ ok"), line("network"), line("fine"))
    first, second, *_ = as_text(Page((Table(rows),))).splitlines()
    assert first.index("word") == second.index("word") == len("✘ failed  network  ")


def test_what_a_long_command_is_for_stands_below_it():
    """Beside a command that leaves no room, the words would stand in a column of single words."""
    command = Span(
        "/home/ada/miniconda3/envs/cave/bin/cave-magic setup existing --server http://127.0.0.1:8900", "command"
    )
    text = as_text(Page((Table(((line(command), line("you have an account")),)),)), 80)
    assert text.splitlines() == [command.text, "    you have an account"]


def test_only_tables_use_a_wide_screen():
    """On 140 columns a table is as wide, and sentences stay at 88, which is easy to read."""
    table = Table(((line("one"), line("word " * 40)),))
    wide, *_, last = as_text(Page((table, line("word " * 17, "word"))), 140).splitlines()
    assert 120 < len(wide) <= 140
    assert len(last) <= 88


def test_a_path_is_broken_between_its_folders():
    """Not inside a file name, as long as that fits."""
    path = "/home/ada/.cloudvolume/secrets/global.daf-apis.com-cave-secret.json"
    assert as_text(Page((line(path),)), 50).splitlines() == [path[:31], path[31:]]


def test_the_lines_of_a_step_are_indented():
    """The lines of a step follow its number, with the link on a separate line."""
    step = (line("log in and accept the terms, " * 5), line(Span(URL, "link")))
    first, *others = as_text(Page((Steps((step,)),))).splitlines()
    assert first.startswith("1. log in")
    assert all(one.startswith("   ") and one[3] != " " for one in others)
    assert others[-1] == f"   {URL}"


def test_a_comma_stays_with_its_link():
    """No line begins with the comma of the one before."""
    words = line("accept the terms at ", Span(URL, "link"), ", then ", Span("%cave_check minnie65_public", "command"))
    for width in range(20, 100):
        assert not [row for row in wrap(words, width) if row and row[0].text.startswith(",")]


@given(st.lists(st.text(alphabet="ab-/ 你é", max_size=30), max_size=6), st.integers(8, 60))
def test_wrapping_loses_nothing_and_keeps_to_the_width(texts, width):
    """Wrapped lines contain every character but spaces, and none is too long."""
    rows = ["".join(word.text for word in row) for row in wrap(line(*texts), width)]
    assert "".join(rows).replace(" ", "") == "".join(texts).replace(" ", "")
    assert all(width_of(row.rstrip()) <= width for row in rows)


# ---------------------------------------------------------------- terminals


def test_a_terminal_and_plain_text_say_the_same(in_color):
    """Without its escape codes a terminal's page is the plain text."""
    bare = re.sub(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\", "", drawn(EVERYTHING))
    assert bare.rstrip("\n") == as_text(EVERYTHING)


def test_a_terminal_gets_colours_and_links(in_color):
    """Statuses are coloured, and a whole address can be clicked."""
    text = drawn(EVERYTHING)
    assert "\x1b[1;31m✘\x1b[0m\x1b[1m failed" in text
    assert f";{URL}\x1b\\" in text


@pytest.mark.parametrize("setting", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_switched_off(in_color, monkeypatch, setting):
    """With NO_COLOR and in a dumb terminal there are no colours, but the address is still there."""
    monkeypatch.setenv(*setting)
    text = drawn(EVERYTHING)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", text)
    assert URL in text


def test_a_pipe_gets_plain_text(in_color):
    """Piped output has no escape codes."""
    out = io.StringIO()
    draw(EVERYTHING, out)
    assert "\x1b" not in out.getvalue()


def test_a_limited_encoding_gets_plainer_marks():
    """If the stream cannot encode a mark, a plainer one replaces it; the words are the same."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    draw(EVERYTHING, out)
    out.flush()
    assert "x failed" in raw.getvalue().decode("ascii")


# ---------------------------------------------------------------- HTML


def test_html_is_well_formed_and_says_the_same():
    """Every tag is closed, and the words are those of the plain text."""
    page = Parsed(as_html(EVERYTHING))
    for text in ("CAVE check", "✘ failed", "terms", URL, "%cave_check"):
        assert text in page.text


def test_links_show_their_address_and_open_in_a_new_tab():
    """The text of a link is its address, and the opened page has no access to the notebook."""
    page = Parsed(as_html(EVERYTHING))
    assert page.links == [(URL, "noopener noreferrer")] * 2
    assert page.text.count(URL) == 2


def test_tables_have_titles_for_screen_readers():
    """A table has a name, and its title column consists of row headers."""
    text = as_html(EVERYTHING)
    assert 'aria-label="what was checked"' in text
    assert len(re.findall(r'<td role="rowheader"[^>]*>(environment|data access|terms)', text)) == 3


def test_html_reads_well_without_its_styles():
    """Without styles there are still list items, rows, bold words and code, and no escaped tags."""
    bare = re.sub(r' style="[^"]*"', "", as_html(EVERYTHING))
    assert "<b>Next: </b>" in bare
    assert "<code>%cave_check</code>" in bare
    assert bare.count("<li>") == 2
    assert bare.count("<tr>") == 3
    assert set(Parsed(bare).tags) <= {"div", "table", "tr", "td", "ol", "li", "a", "b", "code", "span"}


# ---------------------------------------------------------------- text from outside


def _hostile_pages() -> Iterator[Page]:
    for style in ("", "link", "command", "failed"):
        words = line(Span(HOSTILE, style))
        yield Page((words, Steps(((words,),)), Table(((words,),), "<i>'\"")))
    row = CheckResult(
        id="terms",
        group="account",
        status=Status.FAILED,
        title=HOSTILE,
        found=line(HOSTILE),
        next_step=advise("do ", Command(HOSTILE)),
    )
    yield Report(
        server="https://x.org",
        datastacks=(HOSTILE,),
        account=None,
        rows=(row,),
        seconds=0.1,
        error=LastError(line=line(Command(HOSTILE))),
    ).page(verbose=True)


@pytest.mark.parametrize("page", list(_hostile_pages()))
def test_hostile_text_is_harmless(page, in_color):
    """Terminal codes, HTML, markup and direction marks become harmless text."""
    text = as_text(page)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)
    assert "[/auth]" in text
    assert not re.search(r"\x1b\[31m|\x1b\[2J|\x07", drawn(page))
    parsed = Parsed(as_html(page))
    assert "script" not in parsed.tags
    assert "a" not in parsed.tags
    assert "<script>" in parsed.text


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", 'https://x.org/"onmouseover=x', "https://x.org/ y", "file:///etc"]
)
def test_only_web_addresses_become_links(text):
    """Anything but a web address stays text."""
    assert not is_web_address(text)
    assert "<a " not in as_html(Page((line(Span(text, "link")),)))


# ---------------------------------------------------------------- the report

OK = CheckResult(
    id="environment", group="environment", status=Status.OK, title="environment", found=line("caveclient 8.2.1")
)
QUIET = CheckResult(
    id="info", group="datastack", status=Status.OK, title="info service", found=line("responded in 0.1 s"), quiet=True
)
ACCEPT = advise("accept at ", Span(URL, "link"), ", then ", Command("%cave_check"))
FAILED = CheckResult(
    id="terms",
    group="account",
    status=Status.FAILED,
    title="terms",
    found=line("not accepted"),
    next_step=ACCEPT,
)
SKIPPED = CheckResult(
    id="access",
    group="datastack",
    status=Status.SKIPPED,
    title="data access",
    found=line("needs: terms"),
    blocked_by="terms",
)
KEEP = advise("use ", Command("%cave_save --from-env X"))
WARNED = CheckResult(
    id="home",
    group="environment",
    status=Status.WARNING,
    title="home folder",
    found=line("is thrown away"),
    next_step=KEEP,
)
UNKNOWN = CheckResult(
    id="account", group="account", status=Status.UNKNOWN, title="account", found=line("could not be verified")
)
CRASHED = CheckResult(
    id="map",
    group="stored token",
    status=Status.CRASHED,
    title="server address",
    found=line("this check failed with a KeyError"),
)


TARGET = Target(datastack="minnie65_public", server=DEFAULT_SERVER)
GO_ON, CHECK = next_steps.go_on(TARGET), next_steps.check(TARGET)


def shown(*rows: CheckResult, verbose: bool = False, error: LastError | None = None) -> str:
    return as_text(
        Report(
            server="https://x.org",
            datastacks=("minnie65_public",),
            account=None,
            rows=rows,
            seconds=0.1,
            error=error,
            go_on=GO_ON,
            again=CHECK,
        ).page(verbose)
    )


def test_a_good_report_ends_with_how_to_continue():
    """If all is well, there are few rows, and the command to continue with."""
    text = shown(OK, QUIET)
    assert text.splitlines()[:2] == ["CAVE check: minnie65_public on x.org", "✔ ok  environment  caveclient 8.2.1"]
    assert text.endswith('from caveclient import CAVEclient; client = CAVEclient("minnie65_public")')
    assert "info service" not in text


def test_a_bad_report_ends_with_the_next_step():
    """It has the failed row, the skipped checks, and the next step."""
    lines = shown(OK, FAILED, SKIPPED).splitlines()
    assert "✘ failed   terms        not accepted" in lines
    assert "– skipped  data access  needs: terms" in lines  # noqa: RUF001
    assert " ".join(lines[-2:]) == f"Next: accept at {URL}, then %cave_check"


def test_checks_skipped_for_one_reason_take_one_line():
    """Checks skipped for the same reason are counted; with -v each has a row."""
    assert "3 more checks" in shown(FAILED, SKIPPED, SKIPPED, SKIPPED)
    assert shown(FAILED, SKIPPED, SKIPPED, verbose=True).count("data access") == 2


def test_a_warning_is_followed_by_its_advice():
    """A warning does not hide that access works, and has a next step."""
    text = shown(OK, WARNED)
    assert "About home folder: use %cave_save --from-env X" in text
    assert "✔ Access works." in text


def test_unknown_and_crashed_checks_are_reported():
    """With an unknown or a crashed check the report does not say that all is well."""
    assert "Not everything could be checked; try again later" in shown(OK, UNKNOWN)
    assert shown(OK, CRASHED).endswith("To report it: %cave_check --report")


def test_the_last_error_comes_first():
    """The report begins with the meaning of the last error."""
    said = LastError(line=line("the server returned 401"))
    assert shown(OK, error=said).startswith("The last error: the server returned 401\n")


def test_a_command_in_an_explanation_has_its_style():
    """It has the same style as in the last line of the report."""
    error = LastError(line=line("there is no such key: ", GO_ON))
    page = Report(
        server="https://x.org", datastacks=("minnie65_public",), account=None, rows=(OK,), seconds=0.1, error=error
    ).page()
    assert page.blocks[0] == (
        Span("The last error: ", "strong"),
        Span("there is no such key: "),
        GO_ON,
    )


def test_commands_and_link_of_a_next_step_are_its_spans():
    """Commands and links are spans of the sentence."""
    assert (ACCEPT.commands, ACCEPT.url) == (("%cave_check",), URL)
    assert ACCEPT.text == f"accept at {URL}, then %cave_check"


# ---------------------------------------------------------------- progress


def test_waiting_names_the_hosts():
    """One host, some, many, and too many for a narrow screen."""
    assert waiting_words(["a.org"], 1.2) == "waiting for a.org … 1 s"
    assert waiting_words(["a", "b", "c", "d", "e"], 3) == "waiting for a, b, c and 2 more … 3 s"
    assert waiting_words(["a" * 30, "b" * 30], 3, 60) == f"waiting for {'a' * 30} and 1 more … 3 s"
    assert waiting_words(["a" * 90], 3, 60) == "waiting … 3 s"


def test_progress_leaves_the_terminal_as_it_was(in_color):
    """The waiting line is updated in place and removed at the end."""
    out = Terminal()
    progress = TerminalProgress(out)
    progress(["a.org"], 1)
    progress(["a.org"], 2)
    progress.write("")
    assert "\n" not in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[2K")


def test_what_is_known_so_far_is_a_line_that_is_removed(in_color, monkeypatch):
    """During a wait a terminal has a line instead of a page; afterwards it is gone."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    frontend = TerminalFrontend()
    with frontend.waiting():
        frontend.draft(Page((line("a page"),)), "5 checks passed, importing caveclient …")
    assert "5 checks passed, importing caveclient …" in sys.stderr.getvalue()
    assert sys.stderr.getvalue().endswith("\r\x1b[2K")
    assert "page" not in sys.stderr.getvalue()


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_progress_is_silent_without_a_terminal(monkeypatch, out):
    """A pipe and a dumb terminal get no progress line."""
    monkeypatch.setenv("TERM", "dumb")
    TerminalProgress(out)(["a.org"], 1)
    assert out.getvalue() == ""


class OnlyWrite:
    """A stream with nothing but `write`, which some programs assign to `sys.stdout`."""

    def __init__(self) -> None:
        self.got = ""

    def write(self, text: str) -> None:
        self.got += text


class Odd(io.StringIO):
    """A stream with invalid attributes."""

    encoding = "no-such"

    def isatty(self) -> bool:
        raise ValueError("closed")

    def fileno(self) -> int:
        return "no number"  # type: ignore[return-value]


def test_a_stream_with_only_write_gets_plain_text(run, monkeypatch):
    """The whole page is printed, whatever object `sys.stdout` is."""
    out = OnlyWrite()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", OnlyWrite())
    ran = run("%cave_check --server http://127.0.0.1:9 --timeout 0.5")
    assert ran.error == ""
    assert "Next: " in out.got


def test_unusual_streams_work():
    """An unknown encoding and an invalid width are ignored."""
    out = Odd()
    draw(Page((line("✔ done"),)), out)
    TerminalProgress(out)(["a.org"], 1)
    TerminalProgress(out).stop()
    assert out.getvalue() == "✔ done\n"


def test_without_any_stream_nothing_is_drawn(shell, monkeypatch):
    """In a program without a console, such as pythonw, a magic runs without output."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert shell.run_line_magic("cave_check", "--server http://127.0.0.1:9 --timeout 0.5 -o").next
    TerminalProgress().stop()


def test_pages_of_a_kernel_fit_in_eighty_columns():
    """A console does not tell its kernel how wide it is; only addresses and commands may be longer."""
    page = Page((line("A sentence that is much longer than a line of a usual terminal. " * 3),))
    assert max(map(len, bundle(page)["text/plain"].splitlines())) <= 80
    assert max(len(re.sub(r"\x1b\[\d*m", "", row)) for row in styled(page)) <= 80


def test_a_text_to_copy_is_broken_between_words():
    """Notebooks break preformatted text in the middle of words, unless it says otherwise; its letters are those of code."""
    block = re.search(r'<pre style="([^"]*)">', copyable("ipython 9, rich 15"))
    assert block is not None
    assert "word-break:normal" in block[1]
    assert "monospace" in block[1]
