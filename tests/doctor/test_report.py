"""The report: as data, for sharing, for several datastacks, and in batch runs."""

from __future__ import annotations

import base64
import json
import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cave_magic
from cave_magic.api.responses import Account, Response
from cave_magic.credentials.save import save_token
from cave_magic.credentials.stored_tokens import StoredToken, resolve
from cave_magic.credentials.target import Target, find_target
from cave_magic.credentials.token_files import State, TokenFile, secrets_folder
from cave_magic.deployments import DEFAULT_SERVER
from cave_magic.doctor.checks.token import FORM
from cave_magic.doctor.evidence import DatastackFacts, Evidence, Machine, ServerFacts
from cave_magic.doctor.judge import judge
from cave_magic.doctor.report import to_markdown
from cave_magic.errors import BadInput
from cave_magic.token import Token
from cave_magic.ui.document import plain_text
from cave_magic.ui.redact import Untrusted, sanitize

from ..support.shell import sit_at_terminal

ROW = {"id", "group", "status", "title", "evidence", "blocked_by", "remedy"}


def test_json_is_the_schema_and_nothing_else(run, set_up):
    """`--json` prints one JSON object of the documented shape."""
    data = json.loads(run("%cave_check --json").out)
    assert set(data) == {"schema", "ok", "server", "datastacks", "account", "rows", "next", "error", "seconds"}
    assert data["schema"] == 1
    assert data["ok"] is True
    assert data["next"] is None
    assert data["error"] is None
    assert data["account"]["email"] == "ada@example.org"
    assert all(set(row) == ROW for row in data["rows"])


def test_the_object_has_the_same_content_and_pickles(run, set_up, shell):
    """`-o` returns what `--json` prints; it pickles, and the token is not in the pickle."""
    run("report = %cave_check -o")
    report = shell.user_ns["report"]
    again = pickle.loads(pickle.dumps(report))
    assert again.to_dict() == report.to_dict()
    assert set_up.encode() not in pickle.dumps(report)
    assert repr(report) == "<CAVE report on minnie65_public: all well>"


def test_a_report_can_be_printed_and_displayed(run, set_up, cave):
    """`print(cave_magic.check())` and a report as a cell's value show what the magic shows, as text and as HTML."""
    magic = run("%cave_check").out
    assert re.sub(r"\d+ ms", "", run(f"import cave_magic; print({CHECK})".format(cave.server)).out) == re.sub(
        r"\d+ ms", "", magic
    )
    report = cave_magic.check(server=cave.server)
    shown = report._repr_mimebundle_()
    assert shown["text/plain"].split() == str(report).split()
    assert shown["text/html"] == report._repr_html_()
    assert report._repr_html_().count("<table") == 1
    assert "All well." in run(CHECK.format(cave.server)).out


CHECK = 'cave_magic.check(server="{}")'


def test_a_report_that_is_returned_is_shown_once(run, set_up):
    """With `-o` it is the cell's value if the cell ends with it; else the magic shows it."""
    for cell in ("%cave_check -o", "report = %cave_check -o", "%cave_check -o\nprint()", "%cave_check -o;"):
        assert run(cell).out.count("All well.") == 1, cell


def test_a_shared_report_says_what_a_maintainer_asks_first(run, set_up):
    """It has the words of the screen, the version of this package, the front end, the date, the time and the zone."""
    block = run("%cave_check --report").out
    assert "| ok | stored token |" in block
    assert f"cave-magic {cave_magic.__version__}, caveclient" in block
    assert re.search(r"; \w+ \w+, .*(no terminal|terminal); \d{4}-\d\d-\d\d \d\d:\d\d [+-]\d{4}, in \d", block)


def test_advice_is_not_repeated_while_fixes_are_offered(run, set_up, home):
    """With `--fix` the page has no line that only says to use `--fix`."""
    (home / ".cloudvolume" / "secrets").chmod(0o777)
    assert "About token file: " in run("%cave_check").out
    assert "About token file: " not in run("%cave_check --fix --yes").out


FAILS = """
from caveclient import CAVEclient
CAVEclient("minnie65_public", server_address="{server}", auth_token_key="my_lab", write_server_cache=False, max_retries=0)
"""


def test_the_last_error_is_in_every_form_of_the_report(run, cave, set_up, shell):
    """`--json`, `-o` and `--report` explain the last error; `--report` withholds what is private."""
    fails = FAILS.format(server=cave.server)
    assert run(fails).error
    error = json.loads(run("%cave_check --json").out)["error"]
    assert 'auth_token_key="my_lab"' in error["text"]
    assert error["command"] == 'from caveclient import CAVEclient; client = CAVEclient("minnie65_public")'
    run(fails)
    run("report = %cave_check -o")
    assert pickle.loads(pickle.dumps(shell.user_ns["report"])).to_dict()["error"] == error
    run(fails)
    block = run("%cave_check --report").out
    assert "The last error: the client was created with" in block
    assert "my_lab" not in block


