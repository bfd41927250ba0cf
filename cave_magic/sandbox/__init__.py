"""A practice CAVE server on this computer, for learning, teaching and testing; needs `cave-magic[sandbox]`."""

from __future__ import annotations

from cave_magic.sandbox.accounts import Account
from cave_magic.sandbox.box import Record, Sandbox
from cave_magic.sandbox.faults import ESCAPES, MISBEHAVIOURS, SERVICES, UnknownMisbehaviour

__all__ = ["ESCAPES", "MISBEHAVIOURS", "SERVICES", "Account", "Record", "Sandbox", "UnknownMisbehaviour"]
