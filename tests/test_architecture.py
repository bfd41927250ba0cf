"""The rules of the layout, checked on the syntax trees: imports, names, sizes, docstrings.

Each test checks one rule in all files and lists every violation. Its docstring says why the rule exists.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator
from functools import cache, partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from cave_magic.commands import NAMES as NAMES_OF_MAGICS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cave_magic"

LAYERS = (
    "errors", "token", "ui", "api", "deployments", "credentials", "environment", "doctor", "login",
    "dask", "commands", "magics", "__init__", "__main__",
)  # fmt: skip
"""The modules and folders of the package from the ground up: each imports only what comes before it, even lazily."""

MOST_ENTRIES = 15
MOST_LINES = 450

OWNERS = {
    "requests": {"api.http", "api.connections"},
    "urllib3": {"api.connections"},
    "caveclient": {"environment.packages", "environment.caveclient_adapter"},
    "rich": {"ui.terminal"},
    "IPython": {"magics", "commands.completion", "ui.notebook"},
    "traitlets": {"magics"},
    "filelock": {"credentials.atomic_write"},
    "distributed": {"dask.access", "dask.cluster"},
    "packaging": {"environment.distributions", "environment.packages"},
}
"""The modules that may import a library. No module may import a library that is not listed."""

OF_THE_SANDBOX = {"flask", "werkzeug", "middle_auth_client", "cachetools", "requests", "cryptography", "pexpect"}

POSITIONAL = {"ui.document", "doctor.model"}
"""Modules whose dataclasses also take values by position: short ones with an obvious order."""

CHANGING = {"login.revocation", "commands.context"}
"""Modules with a mutable dataclass: a token is marked as revoked, and a line notes what it has done."""

SAME_NAME = {"_Server"}
"""Private classes that share a name."""

OUTSIDE = {"benchmarks", "mutation", "neighbours", "support", "whole_way", "worlds"}
"""Folders of tests without a counterpart in the package."""

TESTED_IN = {
    "api/test_http": {"api.connections", "api.failures"},
    "api/test_request_counts": {"api.endpoints", "doctor.gather", "doctor.gather_datastack", "doctor.gather_server"},
    "commands/test_everywhere": {"commands.views.everywhere", "commands.whoami"},
    "commands/test_explain": {"doctor.reference"},
    "commands/test_functions": {"commands.outcomes"},
    "commands/test_setup": {"commands.save", "commands.token_input", "commands.views.access", "login.verify"},
    "commands/test_tokens": {"commands.remove", "commands.replace", "commands.views.tokens"},
    "commands/test_views": {"commands.views.guide", "commands.views.whoami", "ui.text_layout"},
    "credentials/test_obstacles": {"credentials.file_problems"},
    "dask/test_check": {"dask.cluster", "dask.look", "dask.next_steps", "dask.report"},
    "doctor/checks/test_completeness": {"doctor.healthy"},
    "doctor/checks/test_environment": {"doctor.checks.import_faults"},
    "doctor/checks/test_network": {"api.certificates", "doctor.checks.causes", "doctor.checks.certificates"},
    "doctor/faults/test_faults": {"commands.check"},
    "doctor/faults/test_last_call": {"doctor.gather_call"},
    "doctor/faults/test_memory": {"doctor.gather_memory"},
    "doctor/faults/test_odd_circumstances": {"api.special_files", "environment.resources"},
    "doctor/faults/test_planted": {"doctor.session"},
    "doctor/faults/test_readers": {"environment.cloud_volume"},
    "doctor/faults/test_shadows": {"environment.shadowed"},
    "doctor/test_diagnose": {"doctor.gather_computer"},
    "doctor/test_experiments": {"doctor.experiments.model", "doctor.experiments.plan", "doctor.experiments.run"},
    "doctor/test_explain_error": {"doctor.raised"},
    "doctor/test_fixes": {"credentials.datastack_map", "credentials.stored_tokens"},
    "doctor/test_lines_for_a_shell": {"doctor.variables"},
    "doctor/test_lines_on_windows": {"ui.door"},
    "doctor/test_report": {"doctor.judge"},
    "doctor/test_runner": {"doctor.model"},
    "environment/test_attribution": {"environment.import_fault", "environment.import_messages", "environment.startup",
                                     "environment.trial"},
    "login/test_browser_sign_in": {"login.exchange", "login.pages", "login.web_browser"},
    "login/test_revocation": {"api.tokens"},
    "sandbox/test_cli": {"sandbox.console", "sandbox.demo"},
    "sandbox/test_contract": {"sandbox.auth_api", "sandbox.gate", "sandbox.info_api", "sandbox.local_api"},
    "sandbox/test_pages": {"sandbox.sticky"},
    "sandbox/test_sandbox": {"sandbox.accounts", "sandbox.apps", "sandbox.catalogue", "sandbox.clock", "sandbox.people",
                             "sandbox.request_log", "sandbox.server", "sandbox.tls", "sandbox.token_store",
                             "sandbox.visitor"},
    "test_command_line": {"__main__", "sandbox.__main__"},
    "test_deployments": {"credentials.target"},
    "test_errors": {"api.responses"},
    "test_magics": {"doctor.error_line"},
    "ui/test_colors": {"ui.html"},
    "ui/test_fetch": {"ui.notebook"},
    "whole_way/test_no_trace": {"commands.context", "commands.line", "commands.shell"},
}  # fmt: skip
"""The tests of the modules that have no test file of their own name: they are tested by what uses them."""

WORDS_TO_AVOID = {
    "inquiry": "request", "rounds": "batch", "remedies": "fixes", "hide": "redact, mask or scrub", "login": "sign_in",
    "lies": "was_left", "mending": "fixing",
}  # fmt: skip
"""Words that test names avoid, and what to use instead."""

MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of the syntax tree of a file."""
    return tuple(ast.walk(tree_of(path)))


