"""Finding and scrubbing tokens that were left in histories and notebooks."""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import sqlite3
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cave_magic.credentials.scrub import (
    LeftoverToken,
    find_tokens,
    find_tokens_in_database,
    find_tokens_in_inputs,
    find_tokens_in_notebook,
    notebook_of,
    scrub_notebook,
    scrub_session,
    secrets_of,
)
from cave_magic.token import Token
from cave_magic.ui.redact import MASK

A, B = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "00112233445566778899aabbccddeeff"
ZETTA = "qwERty7+uIopAsdFghJklZxcVbnM1/23456qwErtyuQ="


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A history database as IPython makes it, with lines of three sessions."""
    path = tmp_path / "history.sqlite"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE history (session integer, line integer, source text, source_raw text)")
        connection.execute("CREATE TABLE output_history (session integer, line integer, output text)")
        rows = [
            (1, 1, f"x = '{A}'"),
            (2, 1, "1 + 1"),
            (2, 2, f"client.auth.save_token('{A}')"),
            (3, 1, f"%cave_save {A}"),
        ]
        connection.executemany("INSERT INTO history VALUES (?, ?, ?3, ?3)", rows)
        connection.execute("INSERT INTO output_history VALUES (1, 1, ?)", (f"'{A}'",))
    connection.close()
    return path


def a_shell(inputs: list[str], database: Path | str = ":memory:", **others: Any) -> Any:
    """What `scrub_session` and `find_tokens` need of a shell."""
    import threading

    manager = SimpleNamespace(
        input_hist_raw=list(inputs), input_hist_parsed=list(inputs), hist_file=database, enabled=True, session_number=3,
        db_input_cache=[(1, text, text) for text in inputs], db_input_cache_lock=threading.Lock(),
        _i00=inputs[-1], _i=inputs[-1], _ii="", _iii="", exceptions={1: {"evalue": inputs[-1], "traceback": [inputs[-1], 1]}},
    )  # fmt: skip
    return SimpleNamespace(
        history_manager=manager, user_ns={"_i1": inputs[-1], "x": A}, user_ns_hidden={"_i1": "", **others}
    )


# ---------------------------------------------------------------- scrubbing


def test_everything_that_is_remembered_is_scrubbed(database):
    """Inputs, their variables, unwritten lines, kept errors and every session in the database lose the token."""
    shell = a_shell(["", f"%cave_save {A} # and {A}"], database)
    lists = shell.history_manager.input_hist_raw
    assert scrub_session(shell, [A]) == ()
    assert lists == ["", f"%cave_save {MASK} # and {MASK}"]
    assert shell.user_ns["x"] == A
    del shell.user_ns["x"]
    assert A not in repr([vars(shell.history_manager), vars(shell)])
    assert A.encode() not in database.read_bytes()
    rows = sqlite3.connect(database)
    assert [text for (text,) in rows.execute("SELECT source_raw FROM history")][1:3] == [
        "1 + 1",
        f"client.auth.save_token('{MASK}')",
    ]
    rows.close()


def test_unused_parts_of_the_database_are_scrubbed(database):
    """A token in an unused part of the database file, or in its write-ahead log, is scrubbed too."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA secure_delete=OFF")
    with connection:
        connection.executemany(
            "INSERT INTO history VALUES (9, ?, ?2, ?2)", [(n, f"y = '{B}' #{n}") for n in range(200)]
        )
    with connection:
        connection.execute("DELETE FROM history WHERE session = 9")
    assert find_tokens_in_database(database, [B], 3) == LeftoverToken(
        found_in="the history database", details="an unused part of the file", path=database
    )
    assert scrub_session(a_shell([""], database), [B]) == ()
    connection.close()
    assert find_tokens_in_database(database, [B], 3) is None


def test_a_locked_database_is_named(database, monkeypatch):
    """If another program locks the database, it is named, and everything else is scrubbed."""
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: (_ for _ in ()).throw(sqlite3.OperationalError("locked")))
    shell = a_shell(["", A], database)
    assert scrub_session(shell, [A]) == ("the history database",)
    assert shell.history_manager.input_hist_raw == ["", MASK]


