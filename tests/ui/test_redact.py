"""Redacting, masking and finding secrets, and text from outside, which is shown only after sanitizing."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cave_magic.token import Token
from cave_magic.ui.redact import (
    MASK,
    SHORTEST,
    Untrusted,
    find_secrets,
    mask,
    odd_characters,
    plain_name,
    redact,
    redact_token,
    sanitize,
)

from ..support.token_formats import JWT, registered

DIGITS = "0123456789abcdef"
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
ZETTA = "qwERty7+uIopAsdFghJklZxcVbnM1/23456qwErtyuQ="

UI = Path(__file__).resolve().parents[2] / "cave_magic" / "ui"

values = st.text(DIGITS, min_size=32, max_size=32)
around = st.text(st.characters(codec="utf-8") | st.sampled_from("\x1b\n\t \u202e%\\\"'=:/@xnu0aA"), max_size=120)


def text_of(text: object, limit: int = 120) -> str:
    """A text after sanitizing."""
    return sanitize(text, limit).text


def shows(text: str, value: str, most: int = 8) -> bool:
    """Whether a text contains more than `most` consecutive characters of a value."""
    return any(value[at : at + most + 1] in text for at in range(len(value) - most))


@given(around, values, around)
def test_a_token_in_any_text_is_redacted(before, value, after):
    """Whatever is directly before and after a token, even letters and escapes, the token is not in the result."""
    assert not shows(text_of(before + value + after, 1000), value)
    assert not shows(redact(before + value + after), value)


@given(st.sampled_from([" ", "x", ": ", "="]), st.integers(0, 40), values, st.integers(1, 200))
def test_a_cut_text_contains_no_part_of_a_token(glue, inside, value, limit):
    """A token that is cut off does not leave its beginning behind."""
    for size in (limit, limit * 20):
        assert not shows(text_of(" " * (size - inside) + glue + value + " and on" * 9, limit), value)
        assert not shows(text_of("y" * (size - inside) + glue + value + " and on" * 9, limit), value)


@given(around)
def test_the_result_is_one_printable_line_within_its_limit(text):
    """Control characters, terminal escapes, direction marks and line breaks are removed."""
    line = text_of(text, 60)
    assert line.isprintable()
    assert len(line) <= 60


@pytest.mark.parametrize("wrap", [repr, json.dumps, quote, ascii, lambda v: quote(json.dumps({"token": v}))])
@given(value=values)
def test_an_escaped_token_is_redacted(wrap, value):
    """A token after a quote or a line break is redacted in repr, JSON and percent-encoded forms."""
    for odd in (f"\n{value}", f'"{value}"', f"\x00{value}\r\n", f"\u201c{value}\u201d"):
        assert not shows(redact(wrap(odd)), value)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Invalid header: 'Bearer hunter2hunter2\\n'", "hunter2"),
        ("Authorization: Bearer  Bearer hunter2", "hunter2"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("https://a.example.org/?middle_auth_token=hunter2&x=1", "hunter2"),
        ("https://a.example.org/?TOKEN=hunter2", "hunter2"),
        ('{"token": "hunter2"}', "hunter2"),
        ("{'token': 'hunter2'}", "hunter2"),
        ('{\\"token\\":\\"hunter2\\"}', "hunter2"),
        ('save_token(token="hunter2")', "hunter2"),
        ("http://user:p@ss@proxy.example.org:3128/", "p@ss"),
        ("http://user:p@ss@proxy.example.org:3128/", "ss@"),
        ("http://AbCd:efGh@a.example.org", "efGh"),
        ("'ada:hunter2@a.example.org:8900'", "hunter2"),
        (f"https://a.example.org/x/{ZETTA}/y", ZETTA[4:]),
        (f"https://a.example.org/x/{ZETTA[:-1]}%3D", ZETTA[4:-1]),
        ("Cookie: middle_auth_token=hunter2; path=/", "hunter2"),
    ],
)
def test_secrets_in_headers_cookies_urls_and_json_are_redacted(text, gone):
    """A credential is redacted because of its context, whatever it looks like."""
    assert gone not in redact(text)
    assert gone not in text_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "401 Client Error: UNAUTHORIZED for url: https://global.daf-apis.com/info/api/v2/datastacks",
        "Authorization header must begin with 'Bearer'",
        "Unauthorized - Token is Invalid or Expired",
        "minnie65_phase3_v1 segmentation 864691135 and 2026-11-21T04:12:00",
        "https://global.daf-apis.com/auth?who=a@b.org",
        "ada@example.org (10:30), Ada <ada@example.org>",
        "~/cloudvolume/Secrets2026/of_some_long_path_name/cave-secret.json=",
    ],
)
def test_what_is_not_a_secret_is_kept(text):
    """Messages, addresses, names and numbers are not changed."""
    assert text_of(text) == text


@pytest.mark.parametrize("value", [ZETTA, ZETTA + "\n", f'"{ZETTA}"', " " + ZETTA, "pass word/1"])
def test_a_given_token_is_redacted_in_every_form(value):
    """A given token is redacted as it is, stripped, escaped and percent-encoded."""
    for text in (value, value.strip(), repr(value), json.dumps({"a": value}), quote(value), quote(value, safe="")):
        assert not shows(redact(f"said {text} again", Token(value)), value.strip().strip('"'), 6)


def test_a_token_that_contains_another_is_redacted_completely():
    """The longer of two given tokens is replaced first, so nothing of it is left."""
    short = Token("secret-part")
    assert redact("it is secret-part-and-more", short, Token("secret-part-and-more")) == f"it is {MASK}"


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("abcdefgh01234567", ("abcdefgh0123", "efgh01234567")),
        ("abcdefgh01234567", ("efgh01234567", "abcdefgh0123")),
        ("abababababababababab", ("abababababababab",)),
    ],
)
def test_secrets_that_overlap_get_one_mask(text, secrets):
    """Nothing is left where the end of a secret is the beginning of another, or of the same one."""
    assert mask(f"x {text}.", *secrets) == f"x {MASK}."


def test_a_token_in_capitals_is_masked():
    """A token that servers know in lower case is masked as it may have been typed."""
    assert (
        mask(f"a {TOKEN.upper()} b {TOKEN}", TOKEN)
        == mask(f"a {TOKEN} b {TOKEN}", TOKEN.upper())
        == f"a {MASK} b {MASK}"
    )


def test_only_given_secrets_are_masked():
    """`mask` replaces the given tokens and texts, and keeps other secrets."""
    assert mask(f"a {TOKEN} b {ZETTA}, token: x", Token(TOKEN)) == f"a {MASK} b {ZETTA}, token: x"
    assert mask(f"a {TOKEN} b {quote(ZETTA, safe='')}", TOKEN, ZETTA) == f"a {MASK} b {MASK}"


@pytest.mark.parametrize(
    "line",
    [
        "--overwrite --from-env TOKEN -d minnie65_public",
        "--from-env MY_TOKEN -d fanc_production_mar2021",
        "--no-check --from-env MY_TOKEN minnie65_public",
    ],
)
def test_options_are_no_token_in_pieces(line):
    """Words that together have the length and the characters of a token are still the options of a line."""
    assert find_secrets(line, ["-d", "--from-env"]) == []
    for token in (TOKEN, TOKEN.upper(), ZETTA):
        assert f"{token[:9]} {token[9:]}" in find_secrets(f"{token[:9]} {token[9:]} {line}", ["-d", "--from-env"])


@pytest.mark.parametrize("typed", ["--token {}", "--token={} --yes", "--token  '{}'"])
def test_a_long_ending_of_a_token_is_a_secret(typed):
    """Whatever follows `--token` is the end of a token; as many characters as are shown are not a secret."""
    for ending in ("90123456789012345678901", ZETTA[20:]):
        assert ending in find_secrets(f"remove {typed.format(ending)}")
    for other in (ZETTA[-4:], "my_variable_2", "mytokenvariable", "$my_token_2", "MY_TOKEN_2"):
        assert find_secrets(f"remove {typed.format(other)}") == []
    assert find_secrets("--tokens 90123456789012345678901") == []


@pytest.mark.parametrize("value", [TOKEN, ZETTA])
@pytest.mark.parametrize("spelled", [str, str.upper, lambda text: text[:20], lambda text: f"{text[:9]}...{text[-9:]}"])
def test_a_part_of_a_token_that_comes_back_is_masked(value, spelled):
    """A server that quotes the first characters of a token, or its capitals, does not have them shown."""
    said = redact_token({"message": [f"token {spelled(value)} is invalid"]}, Token(value))
    assert not shows(repr(said).lower(), value.lower(), SHORTEST)


def test_a_part_beside_letters_that_grow_in_lower_case_is_masked():
    """Some capitals have two characters in lower case, so places in the one are not places in the other."""
    said = redact_token(f"{'İ' * SHORTEST} {TOKEN[:12].upper()} is invalid", Token(TOKEN))
    assert said == f"{'İ' * SHORTEST} {MASK} is invalid"


def test_a_short_value_is_not_searched_for():
    """A few characters are not replaced, since they would match parts of words."""
    assert redact("banana", Token("a")) == "banana"
    assert mask("hand in hand", "hand") == "hand in hand"


@pytest.mark.parametrize("scheme", ["JWT", "", "Bearer"])
def test_the_header_of_a_format_is_redacted(scheme):
    """Any value in a header that carries a token is redacted, even in an unknown format."""
    with registered(dataclasses.replace(JWT, scheme=scheme)):
        for text in ("X-Cave-Token: {}hunter2", "{{'X-Cave-Token': '{}hunter2'}}", "x-cave-token:{}hunter2"):
            assert "hunter2" not in redact(text.format(f"{scheme} " if scheme else ""))


@pytest.mark.parametrize(
    "start", ["words and 13 more. ", "Ab1" * 14 + "=x", "a" * 31 + "g", "eyJ", "eyJ" + "a" * 400 + ".", '{"token": 1}']
)
def test_a_large_text_is_redacted_in_linear_time(start):
    """A long text takes a fraction of a second; a quadratic search would take minutes."""
    with registered():
        begun = time.process_time()
        redact(start * (120_000 // len(start)))
        assert time.process_time() - begun < 10


def test_other_objects_are_converted_to_text():
    """An exception or None is sanitized too."""
    assert text_of(ValueError(f"bad {TOKEN}")) == f"bad {MASK}"
    assert text_of(None) == "None"


# ---------------------------------------------------------------- finding what was typed

OPTIONS = ("--server", "-s", "--datastack", "-d", "--from-env", "--from-file", "--timeout")


@pytest.mark.parametrize(
    "line",
    ["{}", "--overwrit {}", "{} --server https://a.example.org", '"{}"', "token='{}'", "--token={}", "# {}", "#{}"],
)
def test_a_typed_token_is_recognised(line):
    """A token, or most of one, in any usual form is found on a magic's line, whatever is next to it."""
    for secret in (TOKEN, TOKEN.upper(), TOKEN[:31], TOKEN + "ab", ZETTA, ZETTA.replace("/", "_"), "/" + ZETTA[1:]):
        found = find_secrets(line.format(secret), OPTIONS)
        assert any(word.strip("=") in secret and len(word) >= 28 for word in found), secret