def module_of(path: Path) -> str:
    """`cave_magic/credentials/save.py` -> "credentials.save", `cave_magic/ui/__init__.py` -> "ui"."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def layer_of(module: str) -> str:
    """`credentials.save` -> "credentials"."""
    return module.partition(".")[0]


def where(path: Path, node: ast.AST) -> str:
    """`cave_magic/credentials/save.py:12`, which an editor opens at that line."""
    return f"{path.relative_to(ROOT)}:{node.lineno}"


OURS = [path for path in MODULES if layer_of(module_of(path)) not in ("sandbox", "__init__")]
OF_SANDBOX = [path for path in MODULES if layer_of(module_of(path)) == "sandbox"]
NAMES = {module_of(path) for path in MODULES}


# ---------------------------------------------------------------- imports


def imports_of(path: Path, nodes: tuple[ast.AST, ...] | None = None) -> Iterator[str]:
    """The full names of all imports of a file, or of a part of it, with relative imports resolved."""
    for node in nodes_of(path) if nodes is None else nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = path.relative_to(ROOT).with_suffix("").parts[: -node.level] if node.level else ()
            base = ".".join((*home, *([node.module] if node.module else [])))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def libraries_of(path: Path) -> set[str]:
    """The top names of the third-party libraries that a file imports."""
    tops = {name.partition(".")[0] for name in imports_of(path)}
    return tops - set(sys.stdlib_module_names) - {"cave_magic", "__future__"}


@cache
def own_imports(path: Path) -> frozenset[str]:
    """The modules of this package that a file imports at run time, even lazily; not those for the type checker."""
    typed = [node for node in nodes_of(path) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    skipped = {id(node) for block in typed for node in ast.walk(block)}
    found = set()
    for name in imports_of(path, tuple(node for node in nodes_of(path) if id(node) not in skipped)):
        if name == "cave_magic" or name.startswith("cave_magic."):
            inner = name.removeprefix("cave_magic").lstrip(".")
            while inner and inner not in NAMES:
                inner = inner.rpartition(".")[0]
            found.add(inner or "__init__")
    return frozenset(found - {module_of(path)})


def test_every_module_has_a_layer():
    """A module or folder that is missing in `LAYERS` would escape the rule about imports."""
    assert {layer_of(module_of(path)) for path in OURS} <= set(LAYERS)


def test_the_tables_are_up_to_date():
    """An exception for a module that no longer exists would apply to the next one of its name."""
    named = {*POSITIONAL, *CHANGING, *set().union(*OWNERS.values())}
    assert {name for name in named if name.removesuffix(".*") not in NAMES} == set()
    assert [layer for layer in LAYERS if layer not in NAMES] == []


def test_imports_point_down():
    """A module imports only its own folder and lower layers, so that each layer can be read and tested without upper ones."""
    below = {layer: set(LAYERS[: number + 1]) for number, layer in enumerate(LAYERS)}
    upward = [
        f"{module_of(path)} imports {name}"
        for path in OURS
        for name in own_imports(path)
        if layer_of(name) not in below.get(layer_of(module_of(path)), ())
    ]
    assert upward == []


def test_no_modules_import_each_other():
    """There are no import cycles, lazy ones included, so that each module can be understood alone."""
    try:
        TopologicalSorter({module_of(path): own_imports(path) for path in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_each_library_has_its_owners():
    """Only its owners import a third-party library, so that a new version of it affects one file."""
    strangers = [
        f"{module} imports {library}"
        for path in OURS
        for module in [module_of(path)]
        for library in libraries_of(path)
        if not {module, f"{layer_of(module)}.*"} & OWNERS.get(library, set())
    ]
    assert strangers == []


def test_the_practice_server_is_independent():
    """The practice server imports nothing else of the package, or tests would compare the package with itself."""
    own = {name for path in OF_SANDBOX for name in own_imports(path) if layer_of(name) != "sandbox"}
    assert own <= {"__init__"}
    assert set().union(*map(libraries_of, OF_SANDBOX)) <= OF_THE_SANDBOX


def test_the_package_imports_nothing_at_once():
    """`cave_magic/__init__.py` imports almost nothing at module level, so that `%load_ext` is instant."""
    nodes = tree_of(PACKAGE / "__init__.py").body
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names <= {"__future__", "typing"}


# ---------------------------------------------------------------- one place for each thing


def test_urls_are_parsed_in_one_place():
    """Only `api.urls` parses URLs, so that there is one rule for the host, the secrets and what may be shown."""
    splitters = {"urlsplit", "urlparse", "urlunsplit", "urljoin", "netloc", "hostname"}
    found = []
    for path in (path for path in OURS if module_of(path) != "api.urls"):
        for node in nodes_of(path):
            if getattr(node, "id", getattr(node, "attr", "")) in splitters or _splits_a_url(node):
                found.append(where(path, node))
    assert found == []


def _splits_a_url(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") not in (
        "partition",
        "rpartition",
        "split",
        "rsplit",
    ):
        return False
    return any(isinstance(one, ast.Constant) and one.value in ("://", "@", "//") for one in node.args)


def test_lines_to_type_are_built_in_one_place():
    """Only `next_steps` and `variables` write a magic, a `CAVEclient(...)` or a shell line into a sentence, so that each is tested.

    `commands` has one of its own, for when the rest of the package cannot be imported.
    """
    typed = re.compile(
        r"%cave_|%pip|%env|CAVEclient\(|server_address=|os\.environ|!mv|!chmod|--server http|--server URL"
        rf"|cave-magic (?:{'|'.join(name.removeprefix('cave_') for name in NAMES_OF_MAGICS)})|unset [A-Z]|export [A-Z]"
    )
    names = ("doctor.next_steps", "doctor.variables", "dask.next_steps", "commands")
    paths = [path for path in OURS if module_of(path) not in names]
    texts = [(path, one) for path in paths for one in _texts(tree_of(path), ("help",))]
    found = [where(path, one) for path, one in texts if typed.search(one.value)]
    made = [(path, one) for path in paths for one in nodes_of(path) if isinstance(one, ast.JoinedStr)]
    found += [where(path, one) for path, one in made if any(map(_begins_a_magic, one.values, one.values[1:]))]
    assert found == []


def _begins_a_magic(before: ast.AST, value: ast.AST) -> bool:
    """Whether a part of an f-string is `%` before a value, or the name of a command before its options."""
    percent = isinstance(value, ast.FormattedValue) and str(getattr(before, "value", "")).endswith("%")
    named = isinstance(before, ast.FormattedValue) and _is_call(before.value, "name_here")
    return percent or (named and str(getattr(value, "value", "")).startswith((" --", " -", " new", " existing")))


def _texts(node: ast.AST, but: Collection[str] = ("explains", "fixed_by", "help")) -> Iterator[ast.Constant]:
    """The texts that a module may print: not docstrings, and not the arguments `but`, such as those of the reference."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.keyword) and child.arg in but:
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and field == "body":
                continue
            if isinstance(child, ast.Constant) and isinstance(child.value, str):
                yield child
            elif isinstance(child, ast.AST):
                yield from _texts(child, but)