def test_short_words_are_not_scrubbed(database):
    """A short secret does not change parts of words in the history."""
    shell = a_shell(["", "x = 1"], database)
    scrub_session(shell, ["x", "", "cave"])
    assert shell.history_manager.input_hist_raw == ["", "x = 1"]


@pytest.mark.parametrize("secrets", [("123456789", "123456789abcdef"), ("123456789abcdef", "123456789")])
def test_a_secret_that_is_part_of_another_does_not_break_it(secrets):
    """In whatever order secrets come, nothing of a longer one is left beside the mask of its part."""
    shell = a_shell(["", "%cave_save 123456789abcdef"])
    scrub_session(shell, secrets)
    assert shell.history_manager.input_hist_raw[1] == f"%cave_save {MASK}"


@pytest.mark.parametrize("typed", [A[:20], A[12:], A.upper()])
def test_a_part_of_a_token_takes_the_rest_along(database, typed):
    """If a part of a token was typed, or its capitals, the whole token is scrubbed, for nothing would find the rest."""
    shell = a_shell(["", f"t = '{A}'", f"%cave_whoami {typed}"], database)
    assert scrub_session(shell, [typed]) == ()
    assert shell.history_manager.input_hist_raw == ["", f"t = '{MASK}'", f"%cave_whoami {MASK}"]
    assert A[:9].encode() not in database.read_bytes()
    assert A[-9:].encode() not in database.read_bytes()


def test_a_secret_is_scrubbed_where_python_escapes_it():
    """The parsed input, which quotes what was typed, loses a password with a backslash, too."""
    shell = a_shell(["", r"get_ipython().run_line_magic('cave_check', '--server https://ada:pass\\word@a.org')"])
    scrub_session(shell, [r"https://ada:pass\word@"])
    assert "word" not in repr(vars(shell.history_manager))


