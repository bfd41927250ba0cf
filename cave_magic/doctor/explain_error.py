"""Explains exceptions of caveclient, cloud-volume and requests. Sends no request and writes nothing.

Source of the messages: caveclient 7 and 8, cloud-volume 12, cloud-files 6, requests 2 and the servers, as observed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from enum import Enum

from ..api import failures, responses
from ..credentials.target import Target
from ..environment.caveclient_adapter import failed_call
from ..errors import CaveMagicError, TokenNotSaved
from ..ui.document import Line, line
from ..ui.redact import sanitize
from . import next_steps
from .model import LastError
from .raised import Raised, take_apart


class Then(Enum):
    """What `%cave_check` does after an error; the value precedes the line to type."""

    FIX = "To fix it: "
    SEE = "To see why: "
    NONE = ""
    """The explanation itself says what to do."""


_FINE = "Your token is not the cause."
_OWN_FAILURE = r"\A\s*\{\s*\"code\":\s*500,\s*\"message\":"
"""How materialize (5.26) reports an exception that a request caused."""
_FILE_ERRORS = ("PermissionError", "IsADirectoryError", "FileExistsError", "NotADirectoryError")


def explain_error(error: BaseException | None, target: Target) -> LastError | None:
    """What the exception of the last cell means, without any part of a token; None if it is of another library."""
    if isinstance(error, CaveMagicError):  # the others say what was typed, or what the check finds itself
        said = line("a token could not be saved: ", sanitize(error, 200))
        return LastError(line=said) if isinstance(error, TokenNotSaved) else None
    try:
        raised = take_apart(error, target)
        words, _ = meaning(raised) if raised else ((), Then.NONE)
        return LastError(line=words) if words else None
    except Exception:
        return None


def meaning(raised: Raised) -> tuple[Line, Then]:
    """What an exception means, and what `%cave_check` is for after it; no words if it is unknown."""
    for rule, way in _RULES.items():
        if words := rule(raised):
            return line(words), way
    return (), Then.NONE


# ---------------------------------------------------------------- rules, the most specific first


def _misspelled(raised: Raised) -> str | Line:
    """`import CAVEclient`, or `from caveclient import CAVEClient`."""
    error, client = raised.error, next_steps.go_on(raised.target)
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("caveclient"):
        return line("the package is called caveclient: ", client) if failures.package_of(error) == "caveclient" else ""
    name = raised.text.extract(r"\Acannot import name '(\w{1,60})' from 'caveclient'")
    if not name or not hasattr(sys.modules.get("caveclient"), "CAVEclient"):
        return ""
    is_near = name.lower() == "caveclient"
    return line("the client is called CAVEclient: ", client) if is_near else f"caveclient has no {name}. {_FINE}"


def _import(raised: Raised) -> str:
    """The import of caveclient itself failed, with any exception; not an import in one of its calls."""
    own = [function for module, function in raised.places if module.partition(".")[0] == "caveclient"]
    if own and set(own) == {"<module>"}:
        return f"caveclient could not be imported ({raised.names[0]}). No request was sent."
    error = raised.error
    if not isinstance(error, ImportError) or failures.package_of(error) != "caveclient":
        return ""
    is_missing = isinstance(error, ModuleNotFoundError) and error.name == "caveclient"
    return "Python finds no caveclient here." if is_missing else "caveclient could not be imported."


def _attribute(raised: Raised) -> str | Line:
    """A table that `client.materialize.tables` does not have, or a service of a client without a datastack."""
    error = raised.error
    if not isinstance(error, AttributeError) and "GlobalClientError" not in raised.names:
        return ""
    lacking = type(getattr(error, "obj", None))
    if lacking.__module__ == "caveclient.tools.table_manager":
        kind = "view" if lacking.__name__ == "ViewManager" else "table"
        name = sanitize(getattr(error, "name", ""), 80, shareable=True)
        return line(f"that version has no {kind} ", name, f". {_FINE}")
    if lacking.__name__ == "CAVEclientGlobal" or "GlobalClientError" in raised.names:
        client = next_steps.go_on(raised.target)
        return line("this client was created without a datastack; to create one with it: ", client)
    return ""


def _by_code(raised: Raised) -> str:
    named, called = raised.datastack or "that datastack", raised.datastack or "with that name"
    is_table = raised.said("resource_namespace") not in ("", "datastack")
    lacks = f"{raised.service} has no table {called}" if is_table else f"{raised.host} has no datastack {called}"
    meanings = {
        "missing_tos": f"the terms of service of {named} are not accepted. Your token is fine.",
        "invalid_table_id": f"{lacks}. Your token is fine.",
        "invalid_token": f"{raised.host} rejected the token.",
        "no_token": f"{raised.host} received no token.",
        "bad_auth_header": f"{raised.host} received no valid token.",
    }
    return meanings.get(raised.code, "")


def _no_permission(raised: Raised) -> str:
    if raised.code != "missing_permission":
        return ""
    dataset = raised.said("auth_dataset")
    named = (
        sanitize(dataset, 80, shareable=True) if responses.is_name(dataset) else raised.datastack or "that datastack"
    )
    verb = raised.said("required_permission")
    return f"your account has no permission {f'to {verb}' if verb in _VERBS else 'for'} {named}. Your token is fine."


_VERBS = ("view", "edit")
"""The permissions of middle_auth that are verbs."""


def _no_token(raised: Raised) -> str:
    """A token that cloud-volume cannot use, or a redirect to the sign-in of a client that found none."""
    if raised.text.matches("(?i)no graphene authentication token"):
        return "cloud-volume found no token: it reads other files than CAVEclient."
    if "authentication token was not formatted correctly" in raised.text:
        return "cloud-volume found a token that is not 32 hexadecimal characters."
    call = failed_call(raised.error) if raised.is_redirected else None
    if call is None or call.key is None or call.key.found:
        return ""
    return "CAVEclient found no token when the client was created, so the request was redirected to sign in."


def _redirected(raised: Raised) -> str:
    """Any other redirect; the auth server never redirects a request with a token, however bad (middle_auth 2.30)."""
    if not raised.is_redirected:
        return ""
    call = failed_call(raised.error)
    if call is not None and call.token is not None:
        where = f" to {raised.host}" if "AuthException" not in raised.names else ""
        return f"the request was redirected{where}, although it carried a token."
    who = "CAVEclient found" if "caveclient" in raised.packages else "it carried"
    return (
        "the request was redirected, for instance to a sign-in page: "
        f"{who} no token, or something on the way redirected it."
    )


def _version_gone(raised: Raised) -> str:
    text = raised.text.without(r"https?://\S+")  # the URLs of materialize contain a version
    is_gone = raised.status in (404, 410) and not raised.is_from_web_server and text.matches(_NO_VERSION)
    has_no_database = raised.text.matches(_NO_DATABASE) and "caveclient" in raised.packages
    return f"that materialization version is not available. {_FINE}" if is_gone or has_no_database else ""


_NO_DATABASE = (
    r"Version not in materialized database|Version \d+ is not available for this datastack"
    r"|database \\*\"\w+__mat\d+\\*\" does not exist"
)
"""What caveclient says (7 and 8), and what PostgreSQL says if the database of a version is deleted."""
_NO_VERSION = (
    r"(?i)\bversions?[\s\"']*\d*[\s\"']*((is|are|has|was) )?(not|no longer|expired|deleted|unavail)"
    r"|\bno (such )?version"
)
"""How a service says that a version is gone; a text about something else can mention one, too."""


def _direct(raised: Raised) -> str:
    """What the user can do without a check."""
    status = raised.status
    if "Requires admin privilege" in raised.text:
        return (
            "since 2025, only administrators can list users; get names from /auth/api/v1/username. Your token is fine."
        )
    if status == 413:
        return f"{raised.service} rejected that request because it is too large (413); request less at once. {_FINE}"
    if status == 429:
        return f"{raised.service} asked you to slow down (429){raised.wait}. {_FINE}"
    if status == 504 and raised.is_query and not raised.proxy:
        return f"{raised.service} timed out on that request (504); request less at once. {_FINE}"
    return ""


def _by_status(raised: Raised) -> str | Line:
    status = raised.status
    if status in responses.GATEWAY and raised.proxy:
        return (
            f"a request to {raised.service} through the configured proxy returned HTTP {status}{raised.wait}. {_FINE}"
        )
    if status == 500 and raised.body and raised.body.matches(_OWN_FAILURE):
        words = sanitize(raised.said("message"), 160)
        return line(f"{raised.service} failed on that request (500): ", words, f". {_FINE}")
    if status == 504:
        return f"{raised.service} timed out on that request (504). {_FINE}"
    if status >= 500:
        return f"{raised.service} was down or broken ({status}){raised.wait}. {_FINE}"
    if status in (401, 403):
        return f"{raised.service} refused access ({status}) without a reason."
    if status == 404:
        return f"{raised.service} {_not_found(raised)}. {_FINE}"
    return _rejected(raised) if status >= 400 else ""


def _rejected(raised: Raised) -> Line:
    """A status for a wrong request; a page about its headers may be about the token in them."""
    said = raised.said("message")
    why = line(": ", sanitize(said, 160)) if said else ()
    is_about_headers = raised.status == 431 or (raised.body is not None and raised.body.matches("(?i)header|cookie"))
    fine = "; the token is one of its headers." if is_about_headers else f". {_FINE}"
    return line(f"{raised.service} rejected that request ({raised.status})", why, fine)


def _not_found(raised: Raised) -> str:
    """What a 404 means; its body shows who sent it."""
    if raised.is_from_web_server:
        return "is not there: a web server responded instead (404)"
    if raised.body and raised.body.matches(r"(?s)<p>.*" + re.escape(responses.FLASK_404)):
        return "has nothing at the URL of that request (404)"
    if raised.service.text.startswith("materialize"):
        return "does not know that table, view or version (404)"
    if raised.service.text.startswith("the info service"):
        return f"has no information about {raised.datastack or 'that datastack'} (404)"
    return "did not find what was requested (404)"


def _files(raised: Raised) -> str:
    outer = raised.names[0]
    reads = any(module == "caveclient.auth" for module, _ in raised.places)
    if outer == "JSONDecodeError" and type(raised.error).__module__.startswith("json") and reads:
        return "a token file on this computer is not valid JSON. No request was sent."
    if outer == "AttributeError" and reads and "has no attribute 'get'" in raised.text:
        return 'a token file on this computer does not contain {"token": ...}. No request was sent.'
    if outer == "AttributeError" and any(module == "caveclient.datastack_lookup" for module, _ in raised.places):
        return "the file in which CAVEclient remembers the server of each datastack is malformed. No request was sent."
    if outer in _FILE_ERRORS and (reads or ".cloudvolume" in raised.text or "cave_magic" in raised.packages):
        return f"a token file or its folder could not be opened ({outer}). No request was sent."
    return ""


def _saving(raised: Raised) -> str | Line:
    if raised.names[0] == "AttributeError" and "_server_file_path" in raised.text:
        save = next_steps.save(raised.target)
        return line("a client made with auth_token_file= cannot save a token; use ", save)
    if raised.text.matches(r'Key "[^"]{0,60}" already exists in token file'):
        replace = next_steps.save(raised.target, "--overwrite")
        return line("another token is already saved, and CAVEclient does not overwrite it: ", replace)
    return ""


def _not_sent(raised: Raised) -> str:
    """A token that cannot be a header, which requests and http.client refuse, or a malformed address."""
    failure = failures.classify(raised.error)[0]
    is_other_text = "UnicodeEncodeError" in raised.names and "latin-1" not in raised.text
    if failure is failures.Failure.UNSENDABLE and not is_other_text:
        return (
            "the token contains a line break or another invalid character, so nothing was sent. "
            "The error message may contain the token: clear the cell's output."
        )
    if failure is not failures.Failure.INVALID_URL:
        return ""
    advice = ": it must begin with https://" if {"MissingSchema", "InvalidSchema"} & set(raised.names) else ""
    return f"the server's address is malformed{advice}. Nothing was sent."


def _unusable(raised: Raised) -> str:
    """A response that caveclient cannot read, by the name of the error or the place in caveclient that raised it."""
    meanings = {
        "ServerIncompatibilityError": "caveclient says that it does not work with that server's version",
        "InvalidVersion": f"{raised.host} returned something other than a version number",
        "TooManyRedirects": f"{raised.host} redirected the request in a loop",
    }
    if meaning := next((meaning for name, meaning in meanings.items() if name in raised.names), ""):
        return f"{meaning}. {_FINE}"
    outer, last = raised.names[0], raised.places[-1] if raised.places else ("", "")
    if "Unknown response type: " in raised.text and last[0] == "caveclient.materializationengine":
        return f"materialize returned something other than data. {_FINE}"
    if "JSONDecodeError" in raised.names and ("requests.exceptions" in raised.modules or last[0] == "caveclient.base"):
        call = failed_call(raised.error)  # the error has no response; a frame of caveclient may have it
        status = call.status if call else 0
        returned = f"HTTP {status} with " if status >= 400 else ""
        fine = "" if status in (400, 401, 403) else f" {_FINE}"
        return f"a server returned {returned}something other than data (a web page, or nothing).{fine}"
    is_argument = "No corresponding API version" in raised.text  # of the user
    if outer in ("AttributeError", "KeyError", "ValueError") and last[0] == "caveclient.base" and not is_argument:
        return f"a server returned something in a form that CAVEclient does not expect. {_FINE}"
    return ""


def _interrupted(raised: Raised) -> str:
    if raised.names[0] != "KeyboardInterrupt":
        return ""
    if "urllib3.util.retry" in raised.modules:
        return "the cell was waiting as long as a server had asked it to (Retry-After), which caveclient does silently."
    return "the cell was waiting for a server; caveclient has no timeout."


def _network(raised: Raised) -> str:
    failure, detail = failures.classify(raised.error)
    if failure is failures.Failure.UNKNOWN:
        return ""
    return f"{raised.host} {failure.value}" + (f" ({detail})" if detail else "") + f". {_FINE}"


_RULES: dict[Callable[[Raised], str | Line], Then] = {
    _misspelled: Then.NONE,
    _import: Then.FIX,
    _attribute: Then.SEE,
    _by_code: Then.FIX,
    _no_permission: Then.SEE,
    _no_token: Then.FIX,
    _redirected: Then.SEE,
    _version_gone: Then.SEE,
    _direct: Then.NONE,
    _by_status: Then.SEE,
    _files: Then.FIX,
    _saving: Then.NONE,
    _not_sent: Then.FIX,
    _unusable: Then.SEE,
    _interrupted: Then.NONE,
    _network: Then.SEE,
}