def test_commands_are_built_in_one_place():
    """Only `next_steps` and `variables` create a `Command`, so that each has its target."""
    makers = ("next_steps", "variables")
    calls = [(path, call) for path in OURS if path.stem not in makers for call in _calls_of(path, "Command")]
    assert [where(path, call) for path, call in calls if getattr(call.args[0], "value", None) != ""] == []


def test_the_platform_is_asked_in_one_place():
    """Only `door` and `platforms` ask which operating system this is; the practice server imports neither."""
    asks = {("os", "name"), ("sys", "platform")}
    found = [
        where(path, node)
        for path in OURS
        if module_of(path) not in ("ui.door", "environment.platforms")
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute) and (getattr(node.value, "id", ""), node.attr) in asks
    ]
    assert found == []


def test_no_other_span_looks_like_a_command():
    """A span in the style of a command is a `Command`, so that it is among the commands of the next step.

    The token of `%cave_whoami --reveal` is copied like one.
    """
    paths = [path for path in OURS if layer_of(module_of(path)) in ("doctor", "login", "dask", "commands")]
    paths = [path for path in paths if module_of(path) != "commands.views.whoami"]
    spans = [(path, call) for path in paths for call in _calls_of(path, "Span")]
    styled = [(path, call) for path, call in spans for one in (*call.args[1:], *(key.value for key in call.keywords))
              if getattr(one, "value", "") == "command"]  # fmt: skip
    assert [where(path, call) for path, call in styled] == []