@pytest.mark.parametrize("odd", ["NULL", "CAST(x'61ff62' AS TEXT)", "x'00ff'", f"CAST('{A}' AS BLOB)"])
def test_an_odd_row_keeps_no_token_in_the_history(database, odd):
    """A line without a text, a damaged one, or one of bytes stops neither the others nor itself from being scrubbed."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(f"INSERT INTO history VALUES (99, 1, {odd}, {odd})")
    assert scrub_session(a_shell([""], database), [A]) == ()
    assert A.encode() not in database.read_bytes()


def test_the_source_that_tracebacks_quote_is_scrubbed(monkeypatch):
    """The cells that tracebacks quote lose the token; lazily loaded sources are kept."""
    monkeypatch.setitem(linecache.cache, "cell 1", (9, None, [f"save('{A}')\n", "x\n"], "cell 1"))
    monkeypatch.setitem(linecache.cache, "lazy", (lambda: None,))
    scrub_session(a_shell([""]), [A])
    assert linecache.cache["cell 1"][2] == [f"save('{MASK}')\n", "x\n"]
    assert len(linecache.cache["lazy"]) == 1


def test_the_terminal_history_is_scrubbed(monkeypatch):
    """The histories of prompt_toolkit and readline contain the mask instead."""
    shell = a_shell([""])
    shell.pt_app = SimpleNamespace(history=SimpleNamespace(_loaded_strings=[f"a {A}", "b"], _storage=[A]))
    lines = [f"%cave_save {A}", "1 + 1"]
    fake = types.ModuleType("readline")
    fake.get_current_history_length = lambda: len(lines)  # type: ignore[attr-defined]
    fake.get_history_item = lambda number: lines[number - 1]  # type: ignore[attr-defined]
    fake.replace_history_item = lines.__setitem__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "readline", fake)
    assert scrub_session(shell, [A]) == ()
    assert shell.pt_app.history._loaded_strings == [f"a {MASK}", "b"]
    assert shell.pt_app.history._storage == [MASK]
    assert lines == [f"%cave_save {MASK}", "1 + 1"]


def test_a_session_log_is_scrubbed_in_place(shell, tmp_path):
    """The file of `%logstart` loses the token, and logging continues."""
    shell.run_line_magic("logstart", f"{tmp_path / 'log.py'} append")
    shell.run_cell(f"t = '{A}'", store_history=True)
    assert scrub_session(shell, [A]) == ()
    shell.run_cell("after = 1", store_history=True)
    shell.run_line_magic("logstop", "")
    text = (tmp_path / "log.py").read_text()
    assert A not in text
    assert f"t = '{'*' * 32}'" in text
    assert "after = 1" in text


# ---------------------------------------------------------------- finding, in a session


def test_inputs_with_a_token_are_named_by_number():
    """A stored token is found in any cell, another one after a word such as `token`; neither is shown."""
    inputs = [
        "",
        "1 + 1",
        f"x = '{ZETTA}'",
        f"my_token = '{B}'",
        f"md5 = '{B}'",
        f"client.auth.save_token(token='{B}')",
        f"!cave-magic save {B}",
        f"%pip install cave-magic==0.2.0 --hash=sha256:{A}{B}",
    ]
    left = find_tokens_in_inputs(inputs, [ZETTA])
    assert left == LeftoverToken(found_in="this session's inputs", details="In[2], In[3], In[5], In[6]")
    assert find_tokens_in_inputs(["", "token = 'mine'"], [A]) is None


def test_lines_of_the_database_are_counted(database):
    """The lines of this and of earlier sessions are counted; the database is not changed."""
    before = database.read_bytes()
    assert find_tokens_in_database(database, [A, B], 3) == LeftoverToken(
        found_in="the history database", details="1 line of this session and 2 lines of earlier sessions", path=database
    )
    assert find_tokens_in_database(database, [B], 3) is None
    assert find_tokens_in_database(database, [], 3) is None
    assert database.read_bytes() == before


def test_a_corrupt_database_is_not_an_error(database):
    """A file that is not a database, but contains the token, is named."""
    database.write_bytes(b"no database " + A.encode())
    assert find_tokens_in_database(database, [A], 3) == LeftoverToken(
        found_in="the history database", details="it is busy", path=database
    )


def test_what_was_found_can_be_scrubbed(database):
    """After `scrub_session` with `secrets_of` nothing is found."""
    shell = a_shell(["", f"x = '{A}'", f"token = '{B}'"], database)
    assert [one.found_in for one in find_tokens(shell, [Token(A)])] == [
        "this session's inputs",
        "the history database",
    ]
    assert A not in repr(find_tokens(shell, [Token(A)]))
    scrub_session(shell, secrets_of(shell, [Token(A)]))
    assert find_tokens(shell, [Token(A)]) == ()
    assert shell.history_manager.input_hist_raw == ["", f"x = '{MASK}'", f"token = '{MASK}'"]


def test_a_shell_without_a_history_has_no_tokens():
    """No history, or one in memory only, is not an error."""
    shell = a_shell([""])
    assert find_tokens(shell, [Token(A)]) == ()
    shell.history_manager = None
    assert find_tokens(shell, [Token(A)]) == ()


# ---------------------------------------------------------------- in a notebook


def a_notebook(path: Path, indent: int | None = 1) -> Path:
    """A notebook with a token in a cell, in outputs of every kind, and in an error."""
    path.parent.mkdir(exist_ok=True)
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Grüße\n", "no token here\n"]},
        {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": [],
         "source": ["import caveclient\n", f"t = '{A}'\n", "checksum = 'd41d8cd98f00b204e9800998ecf8427e'"]},
        {"cell_type": "code", "metadata": {}, "execution_count": 2, "source": "t", "outputs": [
            {"output_type": "execute_result", "metadata": {}, "execution_count": 2, "data": {"text/plain": [f"'{A}'"]}},
            {"output_type": "error", "ename": "E", "evalue": f"no {A}", "traceback": [f"\x1b[31m{A}"]}]},
        {"cell_type": "code", "metadata": {}, "execution_count": 3, "outputs": [], "source": f"%cave_save {B}"},
    ]  # fmt: skip
    data = {"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(data, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
    path.chmod(0o640)
    return path


def test_a_notebook_says_where_a_token_is(tmp_path):
    """Cells and outputs with the stored token, or with one on a magic's line, are named by number."""
    notebook = a_notebook(tmp_path / "a.ipynb")
    (left,) = find_tokens_in_notebook(notebook, [Token(A)])
    assert left == LeftoverToken(
        found_in="the notebook a.ipynb", details="cell 2, output of cell 3, cell 4", path=notebook
    )
    assert find_tokens_in_notebook(notebook, [])[0].details == "cell 4"


