"""Is a token stored for the server, in a file that caveclient reads and in a form that can work?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ...api.responses import REFUSALS, Response, is_cave
from ...api.urls import host_of, name_of_host
from ...credentials.token_files import State, TokenFile, show_path
from ...deployments import formats_of
from ...ui.document import Line, Span, line
from ...ui.door import either
from .. import fixes, next_steps
from ..evidence import Machine, ServerFacts
from ..model import Check, Finding, NextStep, Status, advise, failed, ok, then, unknown, warning
from .causes import without_netrc
from .datastack_map import MAP
from .environment import RESOURCES

# ---------------------------------------------------------------- next steps


def set_up(server: ServerFacts, kind: str = "existing") -> NextStep:
    """The command that sets up a new token for this server."""
    if not server.machine.can_ask:
        return next_steps.without_anybody(server.target, server.machine.runtime, server.stored.token is not None)
    return advise(next_steps.setup(server.target, kind))


def save_from(server: ServerFacts, file: TokenFile) -> NextStep:
    """Saves the token in a file, or sets up a new one if the server rejects that one, too."""
    if server.salvaged_identity is not None and server.salvaged_identity.code in REFUSALS:
        return set_up(server)
    return save_this(server, file)


def save_this(server: ServerFacts, file: TokenFile) -> NextStep:
    """Saves the token in a file."""
    return advise(next_steps.save_from(server.target, file.path, replaces=bool(server.stored.files)))


def within_reach(server: ServerFacts, evidence: str | Line, otherwise: NextStep) -> Finding:
    """A failed finding about the stored token; its next step saves another token on this computer, if there is any."""
    if server.misplaced_file is not None:
        found = f"; {show_path(server.misplaced_file.path)} has one that works, but CAVEclient does not read it"
        return failed(evidence, found, next_step=save_this(server, server.misplaced_file))
    if server.untried_file is not None:
        save, said = save_this(server, server.untried_file), untried(server.untried_file)
    elif variable := next(iter(server.other_variables), ""):
        save = advise(next_steps.save(server.target, "--from-env", variable, "--overwrite"))
        said = f"{variable} is set, but CAVEclient does not read it"
    else:
        return failed(evidence, next_step=otherwise)
    step = advise(save.line, "   (or ", set_up(server).line, f" if {server.host} rejects it)")
    return failed(evidence, f"; {said}", next_step=step)


def untried(file: TokenFile) -> str:
    """Evidence about a token that was not sent to any server."""
    return f"{show_path(file.path)} has a token that does not name its server, so it was not tried"


def _move_away(server: ServerFacts, file: TokenFile) -> NextStep:
    return then(next_steps.move_away(file.path), server.again)


# ---------------------------------------------------------------- finding it


def _folder(machine: Machine) -> Finding | None:
    failure = machine.folder_problem
    if failure is None:
        return None
    step = next_steps.past(failure, machine.check_command, next_steps.without_saving(machine.target))
    said = Span(str(failure), private=True)  # as `feasible` says it of other findings
    return failed(said, next_step=step) if failure.unusable else warning(said, next_step=step)


def _token(server: ServerFacts) -> Finding:
    finding = _stored(server)
    fix = fixes.fix_stored_shape(server) if finding.status is Status.FAILED else None
    return _after_the_server(server, replace(finding, fix=fix))


def _after_the_server(server: ServerFacts, finding: Finding) -> Finding:
    """A problem with the token is only a warning while the auth server does not work, or gets no token because of
    `.netrc`: a token that is saved meanwhile could not be verified."""
    works = (is_cave(server.auth) and not server.is_gated) or is_malformed(server.auth)
    if finding.status is not Status.FAILED or (works and not server.netrc_file):
        return finding
    if not works:
        return warning(finding.evidence, "; fix the server first")
    said, advice = without_netrc(server.netrc_file, name_of_host(server.address))
    return failed(finding.evidence, f"; {said}", next_step=then(advice, server.again))


def _stored(server: ServerFacts) -> Finding:
    stored = server.stored
    if stored.belongs_to:
        return _another_servers(server, host_of(stored.belongs_to) or stored.belongs_to)
    if stored.blocker is not None:
        return _blocked(server, stored.blocker)
    if stored.token is None:
        return _missing(server)
    file = stored.source or stored.server_file
    if server.caveclient_disagrees:
        step = next_steps.install(server.machine.find_installer(), "caveclient")
        return unknown(
            f"the caveclient {either('in this kernel', 'installed here')} does not use the token in {file.name}",
            next_step=advise(either("restart the kernel, then ", ""), server.again, "; if that does not help: ", step),
        )
    ending = (", ends in ", Span(stored.token.ending, private=True)) if stored.token.ending else ()
    alone = ", only you can read it" if file.readable_by_others is False else ""
    return ok(file.name, *ending, alone)


def _another_servers(server: ServerFacts, owner: str) -> Finding:
    stored = server.stored
    file = stored.source or stored.server_file
    evidence = f"none for {server.host}; {file.name} has the token for {owner}, which is sent only there"
    if server.salvaged_identity is not None and server.salvaged_identity.is_good and stored.shadowed is not None:
        hidden = f"; {stored.default_file.name} has one that works, but it is not read"
        return failed(evidence, hidden, next_step=save_from(server, stored.default_file))
    return within_reach(server, evidence, set_up(server))


def _blocked(server: ServerFacts, file: TokenFile) -> Finding:
    evidence = file.fault
    default = server.stored.default_file
    if file.state is State.UNREADABLE:
        make_readable = then(next_steps.make_private(file.path), server.again)
        return failed(evidence, next_step=_move_away(server, file) if file.link else make_readable)
    if file.state in (State.NOT_A_FILE, State.TOO_LARGE):
        return failed(evidence, next_step=_move_away(server, file))
    if file.inside is not None:
        return failed(f"{evidence}, but contains a token", next_step=save_from(server, file))
    if file.path != default.path and default.token is not None:
        hidden = f"; {default.name} has a token, but is not read because of that"
        return failed(evidence, hidden, next_step=save_from(server, default))
    return within_reach(server, evidence, set_up(server))


def _missing(server: ServerFacts) -> Finding:
    own, default = server.stored.server_file, server.stored.default_file
    if own.gap:
        return failed(own.fault, next_step=next_steps.restore_link(own.path, server.again))
    if own.state is State.NOT_A_FILE:
        return failed(own.fault, next_step=_move_away(server, own))
    if own.state is State.READ and default.token is not None:
        hides = f"{own.name} {own.problem}, and hides the token in {default.name}"
        return failed(hides, next_step=save_from(server, default))
    if own.state is State.READ and own.inside is not None:
        return failed(f"{own.name} {own.problem}, but has a token under another key", next_step=save_from(server, own))
    if default.state is State.READ and default.inside is not None:
        return failed(f"{default.name} {default.problem}", next_step=save_from(server, default))
    if file := next((file for file in (own, default) if file.problem), None):
        return within_reach(server, f"{file.name} {file.problem}", set_up(server))
    name = next(iter(server.machine.token_variables), "")
    if server.misplaced_file is None and server.untried_file is None and name:
        step = advise(next_steps.save(server.target, "--from-env", name))
        return failed(f"none in a file; {name} is set, but CAVEclient does not read it", next_step=step)
    folder = Span(str(server.machine.token_folder), private=True)
    step = set_up(server)
    if server.machine.can_ask:
        step = advise(set_up(server, "new").line, "   (or ", step.line, " if you have an account)")
    return within_reach(server, line(f"none for {server.host} in ", folder), step)


# ---------------------------------------------------------------- its form


def _form(server: ServerFacts) -> Finding | None:
    token, file, identity = server.stored.token, server.stored.source, server.identity
    among = formats_of(server.address)
    if token is None or file is None or (oddity := token.oddity(among)) is None:
        return None
    if identity is not None and identity.is_good:
        step, fix = save_from(server, file) if token.reads_as(among) else None, fixes.fix_stored_shape(server)
        return warning(f"the token in {file.name} {oddity}, but {server.host} accepts it", next_step=step, fix=fix)
    if token.can_be_sent and not (identity and (identity.code in REFUSALS or is_malformed(identity))):
        return None
    step = save_from(server, file) if token.reads_as(among) else set_up(server)
    evidence = f"the token in {file.name} {oddity}, so it cannot work"
    return _after_the_server(server, failed(evidence, next_step=step, fix=fixes.fix_stored_shape(server)))


def is_malformed(response: Response) -> bool:
    """Whether a proxy in front of the server rejected the request for a malformed or too long header."""
    return response.status in (400, 431) and not response.is_json


def _shadow(server: ServerFacts) -> Finding | None:
    file, default = server.stored.server_file, server.stored.default_file
    hidden = server.stored.shadowed
    if server.salvaged_identity is None or not server.salvaged_identity.is_good or hidden is None:
        return None
    evidence = f"{file.name} has an old token that {server.host} rejects; {default.name} has one that works, "
    fix = fixes.fix_copies(server.stored, hidden)
    return failed(evidence, "but it is not read", next_step=save_from(server, default), fix=fix)


def _link(server: ServerFacts) -> Finding | None:
    """Links to nothing, although CAVEclient found a token, and links to another user's file."""
    stored = server.stored
    for file in (stored.server_file, stored.default_file):
        if file.state is State.ABSENT and file.problem and stored.source is not None:
            fill = save_from(server, stored.source)
            step = next_steps.restore_link(file.path, server.again) if file.gap else fill
            return warning(f"{file.name} {file.problem}", next_step=step)
    file = stored.source or stored.server_file
    if not file.link or not file.foreign:
        return None
    evidence = f"{file.name} is a link to {file.link}, which belongs to another user: the token may be theirs"
    return warning(evidence, next_step=_move_away(server, file))


