"""IPython magics for access to CAVE connectomics data: set it up in one line, find what is wrong with it."""

from __future__ import annotations

__version__ = "0.1.0"
