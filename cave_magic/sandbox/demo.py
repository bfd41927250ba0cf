"""A new user's first minutes, in a real IPython with a practice server: `python -m cave_magic.sandbox demo`.

Only the user is simulated: the demo types lines into a pseudo-terminal, opens the links over HTTP, and checks what
each step changed on the server and on disk. It deletes its temporary home folder at the end.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import site
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cave_magic.sandbox.server import Sandbox
from cave_magic.sandbox.visitor import LostOnThePages, Visitor

DATASTACK = "minnie65_public"
WORK = f'from caveclient import CAVEclient; client = CAVEclient("{DATASTACK}")'

_PROMPT = r"In \[\d+\]: "
_HIDDEN = r"(?:Token|Address or token) \(hidden[^)]*\): "
_PATIENCE = 90.0
"""Seconds for one cell; the first import of caveclient on a slow disk takes the longest."""
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "CONDA_PREFIX", "VIRTUAL_ENV")
_BROWSER = {"DISPLAY": ":demo", "BROWSER": f"{shlex.quote(sys.executable)} -m cave_magic.sandbox.visitor %s"}
"""A computer with a screen, whose browser is Robin."""
_SSH = {"SSH_CONNECTION": "demo"}
"""A computer without one: the magic opens no browser, and asks for the token."""
_ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]")

_END = """
# That was practice, in a temporary home folder. In your own notebook:

    %load_ext cave_magic
    %cave_setup new         once (`existing` if you have a token elsewhere)
    %cave_check             whenever something does not work
