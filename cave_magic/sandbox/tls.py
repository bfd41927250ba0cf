"""A self-signed certificate for a practice server, created with `cryptography` or the `openssl` command."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cave_magic.sandbox.wire import HOST

_CERTIFICATE, _KEY = "certificate.pem", "key.pem"
_DAYS = 2


class NoCertificate(RuntimeError):
    """Neither `cryptography` nor `openssl` is installed, or openssl failed."""


def self_signed(folder: Path, hosts: Sequence[str] = ()) -> Path:
    """Creates a certificate for 127.0.0.1 and `hosts`, and its key, in `folder`. Returns the certificate's file.

    Raises NoCertificate without the `cryptography` package and the `openssl` command.
    """
    try:
        _with_cryptography(folder, ("localhost", *hosts))
    except ImportError:
        _with_openssl(folder, ("localhost", *hosts))
    return folder / _CERTIFICATE


def context(folder: Path) -> ssl.SSLContext:
    """The TLS context of a server, with what `self_signed` created in `folder`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / _CERTIFICATE, folder / _KEY)
    return made


def _with_openssl(folder: Path, hosts: Sequence[str]) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise NoCertificate("https needs a certificate: install the package `cryptography` or the command `openssl`")
    names = ",".join(f"DNS:{host}" for host in hosts)
    command = [program, "req", "-x509", "-nodes", "-days", str(_DAYS), "-newkey", "ec"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-subj", "/CN=practice CAVE server", "-addext", f"subjectAltName=IP:{HOST},{names}"]
    command += ["-keyout", str(folder / _KEY), "-out", str(folder / _CERTIFICATE)]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - a fixed command
    except subprocess.CalledProcessError as failed:
        raise NoCertificate(f"openssl made no certificate: {failed.stderr.decode(errors='replace')}") from failed


def _with_cryptography(folder: Path, hosts: Sequence[str]) -> None:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "practice CAVE server")])
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    names = [x509.IPAddress(ipaddress.ip_address(HOST)), *map(x509.DNSName, hosts)]
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
