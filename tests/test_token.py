"""The token type, the token formats, and the forms in which people paste tokens."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import logging
import pickle
import string
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cave_magic.errors import NotAToken
from cave_magic.token import BASE64, HEX, PastedToken, Token, find_tokens, read_pasted

from .support.token_formats import JWT, make_jwt, registered

DIGITS = "0123456789abcdef"
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
OTHER = "00112233445566778899aabbccddeeff"
ZETTA = "qwERty7+uIopAsdFghJklZxcVbnM1/23456qwErtyuQ="

values = st.text(DIGITS, min_size=32, max_size=32)


def is_mixed(text: str) -> bool:
    """Whether a text has lower case, capitals and digits, as all but one in a thousand base64 tokens have."""
    return text.upper() != text != text.lower() and any(one.isdigit() for one in text)


anything = st.text(st.characters(codec="utf-8") | st.sampled_from("\x00\u200b\u202e\"'{}[]:=\\ \n\t"), max_size=80)


# ---------------------------------------------------------------- the type

SHOWN = {
    "repr": repr,
    "str": str,
    "percent": lambda token: f"{'%s %r'}" % (token, token),
    "format": lambda token: f"{token} {token!r} {token:>60}",
    "str.format": lambda token: str.format("{0} {0!r} {0!s:<50}", token),
    "list": lambda token: repr([token, {"a": token}, {token}]),
    "dataclass": lambda token: repr(PastedToken(token=token, description="laptop")),
    "asdict": lambda token: repr(dataclasses.asdict(PastedToken(token=token))),
    "vars": lambda token: repr([getattr(token, "__dict__", None), dir(token)]),
    "copies": lambda token: repr([copy.copy(token), copy.deepcopy([token])]),
}


@pytest.mark.parametrize("way", SHOWN)
def test_a_token_shows_at_most_its_last_four_characters(way):
    """However a token is turned into text, the text contains at most its ending."""
    text = SHOWN[way](Token(TOKEN))
    assert TOKEN[:28] not in text
    assert not any(TOKEN[start : start + 6] in text for start in range(26))


REFUSED = {
    "json": json.dumps,
    "json in a list": lambda token: json.dumps([token]),
    "join": lambda token: ", ".join([token]),
    "plus": lambda token: "token: " + token,
    "less": lambda token: token < Token(OTHER),
    "length": len,
    "bytes": bytes,
    "iter": list,
    "index": lambda token: token[0],
    "encode": lambda token: token.encode(),
    "attribute": lambda token: token.value,
    "assignment": lambda token: setattr(token, "other", 1),
    "change": lambda token: setattr(token, "_value", OTHER),
    "deletion": lambda token: delattr(token, "_value"),
    "state": lambda token: token.__getstate__(),
    "reduce": lambda token: token.__reduce__(),
    **{f"pickle {number}": lambda token, number=number: pickle.dumps([token], number) for number in range(6)},
}


@pytest.mark.parametrize("way", REFUSED)
def test_a_token_cannot_be_used_as_text(way):
    """Serialising, joining, ordering or changing a token raises an error that does not contain it."""
    with pytest.raises((TypeError, AttributeError)) as caught:
        REFUSED[way](Token(TOKEN))
    assert TOKEN not in str(caught.value)
    assert caught.value.__context__ is None or TOKEN not in str(caught.value.__context__)


def test_a_logged_token_is_masked(caplog):
    """A token that is logged, in the message or as an argument, is shown by its ending."""
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("some.program").debug("sent %s and %r", Token(TOKEN), [Token(TOKEN)])
    assert TOKEN not in caplog.text
    assert "ending in e1f0" in caplog.text


def test_a_traceback_with_locals_masks_the_token():
    """A traceback that quotes local variables contains the masked form."""
    import traceback

    def fail(token: Token) -> None:
        raise ValueError(f"no luck with {token}")

    with pytest.raises(ValueError, match="no luck") as caught:
        fail(Token(TOKEN))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "token = <Token ending in e1f0>" in shown
    assert f"Token({TOKEN}" not in shown


def test_a_short_or_odd_token_shows_nothing():
    """The ending is not shown if the value is too short or the ending is odd."""
    assert repr(Token("hunter2")) == "<Token>"
    assert repr(Token(TOKEN + "\n")) == "<Token>"
    assert repr(Token("x" * 30 + '"}')) == "<Token>"


@given(anything, anything)
def test_tokens_are_equal_exactly_when_their_values_are(one, other):
    """Equality and hash are those of the values, even for lone surrogates, and a token equals no string."""
    assert (Token(one) == Token(other)) == (one == other)
    assert (Token(one) != Token(other)) == (one != other)
    assert len({Token(one), Token(other)}) == len({one, other})
    assert Token(one) != one


@pytest.mark.parametrize(("one", "other"), [("\ud800", "?"), ("\ud800", "\ud801"), ("a", "a\0")])
def test_values_that_cannot_be_encoded_differ(one, other):
    """Characters that cannot be encoded do not make two values equal."""
    assert Token(one) != Token(other)


def test_a_token_is_a_string():
    """A number or bytes instead of a string raises an error that does not contain it."""
    for value in (int("1" * 32), TOKEN.encode(), None):
        with pytest.raises(TypeError) as caught:
            Token(value)  # type: ignore[arg-type]
        assert "1111" not in str(caught.value)
        assert "0f1e" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "oddity", "inside"),
    [
        (TOKEN, None, TOKEN),
        ("", "is empty", None),
        (TOKEN + "\n", "line break", TOKEN),
        (" " + TOKEN, "space", TOKEN),
        (f'"{TOKEN}"', "quotes", TOKEN),
        (f"\u201c{TOKEN}\u201d", "typographic", TOKEN),
        (f"Bearer {TOKEN}", "word before", TOKEN),
        (TOKEN.upper(), "capitals", TOKEN),
        (TOKEN[:31], "31 characters", None),
        ("your_token_here", "placeholder", None),
        (f'{{"token": "{TOKEN}"}}', "not 32", TOKEN),
        (f"{TOKEN} {OTHER}", "not 32", None),
        (ZETTA, None, ZETTA),
        (f"token={ZETTA}", "word before", ZETTA),
    ],
)
def test_odd_stored_tokens_are_described_and_read(value, oddity, inside):
    """An odd stored value is described without quoting it, and read as the token in it if there is just one."""
    token = Token(value)
    assert (token.oddity() is None) if oddity is None else (oddity in (token.oddity() or ""))
    assert TOKEN[:8] not in (token.oddity() or "")
    assert token.reads_as() == (Token(inside) if inside else None)


# ---------------------------------------------------------------- what people paste

FORMS: dict[str, Any] = {
    "bare": lambda t: t,
    "capitals": str.upper,
    "spaces": lambda t: f"  {t} \n",
    "quotes": lambda t: f'"{t}"',
    "single quotes": lambda t: f"'{t}'",
    "typographic quotes": lambda t: f"\u201c{t}\u201d",
    "backticks": lambda t: f"```\n{t}\n```",
    "invisible characters": lambda t: f"\ufeff{t[:7]}\u200b{t[7:]}\u2060",
    "bearer": lambda t: f"Bearer {t}",
    "header": lambda t: f"Authorization: Bearer {t}",
    "curl": lambda t: f'curl -H "Authorization: Bearer {t}" https://global.daf-apis.com/auth/api/v1/user/cache',
    "colon": lambda t: f"token: {t}",
    "assignment": lambda t: f'token = "{t}"',
    "object": lambda t: json.dumps({"token": t}),
    "object of the file": lambda t: json.dumps(
        {"token": t, "description": "x", "middle_auth_url": "https://a.example.org"}
    ),
    "object with more in its value": lambda t: json.dumps({"token": f"\ud800 {t} \u00e9"}),
    "list": lambda t: json.dumps([{"id": 3, "token": t, "created": "now", "last_used": None}]),
    "string": lambda t: json.dumps(t),
    "string in a string": lambda t: json.dumps(json.dumps(t)),
    "python object": lambda t: f"{{'token': '{t}'}}",
    "trailing comma": lambda t: f'{{"token": "{t}",}}',
    "fafbseg's sample": lambda t: f'{{"token: ""{t}"}}',
    "save_token": lambda t: f'client.auth.save_token(token="{t}", overwrite=True)',
    "magic": lambda t: f"%cave_save {t}",
    "address": lambda t: f"https://a.example.org/x?middle_auth_token={t}&middle_auth_url=b",
    "address, fragment": lambda t: f"https://a.example.org/x#token={t}",
    "quoted address": lambda t: f"https://a.example.org/x?token=%22{t}%22",
    "address in an address": lambda t: (
        f"https://hub.example.org/login?next={quote(f'/proxy/1/x?token={t}&a=b', safe='')}"
    ),
    "sentence": lambda t: f"Here is your token: {t}.",
    "two times": lambda t: f"{t}\n{t}",
}


MADE = {
    "HEX": values,
    "BASE64": st.binary(min_size=32, max_size=32).map(lambda raw: base64.b64encode(raw).decode()).filter(is_mixed),
    "JWT": st.integers(0, 99).map(make_jwt),
}


@pytest.mark.parametrize("kind", MADE)
@settings(max_examples=settings.default.max_examples // 4)  # each is pasted in every form
@given(data=st.data())
def test_a_token_is_found_in_every_form_of_paste(kind, data):
    """Whatever is around it, exactly the pasted token is found, in each format."""
    value = data.draw(MADE[kind])
    with registered():
        for form, around in FORMS.items():
            if form != "capitals" or kind == "HEX":
                assert [one.token for one in read_pasted(around(value))] == [Token(value)], form


@given(st.lists(values, min_size=2, max_size=5, unique=True))
def test_all_tokens_of_a_list_are_read_in_order(listed):
    """The JSON list of the tokens page gives each token once, in order, with its description."""
    text = json.dumps([{"token": value, "description": f"no. {value[:3]}"} for value in [*listed, listed[0]]])
    assert [(one.token, one.description) for one in read_pasted(text)] == [(Token(v), f"no. {v[:3]}") for v in listed]


@pytest.mark.parametrize(
    "address",
    ["https://a.example.org/sticky_auth/settings/tokens", "http://127.0.0.1:1/x?redirect=http://127.0.0.1:2/y"],
)
def test_an_address_without_a_token_is_called_one(address):
    """A person who pastes the address of the wrong page is not told about placeholders or characters."""
    with pytest.raises(NotAToken, match="it is an address without a token"):
        read_pasted(address)


@given(values, values)
def test_two_different_tokens_in_a_text_are_rejected(one, other):
    """A text with two tokens is ambiguous, and the error contains neither."""
    if one != other:
        with pytest.raises(NotAToken, match="contains 2 different tokens") as caught:
            read_pasted(f"old {one} new {other}")
        assert one not in str(caught.value)


@given(st.text(string.ascii_letters + string.digits + "+/=_-.%{}\"': \n", min_size=5, max_size=300))
def test_an_error_never_quotes_the_paste(text):
    """Whatever is wrong with a paste, the error quotes no part of it that is longer than a short word."""
    try:
        read_pasted(text)
    except NotAToken as error:
        parts = {part for at in range(len(text) - 7) if (part := text[at : at + 8]).strip() == part}
        said = str(error)
        assert not [part for part in parts if part in said]


@given(anything)
def test_any_text_gives_tokens_or_an_error(text):
    """No paste raises anything but `NotAToken`."""
    try:
        for one in read_pasted(text):
            assert one.token.can_be_sent
    except NotAToken as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TOKEN[:31], "31 characters"),
        (TOKEN + "0", "33 characters"),
        ("your_token", "placeholder"),
        ("<paste here>", "placeholder"),
        ('{"token": ""}', "empty"),
        ("[" * 100_000, "something else"),
        ("the quick brown fox jumps", "text without a token"),
        ('{"token": "' + TOKEN[:20] + '"}', "20 characters"),
    ],
)
def test_the_error_describes_what_is_odd(text, said):
    """The error distinguishes part of a token, a placeholder, a text and something else."""
    with pytest.raises(NotAToken, match=said):
        read_pasted(text)


@pytest.mark.parametrize("text", ["", "  ", '""', "\ufeff", " '' "])
def test_an_empty_paste_is_not_an_error(text):
    """An empty paste gives no token, so that the caller can cancel."""
    assert read_pasted(text) == []


def test_only_the_start_of_a_long_paste_is_read():
    """Megabytes in the clipboard are read quickly."""
    with pytest.raises(NotAToken):
        read_pasted("x y z " * 1_000_000)


# ---------------------------------------------------------------- formats


def test_tokens_that_stand_alone_are_found():
    """Every run of characters that is a token is found, in any case, but no longer or shorter run."""
    text = f"a={TOKEN}; b='{OTHER.upper()}' {TOKEN}0 {TOKEN[:31]} '{ZETTA}' x{ZETTA}"
    assert find_tokens(text) == [Token(TOKEN), Token(OTHER), Token(ZETTA)]
    assert find_tokens(text, [BASE64]) == [Token(ZETTA)]


def test_only_the_given_formats_are_read():
    """For a server with one format no other format is read, and the error describes the right one."""
    assert read_pasted(ZETTA, [BASE64]) == [PastedToken(token=Token(ZETTA))]
    with pytest.raises(NotAToken, match=r"a token is 32 hexadecimal characters \(0-9, a-f\); this is something else"):
        read_pasted(ZETTA, [HEX])
    with pytest.raises(NotAToken, match="a token is 44 base64 characters"):
        read_pasted(json.dumps({"token": TOKEN}), [BASE64])


def test_a_token_in_another_servers_format_is_odd():
    """A stored token is compared with the formats of its server."""
    assert Token(ZETTA).oddity([HEX]) == "is not 32 hexadecimal characters (0-9, a-f)"
    assert Token(ZETTA).oddity([HEX, BASE64]) is None
    assert Token(ZETTA[:-1]).oddity([BASE64]) is None
    assert Token(ZETTA[:-3]).oddity([BASE64]) == "has 41 characters, not 43 to 44"


def test_a_token_knows_its_format():
    """A token has the format that it matches exactly; if it is quoted, cut off or in capitals, it has none."""
    assert [Token(value).format for value in (TOKEN, ZETTA)] == [HEX, BASE64]
    assert {Token(value).format for value in (TOKEN.upper(), TOKEN[1:], f"'{TOKEN}'", "", make_jwt())} == {None}


def test_a_token_is_sent_as_its_format_says():
    """The header and the scheme come from the format; an odd token is sent as caveclient would send it."""
    plain = dataclasses.replace(JWT, scheme="")
    assert Token(TOKEN).headers == {"Authorization": f"Bearer {TOKEN}"}
    assert Token(TOKEN[1:]).headers == {"Authorization": f"Bearer {TOKEN[1:]}"}
    with registered():
        assert Token(make_jwt()).headers == {"X-Cave-Token": f"JWT {make_jwt()}"}
    with registered(plain):
        assert Token(make_jwt()).headers == {"X-Cave-Token": make_jwt()}


def test_a_format_says_how_much_of_an_ending_is_shown():
    """The ending has as many characters as the format shows, even none."""
    jwt = Token(make_jwt())
    with registered():
        assert repr(jwt) == f"<Token ending in {make_jwt()[-6:]}>"
    with registered(dataclasses.replace(JWT, shown=0)):
        assert repr(jwt) == "<Token>"


def test_a_token_inside_a_longer_one_is_not_found():
    """A part of a long token that matches a shorter format belongs to the long token."""
    head, claims, signature = make_jwt().split(".")
    tricky = f"{head}.{claims}-{TOKEN}-{claims}.{signature}"
    with registered():
        assert read_pasted(f"use '{tricky}'") == [PastedToken(token=Token(tricky))]
        assert find_tokens(f"{tricky} and {TOKEN}") == [Token(tricky), Token(TOKEN)]


def test_the_text_of_a_long_paste_is_searched_in_linear_time():
    """Long runs of letters that are not a token take no more time for each character than short ones."""
    with registered():
        for text in ("eyJ" * 60_000, "eyJaaaa." * 20_000, "a" * 200_000, ("Ab1" * 14 + "x") * 4000):
            start = time.process_time()
            assert find_tokens(text) == []
            assert time.process_time() - start < 5