def test_our_own_error_is_not_repeated_in_the_block(run, set_up):
    """The message of a magic may be private: the block has only what it is about."""
    assert run("from cave_magic.errors import TokenNotSaved; raise TokenNotSaved('~/ada.json is full')").error
    block = run("%cave_check --report").out
    assert "The last error: a token could not be saved: [withheld]" in block
    assert "ada.json" not in block


def test_strict_fails_the_cell_after_the_report(run, cave, set_up):
    """`--strict` shows the report, then fails the cell if a check failed."""
    assert not run("%cave_check --strict").error
    cave.delete_token(set_up)
    ran = run("%cave_check --strict")
    assert ran.error == "CheckFailed"
    assert "then %cave_save --from-env CAVE_TOKEN --overwrite" in ran.out


def test_the_error_of_strict_carries_the_check_and_its_next_step(run, cave, set_up):
    """In a log without the page, the error says which check failed, why, and what to do."""
    cave.withdraw_terms("ada", "minnie65_public")
    cave.forget()
    message = run("%cave_check --strict").message
    assert message.startswith("terms: failed: minnie65_public: terms of service not accepted (403 missing_tos).")
    assert f" Next: accept the terms at {cave.server}/sticky_auth/api/v1/tos/" in message


def test_the_block_to_share_says_when_and_where_it_was_made(run, set_up, monkeypatch):
    """It has the words of the screen, the time with its zone, the version of cave-magic and the front end."""
    block = run("%cave_check --report").out
    assert re.search(r"; \d{4}-\d\d-\d\d \d\d:\d\d [+-]\d{4}, in \d", block)
    assert f", cave-magic {cave_magic.__version__}, " in block
    assert ", no terminal; " in block
    assert "| ok | stored token |" in block
    sit_at_terminal(monkeypatch)
    assert ", terminal; " in run("%cave_check --report").out


def test_several_datastacks_have_rows_of_their_own(run, set_up, shell):
    """Rows about a datastack carry its name, rows about the server are not repeated."""
    run("report = %cave_check minnie65_public flywire_fafb_public secret_ds -o")
    rows = shell.user_ns["report"].rows
    assert [row.id for row in rows if row.id.startswith("access")] == [
        "access:minnie65_public",
        "access:flywire_fafb_public",
        "access:secret_ds",
    ]
    assert [row.status.value for row in rows if row.id.startswith("access")] == ["ok", "ok", "failed"]
    assert len([row for row in rows if row.id == "account"]) == 1


def test_all_checks_every_listed_datastack(run, set_up, shell):
    """`--all` requests the list from the server."""
    run("report = %cave_check --all -o")
    assert set(shell.user_ns["report"].datastacks) == {"minnie65_public", "flywire_fafb_public"}


def test_options_work_together(run, cave, set_up):
    """`--all`, `--json`, `--strict` and `--timeout` work in one line."""
    cave.withdraw_terms("ada", "minnie65_public")
    cave.forget()
    ran = run("%cave_check --all --json --strict --timeout 5")
    assert ran.error == "CheckFailed"
    data, _ = json.JSONDecoder().raw_decode(ran.out)
    assert [row["id"] for row in data["rows"] if row["status"] == "failed"] == ["terms:minnie65_public"]


def test_the_function_for_scripts_gives_the_same_report(cave, run, set_up):
    """`cave_magic.check()` is the magic without IPython."""
    report = cave_magic.check("minnie65_public", server=cave.server)
    assert report.ok
    assert report.account["name"] == "Ada Example"


@pytest.mark.parametrize("name", ["0f1e2d3c4b5a69788796a5b4c3d2e1f0", "Aa1" * 15, 7, None, b"name"])
def test_invalid_names_are_not_sent(cave, name):
    """`cave_magic.check()` rejects a token or a value that is not text, and does not repeat it."""
    with pytest.raises(BadInput) as caught:
        cave_magic.check(name, server=cave.server)
    assert str(name) not in str(caught.value)
    assert not cave.requests


@pytest.mark.parametrize("timeout", ["5", None, 0, -1, float("nan"), float("inf"), 3600, [5]])
def test_an_invalid_timeout_is_rejected(cave, timeout):
    """It is rejected in one sentence, before any request."""
    with pytest.raises(BadInput, match=r"^timeout takes seconds, more than 0 and less than 3600\.$"):
        cave_magic.check(server=cave.server, timeout=timeout)
    assert not cave.requests


def test_an_address_that_is_not_text_is_rejected():
    """The message shows what an address looks like."""
    with pytest.raises(BadInput, match="An address looks like this"):
        cave_magic.check(server=5)


