"""The line below an error: a sample of the errors that `lines.py` causes, and the program itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import lines
from .lines import NONE, Variant
from .world import World

VARIANTS = lines.variants()
CELLS = [one for one in VARIANTS if one.name.startswith(("call:", "error:", "other:"))]
MISBEHAVING = [one for one in VARIANTS if one.name.startswith(("chunkedgraph", "response:"))]
FAULTS = ("no token", "bare token", "a line break after it", "token deleted", "terms not accepted", "misspelled datastack",
          "redirect to a portal", "server down", "the map is a list")  # fmt: skip
ALONE = [one for one in VARIANTS if one.name in map("fault: {}".format, FAULTS) or one.name.startswith("network:")]
UNCLEAR = {"chunkedgraph garbage", "chunkedgraph truncated"}
"""Responses whose error differs between versions of caveclient."""


WORKER = """
from caveclient import CAVEclient
from tblib import Traceback
try:
    CAVEclient("secret_ds", server_address={server!r})
except Exception as error:
    copy = type(error)(str(error))
    copy.__traceback__ = Traceback(error.__traceback__).as_traceback()
    error = None
raise copy
"""


@pytest.fixture
def provoked(world: World, monkeypatch: pytest.MonkeyPatch):
    """Causes the error of a variant, and says whether its line is right."""
    lines.calm(world)

    def provoke(variant: Variant) -> None:
        shown = lines.shown(variant, world)
        world.cave.behave()
        world.argument = ""
        for close in world.closing:
            close()
        assert shown.verdict == ("left alone" if variant.says == NONE else "right"), str(shown)

    return provoke


def test_an_error_that_comes_from_another_process_names_its_datastack(world: World):
    """Dask sends the traceback with the error, without the variables of its frames."""
    pytest.importorskip("tblib")
    lines.calm(world)
    cell = WORKER.format(server=world.cave.server)
    assert "permission to view secret_ds" in (out := " ".join(world.run(cell).out.split()))
    assert "To see why: %cave_check secret_ds" in out


def test_every_wrong_call_and_every_way_of_an_error_gets_its_line(provoked):
    """Wrapped, raised in a thread, in a group, or of another package: each error has its line, or none."""
    for variant in CELLS:
        if variant.says != lines.ANY:
            provoked(variant)


def test_every_response_gets_its_line(provoked):
    """Whatever a service returns, the line says what that proves."""
    for variant in MISBEHAVING:
        if " ".join(variant.name.split(" ")[:2]).rstrip(":") not in UNCLEAR:
            provoked(variant)


@pytest.mark.parametrize("variant", ALONE, ids=lambda variant: variant.name)
def test_a_fault_of_the_computer_gets_its_line(provoked, variant: Variant):
    """Files, proxies and servers that are broken as a whole."""
    provoked(variant)


def test_the_program_prints_a_table_with_totals():
    """Each variant has its error, its line and a verdict; words choose among them."""
    program = Path(lines.__file__)
    done = subprocess.run(
        [sys.executable, str(program), "call:", "secret_ds"], capture_output=True, text=True, timeout=120, check=True
    )
    assert "| your account has no permission to view secret_ds." in done.stdout
    assert done.stdout.splitlines()[-1] == "1 variants: 1 right"


def test_a_line_that_is_wrong_is_called_so():
    """The judge can fail: another line, a line where none belongs, and two lines too many."""
    variant = Variant(name="x", cell="x", says="the server is down")
    assert lines.verdict(variant, "Error", "the server is down. To see why", 1) == "right"
    assert lines.verdict(variant, "Error", "your token is bad", 1) == "wrong"
    assert lines.verdict(Variant(name="x", cell="x", says=NONE), "Error", "anything", 1) == "wrong"
    assert lines.verdict(variant, "Error", "", 0) == "left alone"
    assert lines.verdict(variant, "", "", 0) == "wrong: no error"
