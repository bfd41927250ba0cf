"""The command line of the practice server."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence

from cave_magic.sandbox.box import Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Start a practice server until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m cave_magic.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8900)
    options = parser.parse_args(arguments)
    with Sandbox(port=options.port) as cave:
        print(f"A practice CAVE server listens at {cave.server}")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()
    return 0
