"""The one type that holds a token, and the forms in which people paste one."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cave_magic.credentials import scrub
from cave_magic.errors import NotAToken
from cave_magic.token import PastedToken, Token, read_pasted, tokens_in, typed_secrets, unusual_token

HEX = "0123456789abcdef"
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
OTHER = "00112233445566778899aabbccddeeff"
ZETTA = "qwERty7+uIopAsdFghJklZxcVbnM1/23456qwErtyuQ="

values = st.text(HEX, min_size=32, max_size=32)
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
    """However a token is turned into text, the text has its ending at most."""
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
def test_what_would_need_the_text_of_a_token_fails_without_showing_it(way):
    """Serialising, joining, comparing by size or changing a token is an error whose message does not have it."""
    with pytest.raises((TypeError, AttributeError)) as caught:
        REFUSED[way](Token(TOKEN))
    assert TOKEN not in str(caught.value)
    assert caught.value.__context__ is None or TOKEN not in str(caught.value.__context__)


def test_a_logged_token_is_masked(caplog):
    """A token given to logging, in the message or as an argument, is shown by its ending."""
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("some.program").debug("sent %s and %r", Token(TOKEN), [Token(TOKEN)])
    assert TOKEN not in caplog.text
    assert "ending in e1f0" in caplog.text


def test_a_traceback_with_locals_masks_it():
    """A traceback that quotes local variables has the masked form."""
    import traceback

    def fail(token: Token) -> None:
        raise ValueError(f"no luck with {token}")

    with pytest.raises(ValueError, match="no luck") as caught:
        fail(Token(TOKEN))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "token = <Token ending in e1f0>" in shown
    assert f"Token({TOKEN}" not in shown


def test_a_short_or_odd_token_shows_nothing_of_itself():
    """Of a value too short to be a token, or with an odd ending, not even the ending is shown."""
    assert repr(Token("hunter2")) == "<Token>"
    assert repr(Token(TOKEN + "\n")) == "<Token>"
    assert repr(Token("x" * 30 + '"}')) == "<Token>"


@given(anything, anything)
def test_tokens_are_equal_exactly_when_their_values_are(one, other):
    """Comparison and hash are those of the values, also for lone surrogates, and a token equals no string."""
    assert (Token(one) == Token(other)) == (one == other)
    assert (Token(one) != Token(other)) == (one != other)
    assert len({Token(one), Token(other)}) == len({one, other})
    assert Token(one) != one


@pytest.mark.parametrize(("one", "other"), [("\ud800", "?"), ("\ud800", "\ud801"), ("a", "a\0")])
def test_odd_values_are_told_apart(one, other):
    """Characters that cannot be encoded do not make two values equal."""
    assert Token(one) != Token(other)


def test_a_token_is_made_of_text_only():
    """A number or bytes in place of the text is refused at once, unnamed."""
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
        (ZETTA, "not 32", None),
    ],
)
def test_a_stored_oddity_is_named_and_the_token_inside_found(value, oddity, inside):
    """An odd stored value is described without itself, and read as the one usual token in it, if there is just one."""
    token = Token(value)
    assert (token.oddity is None) if oddity is None else (oddity in (token.oddity or ""))
    assert TOKEN[:8] not in (token.oddity or "")
    assert token.reads_as == (Token(inside) if inside else None)


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
    "sentence": lambda t: f"Here is your token: {t}.",
    "two times": lambda t: f"{t}\n{t}",
}


@pytest.mark.parametrize("form", FORMS)
@given(value=values)
def test_a_token_is_found_in_every_form_of_paste(form, value):
    """Whatever stands around it, exactly the one token that was pasted comes out."""
    assert [one.token for one in read_pasted(FORMS[form](value))] == [Token(value)]


@given(st.lists(values, min_size=2, max_size=5, unique=True))
def test_a_list_gives_all_of_its_tokens_in_order(listed):
    """The JSON list of the tokens page gives each token once, in its order, with its description."""
    text = json.dumps([{"token": value, "description": f"no. {value[:3]}"} for value in [*listed, listed[0]]])
    assert [(one.token, one.description) for one in read_pasted(text)] == [(Token(v), f"no. {v[:3]}") for v in listed]


@given(values, values)
def test_two_different_tokens_in_a_text_are_refused(one, other):
    """A text with two tokens does not say which is meant, and the complaint has neither."""
    if one != other:
        with pytest.raises(NotAToken, match="2 different tokens") as caught:
            read_pasted(f"old {one} new {other}")
        assert one not in str(caught.value)


@given(st.text(string.ascii_letters + string.digits + "+/=_-.%{}\"': \n", min_size=5, max_size=300))
def test_a_complaint_never_contains_what_was_pasted(text):
    """Whatever is wrong with a paste, no part of it longer than a short word stands in the sentence about it."""
    try:
        read_pasted(text)
    except NotAToken as error:
        parts = {part for at in range(len(text) - 7) if (part := text[at : at + 8]).strip() == part}
        said = str(error)
        assert not [part for part in parts if part in said]


@given(anything)
def test_any_text_gives_tokens_or_a_complaint(text):
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
        ("the quick brown fox jumps", "without a token"),
        ('{"token": "' + TOKEN[:20] + '"}', "20 characters"),
    ],
)
def test_what_is_odd_about_a_paste_is_said(text, said):
    """The complaint tells a part of a token from a placeholder, a text and something else."""
    with pytest.raises(NotAToken, match=said):
        read_pasted(text)


@pytest.mark.parametrize("text", ["", "  ", '""', "\ufeff", " '' "])
def test_an_empty_answer_is_no_token_and_no_error(text):
    """Nothing pasted gives nothing, so that the caller can cancel."""
    assert read_pasted(text) == []


def test_a_long_paste_is_read_up_to_a_bound():
    """Megabytes in the clipboard do not keep anybody waiting."""
    with pytest.raises(NotAToken):
        read_pasted("x y z " * 1_000_000)


@pytest.mark.parametrize("text", [ZETTA, f'"{ZETTA}"', f"Bearer {ZETTA}", json.dumps({"token": ZETTA})])
def test_an_unusual_token_can_be_picked_out(text):
    """A deployment's own form of token (44 base64 characters) is recognised in the usual wrappings."""
    try:
        found = read_pasted(text)[0].token
    except NotAToken:
        found = unusual_token(text)
    assert found == Token(ZETTA)


