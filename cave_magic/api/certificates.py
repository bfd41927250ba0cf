"""What a server's certificate says: its names, its issuer, and when it is valid."""

from __future__ import annotations

import ssl
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..ui.redact import Untrusted

MOST_NAMES = 4
"""How many of its names are kept: the certificate of a content delivery network may have hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate that was not verified: do not trust any of its texts.

    Attributes:
        names: the hosts that it is for.
        issuer: the organisation or the name of whoever signed it.
        is_self_signed: whether its owner signed it.
        valid_from, valid_until: in seconds since 1970.
    """

    names: tuple[Untrusted, ...]
    issuer: Untrusted
    is_self_signed: bool
    valid_from: float
    valid_until: float


def certificate_in(der: bytes) -> Certificate | None:
    """The certificate in its binary form (DER); None if it cannot be read.

    Python decodes only certificates that it trusts, except with the function that its own tests use (3.10 to 3.14).
    """
    with suppress(Exception):  # no folder for temporary files, or a certificate that OpenSSL cannot read
        import _ssl

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "certificate.pem")
            path.write_text(ssl.DER_cert_to_PEM_cert(der))
            decoded: dict[str, Any] = _ssl._test_decode_cert(str(path))  # type: ignore[attr-defined]
        subject, issuer = _parts(decoded["subject"]), _parts(decoded["issuer"])
        names = [name for _, name in decoded.get("subjectAltName", ())] or [subject.get("commonName", "")]
        return Certificate(
            names=tuple(Untrusted(name) for name in names[:MOST_NAMES]),
            issuer=Untrusted(issuer.get("organizationName") or issuer.get("commonName", "")),
            is_self_signed=decoded["subject"] == decoded["issuer"],
            valid_from=float(ssl.cert_time_to_seconds(decoded["notBefore"])),
            valid_until=float(ssl.cert_time_to_seconds(decoded["notAfter"])),
        )
    return None


def _parts(name: tuple[tuple[tuple[str, str], ...], ...]) -> dict[str, str]:
    return {key: value for part in name for key, value in part}
