"""Plants small defects in a copy of the package, one after another, and counts how many the tests catch.

    python tests/mutation/plant.py              all of them: about a quarter of an hour
    python tests/mutation/plant.py token save   those whose name has one of these words
    python tests/mutation/plant.py --check      checks only that each defect can still be planted

Run it before and after tests are moved, merged or deleted: whatever was caught must still be caught. A defect is anchored to
the name of a function, so that it survives a move; if its text is gone, the program fails.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("cave_magic", "tests", "notebooks", "docs", "pyproject.toml", "noxfile.py", "README.md", "CHANGELOG.md")
SECONDS = 600.0
"""Timeout of the tests for one defect; a defect that makes them hang counts as caught."""


class CannotBePlanted(Exception):
    """The function or the text of a defect does not exist exactly once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One small defect.

    Attributes:
        name: what is wrong.
        where: the folder or module of the package, and the function: `credentials:_create`, `token:Token.ending`.
        old, new: the text in that function, which must occur once, and its replacement.
        tests: the tests that should catch it, as arguments of pytest.
    """

    name: str
    where: str
    old: str
    new: str
    tests: tuple[str, ...]


def defect(name: str, where: str, old: str, new: str, *tests: str) -> Defect:
    """A line of the table below; the tests are paths below `tests/`."""
    return Defect(name=name, where=where, old=old, new=new, tests=tuple(f"tests/{one}" for one in tests))


DEFECTS = (
    # the token, and what may be shown
    defect("a token shows itself", "token:Token.__repr__", "{self.ending}", "{self._value}", "test_token.py"),
    defect("two tokens are equal", "token:Token.__eq__", "return hmac", "return True or hmac", "test_token.py"),
    defect("redact hides no header", "ui.redact:redact", "(headers, rf", "(_KEYED, rf", "ui/test_redact.py"),
    defect("a span keeps escapes", "ui.document:Span.__post_init__", "if not self.text.isprintable()", "if False", "ui", "ui/test_redact.py"),
    defect("sanitize keeps tokens", "ui.redact:sanitize", 'redact(" ".join(line.split()))', '" ".join(line.split())', "ui/test_redact.py"),
    # files
    defect("a token file is for everybody", "credentials:write_all", "| None = 0o600", "| None = 0o644", "credentials/test_save.py"),
    defect("the umask locks the owner out", "credentials:make_private_folder", "one.chmod(0o700)", "pass", "credentials/test_save.py"),
    defect("a file is not flushed", "credentials:_create", "os.fsync(descriptor)", "pass", "credentials/test_atomic_write.py"),
    defect("a failed save is not undone", "credentials:write_all", "_put_back(taken)", "pass", "credentials/test_save.py"),
    defect("another token is replaced", "credentials:_is_another", "previous is not None and", "False and", "credentials/test_save.py"),
    defect("the default file is taken from another server", "credentials:_is_free", "return writable and", "return writable or", "credentials/test_save.py"),
    defect("the default file is never read", "credentials:StoredToken._first", "return self.default_file if", "return self.server_file if", "credentials/test_token_files.py"),
    defect("a file that names another server is this server's", "credentials:named_owner", "if not file.named_host or", "if True or", "credentials", "doctor/faults/test_owners.py"),
    # HTTP
    defect("a URL with a password is requested", "api:Session.request", "parsed is None or parsed.has_credentials", "parsed is None", "api", "doctor/faults/test_planted.py"),
    defect("a redirect is followed", "api:Session.request", "allow_redirects=False", "allow_redirects=True", "api", "doctor/faults/test_hostile.py"),
    defect("a timeout is ignored", "api:Session._open", "ActiveRequest(seconds, sent", "ActiveRequest(1e6, sent", "api/test_timeouts.py", "api/test_http.py"),
    defect("a late request is sent", "api:Batch._work", "if self._closed.is_set() or", "if", "api"),
    defect("a long Retry-After is accepted", "api:retry_after", "<= MAX_RETRY_AFTER", "< float('inf')", "api", "doctor/faults/test_waiting.py"),
    defect("a host is not compared with its port", "api:host_of", "url.host_and_port if", "url.host if", "api/test_urls.py", "credentials"),
    defect("port 0 is a port", "api:parse_url", " or port == 0 or", " or", "api/test_urls.py", "test_deployments.py"),
    # signing in
    defect("revoking is skipped", "login:revoke", "if not one.only:", "if False:", "login/test_revocation.py"),
    defect("a failed revocation counts", "login:_try", "if is_revoked(response) or", "if True or", "login/test_revocation.py"),
    defect("the receiver takes any path", "login:Receiver._handle_query", "if hmac.compare_digest(request.path.encode(), path.encode())", "if True", "login/test_loopback.py"),
    defect("the receiver takes any host", "login:Receiver.respond", 'self._route.carries(request)', "True", "login/test_loopback.py"),
    defect("a prefetch counts as opened", "login:Request.is_prefetch", '"prefetch" in value', '"never" in value', "login/test_loopback.py"),
    # the diagnosis
    defect("a check runs whatever it needs", "doctor:run_checks", "if not status.passed)", "if False)", "doctor/test_runner.py", "doctor/test_report.py"),
    defect("a rejected token is fine", "doctor.checks.account:_account", 'if response.code == "invalid_token":', "if False:", "doctor/checks", "doctor/faults/test_faults.py"),
    defect("a temporary token is permanent", "doctor.checks.account:_kind", "if not is_temporary(server):", "if True:", "doctor/checks", "doctor/faults/test_faults.py"),
    # the printed lines, and what was typed
    defect("a printed line leaves the server out", "doctor.next_steps:_server", "if target.names_server", "if False", "whole_way/test_printed_lines.py"),
    defect("a printed line names the server of CAVEclient only", "doctor.next_steps:client", "if server != (", "if False and server != (", "whole_way/test_printed_lines.py"),
    defect("a printed link leads to another server", "api.endpoints:tokens_page", "{server}/", "https://cave.example.org/", "whole_way/test_printed_lines.py"),
    defect("a printed link leads nowhere", "api.endpoints:tokens_page", "settings/tokens", "settings/token", "whole_way/test_printed_lines.py"),
    defect("a typed token stays in the inputs", "credentials.scrub:_inputs", "inputs[:] = map(clean, inputs)", "inputs[:] = inputs", "whole_way/test_no_trace.py"),
    defect("a typed token stays in the history database", "credentials.scrub:_database", "if path is None or", "if True or", "whole_way/test_new_format.py"),
    defect("a typed token stays in the sources", "credentials.scrub:_sources", "len(entry) == 4 and", "False and", "whole_way/test_no_trace.py"),
    defect("every worker asks the servers", "dask.check:_Answers.collect", "not in self.checks:", "is not None:", "dask/test_check.py"),
    defect("workers of all kinds are one", "dask.check:_kind", "return ", "return 0 and ", "dask/test_check.py"),
    # this computer, and what is shown
    defect("an empty lower-case proxy variable is ignored", "environment:_proxies", "found.pop(scheme, None)", "pass", "environment", "doctor/faults/test_proxies.py"),
    defect("a hosted notebook is a desktop", "environment:detect_runtime", 'has_screen and kind is CONTAINER', "has_screen", "environment", "login"),
    defect("HTML is not escaped", "ui:_span", "text = html.escape(span.text)", "text = span.text", "ui", "commands/test_views.py"),
    defect("Tab offers what does not fit", "commands.completion:candidates", " if word.startswith(fragment)]", "]", "commands/test_completion.py"),
)  # fmt: skip


def planted(package: Path, defect: Defect) -> tuple[Path, str]:
    """The file of a defect, and its text with the defect.

    Raises:
        CannotBePlanted: the function, or the text in it, does not occur exactly once.
    """
    module, _, function = defect.where.partition(":")
    inside = package.joinpath(*module.split("."))
    files = [inside.with_suffix(".py")] if inside.with_suffix(".py").is_file() else sorted(inside.rglob("*.py"))
    found = [(path, start, end) for path in files for start, end in _lines_of(path, function)]
    if len(found) != 1:
        raise CannotBePlanted(f"{defect.where} occurs {len(found)} times")
    ((path, start, end),) = found
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    body = "".join(lines[start:end])
    if body.count(defect.old) != 1:
        raise CannotBePlanted(f"{defect.old!r} occurs {body.count(defect.old)} times in {defect.where}")
    text = "".join([*lines[:start], body.replace(defect.old, defect.new), *lines[end:]])
    ast.parse(text)
    return path, text


def _lines_of(path: Path, function: str) -> Iterator[tuple[int, int]]:
    """The first and last line of a function or method (`Token.ending`), counted from 0."""
    scope, _, name = function.rpartition(".")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = [tree.body] if not scope else [one.body for one in tree.body if getattr(one, "name", "") == scope]
    for node in (node for body in bodies for node in body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            yield node.lineno - 1, node.end_lineno or node.lineno


def tests_fail(copy: Path, tests: tuple[str, ...]) -> str:
    """Runs tests in the copy until one fails; returns the name of that test, or ""."""
    there = [one for one in tests if (copy / one).exists()]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *there]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"nothing within {SECONDS:.0f} s"
    if done.returncode == 0:
        return ""
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].partition(" ")[2] if failed else done.stdout[-300:] or done.stderr[-300:]


def main() -> int:
    """Plants the chosen defects; returns 0 if all could be planted and were caught."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*", help="only the defects with one of these words in their names")
    parser.add_argument("--check", action="store_true", help="run no tests, only check that each can be planted")
    chosen = parser.parse_args()
    defects = [one for one in DEFECTS if not chosen.words or any(word in one.name for word in chosen.words)]
    gone = []
    for one in defects:
        try:
            planted(ROOT / "cave_magic", one)
        except CannotBePlanted as error:
            gone.append(one)
            print(f"GONE    {one.name}: {error}")
    if chosen.check or not defects:
        print(f"{len(defects) - len(gone)} of {len(defects)} defects can be planted")
        return 1 if gone or not defects else 0
    with tempfile.TemporaryDirectory(prefix="cave-mutation-") as folder:
        copy = Path(folder)
        for name in COPIED:
            copy_of = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy_of(ROOT / name, copy / name)
        return _count([one for one in defects if one not in gone], copy) or bool(gone)


def _count(defects: list[Defect], copy: Path) -> int:
    healthy = {tests: tests_fail(copy, tests) for tests in dict.fromkeys(one.tests for one in defects)}
    caught = 0
    for one in defects:
        if broken := healthy[one.tests]:
            print(f"BROKEN  {one.name}: {broken} fails without it", flush=True)
            continue
        path, text = planted(copy / "cave_magic", one)
        whole, start = path.read_text(encoding="utf-8"), time.monotonic()
        path.write_text(text, encoding="utf-8")
        by = tests_fail(copy, one.tests)
        path.write_text(whole, encoding="utf-8")
        caught += bool(by)
        print(
            f"{'caught' if by else 'MISSED'}  {one.name}: {by or 'nothing'} ({time.monotonic() - start:.0f} s)",
            flush=True,
        )
    print(f"{caught} of {len(defects)} defects were caught")
    return int(caught < len(defects))


if __name__ == "__main__":
    sys.exit(main())