def test_tokens_in_a_text_are_listed_for_wiping():
    """Every run that looks like a usual token is found, in any case, and no longer or shorter one."""
    assert tokens_in(f"a={TOKEN}; b='{OTHER.upper()}' {TOKEN}0 {TOKEN[:31]}") == sorted([TOKEN, OTHER.upper()])


OPTIONS = ("--server", "-s", "--datastack", "-d", "--from-env", "--from-file", "--timeout")


@pytest.mark.parametrize(
    "secret", [TOKEN, TOKEN.upper(), TOKEN[:31], TOKEN + "ab", ZETTA, ZETTA.replace("/", "_"), "/" + ZETTA[1:]]
)
@pytest.mark.parametrize(
    "line",
    ["{}", "--overwrit {}", "{} --server https://a.example.org", '"{}"', "token='{}'", "--token={}", "# {}", "#{}"],
)
def test_a_typed_token_is_recognised_to_be_wiped(line, secret):
    """A token, or most of one, in any usual form is found on a magic's line, whatever stands beside it."""
    assert any(word.strip("=") in secret and len(word) >= 28 for word in typed_secrets(line.format(secret), OPTIONS))


@pytest.mark.parametrize(
    "secret", [TOKEN, "abcdef" + TOKEN[6:], TOKEN.upper(), ZETTA, ZETTA.replace("/", "_"), "/" + ZETTA[1:]]
)
@pytest.mark.parametrize(
    "line",
    ["-x{}", "-s{}", "-d{}", "-e{} -v", "--x{}", "--overwrite{}", "--from-file{}", "--datastack{}", "--from-env={}", "--server={}",
     "-s '{}'", "-x'{}'", '"-x{}"', '--from-file"{}"', "-x{0} --y{0}", "new -x{}", "--server https://{}@a.example.org", "-shttps://ada:{}@a.org"],
)  # fmt: skip
@pytest.mark.parametrize("odd", [None, OPTIONS], ids=["any magic", "%cave_save"])
def test_a_token_that_is_glued_to_an_option_is_recognised(line, secret, odd):
    """Alone, so that it is wiped wherever else it stands, or with all that is in front of it."""
    text = line.format(secret)
    assert secret[-28:] not in scrub.mask(text, typed_secrets(text, odd))


@pytest.mark.parametrize("line", ["-d{}", "-x{}", "--overwrite{}"])
def test_a_glued_token_is_also_found_alone(line):
    """The option's name may end in a letter that a token may begin with: the token itself is among what is wiped."""
    for token in (TOKEN, "abcdef" + TOKEN[6:], ZETTA):
        assert token in typed_secrets(line.format(token))


@pytest.mark.parametrize(
    ("line", "secret"), [("--server https://ada:pw@a.org", "https://ada:pw@"), ("-s ada:hunter2@a.org", "ada:hunter2@")]
)
def test_a_password_in_an_address_is_recognised(line, secret):
    """What stands before the host is wiped as a token is; an address without it is not."""
    assert typed_secrets(line) == [secret]


def test_an_odd_token_on_the_line_is_recognised_as_a_whole():
    """A word of no known form that is long and has digits is taken for a token where nothing else stands there."""
    assert typed_secrets("ey.JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx", OPTIONS) == ["ey.JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx"]


@pytest.mark.parametrize(
    "line",
    [
        "flywire_fafb_production_v783_copy2",
        "minnie65_phase3_v1 -v --timeout 20",
        "-d some-very-long-datastack-name-v1300",
        "--server https://global.em.brain.allentech.org:8443/a1b2c3",
        "--from-file ~/Downloads/token_20261121_040000.json",
        "--from-flie /home/ada/Downloads/token20261121040000.json",
        "--from-flie token20261121040000backup.json",
        "--from-env MY_CAVE_TOKEN_NUMBER_2_LONG",
        "--from-evn MY_CAVE_TOKEN_NUMBER_2_LONG",
        "$a_variable_with_a_long_name_1",
        "864691135012345678",
        "-dsome_very_long_datastack_name_v1300 -sHTTPS://Global.em.brain.allentech.org:8443",
        "--datastack=MyDataStackVersion20261121",
        "--datastackMyDataStackVersion20261121",
        "--from-file=/home/Ada1/Downloads/token_20261121_040000.json",
        "--from-flie=token20261121040000backup.json",
        "--from-evn=MY_CAVE_TOKEN_NUMBER_2_LONG",
        "--timeout=864691135012345678",
    ],
)
def test_names_paths_and_addresses_are_no_typed_tokens(line):
    """What is wiped from histories for good is never the name of a datastack, file, server or variable."""
    assert typed_secrets(line, OPTIONS) == []


def test_a_long_name_is_no_token_where_no_token_belongs():
    """On the lines of the other magics only what looks like a token of a known form is one."""
    assert typed_secrets("MyDataStackVersion20261121") == []
    assert typed_secrets("MyDataStackVersion20261121", OPTIONS) == ["MyDataStackVersion20261121"]
    assert typed_secrets(f"--json {ZETTA} {TOKEN}") == [ZETTA, TOKEN]
