"""Does caveclient's datastack map lead to the right server, and is it free of secrets?"""

from __future__ import annotations

from ...api.failures import Failure
from ...api.responses import Response, is_cave, lacks_datastack
from ...api.urls import host_of
from ...credentials.file_problems import FileFault
from ...credentials.token_files import State
from ...deployments import DEFAULT_SERVER, deployment_of, problem_with_address
from ...ui.document import Line
from ...ui.redact import sanitize
from .. import fixes, next_steps
from ..evidence import Machine, ServerFacts
from ..experiments.model import Change
from ..model import Check, Finding, advise, failed, warning
from .environment import RESOURCES


def _map_file(machine: Machine) -> Finding | None:
    found = machine.datastack_map
    if found.state is State.READ or (found.state is State.ABSENT and not found.problem):
        return None
    if machine.folder_problem is not None and machine.folder_problem.unusable:
        return None  # the check of the folder names that, and what opens it
    fix = fixes.fix_map(found)
    step = None if fix else advise(next_steps.move_away(found.path))
    evidence, fault = f"{found.path.name} {found.problem}", found.problem.fault if found.problem else None
    if fault in (FileFault.IS_A_PIPE, FileFault.IS_A_DEVICE):
        return failed(f"{evidence}: CAVEclient waits for it forever", next_step=step)
    if fault in (FileFault.IS_A_FOLDER, FileFault.IS_A_SOCKET):
        return failed(f"{evidence}: CAVEclient fails if it is called with server_address", next_step=step)
    if fault is not FileFault.NOT_AN_OBJECT:
        return warning(f"{evidence}, so CAVEclient forgets which server a datastack is on", next_step=step, fix=fix)
    return failed(f"{evidence}, so CAVEclient cannot read it", next_step=step, fix=fix)


def _map_secret(machine: Machine) -> Finding | None:
    found = machine.datastack_map.with_secrets
    if not found:
        return None
    names = ", ".join(sanitize(name, 60).text for name in found[:3])
    return warning(f"the saved address of {names} contains a token or a password", fix=fixes.fix_map_secrets(machine))


def _map(server: ServerFacts) -> Finding | None:
    target = server.target
    if target.map_problem:
        return _wrong_entry(server, f"the saved address of {target.datastack} is malformed: {target.map_problem}")
    if target.named_by in ("option", "setting"):
        return _opens_another_server(server)
    return _leads_to_the_wrong_server(server) if target.named_by == "map" else None


def _opens_another_server(server: ServerFacts) -> Finding | None:
    """The server was named and works, but it is not the one that caveclient opens."""
    target = server.target
    if target.opens_on in (server.address, DEFAULT_SERVER) or not (server.info and server.info.is_good):
        return None
    here, there = (host_of(address) for address in (server.address, target.opens_on))
    if problem_with_address(target.opens_on) is not None:
        there = "a malformed address"
    elif here == there:  # with another scheme
        here, there = server.address, target.opens_on
    evidence = f"CAVEclient opens {target.datastack} on {there}, not on {here}, unless you pass server_address"
    return warning(evidence, fix=fixes.fix_entry(server))


def _leads_to_the_wrong_server(server: ServerFacts) -> Finding | None:
    """The map has a known datastack on a server that does not have it, or that cannot be found."""
    name, home = server.target.datastack, deployment_of(server.target.datastack)
    if home is None or home.server == server.address:
        return None
    if any(is_cave(response) for response in server.responses if not _shows_wrong_server(response)):
        return None
    others = server.tried.about(Change.OTHER_SERVER)
    of_home = [one.response for one in others if one.source == host_of(home.server)]
    reached = any(map(is_cave, of_home))
    if of_home and not reached:
        return None  # the network or the proxy may be the cause
    is_proxys = reached and bool(server.tried.proxy)
    shown = next((response for response in server.responses if is_proxys or _shows_wrong_server(response)), None)
    if shown is None:
        return None
    responds = ", which the same proxy reaches" if is_proxys else ", which responds" if reached else ""
    evidence = f"{name} is saved with the address of {server.host}, but is on {host_of(home.server)}{responds} ("
    return _wrong_entry(server, evidence, shown.evidence, ")")


def _shows_wrong_server(response: Response) -> bool:
    """Whether a response shows that the datastack is not on this server, not just that the server is in trouble."""
    if response.failure in (Failure.NAME_NOT_FOUND, Failure.REFUSED):
        return True
    return lacks_datastack(response) or (response.status == 200 and not response.is_json)


def _wrong_entry(server: ServerFacts, *evidence: str | Line) -> Finding:
    """A wrong entry of the map; without a fix if it was corrected in the meantime."""
    fix = fixes.fix_entry(server)
    return failed(*evidence, next_step=None if fix else advise(server.again), fix=fix)


MAP_FILE = Check(
    id="map-file",
    group="stored token",
    title="datastack map",
    about=Machine,
    look=_map_file,
    needs=(RESOURCES,),
    explains="The file in which caveclient saves the server of each datastack is damaged.",
    fixed_by="{fix} repairs it and keeps a copy; if something else is in its place, the check prints "
    "a line that moves it away.",
)
MAP = Check(
    id="map",
    group="stored token",
    title="server address",
    about=ServerFacts,
    look=_map,
    needs=(MAP_FILE,),
    explains="caveclient has saved a wrong server address for the datastack.",
    fixed_by="{fix} corrects the address, or removes it.",
)
MAP_SECRET = Check(
    id="map-secret",
    group="stored token",
    title="datastack map",
    about=Machine,
    look=_map_secret,
    needs=(MAP_FILE,),
    explains="A server address that caveclient has saved contains a token or a password.",
    fixed_by="{fix} removes it; if others may have seen it, {replace}.",
)
CHECKS = (MAP_FILE, MAP_SECRET, MAP)
