"""Lines of spans: how they are built, read, and shared without what is private."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cave_magic.ui.document import Span, filled, joined, line, plain_text, shareable_text

WHO = Span("ada@example.org", private=True)

spans = st.builds(Span, st.text("aZé0 .\n\x02\x1b\u202e", max_size=10), st.sampled_from(["", "link"]), st.booleans())


def test_a_line_is_flat():
    """Strings become spans, nested lines are flattened, and empty spans are dropped."""
    assert line("a ", line("b ", WHO), "", ()) == (Span("a "), Span("b "), WHO)


def test_private_spans_are_withheld_from_what_is_shared():
    """The person sees the whole line; others see where text is withheld."""
    said = line(WHO, " has no permission")
    assert plain_text(said) == "ada@example.org has no permission"
    assert shareable_text(said) == "[withheld] has no permission"


@given(st.lists(spans))
def test_only_private_text_is_missing_from_what_is_shared(parts):
    """The shared text is the line with each private span replaced."""
    shared = (Span("[withheld]") if one.private else one for one in parts if one.text)
    assert shareable_text(line(*parts)) == plain_text(line(*shared))


def test_joined_parts_stay_spans():
    """A separator is put between the parts, and private spans stay private."""
    assert joined(" and ", ["x", WHO]) == (Span("x"), Span(" and "), WHO)


def test_a_private_span_cannot_become_part_of_a_string():
    """A string cannot say that it is private, so it could be shared by mistake."""
    assert f"{Span('ours')}" == "ours"
    with pytest.raises(TypeError, match="private"):
        f"{WHO}"
    with pytest.raises(TypeError, match="private"):
        str(WHO)


@pytest.mark.parametrize("mark", ["\x02", "\x03", "\x1b", "\u202e"])
def test_no_character_marks_what_is_private(mark):
    """Control characters are replaced, and do not change what is withheld."""
    said = line(f"a{mark}b{mark}", Span(f"c{mark}d", private=True))
    assert (plain_text(said), shareable_text(said)) == ("a b c d", "a b [withheld]")


def test_a_template_is_filled_with_spans():
    """Parts keep their style and stay private, and what is in them is no template."""
    said = filled("{who} asks for {what}, twice {what}", {"who": WHO, "what": Span("{who}", "command")})
    assert plain_text(said) == "ada@example.org asks for {who}, twice {who}"
    assert shareable_text(said) == "[withheld] asks for {who}, twice {who}"
    assert [span.style for span in said if span.style] == ["command", "command"]
    with pytest.raises(KeyError):
        filled("{nobody}", {})
