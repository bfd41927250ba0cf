"""Oddities in the notebook's history: the last error, old clients, strange variables. None of them breaks access."""

from __future__ import annotations

from functools import partial

from .registry import fault
from .world import World

CELLS = {
    "a plain error": "1/0",
    "an exit": "raise SystemExit(3)",
    "an interrupt": "raise KeyboardInterrupt",
    "an error without text": "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E()",
    "an endless text": "raise ValueError('x' * 3_000_000)",
    "an error in a circle": "e = ValueError('a'); f = ValueError('b'); e.__cause__ = f; f.__context__ = e\nraise e",
    "an error with odd arguments": "raise OSError(b'\\xff', object(), None)",
    "escapes": "raise ValueError('\\x1b]0;t\\x07\\x1b[2J<script>alert(1)</script>[/auth] \\u202e')",
    "a group": "from requests import HTTPError\nraise HTTPError('401 Client Error', response=5)",
    "a response without a request": "import requests\nraise requests.HTTPError('x', response=requests.Response())",
    "a JSON error": "import json\njson.loads('<html>')",
    "a Unicode error": "'\\ud800'.encode()",
    "a syntax error": "def (:",
    "recursion": "def f(): f()\nf()",
}

VARIABLES = {
    "raises": "class V:\n    def __getattr__(self, name): raise RuntimeError('no')\n    __repr__ = None\nv = V()",
    "claims a class": "class V:\n    @property\n    def __class__(self): raise SystemExit\nv = V()",
    "is equal to all": "class V:\n    def __eq__(self, other): return True\n    __hash__ = None\nv = V()",
    "is never a truth value": "class V:\n    def __bool__(self): raise ValueError('ambiguous')\nv = V()",
    "is huge": "v = list(range(300_000))",
    "has an odd name": "globals()['a b'] = 1; globals()[''] = 2",
    "is called open": "open = print = len = str = dict = None",
    "is called caveclient": "caveclient = cave_magic = requests = json = os = 5",
    "is called In": "In = Out = _ih = _oh = _dh = None",
    "is a module that lies": "import types, sys\nv = types.ModuleType('v'); v.__dict__['__class__'] = 5",
}

RUN = {
    "warnings are errors": "import warnings; warnings.simplefilter('error')",
    "a timeout for all sockets": "import socket; socket.setdefaulttimeout(0.5)",
    "few recursions": "import sys; sys.setrecursionlimit(220)",
    "all is logged": "import logging; logging.basicConfig(level=1); logging.getLogger().setLevel(1)",
    "no logging": "import logging; logging.disable(50); logging.raiseExceptions = False",
    "a random seed": "import random; random.seed(1)",
    "another folder": "import os; os.chdir('/')",
    "the working folder is gone": "import os, tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
    "a strict umask": "import os; os.umask(0o777)",
    "an open umask": "import os; os.umask(0)",
    "no garbage collection": "import gc; gc.disable()",
    "a tracer": "import sys; sys.setprofile(lambda *a: None)",
    "a German locale": "import locale; locale.setlocale(locale.LC_ALL, '')",
    "an old client": "from caveclient import CAVEclient",
    "a stopped clock": "import time; time.time = lambda t=time.time(): t",
    "a clock years off": "import time; time.time = lambda r=time.time: r() - 10**9",
}


def _types(kind: str, cells: dict[str, str]) -> None:
    """Registers a fault for each cell, which each kernel runs first."""
    for name, cell in cells.items():
        make = partial(lambda world, cell: world.begins.append(partial(world.type, cell)), cell=cell)
        fault("history", f"{kind}={name}", place=kind)(make)


_types("last error", CELLS)
_types("variable", VARIABLES)
_types("ran", RUN)


@fault("history", "client=with an old token", place="client")
def _old_client(world: World) -> None:
    """A client keeps the token with which it was made; a check says so, and it is green."""
    old = world.cave.new_token("ada")

    def begin() -> None:
        world.shell.user_ns["old"] = old
        world.type("from caveclient import CAVEclient")
        world.type(f"client = CAVEclient(server_address='{world.cave.server}', auth_token=old)")

    world.begins.append(begin)


@fault("history", "client=of another server", place="client")
def _other_client(world: World) -> None:
    """A client of another server is not this server's."""
    begin = "from caveclient import CAVEclient; c = CAVEclient(server_address='https://example.org', auth_token='x')"
    world.begins.append(lambda: world.type(begin))
