"""The facts that the checks look at: about this computer, its servers and their datastacks.

Every fact has a default, which describes a computer on which access works (`healthy`): a test of a check names only
the facts that differ. `gather` names them all. An address, a file and a token are here as they were found; a check
looks nothing up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any

from ..api.responses import Account, ListedToken, Response
from ..api.urls import host_of
from ..credentials.datastack_map import ServerMap
from ..credentials.file_problems import FileProblem
from ..credentials.scrub import LeftoverToken
from ..credentials.stored_tokens import StoredToken
from ..credentials.target import Target
from ..credentials.token_files import TokenFile
from ..environment.caveclient_adapter import Client
from ..environment.cloud_volume import Reading
from ..environment.platforms import Runtime
from ..environment.proxies import ProxySettings
from ..environment.shadowed import ShadowingFile
from ..token import Token
from . import healthy, next_steps
from .model import Command

MOST_DATASTACKS = 200
"""So many of a server's datastacks `--all` looks at, to keep its timeout. A real server has some dozens."""


class FolderFix(Enum):
    """What fixes the folder of the token files."""

    SET_HOME = auto()
    """The home folder is not there: HOME should name another one."""
    RESTORE_LINK = auto()
    """A link leads to a folder that is not there: mount that one, or move the link away."""
    MOVE_AWAY = auto()
    """Something else is in its place, or a link to another user's folder."""
    GRANT_ACCESS = auto()
    """Its permissions keep its owner out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderProblem:
    """What is wrong with the folder of the token files.

    Attributes:
        path: what is at fault: that folder, the one above it, or what is in the place of either.
        problem: what is wrong with it.
        fix: what fixes it.
        unusable: whether token files in it cannot be read; else they only should not be, or cannot be written.
    """

    path: Path
    problem: FileProblem
    fix: FolderFix
    unusable: bool = True


def _nothing_left(tokens: Iterable[Token] = ()) -> tuple[LeftoverToken, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """This computer and its Python.

    Attributes:
        versions: package -> version, for those that are installed, and `python`.
        caveclient_problem: why caveclient cannot be imported, or "".
        requests_problem: why requests, without which no request is sent, cannot be imported, or "".
        unmet_requirements: what the installed caveclient requires of other packages and does not find; None if that is
            not known.
        shadowing_files: files in the notebook's folder that Python imports in place of a package.
        runtime: where the kernel runs.
        token_variables: environment variables that seem to hold a token, which caveclient does not read.
        proxy_settings: the environment variables that name a proxy or a file of certificates.
        token_folder: the folder of the token files.
        folder_problem: what is wrong with it, or None.
        folder_writable_by_others: whether everybody on this computer may put files there, and so replace the token.
        datastack_map: caveclient's map of datastacks to servers.
        datastacks_with_secrets: datastacks in whose remembered address there is a token or a password.
        leftover_tokens: where this notebook's history and file still hold a token.
        scrub_left: takes tokens out there.
        check_command: the command that runs this check again.
        save_commands: the commands that save a token in a new session here: from where this platform keeps secrets, or
            the one that asks for it.
        can_ask: whether somebody can answer a prompt.
    """

    versions: Mapping[str, str] = field(default_factory=lambda: healthy.VERSIONS)
    caveclient_problem: str = ""
    requests_problem: str = ""
    unmet_requirements: tuple[str, ...] | None = ()
    shadowing_files: tuple[ShadowingFile, ...] = ()
    runtime: Runtime = field(default_factory=Runtime)
    token_variables: tuple[str, ...] = ()
    proxy_settings: ProxySettings = field(default_factory=ProxySettings)
    token_folder: Path = healthy.FOLDER
    folder_problem: FolderProblem | None = None
    folder_writable_by_others: bool = False
    datastack_map: ServerMap = healthy.DATASTACK_MAP
    datastacks_with_secrets: tuple[str, ...] = ()
    leftover_tokens: tuple[LeftoverToken, ...] = ()
    scrub_left: Callable[[], object] = field(default=_nothing_left, repr=False, compare=False)
    check_command: Command = healthy.CHECK_COMMAND
    save_commands: tuple[Command, ...] = (healthy.SAVE_COMMAND,)
    can_ask: bool = True

    @property
    def fix_command(self) -> Command:
        """The command that offers the fixes."""
        return next_steps.with_option(self.check_command, "--fix")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookSession:
    """What can be seen of the notebook from which the check runs.

    Attributes:
        variables: name -> value, to find clients that were made with another token.
        find_left: stored tokens -> where its history and file still hold one.
        scrub_left: takes stored tokens out there.
        can_ask: whether somebody can answer a prompt.
    """

    variables: Mapping[str, object] = field(default_factory=dict)
    find_left: Callable[[Iterable[Token]], tuple[LeftoverToken, ...]] = _nothing_left
    scrub_left: Callable[[Iterable[Token]], object] = _nothing_left
    can_ask: bool = True


NO_NOTEBOOK = NotebookSession()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """One global server and the token that this computer has for it.

    A response is None where the request was not sent, because nobody needs to know.

    Attributes:
        target: the first target on it.
        machine: this computer.
        stored: which token caveclient takes for it, from which file.
        caveclient_disagrees: True if the installed caveclient takes another token than `stored` says; None if that
            was not tried.
        identity: the auth server's response to "whose token is this?".
        account: the account in it, or None.
        anonymous_identity: the auth server's response to the same without a token.
        salvaged_identity: the auth server's response to a token that is on this computer but cannot be used where it
            is: in a malformed file, under a wrong key, hidden by another file.
        listed_tokens: the account's permanent tokens; None if not known.
        info: the info service's first response about a datastack.
        info_version: the info service's response to a request without a token.
        reference: where a proxy may have answered for an address that the datastack map has, the info service's
            response of another server, that of the datastack if it is known.
        uses_proxy: whether it answered with 500 or more, and requests goes to it through a proxy.
        netrc_file: the file whose login replaces the token on the way to this server, or "".
        misplaced_file: where caveclient finds no token that works, a file that it does not read and whose token does.
        untried_file: such a file whose token does not say which server it is for, so that it was sent to none.
        stale_clients: variables of this notebook that hold a CAVEclient made with another token.
        datastack_list: the info service's response to which datastacks there are; for `--all`.
        datasets: datastack -> the dataset that it belongs to, where the auth server was asked for it.
        timeout: the seconds in which all responses had to come.
    """

    target: Target = healthy.TARGET
    machine: Machine = field(default_factory=Machine)
    stored: StoredToken = healthy.STORED
    caveclient_disagrees: bool | None = False
    identity: Response | None = healthy.IDENTITY
    account: Account | None = healthy.ACCOUNT
    anonymous_identity: Response | None = None
    salvaged_identity: Response | None = None
    listed_tokens: tuple[ListedToken, ...] | None = healthy.LISTED_TOKENS
    info: Response | None = healthy.INFO
    info_version: Response | None = None
    reference: Response | None = None
    uses_proxy: bool = False
    netrc_file: str = ""
    misplaced_file: TokenFile | None = None
    untried_file: TokenFile | None = None
    stale_clients: tuple[Client, ...] = ()
    datastack_list: Response | None = None
    datasets: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0

    @property
    def address(self) -> str:
        """The server's address."""
        return self.target.server

    @property
    def host(self) -> str:
        """The server's host, with its port."""
        return host_of(self.address)

    @property
    def responses(self) -> tuple[Response, ...]:
        """All that this server responded, that of the auth service first."""
        every = (self.identity, self.anonymous_identity, self.info, self.info_version)
        return tuple(one for one in every if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastackFacts:
    """One datastack.

    Attributes:
        target: its name and server.
        server: the facts about its server.
        info: the info service's response about it; None if the request was not sent.
        contradicted_since: when the info service was first seen to contradict the auth server about it, in seconds
            since 1970; None where it does not.
        listed_datastacks: the datastacks that the info service lists; None if the request was not sent.
        services: service -> the response of its local server.
        readings: what cloud-volume and cloud-files take for the local server's token; () if that server is not known.
        misplaced_file: where the stored token may not read it, another file whose token may, or None.
        untried_file: such a file whose token does not say which server it is for, so that it was sent to none.
    """

    target: Target = healthy.TARGET
    server: ServerFacts = field(default_factory=ServerFacts)
    info: Response | None = healthy.INFO
    contradicted_since: float | None = None
    listed_datastacks: tuple[str, ...] | None = None
    services: Mapping[str, Response] = field(default_factory=lambda: healthy.SERVICES)
    readings: tuple[Reading, ...] = healthy.READINGS
    misplaced_file: TokenFile | None = None
    untried_file: TokenFile | None = None

    @property
    def name(self) -> str:
        """The datastack's name."""
        return self.target.datastack


_HEALTHY = DatastackFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that the checks look at; the same objects are reached from below."""

    machine: Machine = _HEALTHY.server.machine
    servers: tuple[ServerFacts, ...] = (_HEALTHY.server,)
    datastacks: tuple[DatastackFacts, ...] = (_HEALTHY,)

    def subjects(self, about: type) -> tuple[Any, ...]:
        """The subjects of a type, for `runner.run_checks`."""
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
