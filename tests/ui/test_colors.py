"""Colours can be read: in terminals words have the terminal's own, in notebooks both themes of JupyterLab give contrast."""

from __future__ import annotations

import re

import pytest

from cave_magic.ui.document import Page, Span, line
from cave_magic.ui.html import STYLES, as_html
from cave_magic.ui.terminal import MARKS, styled

Color = tuple[float, ...]

THEMES = {
    "JupyterLab Light": ((255.0, 255.0, 255.0), (0.0, 0.0, 0.0), 0.87),
    "JupyterLab Dark": ((17.0, 17.0, 17.0), (255.0, 255.0, 255.0), 0.87),
    "VS Code Light": ((255.0, 255.0, 255.0), (59.0, 59.0, 59.0), 1.0),
    "VS Code Dark": ((31.0, 31.0, 31.0), (204.0, 204.0, 204.0), 1.0),
}
"""Background, colour of the text and its opacity: `--jp-layout-color0` and `--jp-ui-font-color1` of JupyterLab 4.6."""

LEAST = 4.5
"""The contrast that WCAG 2 asks of text, level AA."""


def luminance(color: Color) -> float:
    """The relative luminance of an sRGB colour (WCAG 2)."""
    parts = [part / 255 for part in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(color: Color, opacity: float, background: Color) -> float:
    """The contrast of a colour on a background through which it lets this much shine."""
    drawn = tuple(opacity * one + (1 - opacity) * other for one, other in zip(color, background, strict=True))
    darker, lighter = sorted((luminance(drawn), luminance(background)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("style", STYLES)
def test_words_in_notebooks_can_be_read_in_both_themes(style: str, theme: str):
    """Every style has a contrast of 4.5 or more, as browsers mix its colours."""
    background, text, opacity = THEMES[theme]
    mixed = re.search(r"color-mix\(in srgb,#(\w{6}) (\d+)%,currentColor\)", STYLES[style])
    dimmed = re.search(r"opacity:([.\d]+)", STYLES[style])
    if mixed:
        share = int(mixed[2]) / 100
        base = [int(mixed[1][at : at + 2], 16) for at in (0, 2, 4)]
        alpha = share + (1 - share) * opacity
        text = tuple(
            (share * one + (1 - share) * opacity * other) / alpha for one, other in zip(base, text, strict=True)
        )
        opacity = alpha
    assert contrast(text, opacity * float(dimmed[1] if dimmed else 1), background) >= LEAST


@pytest.mark.parametrize("style", STYLES)
def test_without_mixed_colors_the_base_color_is_left(style: str):
    """A sanitizer that drops the mixture leaves a colour with a contrast of at least 4."""
    plain = re.findall(r"color:#(\w{6})", STYLES[style])
    for background in ((255.0, 255.0, 255.0), (17.0, 17.0, 17.0)):
        for color in plain:
            assert contrast([int(color[at : at + 2], 16) for at in (0, 2, 4)], 1, background) >= 4


@pytest.mark.parametrize("style", [*STYLES, "command", "link"])
def test_words_in_terminals_have_its_own_color(style: str):
    """On eight usual palettes no other colour can be read; only marks, which words repeat, are coloured, none is faint."""
    (drawn,) = styled(Page((line(Span("✔ words", style)),)))
    coloured = re.findall(r"\x1b\[(?:\d+;)*[39]\dm(.*?)\x1b\[0m", drawn)
    assert coloured == (["✔"] if style in MARKS else [])
    assert not re.search(r"\x1b\[(?:\d+;)*2[;m]", drawn)


def test_a_command_can_be_selected_in_part():
    """A click does not select all of it."""
    assert "user-select" not in as_html(Page((line(Span("%cave_check", "command")),)))
