"""Generates the pages of the site that come from the code; mkdocs calls the `on_` functions.

The troubleshooting pages come from the checks, from the cases of their unit tests, and from `docs/faults.json`, which
`tests/doctor/faults/recorded.py` writes. The other pages come from the options, the settings and the notebooks.
"""

from __future__ import annotations

import html
import json
import logging
import posixpath
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cave_magic.commands import NAMES, find_command  # noqa: E402
from cave_magic.deployments import DEPLOYMENTS  # noqa: E402
from cave_magic.doctor.checks import CHECKS  # noqa: E402
from cave_magic.doctor.model import Check, Finding, Status  # noqa: E402
from cave_magic.doctor.reference import markdown, sections  # noqa: E402
from cave_magic.doctor.report import MARKS  # noqa: E402
from cave_magic.magics import CaveMagics  # noqa: E402
from cave_magic.ui.document import Line, Span  # noqa: E402
from tests.doctor.checks.facts import finding  # noqa: E402
from tests.doctor.checks.test_completeness import CASES  # noqa: E402

RECORD = json.loads((ROOT / "docs" / "faults.json").read_text(encoding="utf-8"))
PAGES = {
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
    "docs/architecture.md": "architecture.md",
    "docs/lines.md": "lines.md",
    "notebooks/quickstart.ipynb": "notebooks/quickstart.md",
    "notebooks/troubleshooting.ipynb": "notebooks/troubleshooting.md",
}
"""Files of the repository, and their pages. Other files have no page."""
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")
_LOADED = (
    r'<(?:script|img|iframe|source)\b[^>]*\ssrc="?(https?://[^">\s]+)'
    r'|<link\b[^>]*rel="?stylesheet"?[^>]*href="?(https?://[^">\s]+)'
)
_outside: set[str] = set()


# ---------------------------------------------------------------- what mkdocs calls


def on_config(config: Any) -> Any:
    """Puts a page for each check into the navigation."""
    for entry in config["nav"]:
        if "Troubleshooting" in entry:
            entry["Troubleshooting"] = ["troubleshooting/index.md", *_by_group()]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that are made here, and the picture of the benchmark."""
    from mkdocs.structure.files import File

    for path, text in made().items():
        files.append(File.generated(config, path, content=text))
    for theme in ("light", "dark"):
        picture = ROOT / "tests" / "benchmarks" / f"results-{theme}.svg"
        files.append(File.generated(config, f"pictures/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fills in the files and lists that a page asks for with `<!-- include: NAME -->`."""
    folder = posixpath.dirname(page.file.src_uri)
    return re.sub(r"<!-- include: (\S+) -->", lambda found: included(found[1], folder), markdown)


def on_page_content(html: str, **_: Any) -> None:
    """Notes the links that lead out of the site."""
    _outside.update(re.findall(r'href="(https?://[^"]+)"', html))


def on_post_page(output: str, page: Any, **_: Any) -> None:
    """Warns, so that a strict build fails, if a page would load anything from another server."""
    for found in re.finditer(_LOADED, output):
        logging.getLogger("mkdocs.hooks").warning("%s loads %s", page.file.src_uri, found[1] or found[2])


def on_post_build(**_: Any) -> None:
    """Lists the links that lead out of the site. Nobody follows them here: a build needs no network."""
    log = logging.getLogger("mkdocs.hooks")
    for link in sorted(_outside):
        log.info("leads out of the site: %s", link)


# ---------------------------------------------------------------- the pages


def made() -> dict[str, str]:
    """The pages without a file in `docs/`: path -> Markdown."""
    pages = {f"troubleshooting/{check.id}.md": page_of(check) for check in CHECKS}
    pages["reference/magics.md"] = "\n\n".join(["# Magics", *map(magic, NAMES)])
    for name in ("quickstart", "troubleshooting"):
        pages[f"notebooks/{name}.md"] = notebook(ROOT / "notebooks" / f"{name}.ipynb")
    return pages


def included(name: str, folder: str) -> str:
    """A list that is made here, or a file of the repository without its first heading."""
    if name in LISTS:
        return LISTS[name]()
    text = (ROOT / name).read_text(encoding="utf-8")
    return _LINK.sub(lambda link: _lead(link, folder), re.sub(r"\A# .*\n", "", text))


def _lead(link: re.Match[str], folder: str) -> str:
    """A link between files as a link between pages, or as its words if the file has no page."""
    page = PAGES.get(link[2])
    return f"[{link[1]}]({posixpath.relpath(page, folder or '.')}{link[3] or ''})" if page else link[1]


