"""A self-signed certificate for a practice server."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cave_magic.sandbox.wire import HOST

_CERTIFICATE, _KEY = "certificate.pem", "key.pem"
_DAYS = 2


def context(folder: Path) -> ssl.SSLContext:
    """The TLS context of a server, with what `self_signed` created in `folder`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / _CERTIFICATE, folder / _KEY)
    return made


def self_signed(folder: Path, hosts: Sequence[str]) -> Path:
    """Creates a certificate for 127.0.0.1 and `hosts`, and its key, in `folder`. Returns the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "practice CAVE server")])
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    names = [x509.IPAddress(ipaddress.ip_address(HOST)), *map(x509.DNSName, ("localhost", *hosts))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / _CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / _KEY).write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))
    return folder / _CERTIFICATE
