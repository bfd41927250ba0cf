"""The checks of this notebook, on facts alone."""

from __future__ import annotations

from dataclasses import replace

from cave_magic.credentials.scrub import Left
from cave_magic.doctor import healthy
from cave_magic.doctor.checks.notebook import CLIENTS, LEFT
from cave_magic.doctor.evidence import Machine, ServerFacts
from cave_magic.environment.caveclient_adapter import Client

from .facts import CHECK, MINE, Case, case, each, finding, shared

INPUTS = Left(place="this session's inputs", where="In[3]")
CLIENT, FLY = Client(variable="client", datastack="minnie65_public"), Client(variable="fly", datastack="")
AGAIN = 'from caveclient import CAVEclient; client = CAVEclient("minnie65_public")'
ELSEWHERE = Machine(
    datastack_map=replace(healthy.DATASTACK_MAP, entries={"minnie65_public": "https://old.example.org"})
)

CASES = [
    case("no token was left", LEFT, Machine(), "nothing"),
    case("a token was left in the session", LEFT, Machine(leftover_tokens=(INPUTS,)), "warning", "this session's inputs (In[3])", f"{CHECK} --fix"),
    case("three places are named", LEFT, Machine(leftover_tokens=(INPUTS,) * 2 + (Left(place="the notebook a.ipynb", where="cell 4"), Left(place="x", where="y"))), "warning", "In[3]); the notebook a.ipynb (cell 4)", f"{CHECK} --fix"),
    case("no client is old", CLIENTS, ServerFacts(), "nothing"),
    case("an old client", CLIENTS, ServerFacts(stale_clients=(CLIENT,)), "warning", "client was made with another token", AGAIN),
    case("two old clients", CLIENTS, ServerFacts(stale_clients=(CLIENT, FLY)), "warning", "client and fly were made", AGAIN),
    case("an old client without a datastack", CLIENTS, ServerFacts(stale_clients=(FLY,)), "warning", "fly was made", "from caveclient import CAVEclient; fly = CAVEclient()"),
    case("a client that would open elsewhere", CLIENTS, ServerFacts(machine=ELSEWHERE, stale_clients=(CLIENT,)), "warning", "client was", AGAIN[:-1] + ', server_address="https://global.daf-apis.com")'),
    case("a client of another server", CLIENTS, ServerFacts(target=MINE, stale_clients=(FLY,)), "warning", "fly was", 'from caveclient import CAVEclient; fly = CAVEclient(server_address="https://cave.example.org")'),
]  # fmt: skip


@each(CASES)
def test_the_notebook(case: Case):
    """Each check of the notebook says what the facts mean, and what to type."""
    case.holds()


def test_where_a_token_was_left_is_not_shared():
    """The name of a notebook is its person's own."""
    found = finding(LEFT, Machine(leftover_tokens=(Left(place="the notebook thesis.ipynb", where="cell 4"),)))
    assert found is not None
    assert "thesis" not in shared(found)
