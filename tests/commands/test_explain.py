"""`%cave_check --explain CHECK`, and the ids that it takes."""

from __future__ import annotations

from typing import Any

import pytest

from cave_magic.doctor.checks import CHECKS
from cave_magic.doctor.reference import explanation, fix_of
from cave_magic.sandbox import Sandbox
from cave_magic.ui import door
from cave_magic.ui.document import plain_text


def test_each_check_is_explained_without_a_request(run: Any, set_up: str, cave: Sandbox):
    """The page has the name, the id if it differs, the meaning and the fix; no server is asked."""
    cave.clear_requests()
    for check in CHECKS:
        ran = run(f"%cave_check --explain {check.id}")
        words = " ".join(ran.out.split())
        assert ran.error == ""
        named = f"{check.title} ({check.id})" if check.title != check.id else check.title
        assert words.startswith(f"{named} What it means: ")
        assert check.explains in words
        assert plain_text(fix_of(check)) in words
    assert list(cave.requests) == []


def test_an_explanation_is_for_where_it_is_shown(monkeypatch: pytest.MonkeyPatch):
    """In a shell it names the program, no magic, and no kernel to restart after an installation."""
    monkeypatch.setattr(door, "_in_shell", True)
    for check in CHECKS:
        said = "\n".join(map(plain_text, explanation(check).blocks))
        assert not [word for word in ("%", "`", "{", "then restart the kernel") if word in said], said


def test_the_id_of_a_row_is_understood(run: Any):
    """An id with the name of a datastack is that of its check."""
    assert run("%cave_check --explain terms:minnie65_public").out == run("%cave_check --explain terms").out


@pytest.mark.parametrize(("typed", "hint"), [("tokens", "Did you mean token?"), ("zzzz", "There are: resources, ")])
def test_an_unknown_name_is_rejected(typed: str, hint: str, run: Any):
    """A name close to an id gets that id, any other the list; the name itself is not repeated."""
    ran = run(f"%cave_check --explain {typed}")
    assert ran.error == "BadInput"
    assert hint in ran.message
    assert "zzzz" not in ran.message


def test_verbose_names_the_ids(run: Any, set_up: str):
    """With -v each row has the id that --explain takes; without it, none has."""
    assert "stored token (token) " in run("%cave_check -v").out
    assert "stored token (token) " not in run("%cave_check").out