"""


class DemoFailed(Exception):
    """A step did not have its effect."""


# ---------------------------------------------------------------- what the audience sees


class Screen:
    """Writes for the audience: at reading pace on a terminal, as plain text and at once elsewhere."""

    def __init__(self, fast: bool = False) -> None:
        self.live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.colour = self.live and not os.environ.get("NO_COLOR")
        self.columns = max(60, min(120, shutil.get_terminal_size((80, 24)).columns))
        self._pace = 0.0 if fast or not self.live else 1.0
        self.shown = ""

    def show(self, text: str) -> None:
        """Shows what IPython wrote, with its colours on a terminal."""
        self.shown += plain(text)
        self._write(text if self.live else plain(text))

    def say(self, words: str) -> None:
        """Shows an explanation, as a comment."""
        self._write("\n" + self._styled(f"# {words}", "2;3") + "\n")
        self.pause(0.5)

    def type(self, prompt: str, line: str) -> None:
        """Shows a prompt and a line, letter by letter."""
        self._write("\n" + self._styled(prompt, "1;32" if prompt.startswith("In") else ""))
        self.pause(0.2)
        for letter in line if len(line) < 60 else [line]:  # a long line is pasted
            self._write(letter)
            self.pause(0.014)
        self.pause(0.2)
        self._write("\n")

    def pause(self, seconds: float) -> None:
        """Waits, if there is an audience."""
        if self._pace:
            time.sleep(seconds * self._pace)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour and style else text

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def plain(text: str) -> str:
    """The text of a terminal without escape codes, and without what was overwritten."""
    lines = _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2].rstrip() for line in lines)


# ---------------------------------------------------------------- IPython


class Stage:
    """A real IPython in a pseudo-terminal, with its own home folder."""

    def __init__(self, screen: Screen, home: Path, server: str, *, has_browser: bool) -> None:
        import pexpect

        _write_profile(home, server, screen.colour)
        self.home = home
        self._screen = screen
        self._child: Any = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--simple-prompt"],
            cwd=str(home),
            env={**_environment(home, screen.colour), **(_BROWSER if has_browser else _SSH)},
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(50, screen.columns),
            timeout=_PATIENCE,
            echo=False,
        )
        self._child.delaybeforesend = None
        self._wait_for(_PROMPT)

    def run(self, line: str) -> str:
        """Types a line and returns its plain output, up to the next prompt of IPython or of a magic."""
        self._screen.type(self._prompt, line)
        self._child.sendline(line)
        return self._finish(f"{_PROMPT}|{_HIDDEN}")

    @property
    def asks(self) -> bool:
        """Whether a magic is waiting for a token."""
        return re.fullmatch(_HIDDEN, self._prompt) is not None

    def paste(self, secret: str) -> str:
        """Pastes a token at the hidden prompt."""
        self._screen.type(self._prompt, "")
        self._child.sendline(secret)
        return self._finish(_PROMPT)

    def has_saved(self, tokens: Iterable[str]) -> bool:
        """Whether one of these tokens is in a token file."""
        files = (self.home / ".cloudvolume" / "secrets").glob("*cave-secret.json")
        return any(token in file.read_text() for file in files for token in tokens)

    def close(self) -> None:
        """Ends IPython."""
        import pexpect

        try:
            self._child.close(force=True)
        except pexpect.ExceptionPexpect:  # a busy computer takes longer than 0.1 s to end what was killed
            self._child.wait()

    def _finish(self, until: str) -> str:
        written = self._wait_for(until).replace("\r\n", "\n").strip("\r\n")
        self._screen.show(f"{written}\n" if written else "")
        text = plain(written)
        self._screen.pause(min(1.0, 0.2 + 0.07 * text.count("\n")))
        return text

    def _wait_for(self, pattern: str) -> str:
        import pexpect

        try:
            self._child.expect(pattern)
        except pexpect.TIMEOUT:
            raise DemoFailed(f"IPython did not respond within {_PATIENCE:.0f} s") from None
        except pexpect.EOF:
            raise DemoFailed(f"IPython ended too early: {plain(self._child.before).strip()[-300:]}") from None
        self._prompt: str = _ESCAPES.sub("", self._child.after)
        return str(self._child.before)


def _write_profile(home: Path, server: str, colour: bool) -> None:
    """Configures the server, the one difference from a real notebook, patience, and a quiet terminal."""
    folder = home / ".ipython" / "profile_default"
    folder.mkdir(parents=True)
    lines = [
        "c = get_config()",
        f"c.CaveMagics.server = {server!r}",
        f"c.CaveMagics.timeout = {_PATIENCE / 2}",
        "c.CaveMagics.fill_next_cell = False",  # Robin types every line
        'c.InteractiveShell.xmode = "Minimal"',
        "c.TerminalIPythonApp.display_banner = False",
        "c.TerminalInteractiveShell.term_title = False",
        "c.TerminalInteractiveShell.separate_in = ''",
        "c.HistoryManager.enabled = False",
        *([] if colour else ['c.InteractiveShell.colors = "NoColor"']),
    ]
    (folder / "ipython_config.py").write_text("\n".join(lines) + "\n")


def _environment(home: Path, colour: bool) -> Mapping[str, str]:
    """The environment that IPython needs: without your tokens, your proxies and your browser."""
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *(os.path.abspath(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one)]
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        **({"TERM": os.environ.get("TERM", "xterm")} if colour else {"TERM": "dumb", "NO_COLOR": "1"}),
        "HOME": str(home),
        "IPYTHONDIR": str(home / ".ipython"),
        "PYTHONUSERBASE": site.getuserbase() or "",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUTF8": "1",
    }


# ---------------------------------------------------------------- the steps


class Journey:
    """The steps of a new user, each with a check of its effect.

    Args:
        cave: the practice server.
        laptop: an IPython on a computer with a browser.
        remote: starts an IPython on a computer without one.
        screen: what the audience sees.
    """

    def __init__(self, cave: Sandbox, laptop: Stage, remote: Callable[[], Stage], screen: Screen) -> None:
        self._cave = cave
        self._stage = laptop
        self._remote = remote
        self._screen = screen
        self._robin = Visitor()
        self._tokens_page = f"{cave.server}/sticky_auth/settings/tokens"
        self._secrets: set[str] = set()

    def play(self) -> None:
        """Runs all steps. Raises DemoFailed."""
        self._set_up()
        self._look_around()
        self._lose_the_token()
        self._find_and_fix()
        self._work()
        self._save_from_file()
        self._set_up_without_a_browser()
        self._prove_that_nothing_leaked()

    def _set_up(self) -> None:
        self._screen.say(f"A real IPython, and a practice CAVE server at {self._cave.server}")
        self._screen.say("Robin has no account and no token yet, and signs in with the browser.")
        self._expect_nothing(self._stage.run("%load_ext cave_magic"))
        self._sign_in_with("%cave_setup new")

    def _sign_in_with(self, line: str) -> None:
        """Types a line; the browser, which is Robin, follows the link that it opens."""
        card = self._stage.run(line)
        if self._stage.asks or not self._says_set_up(card):
            raise DemoFailed(f"{line} did not sign Robin in with the browser")

    def _says_set_up(self, card: str) -> bool:
        if "set up" not in card or self._robin.email not in card:
            return False
        self._secrets |= (tokens := {row["token"] for row in self._cave.tokens(self._robin.email)})
        return self._stage.has_saved(tokens)

    def _look_around(self) -> None:
        who = self._stage.run("%cave_whoami")
        if self._robin.email not in who:
            raise DemoFailed("%cave_whoami did not say who Robin is")
        self._check_is_green()

    def _check_is_green(self) -> None:
        report = self._stage.run("%cave_check")
        if "All well" not in report or re.search(r"^Next:|\bfailed\b", report, re.MULTILINE):
            raise DemoFailed("%cave_check found a problem")

    def _lose_the_token(self) -> None:
        self._robin.delete_token(self._tokens_page)
        if self._cave.tokens(self._robin.email):
            raise DemoFailed("the tokens page did not delete the token")
        self._cave.forget()  # the services cache a token for five minutes
        self._screen.say("A week later, Robin has tidied up the tokens page, and that token is gone.")
        error = self._stage.run(WORK)
        if "401" not in error:
            raise DemoFailed("CAVEclient did not fail with the deleted token")
        self._screen.say("That is the last line of a traceback. What does it mean?")

    def _find_and_fix(self) -> None:
        report = self._stage.run("%cave_check")
        found = re.search(r"^Next: (%.+?)(?:, then .*)?$", report, re.MULTILINE)
        if not re.search(r"\bfailed\b +account", report) or not found:
            raise DemoFailed("%cave_check did not name the cause and a next line")
        self._screen.say("The report names the cause and the line that fixes it. Robin types that line.")
        self._sign_in_with(found[1])
        self._check_is_green()

    def _work(self) -> None:
        self._screen.say("And to work:")
        self._expect_nothing(self._stage.run(WORK))
        self._cave.clear_requests()
        shown = self._stage.run("print(client.materialize.version)")
        asked = [one for one in self._cave.requests if one.service == "materialize" and one.status == 200 and one.user]
        if not re.fullmatch(r"\s*\d+\s*", shown) or not asked:
            raise DemoFailed("CAVEclient returned no data")

    def _save_from_file(self) -> None:
        self._screen.say("A token can be downloaded as a file, for computers without a browser.")
        path = self._stage.home / "Downloads" / "cave-token.json"
        path.parent.mkdir()
        path.write_text(self._robin.download_token(self._tokens_page))
        said = self._stage.run("%cave_save --from-file ~/Downloads/cave-token.json")
        if "already saved" not in said:
            raise DemoFailed("%cave_save did not recognise the saved token")

    def _set_up_without_a_browser(self) -> None:
        self._screen.say("Robin also works on another computer, over ssh.")
        self._screen.say("No browser opens there, so a token is pasted.")
        self._stage.close()
        self._stage = self._remote()
        line = "%cave_setup existing"
        self._expect_nothing(self._stage.run("%load_ext cave_magic"))
        if self._tokens_page not in self._stage.run(line) or not self._stage.asks:
            raise DemoFailed(f"{line} did not link to the tokens page or did not ask for a token")
        token = self._robin.make_token(self._tokens_page, "the remote computer")
        self._screen.say("Robin opens the last link, signs in, and copies a new token.")
        if not self._says_set_up(self._stage.paste(token)):
            raise DemoFailed(f"{line} did not save the token")

    def _prove_that_nothing_leaked(self) -> None:
        self._stage.close()
        if any(secret in self._screen.shown for secret in self._secrets):
            raise DemoFailed("a token appeared on the screen")

    @staticmethod
    def _expect_nothing(written: str) -> None:
        if written.strip():
            raise DemoFailed(f"a line printed something unexpected: {written.strip()[-300:]}")


def main(fast: bool = False) -> int:
    """Runs the demo; returns 0 if every step worked.

    Args:
        fast: without pauses.
    """
    if sys.platform == "win32":
        print("The demo needs a pseudo-terminal, which Windows lacks. Try: python -m cave_magic.sandbox ipython")
        return 1
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    try:
        _play(Screen(fast))
    except (DemoFailed, LostOnThePages) as problem:
        print(f"\nThe demo failed: {problem}.", file=sys.stderr)
        return 1
    except ImportError as missing:
        print(f"{missing}. The demo needs: pip install 'cave-magic[sandbox]'", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    except BrokenPipeError:  # the reader has gone
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as this process lives
        return 1
    print(_END, end="")
    return 0


def _play(screen: Screen) -> None:
    with Sandbox() as cave, contextlib.ExitStack() as open_until_the_end:

        def stage(has_browser: bool) -> Stage:
            folder = tempfile.TemporaryDirectory(prefix="cave-demo-", ignore_cleanup_errors=True)
            home = Path(open_until_the_end.enter_context(folder))
            started = Stage(screen, home, cave.server, has_browser=has_browser)
            open_until_the_end.callback(started.close)
            return started

        Journey(cave, stage(True), lambda: stage(False), screen).play()