@pytest.mark.parametrize("setting", ["float('nan')", "0.0", "-3.0"])
def test_an_invalid_timeout_in_the_settings_is_rejected(run, setting):
    """`%config CaveMagics.timeout` has the same limits as `--timeout`."""
    run(f"%config CaveMagics.timeout = {setting}")
    ran = run("%cave_check")
    assert (ran.error, ran.message[:32]) == ("BadInput", "CaveMagics.timeout takes seconds")


def test_the_block_names_the_fault_and_not_the_user(run, cave, set_up, home):
    """`--report` prints rows, versions and platform, but no part of the token, e-mail, name or home."""
    cave.delete_token(set_up)
    out = run("%cave_check --report").out
    assert "| failed | account |" in out
    assert "caveclient" in out
    for secret in (set_up, "ada@example.org", "Ada Example", str(home)):
        assert secret not in out
    dated = r"\d{4}-\d\d-\d\d \d\d:\d\d [+-]\d{4}"  # in its digits, and in those of a port, it may be by chance
    assert set_up[-4:] not in re.split(r"\W", re.sub(dated, "", out))


@pytest.mark.parametrize("how", ["down", "html", "status:418", "garbage", "escapes"])
def test_the_block_withholds_the_words_of_the_server(run, cave, set_up, how):
    """The server's own words are withheld."""
    cave.misbehave("all", how)
    out = run("%cave_check --report --timeout 3").out
    assert "CAVE check" in out
    assert "\x1b" not in out
    assert "back in a few hours" not in out


secrets = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="|&~"), min_size=12, max_size=24
)


@settings(max_examples=80)
@given(data=st.data())
def test_a_secret_planted_in_any_field_stays_out_of_the_block(data):
    """A secret in any name, e-mail, token, body, address or key is not printed."""
    secret = "Zq7" + data.draw(secrets).replace("[", "").replace("]", "") + "qZ"
    token = Token(data.draw(st.sampled_from([secret, "0" * 31 + "1", "x" * 44])))
    target = Target(datastack="minnie65_public", server="https://global.daf-apis.com")
    body = data.draw(
        st.sampled_from(
            [
                {"error": secret},
                {"error": "missing_tos", "data": {"tos_name": secret, "tos_id": 2}},
                {"message": secret},
                [secret],
                {"name": secret, "email": secret, "id": 1},
            ]
        )
    )
    status = data.draw(st.sampled_from([200, 400, 401, 403, 404, 418, 500]))
    response = Response(
        url=target.server + "/auth",
        status=status,
        failure=None,
        detail="",
        body=body,
        is_json=True,
        seconds=0.1,
    )
    page = Response(
        url=target.server + "/info",
        status=status,
        failure=None,
        detail="",
        body=None,
        is_json=False,
        opening=Untrusted(secret),
        location=Untrusted(f"https://x.org/{secret}"),
        seconds=0.1,
    )
    person = data.draw(
        st.none()
        | st.just(
            Account(
                name=sanitize(secret), email=sanitize(f"{secret}@example.org"), id=1, permissions={secret: ("view",)}
            )
        )
    )
    file = TokenFile(
        path=secrets_folder() / "cave-secret.json", state=State.READ, token=token, keys=(sanitize(secret),)
    )
    gone = TokenFile(path=secrets_folder() / "x", state=State.ABSENT)
    stored = StoredToken(
        server=target.server,
        server_file=gone,
        default_file=file,
        legacy_file=gone,
    )
    identity = data.draw(st.sampled_from([response, page]))
    server = ServerFacts(
        target=target,
        machine=Machine(versions={"caveclient": "8.2.1"}),
        stored=stored,
        caveclient_disagrees=None,
        identity=identity,
        account=person,
        info=page,
    )
    datastack = DatastackFacts(
        target=target,
        server=server,
        info=data.draw(st.sampled_from([response, page])),
        listed_datastacks=(secret,),
        services={"materialize": page},
    )
    report = judge([target], Evidence(machine=server.machine, servers=(server,), datastacks=(datastack,)), 0.1).report
    assert secret not in to_markdown(report)


def test_a_token_of_another_format_is_not_offered_to_be_saved_again(home):
    """It cannot work, and saving it again would not help."""
    save_token(Token(base64.b64encode(bytes(range(162, 194))).decode()), DEFAULT_SERVER)
    server = ServerFacts(
        target=find_target("minnie65_public"),
        machine=Machine(),
        stored=resolve(DEFAULT_SERVER),
        identity=Response(url=DEFAULT_SERVER, status=401, body={"error": "invalid_token"}, is_json=True),
    )
    finding = FORM.look(server)
    assert finding is not None
    assert "is not 32 hexadecimal characters (0-9, a-f), so it cannot work" in plain_text(finding.evidence)
    assert finding.next_step is not None
    assert finding.next_step.commands == ("%cave_setup existing",)
