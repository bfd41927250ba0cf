"""What the documentation shows about each fault: `python tests/doctor/faults/recorded.py` writes `docs/faults.json`.

The test of each fault compares what `%cave_check` says with this record.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from cave_magic.api.urls import host_of, is_on_this_computer
from cave_magic.doctor.checks import network
from tests.doctor.faults.cases import CASES, Case
from tests.doctor.faults.table import plain_client, said_by
from tests.doctor.faults.world import World, from_nothing
from tests.support.shell import stay_on_this_computer

RECORD = Path(__file__).resolve().parents[3] / "docs" / "faults.json"
SERVER, DATA_SERVER = "https://global.daf-apis.com", "https://minnie.microns-daf.com"
"""Written in place of the practice server's addresses, since these are what people see and search for."""
LONGEST = 700
"""The characters of an error that are kept; the rest is a web page or a list."""

VARYING = {
    r"\bon \d+ [A-Z][a-z]+ at (?=\d\d:\d\d\b)": "at ",
    r"\b127\.0\.0\.1(?![:'\"\d])": host_of(SERVER),
    r"\bwithin \d+(\.\d+)? s\b": "within 3 s",
    r"\b(\d+\.\d+ s|\d+ ms)\b": "40 ms",
    r"\bat \d\d:\d\d\b( UTC\b)?": "at 14:05 UTC",
    r"\b\d+ [A-Z][a-z]+ 20\d\d\b": "27 November 2026",
    r"(ends in |…|^)[0-9a-f]{4}(?=$|\W)": r"\g<1>4f2a",
}
"""What differs from run to run, and what is written in its place."""


def steady(text: str, world: World) -> str:
    """A text in which everything that differs from run to run has the same name each time."""
    for ours, theirs in ((world.cave.server, SERVER), (world.cave.local_server, DATA_SERVER)):
        name, _, port = host_of(ours).partition(":")
        text = text.replace(ours, theirs).replace(f"{name}:{port}", host_of(theirs))
        text = text.replace(f"{name}_{port}_", f"{host_of(theirs)}_")
        text = re.sub(
            rf"HTTP(Connection\w*\(host=.){re.escape(name)}(.), port={port}",
            rf"HTTPS\1{host_of(theirs)}\2, port=443",
            text,
        )
    text = text.replace(str(world.home), "/home/ada").replace(world.token, "(your token)")
    for pattern, same in VARYING.items():
        text = re.sub(pattern, same, text)
    return text


def said(report: Any, case: Case, world: World) -> dict[str, Any]:
    """What `%cave_check` says about a fault: the evidence and the next step, as spans with their styles."""
    row = next(one for one in report.rows if one.id == case.row)
    next_step = row.next_step.line if row.next_step else ()
    return {
        "check": case.row,
        "status": case.status,
        "title": row.title,
        "found": _spans(row.found, world),
        "next": _spans(next_step, world),
    }


def _spans(line: Any, world: World) -> list[list[str]]:
    """The spans as they look: those that follow each other in one style are one."""
    alike = groupby(line, key=lambda span: span.style)
    return [["".join(steady(span.text, world) for span in spans), style] for style, spans in alike]


def of(case: Case) -> dict[str, Any]:
    """What is recorded about a fault, without what CAVEclient says about it."""
    record: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))["faults"][case.id]
    return {key: value for key, value in record.items() if key != "caveclient"}


def stand_for_real_ones(world: World) -> None:
    """The practice servers stand for servers elsewhere, where a connection ends for other reasons than on this computer."""
    own = {host_of(world.cave.server), host_of(world.cave.local_server)}
    world.patch.setattr(
        network, "is_on_this_computer", lambda url: host_of(url) not in own and is_on_this_computer(url)
    )


def main() -> None:
    """Causes every fault and writes what CAVEclient and `%cave_check` say about it."""
    logging.disable(logging.WARNING)
    faults = {}
    for case in CASES:
        with from_nothing() as world:
            world.patch.setattr("webbrowser.open", lambda *_, **__: True)
            stay_on_this_computer(world.patch)
            stand_for_real_ones(world)
            case.make(world)
            error = said_by(lambda world=world: plain_client(world), world, LONGEST)
            faults[case.id] = {"caveclient": steady(error, world), **said(world.check(), case, world)}
        print(case.id, flush=True)
    record = {"caveclient": version("caveclient"), "faults": faults}
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