# ---------------------------------------------------------------- a page for each check


def page_of(check: Check) -> str:
    """The troubleshooting page of a check."""
    parts = ["---\nsearch:\n  boost: 2\n---", f"# {heading(check)}", f"`{check.id}`{{ .check-id }}"]
    texts = {title: _with_links(words) for title, words in sections(check)}
    parts += [f"## {title}\n\n{texts[title]}" for title in ("What it means", "What fixes it")]
    seen = _by_error(check)
    if seen:
        parts += ["## What you see", _HOW]
    parts += [_error(opening, faults) for opening, faults in seen.items()]
    parts += [f"## All that this check says\n\n{_statements(check)}"]
    parts += [f"## {title}\n\n{text}" for title, text in list(texts.items())[2:]]
    return "\n\n".join(parts) + "\n"


_HOW = f"""\
Each fault was reproduced on the practice server with caveclient {RECORD["caveclient"]}. The addresses are those of the
MICrONS server in place of the practice server's."""


def heading(check: Check) -> str:
    """The heading of a page: the title, with the id where two checks share it."""
    shared = sum(one.title == check.title for one in CHECKS) > 1
    return check.title[0].upper() + check.title[1:] + (f" ({check.id})" if shared else "")


def _with_links(words: Line) -> str:
    """A text in Markdown, in which the ids of checks are links to their pages."""
    return "".join(f"[`{one.text}`]({one.text}.md)" if one.style == "id" else markdown((one,)) for one in words)


def _by_error(check: Check) -> dict[str, dict[str, dict[str, Any]]]:
    """The faults that a check names, by what CAVEclient says about them."""
    seen: dict[str, dict[str, dict[str, Any]]] = {}
    for name, fault in RECORD["faults"].items():
        if fault["check"] == check.id:
            seen.setdefault(_opening(fault["caveclient"]), {})[name] = fault
    return seen


def _error(opening: str, faults: dict[str, dict[str, Any]]) -> str:
    """A CAVEclient error, and what `%cave_check` says about each fault behind it."""
    said = next(iter(faults.values()))["caveclient"]
    if said.startswith("hangs"):
        parts = ["### CAVEclient does not return", "It has no timeout."]
    elif said.startswith("nothing"):
        parts = ["### CAVEclient raises no error"]
    else:
        parts = [f"### {_literal(_headline(opening))}", f"CAVEclient says:\n\n````text\n{said}\n````"]
    parts.append("`%cave_check` says, for each cause:" if len(faults) > 1 else "`%cave_check` says:")
    return "\n\n".join([*parts, *(_card(name, fault) for name, fault in faults.items())])


def _card(name: str, fault: dict[str, Any]) -> str:
    status = Status(fault["status"])
    found, advice = ([Span(text, style) for text, style in fault[part]] for part in ("found", "next"))
    cause = f"<small>{html.escape(name[0].upper() + name[1:])}</small>"
    row = f'<span class="{status.value}">{MARKS[status]} {status.value}</span> <b>{html.escape(fault["title"])}</b>'
    following = f"<p><b>Next:</b> {_words(advice)}</p>" if advice else ""
    return f'<div class="said"><p>{cause}</p><p>{row} {_words(found)}</p>{following}</div>'


def _statements(check: Check) -> str:
    """A table of what a check says about bad facts, from the cases of its unit tests, which reach all of it."""
    rows = dict.fromkeys(
        f"<tr><td>{_words(found.evidence)}</td><td>{_words(_advice(found))}</td></tr>"
        for case in CASES
        if case.check is check and (found := finding(check, case.facts)) and found.status is not Status.OK
    )
    head = "<thead><tr><th>What it says</th><th>What comes next</th></tr></thead>"
    return f'<div class="statements"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _advice(found: Finding) -> Line:
    if found.next_step is not None:
        return found.next_step.line
    return (Span("%cave_check --fix", "command"),) if found.fix is not None else ()


def _words(spans: Iterable[Span]) -> str:
    tags = {"command": "code", "link": "code", "strong": "b"}
    parts = []
    for span in spans:
        text, tag = html.escape(span.text), tags.get(span.style)
        parts.append(f"<{tag}>{text}</{tag}>" if tag else text)
    return "".join(parts)


# ---------------------------------------------------------------- lists


