"""The addresses that this computer uses for a host."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cave_magic.environment import name_lookup


@pytest.mark.parametrize(
    ("line", "is_named"),
    [
        ("10.0.0.1 Cave.Example.ORG other", True),
        ("10.0.0.1\tother\tcave.example.org # a comment", True),
        ("10.0.0.1 other # cave.example.org", False),
        ("10.0.0.1 www.cave.example.org", False),
        ("cave.example.org", False),
        ("", False),
    ],
)
def test_the_hosts_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, is_named: bool):
    """A host is in the file if a line has it after an address."""
    file = tmp_path / "hosts"
    file.write_text(f"127.0.0.1 localhost\n{line}\n")
    monkeypatch.setattr(name_lookup, "HOSTS_FILE", file)
    assert name_lookup.is_in_hosts_file("cave.example.org") is is_named


def test_a_missing_hosts_file_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Not every container has one."""
    monkeypatch.setattr(name_lookup, "HOSTS_FILE", tmp_path / "hosts")
    assert not name_lookup.is_in_hosts_file("cave.example.org")


@pytest.mark.parametrize(
    ("address", "private"),
    [("127.0.0.1", True), ("10.1.2.3", True), ("0.0.0.0", True), ("fe80::1", True), ("35.190.0.1", False)],
)
def test_an_address_that_no_public_server_has(monkeypatch: pytest.MonkeyPatch, address: str, private: bool):
    """Only a private address is returned."""
    found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: [found])
    assert name_lookup.private_address_of("cave.example.org") == (address if private else "")
