"""The arguments of the commands: parsing, error messages and help."""

from __future__ import annotations

import inspect

import pytest

from cave_magic.commands import NAMES, find_command
from cave_magic.commands.arguments import read
from cave_magic.errors import BadInput

SECRET = "0f3b8c6e1d2a4b5c0f3b8c6e1d2a4b5c"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cave_check a b -v;", {"names": ["a", "b"], "verbose": True}),
        ("cave_check 'a' --timeout 3 # -v", {"names": ["a"], "timeout": 3.0, "verbose": False}),
        ("cave_check a -- -b", {"names": ["a", "-b"]}),
        ("cave_whoami --rev --server 'https://a.org'", {"reveal": True, "server": "https://a.org"}),
        ("""cave_save '{"token": "#x"}'""", {"token": ['{"token": "#x"}']}),
        (r"cave_save --from-file C:\keys\token.json", {"from_file": r"C:\keys\token.json"}),
    ],
)
def test_a_line_is_read_as_ipython_reads_it(line, expected):
    """Quotes group words, a backslash is an ordinary character, comments and `;` are dropped, options can be abbreviated."""
    name, _, rest = line.partition(" ")
    args = vars(read(find_command(name), rest))
    assert {key: args[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cave_setup bogus", "cave_setup takes new or existing."),
        ("cave_setup --use x", "cave_setup --use takes latest or new."),
        ("cave_setup --pate", "cave_setup has no option --pate. Did you mean --paste?"),
        ("cave_whoami extra", "cave_whoami takes no more words. Its options: --reveal, --server, --data"),
        ("cave_save --from-env", "cave_save: argument --from-env: expected one argument."),
        ("cave_check --timeout abc", "cave_check: argument --timeout: invalid float value."),
        (f"cave_check --json={SECRET}", "cave_check: argument --json: ignored explicit argument."),
        (f"cave_check {SECRET},{SECRET}", "separate names with spaces, not commas."),
        ("cave_check a, b -v", "separate names with spaces, not commas: %cave_check a b -v"),
        ("cave_check 'a", "a quotation mark is not closed."),
    ],
)
def test_a_wrong_line_is_explained_without_quoting_a_value(line, message, capsys):
    """One sentence names the option and the choices; a value, which may be a token, is never repeated."""
    name, _, rest = line.partition(" ")
    with pytest.raises(BadInput) as caught:
        read(find_command(name), rest)
    assert str(caught.value).startswith(message)
    assert SECRET not in str(caught.value)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_the_help_has_usage_text_and_options(name):
    """The usage comes first, then the docstring with its examples, then each option."""
    command = find_command(name)
    usage, _, rest = command.format_help().partition("\n\n")
    assert usage.startswith(f"%{name} [")
    assert rest.startswith(str(inspect.getdoc(command.run)))
    assert all(option in rest for option in command.options)
    assert "positional" not in rest
