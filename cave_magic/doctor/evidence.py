"""The facts that the checks look at: about this computer, its servers and their datastacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from ..api.responses import Account, ListedToken, Response
from ..api.urls import host_of
from ..credentials import datastack_map, stored_tokens, token_files
from ..credentials.file_problems import FileProblem
from ..credentials.scrub import LeftoverToken
from ..credentials.target import Target
from ..deployments import DEFAULT_DATASTACK, DEFAULT_SERVER
from ..environment.caveclient_adapter import Client
from ..environment.cloud_volume import Reading
from ..environment.platforms import Runtime, detect_runtime
from ..environment.proxies import ProxySettings
from ..environment.shadowed import ShadowingFile
from ..token import Token
from . import next_steps
from .model import Command

BARE_CHECK = next_steps.check(Target(datastack=DEFAULT_DATASTACK, server=DEFAULT_SERVER))


def _nothing_left(tokens: Iterable[Token] = ()) -> tuple[LeftoverToken, ...]:
    return ()


class FolderFix(Enum):
    """What mends a folder."""

    HOME = "name another home"
    MOUNT = "make what a link leads to reachable, or move the link away"
    MOVE = "move away what is in its place"
    OPEN = "allow it"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderProblem:
    """What is wrong with the folder of the token files.

    Attributes:
        at: what is at fault: that folder, the one above it, or what stands in the place of one.
        problem: what is wrong with it.
        unusable: whether token files in it cannot be read (else they only should not, or cannot be written).
        mend: what mends it.
    """

    at: Path
    problem: FileProblem
    unusable: bool
    mend: FolderFix


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """This computer and its Python.

    Attributes:
        versions: package -> version, for those that are installed, and `python`.
        caveclient_problem: why caveclient cannot be imported, or "".
        token_variables: environment variables that seem to hold a token, which caveclient does not read.
        runtime: where the kernel runs.
        folder: the folder of the token files, with `~` for the home.
        folder_problem: what is wrong with it, or None.
        folder_open: whether everybody on this computer may put files there, and so another token in the place of yours.
        map_file: caveclient's map of datastacks.
        map_secrets: datastacks in whose remembered address there is a token or a password.
        left: where tokens were left in this notebook's session and file.
        scrub_left: takes them out there.
        unmet: what the installed caveclient asks of other packages and does not find; None if that is not known.
        proxy_settings: those of the environment that lead to a proxy or to a file of certificates.
        requests_problem: why requests, without which nobody can be asked, cannot be imported, or "".
        shadowing: files in the notebook's folder that Python takes in the place of a package.
        again: the line that runs this check again.
        recall: the lines that save a token which this platform keeps, or the one that asks for it.
        can_ask: whether somebody can answer a prompt.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    caveclient_problem: str = ""
    token_variables: tuple[str, ...] = ()
    runtime: Runtime = field(default_factory=detect_runtime)
    folder: str = ""
    folder_problem: FolderProblem | None = None
    folder_open: bool = False
    unmet: tuple[str, ...] | None = ()
    proxy_settings: ProxySettings = field(default_factory=ProxySettings)
    map_file: datastack_map.ServerMap | None = None
    map_secrets: tuple[str, ...] = ()
    left: tuple[LeftoverToken, ...] = ()
    scrub_left: Callable[[], object] = field(default=_nothing_left, repr=False, compare=False)
    requests_problem: str = ""
    shadowing: tuple[ShadowingFile, ...] = ()
    again: Command = BARE_CHECK
    recall: tuple[Command, ...] = ()
    can_ask: bool = True

    @property
    def fix(self) -> Command:
        """The line that offers the fixes."""
        return next_steps.with_option(self.again, "--fix")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookSession:
    """What can be seen of the notebook from which one looks.

    Attributes:
        names: its variables, to find clients that were made with another token.
        find_left: stored tokens -> where they are left in its history and file.
        scrub_left: takes stored tokens out there.
        can_ask: whether somebody can answer a prompt.
    """

    names: Mapping[str, object] = field(default_factory=dict)
    find_left: Callable[[Iterable[Token]], tuple[LeftoverToken, ...]] = _nothing_left
    scrub_left: Callable[[Iterable[Token]], object] = _nothing_left
    can_ask: bool = True