@pytest.mark.parametrize(
    "line",
    ["-x{}", "-s{}", "-d{}", "-e{} -v", "--x{}", "--overwrite{}", "--from-file{}", "--datastack{}", "--from-env={}", "--server={}",
     "-s '{}'", "-x'{}'", '"-x{}"', '--from-file"{}"', "-x{0} --y{0}", "new -x{}", "--server https://{}@a.example.org", "-shttps://ada:{}@a.org"],
)  # fmt: skip
def test_a_token_glued_to_an_option_is_recognised(line):
    """After any magic it is found by itself, so that it is scrubbed everywhere, or with everything before it."""
    for secret in (TOKEN, "abcdef" + TOKEN[6:], TOKEN.upper(), ZETTA, ZETTA.replace("/", "_"), "/" + ZETTA[1:]):
        text = line.format(secret)
        for options in (None, OPTIONS):
            assert secret[-28:] not in mask(text, *find_secrets(text, options)), (secret, options)


@pytest.mark.parametrize("line", ["-d{}", "-x{}", "--overwrite{}"])
def test_a_glued_token_is_also_found_by_itself(line):
    """Even if the option's name ends in a letter that a token may begin with, the token itself is found."""
    for token in (TOKEN, "abcdef" + TOKEN[6:], ZETTA):
        assert token in find_secrets(line.format(token))