OF_TOKENS = re.compile(r"secret\.json|\.cloudvolume|\.cloudfiles|\.neuroglancer")
"""The names of files and folders with tokens."""

HOMES = {"api.special_files", "doctor.next_steps", "environment.installer", "environment.startup"}
"""Modules that name files of other programs in the home, none of which has a token of CAVE."""


def test_files_with_tokens_are_named_in_one_place():
    """Only `token_files` and `locations` name files with tokens, so that saving, removing and showing know all of them.

    `healthy` names those of a computer on which all is well, and `explain_error` looks for the folder in an error.
    A new one is a `Role` of `locations`. What else is in that folder has no token: the map, the leases, the jobs.
    """
    owners = {"credentials.token_files", "credentials.locations"}
    found = []
    for path in (path for path in OURS if module_of(path) not in owners):
        module = module_of(path)
        if module not in ("doctor.healthy", "doctor.explain_error"):
            found += [where(path, one) for one in _texts(tree_of(path)) if OF_TOKENS.search(one.value)]
        if module not in ("doctor.healthy", *HOMES):
            found += [where(path, one) for one in _texts(tree_of(path)) if re.match("~/.|[.]config", one.value)]
        for node in nodes_of(path):
            is_made = (
                isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _is_call(node.left, "secrets_folder")
            )
            is_named = getattr(node, "id", "") in ("DEFAULT_NAME", "LEGACY_NAME")
            if is_made and module not in (
                "credentials.datastack_map",
                "credentials.lease",
                "credentials.save",
                "doctor.feasible",
            ):
                found.append(where(path, node))
            if is_named and module not in ("doctor.healthy", "commands.views.everywhere"):
                found.append(where(path, node))
    assert found == []


