"""The checks of this notebook, on facts alone."""

from __future__ import annotations

from dataclasses import replace

from cave_magic.credentials.scrub import LeftoverToken
from cave_magic.doctor import healthy
from cave_magic.doctor.checks.notebook import CLIENTS, LEFT
from cave_magic.doctor.evidence import Machine, ServerFacts
from cave_magic.environment.caveclient_adapter import Client

from .facts import MINE, Case, case, each, finding, shared

INPUTS = LeftoverToken(found_in="this session's inputs", details="In[3]")
CLIENT, FLY = Client(variable="client", datastack="minnie65_public"), Client(variable="fly", datastack="")
AGAIN = 'from caveclient import CAVEclient; client = CAVEclient("minnie65_public")'
ELSEWHERE = Machine(
    datastack_map=replace(healthy.DATASTACK_MAP, entries={"minnie65_public": "https://old.example.org"})
)

CASES = [
    case("no token was left", LEFT, Machine(), "nothing"),
    case("a token was left in the session", LEFT, Machine(leftover_tokens=(INPUTS,)), "warning", "this session's inputs (In[3])", fix="left"),
    case("three places are named", LEFT, Machine(leftover_tokens=(INPUTS,) * 2 + (LeftoverToken(found_in="the notebook a.ipynb", details="cell 4"), LeftoverToken(found_in="x", details="y"))), "warning", "In[3]); the notebook a.ipynb (cell 4)", fix="left"),
    case("no client is old", CLIENTS, ServerFacts(), "nothing"),
    case("an old client", CLIENTS, ServerFacts(stale_clients=(CLIENT,)), "warning", "client was created with a token other", AGAIN),
    case("two old clients", CLIENTS, ServerFacts(stale_clients=(CLIENT, FLY)), "warning", "client and fly were created", AGAIN),
    case("an old client without a datastack", CLIENTS, ServerFacts(stale_clients=(FLY,)), "warning", "fly was created", "from caveclient import CAVEclient; fly = CAVEclient()"),
    case("a client that would open elsewhere", CLIENTS, ServerFacts(machine=ELSEWHERE, stale_clients=(CLIENT,)), "warning", "client was", AGAIN[:-1] + ', server_address="https://global.daf-apis.com")'),
    case("a client of another server", CLIENTS, ServerFacts(target=MINE, stale_clients=(FLY,)), "warning", "fly was", 'from caveclient import CAVEclient; fly = CAVEclient(server_address="https://cave.example.org")'),
]  # fmt: skip


@each(CASES)
def test_the_notebook(case: Case):
    """Each check of the notebook gives the expected finding."""
    case.run()


def test_where_a_token_was_left_is_not_shared():
    """The name of a notebook is private."""
    found = finding(
        LEFT, Machine(leftover_tokens=(LeftoverToken(found_in="the notebook thesis.ipynb", details="cell 4"),))
    )
    assert found is not None
    assert "thesis" not in shared(found)
