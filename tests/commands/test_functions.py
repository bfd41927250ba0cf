"""The functions of the package: `cave_magic.save()` and `cave_magic.whoami()`."""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
import types
from pathlib import Path

import pytest

import cave_magic
from cave_magic.errors import BadInput, NotAToken, NoToken, TokenExists, TokenNotChecked, TokenRejected

ZETTA = "qwERty7+uIopAsdFghJklZxcVbnM1/23456qwErtyuQ="
PART = "ab" * 8
"""A part of the token `"ab" * 16` that is longer than an address of memory, which `repr` shows, too."""


def test_save_and_whoami_return_what_the_magics_show(cave, home, capsys):
    """They print nothing, and their objects show themselves, pickle, and contain no token."""
    token = cave.new_token("ada")
    saved = cave_magic.save(token, server=cave.server)
    assert (saved.unchanged, saved.account["email"], saved.token) == (False, "ada@example.org", token[-4:])
    assert json.loads(Path(saved.files[0]).read_text())["token"] == token
    assert cave_magic.save(token, server=cave.server).unchanged
    me = cave_magic.whoami(server=cave.server)
    assert (me.ok, me.account["name"], me.permanent, me.terms) == (True, "Ada Example", True, ())
    for one in (saved, me):
        assert pickle.loads(pickle.dumps(one)) == one
        assert set(one._repr_mimebundle_()) == {"text/plain", "text/html"}
        assert str(one).split() == one._repr_mimebundle_()["text/plain"].split()  # narrower
        shown = (repr(one), str(one), json.dumps(one.to_dict()), str(pickle.dumps(one)), str(one._repr_mimebundle_()))
        assert not [text for text in shown if token in text]
    assert capsys.readouterr() == ("", "")


def test_their_errors_are_those_of_this_package(cave, home):
    """Each has the type that the documentation names, and quotes no token."""
    token, other = cave.new_token("ada"), cave.new_token("bob")
    with pytest.raises(NoToken):
        cave_magic.whoami(server=cave.server)
    cave_magic.save(token, server=cave.server)
    with pytest.raises(TokenExists, match=f"ending in {token[-4:]}"):
        cave_magic.save(other, server=cave.server)
    assert cave_magic.save(other, server=cave.server, overwrite=True).account["email"] == "bob@example.org"
    cave.delete_token(other)
    with pytest.raises(TokenRejected):
        cave_magic.whoami(server=cave.server)
    with pytest.raises(TokenRejected):
        cave_magic.save("0" * 32, server=cave.server, overwrite=True)
    cave.misbehave("auth", "down")
    with pytest.raises(TokenNotChecked) as failed:
        cave_magic.save(token, server=cave.server, overwrite=True)
    assert token not in str(failed.value)
    assert cave_magic.save(token, server=cave.server, overwrite=True, verify=False).account is None


def test_the_line_of_an_error_calls_the_function(cave, home):
    """A script has neither magics nor a token to type in a shell, so the call that works is printed."""
    token, other = cave.new_token("ada"), cave.new_token("bob")
    cave_magic.save(token, server=cave.server)
    with pytest.raises(TokenExists) as kept:
        cave_magic.save(other, server=cave.server)
    assert cave_magic.save(other, server=cave.server, overwrite=True).account["email"] == "bob@example.org"
    assert f'cave_magic.save(token, server="{cave.server}", overwrite=True)' in str(kept.value)
    cave.misbehave("auth", "down")
    with pytest.raises(TokenNotChecked) as failed:
        cave_magic.save(token, server=cave.server, overwrite=True)
    assert f'cave_magic.save(token, server="{cave.server}", overwrite=True, verify=False)' in str(failed.value)