@pytest.mark.parametrize(
    "line",
    [
        "%cave_save -x{}",
        "%cave_check --datastack{}",
        "%cave_setup new --x={} -v",
        "x = %cave_whoami -d'{}'",
        "%cave_sav {}",
        "%cave_save --overwrite \\\n    {}",
    ],
)
def test_a_token_glued_to_an_option_is_found(tmp_path, line):
    """A cell that was saved with such a line before it ran is found and scrubbed."""
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": f"1\n{line.format(A)}\n2"}]}))
    assert find_tokens_in_notebook(path, [])[0].details == "cell 1"
    assert scrub_notebook(path, []) == (path,)
    assert A not in path.read_text()


@pytest.mark.parametrize("indent", [1, None, 4])
def test_only_tokens_in_a_notebook_are_changed(tmp_path, indent):
    """Tokens are masked, in the checkpoint too; every other byte, checksums and the permissions are kept."""
    notebook = a_notebook(tmp_path / "a.ipynb", indent)
    copy = a_notebook(tmp_path / ".ipynb_checkpoints" / "a-checkpoint.ipynb", indent)
    before = notebook.read_text()
    assert scrub_notebook(notebook, [Token(A)]) == (notebook, copy)
    assert notebook.read_text() == copy.read_text() == before.replace(A, MASK).replace(B, MASK)
    assert os.name != "posix" or notebook.stat().st_mode & 0o777 == 0o640
    assert find_tokens_in_notebook(notebook, [Token(A)]) == ()
    assert scrub_notebook(notebook, [Token(A)]) == ()
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_token_with_odd_characters_is_scrubbed_from_a_notebook(tmp_path):
    """A stored token that JSON writes with escapes is found and scrubbed as well."""
    odd = 'quote"and\\backslash/1'
    notebook = tmp_path / "a.ipynb"
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": f"t = {odd!r}; u = '''{odd}'''"}]}))
    assert scrub_notebook(notebook, [Token(odd)]) == (notebook,)
    assert MASK in json.loads(notebook.read_text())["cells"][0]["source"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"cells": 5}',
        '{"cells": [5, null, {}]}',
        "[" * 5000,
        '{"a":' * 900 + "1" + "}" * 900,
    ],
)
def test_what_is_not_a_notebook_is_not_changed(tmp_path, text):
    """Nothing is found in a file that is not a notebook, and it is not written."""
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    assert find_tokens_in_notebook(path, [Token(A)]) == ()
    assert scrub_notebook(path, [Token(A)]) == ()
    assert path.read_text() == text


def test_a_notebook_that_cannot_be_written_is_kept(tmp_path, monkeypatch):
    """If one of the two files cannot be written, neither is."""
    notebook = a_notebook(tmp_path / "a.ipynb")
    a_notebook(tmp_path / ".ipynb_checkpoints" / "a-checkpoint.ipynb")
    before = notebook.read_text()
    real = os.replace
    answers = iter([None, OSError("full")])

    def replace(old: Path, new: Path) -> None:
        if error := next(answers, None):
            raise error
        real(old, new)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="full"):
        scrub_notebook(notebook, [Token(A)])
    assert notebook.read_text() == before


def test_the_front_end_names_the_notebook_of_a_kernel(tmp_path, monkeypatch):
    """The variables of VS Code and Jupyter servers are used if they name an existing notebook."""
    notebook = a_notebook(tmp_path / "a.ipynb")
    nobody = SimpleNamespace(user_ns={})
    assert notebook_of(nobody) is None
    assert notebook_of(SimpleNamespace(user_ns={"__vsc_ipynb_file__": str(notebook)})) == notebook
    for name, found in ((str(notebook), notebook), (str(tmp_path / "b.ipynb"), None), ("console-1", None)):
        monkeypatch.setenv("JPY_SESSION_NAME", name)
        assert notebook_of(nobody) == found
