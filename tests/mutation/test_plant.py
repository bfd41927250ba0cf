"""The table of defects: each can still be planted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from .plant import DEFECTS, ROOT, CannotBePlanted, planted

PACKAGE = ROOT / "cave_magic"


def test_each_defect_can_be_planted():
    """Each function and text of the table occurs once in the package."""
    for defect in DEFECTS:
        path, text = planted(PACKAGE, defect)
        assert text != Path(path).read_text(encoding="utf-8")


@pytest.mark.parametrize("change", [{"where": "token:gone"}, {"old": "gone"}, {"where": "gone:__repr__"}])
def test_an_outdated_defect_is_an_error(change: dict[str, str]):
    """A defect that no longer applies is an error, and does not count as caught."""
    with pytest.raises(CannotBePlanted):
        planted(PACKAGE, replace(DEFECTS[0], **change))