def _by_group() -> list[dict[str, list[dict[str, str]]]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for check in CHECKS:
        groups.setdefault(check.group, []).append({heading(check): f"troubleshooting/{check.id}.md"})
    return [{name.capitalize(): pages} for name, pages in groups.items()]


def _table_of_checks() -> str:
    rows = [f"| [{heading(one)}]({one.id}.md) | `{one.id}` | {one.explains} |" for one in CHECKS]
    return "\n".join(["| check | id | what a failure means |", "|---|---|---|", *rows])


def _table_of_errors() -> str:
    """What CAVEclient says about the faults, without what differs only in a name, and where it is explained."""
    found: dict[str, dict[str, None]] = {}
    for fault in RECORD["faults"].values():
        if not fault["caveclient"].startswith(("hangs", "nothing")):
            found.setdefault(_opening(fault["caveclient"]), {})[fault["check"]] = None
    checks = {check.id: f"[{heading(check)}]({check.id}.md)" for check in CHECKS}
    rows = [
        f"| <code>{_literal(error)}</code> | {', '.join(checks[one] for one in ids)} |"
        for error, ids in sorted(found.items())
    ]
    table = "\n".join(["| What CAVEclient says | Read |", "|---|---|", *rows])
    return f'<div class="errors" markdown>\n\n{table}\n\n</div>'


def _opening(error: str, width: int = 200) -> str:
    """The beginning of an error in one line, without addresses, and with the code that the server gave."""
    words = " ".join(re.sub(r"https?://\S+|(?<=url: )/\S+", "…", error).split())
    words = re.sub(r"\(host='[^']*', port=\d+\)", "(…)", words)
    words = re.sub(r" content: ?b.*?\"error\":(\"\w+\").*", r" … \1 …", words)
    words = words if len(words) <= width else words[:width].rsplit(" ", 1)[0] + " …"
    return re.sub(r"…(?: …)+", "…", words)


def _headline(opening: str) -> str:
    """A shorter beginning, which has the cause that urllib3 gives instead of how it got there."""
    return _opening(re.sub(r"\w+\(…\): Max retries exceeded with url: … \(Caused by ", "", opening), 90)


def _literal(text: str) -> str:
    """A text that Markdown shows as it is, in a table, too."""
    return re.sub(r"[|_*`~\[\]\\:]", lambda found: f"&#{ord(found[0])};", html.escape(text, quote=False))


def _settings() -> str:
    rows = [
        f"| `CaveMagics.{name}` | `{trait.default_value!r}` | {trait.help} |"
        for name, trait in sorted(CaveMagics.class_own_traits(config=True).items())
    ]
    return "\n".join(["| setting | default | what it does |", "|---|---|---|", *rows])


def _servers() -> str:
    rows = [
        f"| {one.name} | `{one.server}` | {', '.join(f'`{name}`' for name in one.public + one.restricted)} |"
        for one in DEPLOYMENTS
    ]
    return "\n".join(["| project | server | datastacks |", "|---|---|---|", *rows])


LISTS = {"servers": _servers, "checks": _table_of_checks, "errors": _table_of_errors, "settings": _settings}


def magic(name: str) -> str:
    """A magic: what it does, its examples and its arguments."""
    parser = find_command(name)
    groups = ((heading, "\n".join(line.text for line in lines)) for heading, lines in parser.examples())
    examples = "\n\n".join(f"{heading}\n\n```python\n{code}\n```" for heading, code in groups)
    rows = [f"| {_flags(action)} | {action.help} |" for action in parser._actions]
    table = "\n".join(["| argument | what it does |", "|---|---|", *rows])
    return f"## %{name}\n\n{parser.description}\n\n{examples}\n\n{table}"


def _flags(action: Any) -> str:
    value = action.metavar or (f"{{{','.join(action.choices)}}}" if action.choices else "")
    if not action.option_strings:
        return f"`{value or action.dest}`"
    return ", ".join(f"`{flag} {value}`" if value else f"`{flag}`" for flag in action.option_strings)


# ---------------------------------------------------------------- notebooks


def notebook(path: Path) -> str:
    """A notebook as a page: its cells, and the outputs that are stored in it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(part for cell in cells for part in _cell(cell)) + "\n"


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", source)
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        page = "".join(output.get("data", {}).get("text/html", ""))
        text = "".join(output.get("text", "") or "\n".join(output.get("traceback", [])))
        if page:
            yield f'<div class="said">{page}</div>'
        elif text:
            yield f"````text\n{text.rstrip()}\n````"
