"""Does caveclient's datastack map lead to the right server, and is it free of secrets?"""

from __future__ import annotations

from ...api.failures import Failure
from ...api.responses import Response, is_cave, lacks_datastack
from ...api.urls import host_of
from ...credentials.file_problems import FileFault
from ...credentials.token_files import State
from ...deployments import DEFAULT_SERVER, deployment_of
from ...redact import sanitize
from ...ui.document import Line
from .. import fixes, next_steps
from ..evidence import Machine, ServerFacts
from ..model import Check, Finding, advise, failed, warning


def _map_file(machine: Machine) -> Finding | None:
    found = machine.datastack_map
    if found.state is State.READ or (found.state is State.ABSENT and not found.problem):
        return None
    fix = fixes.fix_map(found)
    step = None if fix else advise(next_steps.move_away(found.path))
    evidence = f"{found.path.name} {found.problem}"
    if found.problem is None or found.problem.fault is not FileFault.NOT_AN_OBJECT:
        said = f"{evidence}: CAVEclient ignores it and forgets which server a datastack is on"
        return warning(said, next_step=step, fix=fix)
    return failed(f"{evidence}: CAVEclient cannot read it", next_step=step, fix=fix)


def _map_secret(machine: Machine) -> Finding | None:
    if not machine.datastacks_with_secrets:
        return None
    names = ", ".join(sanitize(name, 60).text for name in machine.datastacks_with_secrets[:3])
    said = f"the remembered address of {names} contains a token or a password"
    return warning(said, fix=fixes.fix_map_secrets(machine))


def _map(server: ServerFacts) -> Finding | None:
    target, home = server.target, deployment_of(server.target.datastack)
    if target.map_problem:
        return _wrong_entry(server, f"{target.datastack} is remembered with a wrong address: {target.map_problem}")
    if target.named_by in ("option", "setting"):
        return _opened_elsewhere(server)
    if target.named_by != "map" or home is None or home.server == server.address:
        return None
    if (server.info and server.info.is_good) or (server.identity and server.identity.is_good):
        return None
    reached = server.reference is not None and is_cave(server.reference)
    found = next((one for one in server.responses if _is_elsewhere(one) or (reached and not is_cave(one))), None)
    if found is None or any(is_cave(response) for response in server.responses if not _is_elsewhere(response)):
        return None
    through = ", which the same proxy reaches" if reached else ""
    return _wrong_entry(
        server,
        f"{target.datastack} is remembered on {server.host}, where it is not (",
        found.evidence,
        f"); it is on {host_of(home.server)}{through}",
    )


def _wrong_entry(server: ServerFacts, *evidence: str | Line) -> Finding:
    """An entry of the map that is wrong; there is nothing to fix if it was corrected meanwhile."""
    fix = fixes.fix_entry(server)
    return failed(*evidence, next_step=None if fix else advise(next_steps.check(server.target)), fix=fix)


def _is_elsewhere(response: Response) -> bool:
    """Whether an answer shows that this is no place for the datastack, and not only one in trouble or hard to reach."""
    if response.failure in (Failure.NAME_NOT_FOUND, Failure.REFUSED):
        return True
    return lacks_datastack(response) or (response.status == 200 and not response.is_json)


def _opened_elsewhere(server: ServerFacts) -> Finding | None:
    """The server was named, works, and is not the one that caveclient has in its map."""
    target = server.target
    if target.opens_on in (server.address, DEFAULT_SERVER) or not (server.info and server.info.is_good):
        return None
    elsewhere = host_of(target.opens_on) or "a malformed address"
    evidence = f"CAVEclient opens {target.datastack} on {elsewhere}, not on {server.host}, unless it is told to"
    return warning(evidence, fix=fixes.fix_entry(server))


MAP_FILE = Check(
    id="map-file",
    group="stored token",
    title="map of datastacks",
    about=Machine,
    look=_map_file,
    quiet=True,
    explains="The file in which caveclient remembers servers is damaged.",
    fixed_by="`%cave_check --fix` repairs it and keeps a copy; `!mv` moves away what is not a file.",
)

MAP = Check(
    id="map",
    group="stored token",
    title="server address",
    about=ServerFacts,
    look=_map,
    needs=(MAP_FILE,),
    quiet=True,
    explains="caveclient remembers a wrong server address for the datastack.",
    fixed_by="`%cave_check --fix` corrects the address, or removes it.",
)

MAP_SECRET = Check(
    id="map-secret",
    group="stored token",
    title="map of datastacks",
    about=Machine,
    look=_map_secret,
    needs=(MAP_FILE,),
    quiet=True,
    explains="An address that caveclient remembers contains a token or a password.",
    fixed_by="`%cave_check --fix` removes it.",
)
CHECKS = (MAP_FILE, MAP_SECRET, MAP)
