"""The arguments of the commands: parsing, error messages and help."""

from __future__ import annotations

import inspect
import re

import pytest

from cave_magic.commands import NAMES, find_command
from cave_magic.commands.arguments import MagicCommand, read
from cave_magic.errors import BadInput

SECRET = "0f3b8c6e1d2a4b5c0f3b8c6e1d2a4b5c"


def test_a_command_needs_no_name_of_a_program(monkeypatch):
    """A notebook may empty `sys.argv`, from which argparse would take the name of the program."""
    monkeypatch.setattr("sys.argv", [])
    run = find_command("cave_check").run
    assert MagicCommand(run, (), ()).name == "cave_check"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cave_check a b -v;", {"names": ["a", "b"], "verbose": True}),
        ("cave_check 'a' --timeout 3 # -v", {"names": ["a"], "timeout": 3.0, "verbose": False}),
        ("cave_check a -- -b", {"names": ["a", "-b"]}),
        ("cave_check a, b,c -v d", {"names": ["a", "b", "c", "d"], "verbose": True}),
        ("cave_check microns FlyWire", {"names": ["minnie65_public", "flywire_fafb_public"]}),
        ("cave_check H01,fish1", {"names": ["h01_c3_flat", "fish1_full"]}),
        ("cave_check microns -s https://a.org", {"names": ["microns"]}),
        ("cave_check minie65_public", {"names": ["minie65_public"]}),
        ("cave_setup new minnie65_phase3_v2", {"kind": "new", "names": ["minnie65_phase3_v2"]}),
        ("cave_check minnie65_phase3_v2", {"names": ["minnie65_phase3_v2"]}),
        ("cave_setup new v1dd_public", {"kind": "new", "names": ["v1dd_public"]}),
        ("cave_setup --paste v1dd_public --use new existing", {"kind": "existing", "names": ["v1dd_public"]}),
        ("cave_setup new my_own_stack", {"kind": "new", "names": ["my_own_stack"]}),
        ("cave_whoami V1DD", {"names": ["v1dd_public"]}),
        ("cave_save microns, $name", {"names": ["minnie65_public"], "token": ["$name"]}),
        ("cave_save {name} --overwrite v1dd_public", {"names": ["v1dd_public"], "token": ["{name}"]}),
        (
            """cave_save {"description": "v1dd_public"}""",
            {"names": [], "token": ['{"description":', "v1dd_public", "}"]},
        ),
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
        (
            "cave_setup bogus",
            "cave_setup takes new, existing, replace or remove, and the name of a datastack that is known here.",
        ),
        (
            "cave_setup nwe v1dd_public",
            "cave_setup does not know one of these words. Did you mean new? %cave_setup new v",
        ),
        ("cave_setup new v1dd_publc", "cave_setup does not know one of these words. Did you mean v1dd_public? %cave_s"),
        ("cave_whoami mcrons", "cave_whoami does not know one of these words. Did you mean microns? %cave_whoami m"),
        ("cave_check fix", "cave_check does not know one of these words. Did you mean --fix? %cave_check --fix"),
        ("cave_setup new existing", "give one of new, existing, replace or remove."),
        ("cave_whoami v1dd_public minnie65_public", "cave_whoami takes one datastack at a time."),
        (f"cave_setup {SECRET}", "cave_setup takes new, existing, replace or remove, and"),
        ("cave_setup --use x", "cave_setup --use takes latest or new."),
        ("cave_setup --pate", "cave_setup has no option --pate. Did you mean --paste?"),
        ("cave_whoami extra", "cave_whoami takes only the name of a datastack that is known here."),
        (
            "cave_whoami --xyz",
            "cave_whoami has no option --xyz. Its options: --reveal, --tokens, --all, --json, --server",
        ),
        ("cave_check --bogus", "cave_check has no option --bogus. Its options: --verbose, --output, --json,"),
        ("cave_setup remove --token", "cave_setup: argument --token: expected one argument."),
        ("cave_setup replace remove", "give one of new, existing, replace or remove."),
        ("cave_setup remov", "cave_setup does not know one of these words. Did you mean remove? %cave_setup remove"),
        ("cave_save --from-env", "cave_save: argument --from-env: expected one argument."),
        ("cave_check --timeout abc", "cave_check: argument --timeout: invalid float value."),
        (f"cave_check --json={SECRET}", "cave_check: argument --json: ignored explicit argument."),
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


@pytest.mark.parametrize("columns", [50, 80])
@pytest.mark.parametrize("name", NAMES)
def test_the_sentences_of_the_help_fit_the_screen(name, columns, monkeypatch):
    """A terminal would break them in the middle of a word; examples and addresses stay whole."""
    monkeypatch.setenv("COLUMNS", str(columns))
    text = find_command(name).format_help()
    assert not [
        row for row in text.splitlines() if len(row) > columns and "http" not in row and not row.startswith("    ")
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_help_has_usage_text_and_options(name, monkeypatch):
    """The usage comes first, then the docstring and the examples, then each option."""
    monkeypatch.setenv("COLUMNS", "200")
    command = find_command(name)
    usage, _, rest = command.format_help().partition("\n\n")
    assert usage.startswith(f"%{name} [")
    assert rest.startswith(str(inspect.getdoc(command.run)))
    for heading, lines in command.examples():
        assert heading + "\n\n" + "".join(f"    {line.text}\n" for line in lines) in rest
        assert all(f"%{name}" in line.text for line in lines)
    assert all(option in rest for option in command.options)
    assert "positional" not in rest


def test_a_datastack_in_the_map_is_not_taken_for_a_deployment(secrets):
    """A name that caveclient remembers on this computer means that datastack, whatever else it resembles."""
    (secrets / "cave_datastack_to_server_map.json").write_text(
        '{"microns": "https://x.org", "mcrons": "https://x.org"}'
    )
    assert read(find_command("cave_check"), "microns, mcrons").names == ["microns", "mcrons"]


@pytest.mark.parametrize("name", NAMES)
def test_every_magic_says_its_version(run, name):
    """`--version` names cave-magic and what it works with."""
    assert re.fullmatch(
        r"python [\d.]+, cave-magic [\d.]+, caveclient [\d.]+, ipython [\d.]+\n", run(f"%{name} --version").out
    )
