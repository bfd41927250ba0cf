"""What the messages of failed imports say, as patterns, and which modules they can be about.

Source of the messages: CPython 3.10 to 3.13, numpy 1 and 2, and the dynamic linkers of Linux, macOS and Windows.
"""

from __future__ import annotations

import re

REMOVED = frozenset(
    (
        "aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr", "imp",
        "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd", "sunau",
        "telnetlib", "uu", "xdrlib",
    )
)  # fmt: skip
"""Modules that Python 3.12 and 3.13 no longer have."""
OTHER_NAMES = {
    "attr": "attrs", "_cffi_backend": "cffi", "dateutil": "python-dateutil", "pkg_resources": "setuptools<81",
    "cloudvolume": "cloud-volume", "cloudfiles": "cloud-files", "google": "protobuf", "rpds": "rpds-py",
    "yaml": "pyyaml", "OpenSSL": "pyopenssl", "socks": "pysocks", "IPython": "ipython",
}  # fmt: skip
"""Modules whose distribution has another name."""
NO_MODULE = re.compile(r"No module named '?([\w.]+)")
NO_NAME = re.compile(r"cannot import name '\w+' from (?:partially initialized module )?'([\w.]+)'")
NO_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute")
ABI = re.compile(
    r"(\w+)\.\w+ size changed|compiled (?:against|using) (?:ABI|API|NumPy)|_ARRAY_API not found"
    r"|multiarray failed to import|undefined symbol: \w*(?:Py|_npy)|Symbol not found: _+Py"
)
LIBRARY = re.compile(
    r"version [`']?((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)|(lib[\w.+-]+\.so[\w.]*): cannot open|Library not loaded: (\S+)"
    r"|(DLL) load failed"
)
