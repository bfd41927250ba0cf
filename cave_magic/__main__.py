"""`cave-magic` and `python -m cave_magic`: the magics as shell commands, with the same options, words and pages.

Exit codes: 0 if all is well, 1 if something is wrong, 2 if the line is invalid or names something that does not exist,
130 after Ctrl-C. Pages go to stdout, errors and progress to stderr; with `--json`, only JSON goes to stdout.

It imports everything else late: then, too, Ctrl-C ends it with one line, and a file that shadows a module is named.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as `typing` has it, which such a file may shadow
if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS, PATIENT_SECONDS = 10.0, 60.0
"""How long a command waits for servers at most; and a job that saves a token while many others start, too."""

WELL, WRONG, UNREADABLE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

OTHERS = ("completion", "help")
"""The commands that are not magics."""

_HELP = """\
{program} COMMAND [OPTIONS]

Sets up access to CAVE connectomics data, and finds out why it does not work.

commands:
  setup       sign in and save a token: new or existing; also replace, remove
  save        save a token from a prompt, --from-env NAME or --from-file PATH
  whoami      show your account, and which token this computer sends
  check       find out why access does not work, and how to fix it
  completion  print the script for Tab completion: completion bash, zsh or fish

COMMAND --help shows the options of a command; --version shows the versions.
The exit code is 0 if all is well, 1 if something is wrong, and 2 if the
command line is invalid.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code; `words`: what was typed after the name of the program."""
    try:
        from .errors import CaveMagicError
        from .ui.door import find_door

        find_door()
        try:
            return _do(sys.argv[1:] if words is None else words)
        except CaveMagicError as error:
            return _fail(str(error), UNREADABLE)
    except KeyboardInterrupt:
        return _fail("Stopped.", INTERRUPTED)
    except (Exception, SystemExit) as error:  # a file that shadows a module may even call sys.exit()
        return _fail(_why_it_fails(error), WRONG)


def _why_it_fails(error: BaseException) -> str:
    try:
        from .commands import cannot_be_imported

        return str(cannot_be_imported(error))
    except Exception:  # not even that can be imported
        from .environment.shadowed import find_culprit

        found = find_culprit(error)
        return "{} {}. {}.".format(*found) if found else f"Python does not work: {type(error).__name__}."


def _do(words: Sequence[str]) -> int:
    from .commands import NAMES
    from .errors import BadInput
    from .ui.door import program

    name, *rest = words or ["help"]
    magic = f"cave_{name.lstrip('%').removeprefix('cave_')}"
    if magic in NAMES:
        return _run(magic, rest)
    if name == "complete":  # what the scripts of `completion` call at each Tab
        from .commands.completion import complete_words

        return _print("".join(f"{one}\n" for one in complete_words(rest)))
    from .ui.redact import find_secrets

    if find_secrets(" ".join(words)):
        return _run("cave_save", words)  # which refuses it, and says how to save one
    if name in ("-h", "--help", "help"):
        return _print(_HELP.format(program=program()))
    if name in ("-V", "--version"):
        return _run("cave_check", ["--version"])
    if name == "completion":
        from .commands.completion import script

        return _print(script(*rest))
    raise BadInput(_unknown(name, rest))


def _unknown(name: str, rest: Sequence[str]) -> str:
    """What to say about a word that is not a command. It is not quoted, since it may be a token."""
    from difflib import get_close_matches

    from .commands import NAMES
    from .ui.door import program

    commands = [magic.removeprefix("cave_") for magic in NAMES]
    if name.startswith("-") and (given := next((one for one in rest if one in commands), "")):
        return f"The command comes first: {program()} {given}, then its options."
    near = get_close_matches(name.lower(), [*commands, *OTHERS], n=1, cutoff=0.5)
    hint = f"Did you mean {program()} {near[0]}?" if near else f"The commands are {', '.join(commands)}."
    return f"Unknown command. {hint}"


def _run(magic: str, words: Sequence[str]) -> int:
    from .commands import find_command
    from .commands.context import Context
    from .commands.line import run
    from .errors import BadInput
    from .ui.frontend import ShellFrontend

    is_data = any("--json".startswith(word) for word in words if len(word) > len("--"))
    frontend = ShellFrontend(is_data)
    seconds = PATIENT_SECONDS if magic == "cave_save" and not frontend.can_ask else SECONDS
    context = Context(frontend=frontend, timeout=seconds, is_history_kept=True)
    _, failure = run(find_command(magic), context, words)
    if failure is not None:
        code = UNREADABLE if isinstance(failure, BadInput) else WRONG
        return _fail("\n".join(failure.rendered), INTERRUPTED if context.is_interrupted else code)
    return WELL if context.is_well else WRONG


def _fail(text: str, code: int) -> int:
    if sys.stderr is not None:  # closed by the shell: `2>&-`
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:  # nobody reads it, or its disk is full; Python would say so once more at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    return code


def _print(text: str) -> int:
    from .ui.frontend import ShellFrontend

    try:
        ShellFrontend().say_data(text.rstrip("\n"))
    except OSError as error:
        return _fail(f"What this prints cannot be written: {error.strerror}.", WRONG)
    return WELL


if __name__ == "__main__":
    sys.exit(main())
