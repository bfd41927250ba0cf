"""The line below the traceback of a cell: what a CAVE error means, and what to type.
It sends no request, so it says only what the error itself proves. There is no line for errors of other packages, for
interrupts, or if there is nothing to add to the traceback.
"""

from __future__ import annotations

from dataclasses import replace

from ..api import failures
from ..api.urls import host_of, host_port_of
from ..credentials.datastack_map import known_servers
from ..credentials.target import Settings, Target, find_target
from ..credentials.token_files import server_file
from ..deployments import datastack_for, meant_address
from ..environment.caveclient_adapter import failed_call
from ..errors import CaveMagicError
from ..ui.document import Line, Span, line
from . import next_steps
from .explain_error import Then, meaning
from .gather_call import follow
from .raised import Raised, take_apart


def error_line(error: BaseException, settings: Settings) -> Line:
    """The line for the error that a cell ended with; () if there is nothing to say.

    Raises:
        Exception: whatever a user's object or an unknown version of a library raises; the caller says nothing then.
    """
    is_interrupt = any(not isinstance(one, Exception) for one in failures.causes(error))
    if is_interrupt or isinstance(error, CaveMagicError):  # ours are pages, which say what to do
        return ()
    raised = take_apart(error, find_target(datastack_for(settings.server, settings.datastack), "", settings))
    if raised is None or not _is_of_cave(raised):
        return ()
    raised = replace(raised, target=_target(raised, settings))
    words, way = meaning(raised)
    if not words:
        return ()
    step = line(f" {way.value}", next_steps.check(raised.target)) if way is not Then.NONE else ()
    return line(Span("CAVE: ", "strong"), words, step)


def _is_of_cave(raised: Raised) -> bool:
    """Whether the error is about CAVE: from caveclient, about a token, or on the way to a known server."""
    is_named = "caveclient" in raised.packages or raised.text.matches("raphene authentication token")
    if is_named or failures.package_of(raised.error) == "caveclient":
        return True
    here = host_port_of(raised.url)
    if here is None:
        return False
    is_known = here == host_port_of(raised.target.server) or meant_address(raised.url) in known_servers()
    return is_known or server_file(f"https://{host_of(raised.url)}").is_file()


def _target(raised: Raised, settings: Settings) -> Target:
    """What `%cave_check` has to look at: the datastack and the server of the failed call, if they are known."""
    call = failed_call(raised.error)
    # The frames of an error from a Dask worker have no variables: then the address says more.
    if call is not None and (call.datastack or call.server or not raised.datastack):
        followed = follow(call, (raised.target,))
        return replace(followed.home or followed.target, asked=False) if followed else raised.target
    server = meant_address(raised.url)
    if server not in known_servers() or (server == raised.target.server and not raised.datastack):
        return raised.target
    name = raised.datastack or datastack_for(server, settings.datastack)
    alone = find_target(name, "", settings)
    return alone if alone.server == server else find_target(name, server, settings)
