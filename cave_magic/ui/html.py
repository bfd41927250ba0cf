"""Pages as HTML for notebooks: follow the theme, wrap at any width, and read well without styles.

They use only tags that every notebook sanitizer allows (nbconvert shows `p`, `br`, `th` and `tbody` as text).
"""

from __future__ import annotations

import html

from .document import Block, Line, Page, Span, Steps, Table, is_web_address


def _color(base: str) -> str:
    """A colour with a contrast of 4.5 or more in light and dark themes, since it is mixed with the colour of the text.

    No fixed colour has that on both white and #111. Where the mixture is dropped (an untrusted notebook, an old
    browser), the base remains, whose contrast is at least 4.
    """
    return f"color:{base};color:color-mix(in srgb,{base} 70%,currentColor)"


STYLES = {
    "strong": "font-weight:600",
    "dim": "opacity:.75",
    "id": "opacity:.75;white-space:nowrap",
    "ok": _color("#12894c"),
    "done": _color("#12894c") + ";font-weight:600",
    "warning": _color("#a56b05") + ";font-weight:600",
    "failed": _color("#d8434e") + ";font-weight:600",
    "skipped": "opacity:.75",
    "unknown": _color("#9760cf") + ";font-weight:600",
    "crashed": _color("#9760cf") + ";font-weight:600",
}
_PAGE = (
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:var(--jp-ui-font-size1,13px);"
    "line-height:1.5;max-width:76em"
)
_FIXED = "font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);font-size:inherit;"
_CODE = (
    f"{_FIXED}color:inherit;background:rgba(127,127,127,.15);border-radius:3px;padding:.1em .35em;"
    "-webkit-box-decoration-break:clone;box-decoration-break:clone;"
)
_BUTTON = (
    "font:inherit;color:inherit;cursor:pointer;background:rgba(127,127,127,.15);border:1px solid rgba(127,127,127,.4);"
    "border-radius:3px;padding:.1em .8em"
)
_BLOCK = (  # notebooks break lines of <pre> anywhere, also in the middle of a word
    f"{_FIXED}white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;margin:.5em 0"
)
_SHORT = 40
"""Commands up to this many characters are not wrapped: they fit on the narrowest screen."""
_CELL = "text-align:left;vertical-align:top;border:none;max-width:none;font-weight:inherit;padding:.1em 1.4em .1em 0;"
_TABLE = "border-collapse:collapse;border:none;margin:.3em 0;font-size:inherit"


def as_html(page: Page) -> str:
    """The page as HTML."""
    return f'<div class="cave-magic" style="{_PAGE}">{"".join(map(_block, page.blocks))}</div>'


def copyable(text: str) -> str:
    """A text as it is, below a button that copies it. Without scripts the button does nothing."""
    copy = (
        "getSelection().selectAllChildren(this.nextElementSibling);"
        "this.textContent=document.execCommand('copy')?'Copied':'Press Ctrl+C'"
    )
    return (
        f'<div class="cave-magic" style="{_PAGE}">'
        f'<button type="button" style="{_BUTTON}" onclick="{copy}">Copy</button>'
        f'<pre style="{_BLOCK}">{html.escape(text)}</pre></div>'
    )


def fetching(port: int, path: str) -> str:
    """A script by which the page of a notebook requests a path of a port through its Jupyter server.

    JupyterLab and Notebook 7 keep their base URL in an element, older notebooks in an attribute. It is sent along, in a
    header that no page of another site may send. Without scripts nothing happens.
    """
    return (
        "<script>(function(){try{var c=document.getElementById('jupyter-config-data'),"
        "b=c?JSON.parse(c.textContent).baseUrl:document.body.dataset.baseUrl,"
        "u=new URL(b.replace(/\\/*$/,'/'),location.href);"
        "if(u.origin===location.origin)"
        f"fetch(u.href+'proxy/{port}{path}',{{headers:{{'X-Cave-Page':u.href}},cache:'no-store',redirect:'error'}})"
        ".catch(function(){})}catch(e){}})()</script>"
    )


def _block(block: Block) -> str:
    if isinstance(block, Table):
        rows = "".join(f'<tr style="background:none">{_cells(block, row)}</tr>' for row in block.rows)
        return f'<table aria-label="{html.escape(block.name)}" style="{_TABLE}">{rows}</table>'
    if isinstance(block, Steps):
        steps = (_words(first) + "".join(f"<div>{_words(more)}</div>" for more in rest) for first, *rest in block.steps)
        items = "".join(f'<li style="margin:.3em 0">{step}</li>' for step in steps)
        return f'<ol style="margin:.3em 0;padding-left:1.6em">{items}</ol>'
    return f'<div style="margin:.3em 0">{_words(block)}</div>'


def _cells(table: Table, row: tuple[Line, ...]) -> str:
    cells = []
    for at, words in enumerate(row):
        role = ' role="rowheader"' if at == table.head else ""
        fits = at < len(row) - 1 and sum(len(span.text) for span in words) <= 18
        wraps = "white-space:nowrap" if fits else "white-space:normal;overflow-wrap:break-word"
        cells.append(f'<td{role} style="{_CELL}{wraps}">{_words(words)}</td>')
    return "".join(cells)


def _words(words: Line) -> str:
    return "".join(map(_span, words))


def _span(span: Span) -> str:
    text = html.escape(span.text)
    if span.style == "link" and is_web_address(span.text):
        return f'<a href="{text}" target="_blank" rel="noopener noreferrer" style="overflow-wrap:anywhere">{text}</a>'
    if span.style == "command":
        wraps = "white-space:pre" if len(span.text) <= _SHORT else "white-space:pre-wrap;overflow-wrap:anywhere"
        return f'<code style="{_CODE}{wraps}">{text}</code>'
    css = STYLES.get(span.style, "")
    tag = "b" if "weight" in css else "span"
    return f'<{tag} style="{css}">{text}</{tag}>' if css else text