def _is_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == name


def test_a_check_asks_nothing_but_its_facts():
    """A check reads no environment, clock, file or network, which its unit test could not set; `os.sep` is a constant."""
    asks = {"environ", "getenv", "time", "now", "today", "monotonic", "perf_counter", "exists", "is_file", "is_dir",
            "read_text", "read_bytes", "open", "expanduser", "getcwd", "cwd", "home", "run", "Popen"}  # fmt: skip
    banned = {"socket", "subprocess", "shutil", "time", "requests", "urllib", "glob", "tempfile"}
    found = []
    for path in (path for path in OURS if module_of(path).startswith("doctor.checks.")):
        found += [f"{module_of(path)} imports {one}" for one in imports_of(path) if one.partition(".")[0] in banned]
        for node in nodes_of(path):
            name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            if name in asks or getattr(node, "attr", "") == "environ":
                found.append(where(path, node))
    assert found == []


def test_a_check_shows_no_raw_data():
    """A check looks into the data of a response, but shows a part of it only through `sanitize`: no `str` marks it."""
    paths = [path for path in OURS if layer_of(module_of(path)) in ("doctor", "commands", "dask")]
    shown = [
        where(path, inner)
        for path in paths
        for node in nodes_of(path)
        if isinstance(node, ast.FormattedValue)
        or _is_call(node, "str")
        or _is_call(node, "Span")
        or _is_call(node, "line")
        for inner in ast.walk(node)
        if getattr(inner, "attr", "") == "body"
    ]
    assert shown == []


def test_untrusted_text_is_read_in_one_place():
    """Only `redact` reads the text of an `Untrusted`, so that only `sanitize` makes it showable."""
    paths = [path for path in OURS if module_of(path) != "ui.redact"]
    assert [
        where(path, node) for path in paths for node in nodes_of(path) if getattr(node, "attr", "") == "_text"
    ] == []


def _calls_of(path: Path, name: str) -> list[ast.Call]:
    """The calls of a function or class, by name or as an attribute, with an argument."""
    calls = [node for node in nodes_of(path) if isinstance(node, ast.Call) and node.args]
    return [call for call in calls if name in (getattr(call.func, "id", ""), getattr(call.func, "attr", ""))]


# ---------------------------------------------------------------- sentences are for people

OUR_WORDS = {
    "advice", "evidence", "fault", "map_problem", "message", "problem", "sentence", "shared", "text", "why", "words",
}  # fmt: skip
"""The names and attributes that our own sentences have."""

OTHER_TEXT = {
    "api.*", "commands.completion", "credentials.our_lines", "credentials.scrub", "doctor.explain_error", "doctor.raised",
    "ui.redact", "token",
    "commands.arguments._without_values", "commands.save._variable_in", "login.route.is_sign_in_address",
    "login.exchange.is_from_address",  # from a server, a library or a user
    "doctor.fixes._readable_entries",  # from a file
    "environment.attribution", "environment.startup",  # from an exception or a file
    "ui.*", "doctor.report._cell", "doctor.report._without_person",  # layout
    "doctor.next_steps._typed", "doctor.next_steps.move_away", "doctor.next_steps._shell_takes",  # paths
    "doctor.next_steps._for_shell", "doctor.next_steps._expanded", "doctor.next_steps._literal",
}  # fmt: skip
"""Modules and functions whose `text` is not our own sentence, and those that only lay sentences out."""

