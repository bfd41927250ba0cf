"""The plan of the house, held against the syntax trees: who imports whom, who owns a library, how long a function is."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cave_magic"

LAYERS = (
    "errors", "token", "redact", "ui", "api", "deployments", "credentials", "environment", "doctor", "login",
    "commands", "completion", "magics", "__init__",
)  # fmt: skip
"""The modules and folders of the package from the ground up: each imports only what stands before it, lazily too."""

MOST_ENTRIES = 16
MOST_LINES = 450

OWNERS = {
    "requests": {"api.http", "api.connections"},
    "urllib3": {"api.connections"},
    "caveclient": {"environment.packages", "environment.caveclient_adapter"},
    "rich": {"ui.terminal"},
    "IPython": {"magics", "completion", "ui.notebook"},
    "traitlets": {"magics"},
    "filelock": {"credentials.atomic_write"},
    "packaging": {"environment.packages"},
}
"""Which modules may import a library. A library that is not here belongs to nobody."""

MAY_SPLIT = {"token": {"urlsplit"}}
"""Which module may use what of `urllib.parse`: `token` looks for a token in whatever text was pasted."""

OF_THE_SANDBOX = {"flask", "werkzeug", "middle_auth_client", "cachetools", "requests", "cryptography", "pexpect"}

MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path: Path) -> str:
    """`cave_magic/credentials/save.py` -> "credentials.save", `cave_magic/ui/__init__.py` -> "ui"."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def layer_of(module: str) -> str:
    """`credentials.save` -> "credentials"."""
    return module.partition(".")[0]


def imports_of(path: Path, within: ast.AST | None = None) -> Iterator[str]:
    """The full names of everything that a file, or a part of it, imports, relative imports resolved."""
    for node in ast.walk(within or tree_of(path)):
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


def named(paths: list[Path]) -> object:
    """The parameters of a test that looks at each file."""
    return pytest.mark.parametrize("path", paths, ids=[str(path.relative_to(ROOT)) for path in paths])


OURS = [path for path in MODULES if layer_of(module_of(path)) not in ("sandbox", "__init__")]
OF_SANDBOX = [path for path in MODULES if layer_of(module_of(path)) == "sandbox"]
NAMES = {module_of(path) for path in MODULES}