@pytest.mark.parametrize(
    ("line", "secret"), [("--server https://ada:pw@a.org", "https://ada:pw@"), ("-s ada:hunter2@a.org", "ada:hunter2@")]
)
def test_a_password_in_an_address_is_recognised(line, secret):
    """A user name and password before the host are found as secrets."""
    assert find_secrets(line) == [secret]


def test_an_odd_token_on_the_line_is_recognised():
    """A long word with digits in no known format is taken for a token on a line that takes one."""
    assert find_secrets("ey.JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx", OPTIONS) == ["ey.JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx"]


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
def test_names_paths_and_addresses_are_not_tokens(line):
    """Names of datastacks, files, servers and variables are never scrubbed from histories."""
    assert find_secrets(line, OPTIONS) == []


def test_a_long_name_is_not_a_token_if_the_line_takes_none():
    """On the lines of other magics only words in a known format are tokens."""
    assert find_secrets("MyDataStackVersion20261121") == []
    assert find_secrets("MyDataStackVersion20261121", OPTIONS) == ["MyDataStackVersion20261121"]
    assert find_secrets(f"--json {ZETTA} {TOKEN}") == [ZETTA, TOKEN]


@pytest.mark.parametrize("filler", ["ab", "x=a?b:c;", "http://", f"{TOKEN[:30]} "])
def test_a_long_line_is_searched_whole(filler):
    """A picture in base64 or a program without line breaks hides nothing that was typed beside it."""
    line = f"{filler * (100_000 // len(filler))} {TOKEN} ada:hunter2@a.org https://bob:hunter3@b.org"
    assert {TOKEN, "ada:hunter2@", "https://bob:hunter3@"} <= set(find_secrets(line))
    assert "hunter" not in redact(line)