SEARCHES = {
    "partition", "rpartition", "split", "rsplit", "startswith", "endswith", "removeprefix", "removesuffix", "replace",
    "find", "index", "count",
}  # fmt: skip


MATCHES = {"search", "match", "fullmatch", "findall", "finditer", "sub", "subn", "split"}
"""What `re` and a compiled pattern do with a text."""

OUR_PHRASE = re.compile(r"%cave_|%pip|%env|`|[a-z]{2,},? [a-z]{2,}|\\\{\(")
"""What only our own sentences contain: a magic, a quoted line, two words, a name in braces."""

KEPT = {"lower", "upper", "casefold", "strip", "lstrip", "rstrip", "removeprefix", "removesuffix", "replace", "join"}
"""Methods whose result is still the same sentence."""


def searched_sentences(tree: ast.AST) -> Iterator[int]:
    """The lines on which code searches, compares or splits one of our own sentences."""
    ours = partial(_is_ours, names=_names_of_sentences(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            left, operators, right = node.left, node.ops, node.comparators
            is_search = any(isinstance(one, ast.In | ast.NotIn) for one in operators) and _is_text(left)
            is_same = any(isinstance(one, ast.Eq | ast.NotEq) for one in operators)
            texts = [one for one in (left, *right) if _is_text(one) and getattr(one, "value", "x")]
            if (is_search and any(map(ours, right))) or (is_same and texts and any(map(ours, (left, *right)))):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_sentence = any(_is_text(one) and str(getattr(one, "value", "")).startswith(". ") for one in node.args)
            is_cut = node.func.attr in SEARCHES and (ours(node.func.value) or of_sentence)
            of_phrase = any(
                _is_text(one) and OUR_PHRASE.search(str(getattr(one, "value", ""))) for one in node.args[:1]
            )
            is_matched = node.func.attr in MATCHES and (of_phrase or any(map(ours, node.args)))
            if is_cut or is_matched or (node.func.attr in SEARCHES and of_phrase):
                yield node.lineno


def _names_of_sentences(tree: ast.AST) -> set[str]:
    """The variables to which code assigns a whole sentence of ours: the text of a line or of a row."""
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and _is_text_of_line(node.value)]
    return {one.id for node in made for one in node.targets if isinstance(one, ast.Name)}


def _is_text_of_line(node: ast.AST) -> bool:
    is_row = isinstance(node, ast.Attribute) and node.attr == "evidence"
    return is_row or getattr(getattr(node, "func", None), "id", "") in ("plain_text", "shareable_text")


def _is_text(node: ast.AST) -> bool:
    """Whether it is a literal text or a named constant."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Name) and node.id.isupper())


def _is_ours(node: ast.AST, names: Collection[str] = ()) -> bool:
    """Whether it is one of our own sentences: by its name, as the text of a line or an exception, or as a part of one."""
    if isinstance(node, ast.Subscript):
        return _is_ours(node.value, names)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "str":
        return any(_is_ours(one, names) or getattr(one, "id", "") == "error" for one in node.args)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in KEPT:
        return any(_is_ours(one, names) for one in (node.func.value, *node.args))
    return _is_text_of_line(node) or getattr(node, "id", getattr(node, "attr", "")) in {*OUR_WORDS, *names}


@pytest.mark.parametrize(
    "code",
    [
        'if "holds" not in found.problem: pass',
        'problem = target.map_problem.partition(". Use")[0]',
        'text = said.partition(". Use")[0]',
        "guess = problem == BLANKS",
        'if "--server" not in text: pass',
        'text = text.replace(" Nothing was changed.", "")',
        'if str(error).startswith("the folder"): pass',
        'if re.search("wrong", finding.evidence): pass',
        'if f"{host} is" in row.evidence: pass',
        "found = _REJECTED.search(row.evidence)",
        "found = _REJECTED.search(plain_text(row.found))",
        'if plain_text(row.found).startswith("the token"): pass',
        'said = row.evidence\nhost = said.split(": ")[1]',
        'if "rejected" in str(row.found[0].text): pass',
        'host = row.found[0].text.lower().partition(" on ")[2]',
        'line = re.findall("%cave_save (.*)", row.next_step.text)[0]',
        'text = word.sub("it", span.text)',
        'text = replace(first, text=first.text.removeprefix("it: "))',
        r'text = re.sub(r"%(cave_\w+)", lambda found: program_with(found[1]), text)',
        r'shown = re.sub(r"\n +\w+ = %cave_.*", "", help)',
        'shown = help.replace("`%pip ", "`python -m pip ")',
        'shown = help.replace(", then restart the kernel", "")',
        'parts = explained.split("`")',
        r'parts = re.split(r"\{(\w+)\}", cause)',
        'said = cause.replace("this kernel", "this program")',
    ],
)
def test_a_searched_sentence_is_detected(code: str):
    """The test below detects what the code once did."""
    assert list(searched_sentences(ast.parse(code)))


def test_no_code_searches_our_sentences():
    """Code decides by enums and facts, and never searches, compares or splits our own sentences."""
    found = []
    for path in OURS:
        module = module_of(path)
        if {module, f"{layer_of(module)}.*"} & OTHER_TEXT:
            continue
        others = [one for one in nodes_of(path) if isinstance(one, Function) and f"{module}.{one.name}" in OTHER_TEXT]
        allowed = {line for one in others for line in searched_sentences(one)}
        found += [
            f"{path.relative_to(ROOT)}:{line}" for line in searched_sentences(tree_of(path)) if line not in allowed
        ]
    assert found == []


def test_only_a_fix_prints_the_line_that_offers_it():
    """No check writes `--fix` into a next step: the runner adds it to a finding that carries a fix.

    `next_steps` has it for the reference, and `context` has one of its own, for an entry of the datastack map that can always be corrected or removed.
    """
    others = ("commands.check", "commands.context", "doctor.evidence", "doctor.next_steps")
    paths = [path for path in OURS if module_of(path) not in others]
    found = [where(path, one) for path in paths for one in _texts(tree_of(path)) if "--fix" in one.value]
    assert found == []


# ---------------------------------------------------------------- size and shape


def test_the_package_fits_on_one_screen():
    """The package has few entries at the top, so that a newcomer finds the right folder by its name."""
    assert len([one for one in PACKAGE.iterdir() if one.name not in ("__pycache__", "py.typed")]) <= MOST_ENTRIES


def test_no_module_is_long():
    """No module has more than 450 lines: a longer one does more than one thing."""
    long = {path for path in MODULES if path.read_text(encoding="utf-8").count("\n") > MOST_LINES}
    assert long == set()


def test_dataclasses_are_frozen_slotted_and_built_by_name():
    """A dataclass cannot be changed by accident, rejects unknown attributes, and names each value."""
    found = []
    for path in OURS:
        wanted = {"frozen", "slots", "kw_only"}
        wanted -= {"kw_only"} if module_of(path) in POSITIONAL else set()
        wanted -= {"frozen"} if module_of(path) in CHANGING else set()
        for node in nodes_of(path):
            for one in getattr(node, "decorator_list", []):
                if ast.unparse(one).startswith("dataclass"):
                    given = {word.arg for word in getattr(one, "keywords", ()) if getattr(word.value, "value", False)}
                    found += [f"{where(path, node)} {node.name}: {', '.join(wanted - given)}"] if wanted - given else []
    assert found == []


# ---------------------------------------------------------------- names and docstrings


@pytest.mark.parametrize("paths", [OURS, OF_SANDBOX], ids=["package", "practice server"])
def test_two_classes_never_share_a_name(paths: list[Path]):
    """The name of a class is enough to find it, in a search and in an error message."""
    names = [node.name for path in paths for node in nodes_of(path) if isinstance(node, ast.ClassDef)]
    assert {name for name in names if names.count(name) > 1} <= SAME_NAME


def test_every_module_has_a_docstring():
    """Every module begins with a docstring, which is what readers see first."""
    paths = [*MODULES, *(path for path in TESTS if path.name != "__init__.py")]
    assert [str(path) for path in paths if not ast.get_docstring(tree_of(path))] == []


def test_every_public_function_has_a_docstring():
    """Every public class, function and method can be used without reading its body."""
    nodes = [(path, node) for path in MODULES for node in _public(tree_of(path))]
    assert [f"{where(path, node)} {node.name}" for path, node in nodes if not ast.get_docstring(node)] == []


def _public(node: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    for child in node.body:
        if not isinstance(child, (*Function.__args__, ast.ClassDef)) or child.name.startswith("_"):
            continue
        if not _is_overload(child):
            yield child
        if isinstance(child, ast.ClassDef):
            yield from _public(child)


def _is_overload(node: Function | ast.ClassDef) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)


# ---------------------------------------------------------------- tests


def _tests_in(path: Path) -> list[Function]:
    """The tests in a file."""
    return [node for node in nodes_of(path) if isinstance(node, Function) and node.name.startswith("test_")]


def test_every_test_states_its_behaviour():
    """Every test has a docstring of one sentence, which says what its short name cannot."""
    nodes = [(path, node) for path in TESTS if path.name.startswith("test_") for node in _tests_in(path)]
    unsaid = [(path, node) for path, node in nodes if not (ast.get_docstring(node) or "").rstrip().endswith(".")]
    assert [f"{where(path, node)} {node.name}" for path, node in unsaid] == []


def test_every_test_file_has_tests():
    """A `test_*.py` has tests, as its name promises."""
    assert [str(path) for path in TESTS if path.name.startswith("test_") and not _tests_in(path)] == []


def test_no_script_is_named_like_a_test():
    """A script, such as `make_pictures.py`, has a name that says what it does."""
    is_script = re.compile(r"^if __name__ == ", re.MULTILINE)
    scripts = [path for path in TESTS if is_script.search(path.read_text(encoding="utf-8"))]
    assert [str(path) for path in scripts if path.name.startswith("test_")] == []


def test_tests_mirror_the_package():
    """The tests of `cave_magic/x/` are in `tests/x/`, where everybody expects them."""
    folders = {path.parent.relative_to(ROOT / "tests") for path in TESTS if path.name.startswith("test_")}
    mirrored = [folder for folder in folders if folder.parts and folder.parts[0] not in OUTSIDE]
    assert [str(folder) for folder in mirrored if not (PACKAGE / folder.parts[0]).is_dir()] == []


def test_each_module_has_tests():
    """Whoever changes a module finds its tests: in the file of its name, or in the one that `TESTED_IN` names."""
    modules = {path for path in MODULES if path.name != "__init__.py"}
    files = {path.relative_to(ROOT / "tests") for path in TESTS}
    has_own = {module_of(one) for one in modules if one.relative_to(PACKAGE).with_name(f"test_{one.name}") in files}
    listed = {module for modules in TESTED_IN.values() for module in modules}
    assert ({*map(module_of, modules)} - has_own) ^ listed == set()
    assert [name for name in TESTED_IN if Path(f"{name}.py") not in files] == []


def test_test_names_use_the_vocabulary():
    """Test names use the words of the messages and the documentation, so that a search finds them."""
    names = [(path, node) for path in TESTS for node in _tests_in(path)]
    avoided = [(path, node) for path, node in names if set(node.name.split("_")) & set(WORDS_TO_AVOID)]
    assert [f"{where(path, node)} {node.name}" for path, node in avoided] == []