@cache
def own_imports(path: Path) -> set[str]:
    """The modules of this package that a file imports when it runs, lazily too; not those for the type checker."""
    typed = [
        node for node in ast.walk(tree_of(path)) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    skipped = {name for block in typed for name in imports_of(path, block)} - {
        name for node in ast.walk(tree_of(path)) if not any(node in ast.walk(block) for block in typed)
        for name in (imports_of(path, node) if isinstance(node, ast.Import | ast.ImportFrom) else ())
    }  # fmt: skip
    found = set()
    for name in set(imports_of(path)) - skipped:
        if name == "cave_magic" or name.startswith("cave_magic."):
            inner = name.removeprefix("cave_magic").lstrip(".")
            while inner and inner not in NAMES:
                inner = inner.rpartition(".")[0]
            found.add(inner or "__init__")
    return found - {module_of(path)}


@named(OURS)
def test_imports_point_down(path: Path):
    """A module imports only layers below its own, or modules of its own folder, and never the practice server."""
    mine = layer_of(module_of(path))
    assert mine in LAYERS, f"give {mine} its place in LAYERS"
    below = LAYERS[: LAYERS.index(mine) + 1]
    assert {layer_of(name) for name in own_imports(path)} <= set(below)


def test_no_modules_import_each_other():
    """No module imports itself by way of others, lazily or not."""
    graph = {module_of(path): own_imports(path) for path in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_package_fits_on_one_screen():
    """The package has few entries at its top, so that a newcomer finds the right folder by its name."""
    assert len([one for one in PACKAGE.iterdir() if one.name != "__pycache__"]) <= MOST_ENTRIES


@named(MODULES)
def test_no_module_is_long(path: Path):
    """No module has more than 450 lines."""
    assert path.read_text(encoding="utf-8").count("\n") <= MOST_LINES


@named(OURS)
def test_each_library_has_its_owners(path: Path):
    """A third-party library is imported by the modules that own it and by no other."""
    module = module_of(path)
    wild = f"{layer_of(module)}.*"
    assert all({module, wild} & OWNERS.get(library, set()) for library in libraries_of(path)), libraries_of(path)


@named([path for path in OURS if module_of(path) != "api.urls"])
def test_addresses_are_taken_apart_in_one_place(path: Path):
    """No other module splits an address: there is one rule for what is host, what is secret and what may be shown."""
    splitters = {"urlsplit", "urlparse", "urlunsplit", "urljoin", "netloc", "hostname"} - MAY_SPLIT.get(
        module_of(path), set()
    )
    names = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(tree_of(path))}
    assert not names & splitters
    cut = {"partition", "rpartition", "split", "rsplit"}
    assert not [
        call.lineno
        for call in ast.walk(tree_of(path))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in cut
        and any(isinstance(one, ast.Constant) and one.value in ("://", "@", "//") for one in call.args)
    ]  # fmt: skip


OUR_WORDS = {
    "advice", "evidence", "fault", "map_problem", "message", "problem", "sentence", "shared", "text", "why", "words",
}  # fmt: skip
"""What a sentence of ours is called where it is a name or an attribute."""

OTHER_TEXT = {
    "api.*", "completion", "credentials.scrub", "doctor.explain_error", "redact", "token",
    "commands.arguments._without_values", "commands.save._variable_in", "login.browser_sign_in.came_by_address",
    "login.exchange.stood_in_address",  # from a server, a library or a person
    "ui.*", "commands.views.report", "doctor.diagnose", "doctor.next_steps", "doctor.reference",  # laid out, not read
}  # fmt: skip
"""Modules and functions whose `text` is none of our sentences, and those that only lay sentences out."""

SEARCHES = {
    "partition", "rpartition", "split", "rsplit", "startswith", "endswith", "removeprefix", "removesuffix", "replace",
    "find", "index", "count",
}  # fmt: skip


def searched_sentences(tree: ast.AST) -> Iterator[int]:
    """The lines on which code searches, compares or cuts one of our own sentences, to decide by what it finds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            left, operators, right = node.left, node.ops, node.comparators
            is_search = any(isinstance(one, ast.In | ast.NotIn) for one in operators) and _is_text(left)
            is_same = any(isinstance(one, ast.Eq | ast.NotEq) for one in operators)
            texts = [one for one in (left, *right) if _is_text(one) and getattr(one, "value", "x")]
            if (is_search and any(map(_is_ours, right))) or (is_same and texts and any(map(_is_ours, (left, *right)))):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_sentence = any(_is_text(one) and str(getattr(one, "value", "")).startswith(". ") for one in node.args)
            is_cut = node.func.attr in SEARCHES and (_is_ours(node.func.value) or of_sentence)
            is_matched = getattr(node.func.value, "id", "") == "re" and any(map(_is_ours, node.args))
            if is_cut or is_matched:
                yield node.lineno


def _is_text(node: ast.AST) -> bool:
    """Whether it is a text as it stands or a constant with a name of its own."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Name) and node.id.isupper())


def _is_ours(node: ast.AST) -> bool:
    """Whether it is a sentence of ours by its name, the text of an exception, or a problem that was worded."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "str":
        return any(_is_ours(one) or getattr(one, "id", "") == "error" for one in node.args)
    return getattr(node, "id", getattr(node, "attr", "")) in OUR_WORDS


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
    ],
)
def test_a_searched_sentence_is_found(code: str):
    """What code once did with our own sentences is seen by the test below."""
    assert list(searched_sentences(ast.parse(code)))


@named(OURS)
def test_no_code_searches_our_sentences(path: Path):
    """Code decides by enums and facts: no sentence of ours is searched, compared or cut."""
    module = module_of(path)
    if {module, f"{layer_of(module)}.*"} & OTHER_TEXT:
        return
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, Function)]
    others = [one for one in functions if f"{module}.{one.name}" in OTHER_TEXT]
    found = set(searched_sentences(tree_of(path)))
    assert found <= {line for one in others for line in searched_sentences(one)}


@named(OF_SANDBOX)
def test_the_practice_server_stands_apart(path: Path):
    """The practice server uses its own libraries and nothing of the package that it is to test."""
    assert libraries_of(path) <= OF_THE_SANDBOX
    own = {name for name in imports_of(path) if name.startswith("cave_magic.") and name.split(".")[1] != "sandbox"}
    assert not own


def _texts(node: ast.AST) -> Iterator[ast.Constant]:
    """The texts that a module may print: not docstrings, and not the examples of the reference of checks."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.keyword) and child.arg in ("explains", "fixed_by", "help"):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and field == "body":
                continue
            if isinstance(child, ast.Constant) and isinstance(child.value, str):
                yield child
            elif isinstance(child, ast.AST):
                yield from _texts(child)


@named([path for path in OURS if path.stem not in ("next_steps", "reference", "magics")])
def test_lines_to_type_are_built_in_one_place(path: Path):
    """No other module writes a magic, a `CAVEclient(...)` or a shell line into a sentence.

    `magics` has one of its own, for where the rest of this package cannot be imported.
    """
    typed = re.compile(
        r"%cave_|%pip|%env|CAVEclient\(|server_address=|os\.environ|!mv|!chmod|--server http|--server URL"
    )
    assert not [one.value for one in _texts(tree_of(path)) if typed.search(one.value)]


@named([path for path in OURS if path.stem != "next_steps"])
def test_a_command_is_made_in_one_place(path: Path):
    """Only `next_steps` makes a `Command`, so that none is made without the target that it is about."""
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    made = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "Command"]
    assert not [node for node in made if node.args and getattr(node.args[0], "value", None) != ""]


@named([path for path in OURS if module_of(path) not in ("commands.check", "commands.context", "doctor.evidence")])
def test_only_a_fix_prints_the_line_that_offers_it(path: Path):
    """No check writes `--fix` into a next step: it is the runner that adds it, to a finding that carries a fix.

    `context` has one of its own, for an entry of the datastack map that can be corrected or forgotten in any case.
    """
    assert not [one.value for one in _texts(tree_of(path)) if "--fix" in one.value]


def test_the_front_door_imports_nothing_at_once():
    """`cave_magic/__init__.py` imports at module level only what every Python has."""
    nodes = tree_of(PACKAGE / "__init__.py").body
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names <= {"__future__", "typing"}


@named([*MODULES, *(path for path in TESTS if path.name != "__init__.py")])
def test_every_module_says_what_it_is(path: Path):
    """Every module begins with a docstring."""
    assert ast.get_docstring(tree_of(path))


@named(MODULES)
def test_every_public_function_says_what_it_does(path: Path):
    """Every public class, function and method has a docstring."""
    assert not [node.name for node in _public(tree_of(path)) if not ast.get_docstring(node)]


@named([path for path in TESTS if path.name.startswith("test_")])
def test_every_test_states_its_behaviour(path: Path):
    """Every test has a docstring that is a sentence."""
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, Function)]
    tests = [node for node in functions if node.name.startswith("test_")]
    assert not [node.name for node in tests if not (ast.get_docstring(node) or "").rstrip().endswith(".")]


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