def test_a_password_is_found_beside_other_signs():
    """What a URL has before, between and after its parts changes nothing; a part of a URL is not named twice."""
    for line, secrets in (
        ("5http://ada:pw@a.org", ["http://ada:pw@"]),
        ("-xhttp://a.org/x?y=ada:pw@b.org", ["xhttp://a.org/x?y=ada:pw@"]),
        ("ada:hunter2@http://b@c.org", ["ada:hunter2@", "http://b@"]),
        ("x=ada:https://b@c.org", ["https://b@"]),
        ("@http://a.org x=y=ada:@b.org", ["ada:@"]),
        ("http://<ada:hunter2@a.org", []),
    ):
        assert find_secrets(line) == secrets, line


# ---------------------------------------------------------------- untrusted text


def test_sanitized_text_is_private_unless_shareable():
    """Text from outside is withheld from reports, unless the caller of `sanitize` allows it."""
    assert sanitize(Untrusted("their words")).private
    assert not sanitize(Untrusted("x.org"), shareable=True).private


@pytest.mark.parametrize("show", [str, "{}".format, "it said {}".format, "it said %s".__mod__, "".__add__, json.dumps])
def test_untrusted_text_cannot_be_formatted(show):
    """Every way into a string raises, and the error does not repeat the text."""
    with pytest.raises(TypeError) as caught:
        show(Untrusted("their words"))
    assert "their words" not in str(caught.value)


def test_the_repr_of_untrusted_text_shows_none_of_it():
    """The repr shows no text, not even within a list."""
    assert "their words" not in repr([Untrusted("their words")])


def test_untrusted_text_is_compared_and_searched():
    """Untrusted text can be compared and searched, and parts that match a pattern can be extracted."""
    said = Untrusted("version 5.13.2 <script>")
    assert said == Untrusted("version 5.13.2 <script>") == "version 5.13.2 <script>"
    assert {said: 1}["version 5.13.2 <script>"]
    assert said
    assert not Untrusted("")
    assert "5.13" in said
    assert said.matches(r"\Aversion")
    assert said.extract(r"\d+(?:\.\d+)+") == "5.13.2"
    assert said.extract(r"version (\d+)") == "5"
    assert said.extract("nothing") == ""
    assert not said.without(r"<.*>").matches("script")


MISTAKES = """
from cave_magic.ui.redact import Untrusted, sanitize
from cave_magic.ui.document import Span, line

said = Untrusted("x")
line("ours ", sanitize(said), Span("ours"))
Span(said)  # wrong
line("it said ", said)  # wrong
raise ValueError("it said " + said)  # wrong
"""


def test_the_type_checker_rejects_untrusted_text(tmp_path: Path):
    """mypy accepts text from outside in a line only after `sanitize`."""
    mypy = pytest.importorskip("mypy.api")
    file = tmp_path / "mistakes.py"
    file.write_text(MISTAKES)
    options = ["--strict", "--config-file=", "--no-error-summary", f"--cache-dir={os.devnull}"]
    options += ["--follow-imports=skip", "--allow-subclassing-any"]  # what else they import takes ten seconds
    said, _, _ = mypy.run([*options, str(file), *(str(UI / name) for name in ("redact.py", "document.py"))])
    wrong = [at for at, one in enumerate(MISTAKES.splitlines(), 1) if "# wrong" in one]
    assert [int(at) for at in re.findall(r":(\d+): error", said)] == wrong


@pytest.mark.parametrize(
    ("name", "plain", "odd"),
    [
        ("minnie65_public", "minnie65_public", ()),
        ("minnie65\u200b_public", "minnie65_public", ("U+200B ZERO WIDTH SPACE",)),
        (" minnie65_public\u00a0", "minnie65_public", ("U+0020 SPACE", "U+00A0 NO-BREAK SPACE")),
        ("minni\u0435", "minnie", ("U+0435 CYRILLIC SMALL LETTER IE",)),
        ("\uff4dinnie", "minnie", ("U+FF4D FULLWIDTH LATIN SMALL LETTER M",)),
        ("a\x00b", "ab", ("U+0000 CONTROL CHARACTER",)),
        ("\u540d", "", ("U+540D CJK UNIFIED IDEOGRAPH-540D",)),
        ("", "", ()),
    ],
)
def test_odd_characters_of_a_name_are_named(name: str, plain: str, odd: tuple[str, ...]):
    """Invisible and look-alike characters are named with their code points, and the name that is meant is found."""
    assert plain_name(Untrusted(name)) == plain
    assert odd_characters(Untrusted(name)) == odd
