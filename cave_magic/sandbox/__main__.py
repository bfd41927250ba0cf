"""`python -m cave_magic.sandbox`."""

from __future__ import annotations

import sys

from cave_magic.sandbox.cli import main

sys.exit(main())
