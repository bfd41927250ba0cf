"""A practice CAVE server on this computer, for learning, teaching and testing; needs `cave-magic[sandbox]`."""

from __future__ import annotations

from cave_magic.sandbox.faults import ESCAPES, MISBEHAVIOURS, SERVICES, UnknownMisbehaviour
from cave_magic.sandbox.people import Account
from cave_magic.sandbox.request_log import Record
from cave_magic.sandbox.server import Sandbox

__all__ = ["ESCAPES", "MISBEHAVIOURS", "SERVICES", "Account", "Record", "Sandbox", "UnknownMisbehaviour"]
