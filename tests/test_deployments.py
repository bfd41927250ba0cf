"""Which server an address or a datastack refers to."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cave_magic.credentials.datastack_map import MAP_NAME
from cave_magic.credentials.target import Settings, find_target
from cave_magic.deployments import (
    DEFAULT_SERVER,
    DEPLOYMENTS,
    KNOWN_DATASTACKS,
    KNOWN_SERVERS,
    Deployment,
    check_address,
    contact_of,
    datastack_for,
    deployment_of,
    formats_of,
    local_servers_of,
    where_to_ask,
)
from cave_magic.errors import BadInput
from cave_magic.token import BASE64, HEX, formats
from cave_magic.ui.document import is_web_address

from .support.token_formats import JWT, registered

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.mark.parametrize(
    "address",
    [*KNOWN_SERVERS, "http://127.0.0.1:8900", "http://localhost:1", "http://[::1]:8000", "https://a_b.example.org"],
)
def test_a_normalized_address_is_not_changed(address):
    """An address with a scheme and a host only is normalized."""
    assert check_address(address) == address


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("https://GLOBAL.daf-apis.com/", DEFAULT_SERVER),
        (" https://global.daf-apis.com:443 ", DEFAULT_SERVER),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("HTTPS://cave.example.org", "https://cave.example.org"),
    ],
)
def test_capitals_spaces_slashes_and_default_ports_do_not_matter(typed, meant):
    """Equivalent addresses are normalized."""
    assert check_address(typed) == meant


@pytest.mark.parametrize(
    ("typed", "problem", "meant"),
    [
        ("global.daf-apis.com", "does not begin with https://", DEFAULT_SERVER),
        ("localhost:8900", "does not begin with http://", "http://localhost:8900"),
        ("127.0.0.1:8900", "does not begin with http://", "http://127.0.0.1:8900"),
        ("http://global.daf-apis.com", "requires https://", DEFAULT_SERVER),
        ("ftp://cave.example.org", "does not begin with https://", "https://cave.example.org"),
        ("https://minnie.microns-daf.com", "data server", DEFAULT_SERVER),
        ("https://data.proofreading.zetta.ai", "data server", "https://proofreading.zetta.ai"),
        ("https://global.daf-apis.com/auth", "something after the host", DEFAULT_SERVER),
        ("https://cave.example.org/?token=1", "something after the host", "https://cave.example.org"),
        ("https://ada:pw@cave.example.org", "user name or password", "https://cave.example.org"),
        ("https://ada:pw@global.daf-apis.com/x", "user name or password", DEFAULT_SERVER),
        ("https://global.daf-apis.com@evil.org", "user name or password", "https://evil.org"),
    ],
)
def test_the_error_about_an_address_has_the_correct_one(typed, problem, meant):
    """The error says what is wrong and which address was meant."""
    with pytest.raises(BadInput, match=f"{re.escape(problem)}.*Use {re.escape(meant)}$"):
        check_address(typed)


@pytest.mark.parametrize(
    "typed", ["", "   ", "what is this", "https://", "https://[", "https://a b", "http://x:99999999", "/etc"]
)
def test_the_error_about_another_text_shows_an_example(typed):
    """The error shows an example."""
    with pytest.raises(BadInput, match=re.escape(DEFAULT_SERVER)):
        check_address(typed)


@pytest.mark.parametrize(
    ("name", "server"),
    [
        *(
            (name, DEFAULT_SERVER)
            for name in ("microns", "MICrONS", "microsn", "flywire", "fly_wire", "banc", "FANC", "minnie65_publc")
        ),
        *((name, "https://global.em.brain.allentech.org") for name in ("v1dd", "V1DD", "v1dd_public")),
        *((name, "https://global.brain-wire-test.org") for name in ("h01", "fish1", "h01_c3_flatt")),
        *((name, "https://proofreading.zetta.ai") for name in ("zetta", "zeta", "kronauer_ants")),
    ],
)
def test_the_name_of_a_deployment_suggests_its_address(name, server):
    """For the name of a deployment, even misspelled, the error suggests the address of its server."""
    with pytest.raises(BadInput, match=f"^this is a name, not an address. Use {re.escape(server)}$"):
        check_address(name)


@pytest.mark.parametrize(
    "word",
    [
        "and",
        "And",
        "or",
        "the",
        "fish",
        "fancy",
        "fan",
        "bank",
        "ban",
        "server",
        "public",
        "brain",
        "ant",
        "test",
        "h02",
        "v2dd",
        "global",
        "cave",
    ],
)
def test_another_word_suggests_no_address(word):
    """For another word the error suggests no server."""
    with pytest.raises(BadInput, match=r"^this is not a server address\. An address looks like this"):
        check_address(word)


@given(st.text(max_size=60))
def test_any_text_gives_a_normalized_address_or_an_error(text):
    """Whatever is typed, the result has a scheme and a host only, without token or password."""
    try:
        address = check_address(text)
    except BadInput as error:
        address = str(error).rpartition(" ")[2]  # what it says to use
    assert re.fullmatch(r"https?://(?:\[[0-9a-f:]+\]|[0-9a-z_.-]+)(?::\d+)?", address)
    assert check_address(address) == address or address in ("http://", "https://")


@pytest.mark.parametrize("typed", [TOKEN, f"https://cave.example.org/{TOKEN}", f"https://{TOKEN}@cave.example.org"])
def test_a_token_in_place_of_an_address_is_not_repeated(typed):
    """The error about an address never contains a token that was pasted there."""
    with pytest.raises(BadInput) as caught:
        check_address(typed)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("datastack", "configured", "remembered", "server"),
    [
        ("v1dd", "https://a.org", {"v1dd": "https://b.org"}, "https://a.org"),
        ("v1dd", "", {"v1dd": "https://b.org"}, "https://b.org"),
        ("v1dd", "x y", {"v1dd": "https://b.org"}, "https://b.org"),
        ("v1dd", "", {"v1dd": ""}, "https://global.em.brain.allentech.org"),
        ("v1dd", "", {"v1dd": 5}, "https://global.em.brain.allentech.org"),
        ("kronauer_ant", "", {}, "https://proofreading.zetta.ai"),
        ("nobody_knows", "", {}, DEFAULT_SERVER),
    ],
)
def test_the_server_of_a_datastack_has_an_order_of_sources(secrets, datastack, configured, remembered, server):
    """The setting comes before the datastack map, then the known deployments, then the default server."""
    (secrets / MAP_NAME).write_text(json.dumps(remembered))
    assert find_target(datastack, settings=Settings(server=configured)).server == server


def test_the_default_datastack_of_a_server_is_its_own():
    """The preferred datastack is used unless it is known to be on another server."""
    assert datastack_for(DEFAULT_SERVER, "minnie65_public") == "minnie65_public"
    assert datastack_for("https://proofreading.zetta.ai", "minnie65_public") == "kronauer_ant"
    assert datastack_for("https://cave.example.org", "minnie65_public") == "minnie65_public"
    assert datastack_for("https://cave.example.org", "mine") == "mine"


def test_the_deployments_are_consistent():
    """Every datastack is on one server, every address is normalized, no data server is a global server."""
    assert len(KNOWN_DATASTACKS) == len(set(KNOWN_DATASTACKS))
    for one in DEPLOYMENTS:
        assert check_address(one.server) == one.server
        assert all(deployment_of(name) is one for name in one.datastacks)
        assert set(one.local_servers) <= set(local_servers_of(one.server))
        assert not set(one.local_servers) & set(KNOWN_SERVERS)


def test_token_formats_are_those_of_the_deployments():
    """A known server has the formats of its deployments, all of them registered; another server may have any."""
    assert formats_of(DEFAULT_SERVER) == (HEX,)
    assert formats_of("https://proofreading.zetta.ai") == (HEX, BASE64)
    assert {one for deployment in DEPLOYMENTS for one in deployment.formats} <= set(formats())
    with registered():
        assert set(formats_of("https://cave.example.org")) == {JWT, *formats()}
        assert formats_of(DEFAULT_SERVER) == (HEX,)


@pytest.mark.parametrize(
    ("datastack", "host", "place"),
    [
        ("flywire_fafb_production", "global.daf-apis.com", "flywire@princeton.edu"),
        ("brain_and_nerve_cord", "global.daf-apis.com", "https://flywire.ai/banc"),
        ("minnie65_phase3_v1", "global.daf-apis.com", ""),
        ("flywire_fafb_production", "127.0.0.1:8900", ""),
        ("unknown", "prod.flywire-daf.com", "flywire@princeton.edu"),
    ],
)
def test_permissions_are_asked_for_where_their_project_says(datastack: str, host: str, place: str):
    """The place is the project's own, and only on its own server."""
    assert where_to_ask(datastack, host) == place


def test_a_shared_server_has_no_contact_of_one_of_its_projects():
    """FlyWire does not answer for MICrONS, which is on the same server."""
    assert contact_of("global.daf-apis.com") == ""
    assert contact_of("prod.flywire-daf.com") == "flywire@princeton.edu"


@pytest.mark.parametrize("one", [one for one in DEPLOYMENTS if one.access], ids=lambda one: one.name)
def test_pages_where_people_ask_for_access_can_be_links(one: Deployment):
    """They are addresses without anything odd."""
    assert is_web_address(one.access)