def _legacy(server: ServerFacts) -> Finding | None:
    legacy = server.stored.legacy_file
    if server.stored.source is not legacy or server.stored.token is None:
        return None
    fix = fixes.fix_legacy(server.stored)
    return warning(f"comes from {legacy.name}, which is deprecated", fix=fix)


def _private(server: ServerFacts) -> Finding | None:
    if server.machine.folder_writable_by_others:
        fix = fixes.fix_permissions(server.stored, folder_open=True)
        return warning(f"other users of this computer can write to {server.machine.token_folder}", fix=fix)
    files = (*server.stored.files, *server.stored.copies)
    shared = [file for file in files if file.readable_by_others and file.owned]
    if not shared:
        return None
    names, fix = " and ".join(file.name for file in shared), fixes.fix_permissions(server.stored)
    return warning(f"other users of this computer can read {names}", fix=fix)


def _variable(server: ServerFacts) -> Finding | None:
    names = server.other_variables
    if not names or server.stored.token is None:
        return None
    are, them = ("is", "it") if len(names) == 1 else ("are", "them")
    return warning(f"{' and '.join(names)} {are} set, but CAVEclient does not read {them}")


_check = partial(Check, group="stored token", about=ServerFacts)

FOLDER = Check(
    id="token-folder",
    group="stored token",
    title="token folder",
    about=Machine,
    look=_folder,
    needs=(RESOURCES,),
    explains="The folder of the token files cannot be read or written.",
    fixed_by="The check prints a line that opens the folder to you, or moves away whatever is in its place.",
)
TOKEN = _check(
    id="token",
    title="stored token",
    look=_token,
    needs=(MAP, FOLDER),
    quiet=False,
    explains="No token is stored for the server, or its file cannot be used.",
    fixed_by="The check prints the command: {save} if there is a token on this computer (for a damaged file also "
    "{fix}; if it cannot be read, a line that opens the file to you or moves it away), "
    "{newer_caveclient} if caveclient uses another one, otherwise {new} or {existing}.",
)
FORM = _check(
    id="token-form",
    title="token format",
    look=_form,
    needs=(TOKEN,),
    explains="The stored token is malformed: it has quotes or spaces around it, or part of it is missing.",
    fixed_by="{save_from_file} or {fix} if the token is still in it, otherwise {existing}.",
)
SHADOW = _check(
    id="token-shadow",
    title="two tokens",
    look=_shadow,
    needs=(FORM,),
    explains="An old token in the server's own file hides a working one in cave-secret.json.",
    fixed_by="{save_from_file} with cave-secret.json as FILE, or {fix}.",
)
LEGACY = _check(
    id="token-legacy",
    title="old file",
    look=_legacy,
    needs=(TOKEN,),
    explains="The token comes from chunkedgraph-secret.json, which caveclient reads as a last resort.",
    fixed_by="{fix} moves the token to the server's own file.",
)
LINK = _check(
    id="token-link",
    title="link",
    look=_link,
    needs=(TOKEN,),
    explains="A token file is a link to nothing, or to a file of another user of this computer.",
    fixed_by="{save_from_file} writes the file that it points to; a line of the check moves the link away.",
)
PRIVATE = _check(
    id="token-private",
    title="token file",
    look=_private,
    explains="Other users of this computer can read or replace the token file.",
    fixed_by="{fix}, which is chmod 600 on the file and chmod 700 on its folder. On Windows nothing "
    "is checked: there, the access list of your profile folder keeps others out.",
)
VARIABLE = _check(
    id="token-variable",
    title="variable",
    look=_variable,
    needs=(TOKEN,),
    explains="An environment variable holds a token, which caveclient does not read.",
    fixed_by="Nothing, unless you want to use that token: {save_from_env}.",
)
CHECKS = (FOLDER, TOKEN, FORM, SHADOW, LEGACY, LINK, PRIVATE, VARIABLE)