NO_NOTEBOOK = NotebookSession()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """One global server and the token that this computer has for it.

    Attributes:
        address: its address.
        target: the first target on it.
        machine: this computer.
        stored: which token caveclient takes for it, from which file.
        disagrees: True if the installed caveclient takes another token than `stored` says; None if it was not asked.
        identity: the auth server's answer to "whose token is this?"; None if not asked.
        account: the account in it, or None.
        keys: the person's permanent tokens; None if not known.
        version: the info service's answer to a question without a token; None if not asked.
        salvaged: the auth server's answer to a token that is on this computer but cannot be used where it stands (in a
            malformed file, under a wrong key, hidden by another file); None if not asked.
        bare: the auth server's answer to no token at all; None if not asked.
        info: the info service's first answer about a datastack; None if not asked.
        netrc: the file whose log-in replaces the token on the way to this server, or "".
        near: where CAVEclient finds no token that works, a file that it does not read and that has one, or None.
        untried: the same of a token that does not say which server it is for, so that none was asked about it.
        stale_clients: variables of this notebook that hold a CAVEclient made with another token.
        listed: the info service's answer to which datastacks there are; None if not all of them are looked at.
        datasets: datastack -> the dataset that it belongs to, where the auth server was asked for it.
        proxied: whether it answered with 500 or more, and requests goes to it through a proxy.
        compared: where a remembered address is not reached through a proxy, the answer of another server, that of the
            datastack if it is known, to a question without a token; None if not asked.
        bound: the seconds in which all questions had to be answered.
    """

    address: str
    target: Target
    machine: Machine
    stored: stored_tokens.StoredToken
    disagrees: bool | None = None
    identity: Response | None = None
    account: Account | None = None
    keys: tuple[ListedToken, ...] | None = None
    version: Response | None = None
    salvaged: Response | None = None
    info: Response | None = None
    netrc: str = ""
    near: token_files.TokenFile | None = None
    untried: token_files.TokenFile | None = None
    stale_clients: tuple[Client, ...] = ()
    bare: Response | None = None
    listed: Response | None = None
    bound: float = 10.0
    datasets: Mapping[str, str] = field(default_factory=dict)
    proxied: bool = False
    compared: Response | None = None

    @property
    def host(self) -> str:
        """The server's host, with its port."""
        return host_of(self.address)

    @property
    def responses(self) -> tuple[Response, ...]:
        """All that this server said."""
        return tuple(one for one in (self.identity, self.bare, self.info, self.version) if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastackFacts:
    """One datastack.

    Attributes:
        target: its name and server.
        server: the facts about its server.
        info: the info service's answer about it; None if not asked.
        since: when the info service was first seen to contradict the auth server about it (seconds since 1970); None
            where it does not.
        listed: the datastacks that the info service lists; None if not asked.
        services: service -> its local server's answer.
        readings: what cloud-volume and cloud-files take for the local server's token; () if that server is not known.
        near: where the stored token may not read it, another file whose token may, or None.
        untried: the same of a token that does not say which server it is for, so that none was asked about it.
    """

    target: Target
    server: ServerFacts
    info: Response | None = None
    listed: tuple[str, ...] | None = None
    services: Mapping[str, Response] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()
    since: float | None = None
    near: token_files.TokenFile | None = None
    untried: token_files.TokenFile | None = None

    @property
    def name(self) -> str:
        """The datastack's name."""
        return self.target.datastack


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that the checks look at."""

    machine: Machine
    servers: tuple[ServerFacts, ...]
    datastacks: tuple[DatastackFacts, ...]

    def subjects(self, about: type) -> tuple[Any, ...]:
        """The subjects of a type, for `doctor.examine`."""
        return {Machine: (self.machine,), ServerFacts: self.servers, DatastackFacts: self.datastacks}[about]

    @staticmethod
    def above(subject: Any, about: type) -> Any:
        """The subject of a type that another one belongs to."""
        if isinstance(subject, about):
            return subject
        return subject.server if about is ServerFacts else getattr(subject, "server", subject).machine

    @staticmethod
    def label(subject: Any) -> str:
        """The name that tells a subject from others of its kind."""
        return subject.name if isinstance(subject, DatastackFacts) else getattr(subject, "host", "")