@pytest.mark.parametrize("wrong", [{}, {"timeout": 0}, {"server": 5}, {"server": "not an address"}])
def test_the_frames_of_an_error_hold_no_token(home, wrong):
    """Some loggers show the variables of each frame of an error; those of this package have no token."""
    with pytest.raises((NotAToken, BadInput)) as failed:
        cave_magic.save(f"x{'ab' * 16}", **wrong)
    ours = [frame for frame, _ in traceback.walk_tb(failed.tb) if frame.f_globals["__name__"].startswith("cave_magic")]
    assert ours
    assert not [frame for frame in ours if PART in repr(frame.f_locals)]


def test_a_token_that_is_typed_at_python_s_prompt_leaves_its_history(home, monkeypatch):
    """Python writes its history to a file at its end."""
    lines = [f"cave_magic.save('{'ab' * 16}', timeout=0)", "1 + 1"]
    fake = types.ModuleType("readline")
    monkeypatch.setattr(fake, "get_current_history_length", lambda: len(lines), raising=False)
    monkeypatch.setattr(fake, "get_history_item", lambda number: lines[number - 1], raising=False)
    monkeypatch.setattr(fake, "replace_history_item", lines.__setitem__, raising=False)
    monkeypatch.setitem(sys.modules, "readline", fake)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with pytest.raises(BadInput):
        cave_magic.save("ab" * 16, timeout=0)
    assert lines == ["cave_magic.save('****', timeout=0)", "1 + 1"]


@pytest.mark.parametrize("module", ["cave_magic.commands.functions", "cave_magic.commands.line"])
def test_the_frames_hold_none_if_a_module_is_broken(monkeypatch, module):
    """An import that fails, such as that of a package in a broken environment, shows no token either."""
    monkeypatch.delitem(sys.modules, "cave_magic.commands.functions", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError) as failed:
        cave_magic.save("ab" * 16)
    frames = [frame for frame, _ in traceback.walk_tb(failed.tb) if frame.f_code.co_name == "save"]
    assert frames
    assert not [frame for frame in frames if PART in repr(frame.f_locals)]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: cave_magic.save("hello", server="https://cave.example.org"), NotAToken),
        (lambda: cave_magic.save(b"f" * 32), BadInput),
        (lambda: cave_magic.save(""), NotAToken),
        (lambda: cave_magic.save(" \n"), NotAToken),
        (lambda: cave_magic.save(None), BadInput),
        (lambda: cave_magic.save("f" * 32, server=5), BadInput),
        (lambda: cave_magic.save("f" * 32, server="not an address"), BadInput),
        (lambda: cave_magic.whoami(timeout=0), BadInput),
        (lambda: cave_magic.whoami(datastack="a/b"), BadInput),
    ],
)
def test_wrong_arguments_are_named(home, call, error):
    """A wrong argument is an error before anything is sent or written."""
    with pytest.raises(error):
        call()
    assert not os.path.exists(home / ".cloudvolume")


def test_a_token_that_is_typed_in_a_call_leaves_the_history(cave, shell, run):
    """In IPython the history keeps no token that was typed into the call."""
    token = cave.new_token("ada")
    ran = run(f'import cave_magic; cave_magic.save("{token}", server="{cave.server}")')
    assert ran.error == ""
    assert token not in str(shell.history_manager.input_hist_raw)


@pytest.mark.parametrize(
    "call",
    [
        "cave_magic.save('{}')",
        "cave_magic.save('{}', server='https://cave.example.org/auth')",
        "cave_magic.whoami(server='{}')",
        "cave_magic.check('{}')",
        "cave_magic.check(server='https://{}@cave.example.org')",
        "cave_magic.check(workers='{}')",
    ],
)
def test_a_token_that_is_typed_in_a_wrong_call_leaves_the_history(home, shell, run, call):
    """In any argument of a call that fails, and in the format of another server, a token is scrubbed."""
    ran = run(f"import cave_magic; {call.format(ZETTA)}")
    assert ran.error in ("BadInput", "NotAToken")
    assert ZETTA not in str(shell.history_manager.input_hist_raw) + ran.message
