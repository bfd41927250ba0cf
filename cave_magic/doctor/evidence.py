"""The facts that the checks judge: about this computer, the servers and the datastacks.

Every fact defaults to a healthy value (`healthy`), so the test of a check names only the facts that differ. `gather`
sets them all. A check looks nothing up: addresses, files and tokens are here as they were found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api.responses import NOT_RECEIVED, Account, ListedToken, Response, is_cave, local_server_in
from ..api.special_files import HarmfulNetrc
from ..api.urls import host_of
from ..credentials.datastack_map import ServerMap
from ..credentials.obstacles import Obstacle
from ..credentials.stored_tokens import StoredToken
from ..credentials.target import Target
from ..credentials.token_files import TokenFile
from ..environment.cloud_volume import Reading
from ..environment.packages import Unmet
from ..environment.platforms import Runtime
from ..environment.proxies import ProxySettings
from ..environment.resources import Shortage
from ..environment.shadowed import ShadowingFile
from ..token import Token
from ..ui.redact import sanitize
from . import healthy, next_steps
from .experiments.model import NOTHING_TRIED, Tried
from .model import Command, Subject

if TYPE_CHECKING:
    from ..credentials.scrub import LeftoverToken
    from ..environment.caveclient_adapter import Client, FailedCall
    from ..environment.import_fault import ImportFault
    from ..environment.installer import Installer
    from ..environment.slow_import import SlowImport

MOST_DATASTACKS = 200
"""How many of a server's datastacks `--all` checks, to stay within its timeout. Real servers have some dozens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """This computer and its Python.

    Attributes:
        versions: package -> version, for those that are installed, and `python`.
        caveclient_problem: why caveclient cannot be imported, or "".
        requests_problem: why requests cannot be imported, or "".
        import_fault: why the import of caveclient or requests failed; None if that is not known.
        find_installer: finds out what can install packages here, which takes a while.
        import_awaited: whether the import of caveclient was waited for; if not, nothing else depended on it.
        import_unfinished: whether caveclient is still being imported.
        slow_import: the package that makes that import slow without being required; None if there is none, or for `-v`
            only.
        shortage: what this kernel has run out of, or None.
        harmful_netrc: the `.netrc` file that stops every request, or None.
        netrc_variable: whether an environment variable names that file.
        unmet_requirements: requirements of this package and of caveclient that are not met; None if unknown.
        shadowing_files: files in the notebook's folder that Python imports instead of a package.
        runtime: where the kernel runs.
        token_variables: environment variables that seem to contain a token, and that token; caveclient does not read
            them.
        proxy_settings: the environment variables that name a proxy or a file of certificates.
        token_folder: the folder of the token files.
        folder_problem: what keeps this user from using it, or None.
        folder_writable_by_others: whether everybody on this computer can write there, and so replace the token.
        datastack_map: caveclient's datastack map to servers.
        leftover_tokens: tokens left in this notebook's history and file.
        scrub_left: removes them.
        target: the first target, for which a token would be saved.
        check_command: the command that runs this check again.
        can_ask: whether the user can answer a prompt.
    """

    versions: Mapping[str, str] = field(default_factory=lambda: healthy.VERSIONS)
    caveclient_problem: str = ""
    requests_problem: str = ""
    import_fault: ImportFault | None = None
    find_installer: Callable[[], Installer] = field(default=healthy.installer, repr=False, compare=False)
    import_awaited: bool = True
    import_unfinished: bool = False
    slow_import: SlowImport | None = None
    unmet_requirements: tuple[Unmet, ...] | None = ()
    shortage: Shortage | None = None
    harmful_netrc: HarmfulNetrc | None = None
    netrc_variable: bool = False
    shadowing_files: tuple[ShadowingFile, ...] = ()
    runtime: Runtime = field(default_factory=Runtime)
    token_variables: Mapping[str, Token] = field(default_factory=dict)
    proxy_settings: ProxySettings = field(default_factory=ProxySettings)
    token_folder: Path = healthy.FOLDER
    folder_problem: Obstacle | None = None
    folder_writable_by_others: bool = False
    datastack_map: ServerMap = healthy.DATASTACK_MAP
    leftover_tokens: tuple[LeftoverToken, ...] = ()
    scrub_left: Callable[[], object] = field(default=tuple, repr=False, compare=False)
    target: Target = healthy.TARGET
    check_command: Command = healthy.CHECK_COMMAND
    can_ask: bool = True

    @property
    def fix_command(self) -> Command:
        """The command that offers the fixes, or applies them if nobody can answer."""
        return next_steps.with_option(self.check_command, "--fix" if self.can_ask else "--fix --yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """One global server and the token that this computer has for it.

    A response is None if no check needed the request.

    Attributes:
        target: the first target on it.
        machine: this computer.
        stored: the token that caveclient reads for it, and its files.
        caveclient_disagrees: True if the installed caveclient reads another token than `stored`; None if untested.
        identity: the auth server's response to "whose token is this?".
        account: the account in it, or None.
        anonymous_identity: the auth server's response to the same without a token.
        salvaged_identity: the auth server's response to a token that caveclient cannot use where it is: in a malformed
            file, under a wrong key, or hidden by another file.
        listed_tokens: the account's permanent tokens; None if unknown.
        info: the info service's first response about a datastack.
        info_version: the info service's response to a request without a token.
        tried: the experiments on the first request to it that failed.
        netrc_file: the file whose password requests sends to this server instead of the token, or "".
        misplaced_file: if caveclient finds no working token, a file with one that it does not read.
        untried_file: such a file whose token does not name its server, so it was sent to none.
        stale_clients: variables of this notebook with a CAVEclient made with another token.
        datastack_list: the info service's list of datastacks, for `--all`.
        datasets: datastack -> its dataset, if the auth server was asked.
        timeout: the timeout of all requests together, in seconds.
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
    tried: Tried = NOTHING_TRIED
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
    def is_gated(self) -> bool:
        """Whether something in front of the auth service denies access, since that itself says that it got no token."""
        said = self.anonymous_identity
        return said is not None and said.status in (401, 403) and is_cave(said) and said.code not in NOT_RECEIVED

    @property
    def other_variables(self) -> list[str]:
        """The environment variables with another token than the stored one."""
        return [name for name, token in self.machine.token_variables.items() if token != self.stored.token]

    @property
    def host(self) -> str:
        """The server's host, with its port."""
        return host_of(self.address)

    @property
    def again(self) -> Command:
        """The line that checks it again."""
        return next_steps.check(self.target)

    @property
    def auth(self) -> Response:
        """The auth server's response to the token; without one that can be sent, to a request without a token."""
        return self.responses[0]

    @property
    def responses(self) -> tuple[Response, ...]:
        """All responses of this server, those of the auth service first."""
        every = (self.identity, self.anonymous_identity, self.info, self.info_version)
        return tuple(one for one in every if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """The call to caveclient that raised the last error, and what its services say about what it asked for.

    A response or a list is None if it was not requested, or is not known.

    Attributes:
        call: the call.
        other_server: the host that was asked, if it does not open the datastack but the server that its name leads to
            does; "" otherwise.
        key_file: the token file that names another key than the client, or None.
        other_token: whether the client sends another token than the stored one.
        same: the response to the request that failed, sent again: only a GET that changes nothing.
        refused_since: when the data server was first seen to refuse that request although the info service opens the
            datastack, in seconds since 1970; None if it does not.
        service: the version of the service, if no other check asks for it.
        valid, versions: the valid materialization versions, and all of them, the newest first.
        tables, views: the names in the version of the call.
    """

    call: FailedCall
    other_server: str = ""
    key_file: TokenFile | None = None
    other_token: bool = False
    same: Response | None = None
    refused_since: float | None = None
    service: Response | None = None
    valid: tuple[int, ...] | None = None
    versions: tuple[int, ...] | None = None
    tables: tuple[str, ...] | None = None
    views: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastackFacts:
    """One datastack.

    Attributes:
        target: its name and server.
        server: the facts about its server.
        info: the info service's response about it; a failure if the request was not sent.
        is_remembered: whether that response is a few minutes old.
        contradicted_since: when the info service was first seen to contradict the auth server about it, in seconds
            since 1970; None if it does not.
        listed_datastacks: the datastacks that the info service lists; None if the request was not sent.
        services: service -> the response of the data server.
        tried: the experiments on the first of its services that failed.
        readings: the tokens that cloud-volume and cloud-files read for the data server; () if that server is unknown.
        misplaced_file: if the stored token has no access, another file whose token has, or None.
        untried_file: such a file whose token does not name its server, so it was sent to none.
        call: the call that raised the last error, if it was about this datastack.
    """

    target: Target = healthy.TARGET
    server: ServerFacts = field(default_factory=ServerFacts)
    info: Response = healthy.INFO
    is_remembered: bool = False
    contradicted_since: float | None = None
    listed_datastacks: tuple[str, ...] | None = None
    services: Mapping[str, Response] = field(default_factory=lambda: healthy.SERVICES)
    tried: Tried = NOTHING_TRIED
    readings: tuple[Reading, ...] = healthy.READINGS
    misplaced_file: TokenFile | None = None
    untried_file: TokenFile | None = None
    call: CallFacts | None = None

    @property
    def name(self) -> str:
        """The datastack's name."""
        return self.target.datastack

    @property
    def local_server(self) -> str:
        """The address of its data server; "" if the info service did not open it."""
        return local_server_in(self.info)

    @property
    def subject(self) -> Subject:
        """Its name in the evidence of a finding."""
        return Subject(sanitize(self.name, 60).text)

    @property
    def again(self) -> Command:
        """The line that checks it again."""
        return next_steps.check(self.target)


_HEALTHY = DatastackFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All facts; a datastack and its server share the same objects."""

    machine: Machine = _HEALTHY.server.machine
    servers: tuple[ServerFacts, ...] = (_HEALTHY.server,)
    datastacks: tuple[DatastackFacts, ...] = (_HEALTHY,)

    def subjects(self, about: type) -> tuple[Any, ...]:
        """The subjects of a type."""
        return {Machine: (self.machine,), ServerFacts: self.servers, DatastackFacts: self.datastacks}[about]

    @staticmethod
    def above(subject: Any, about: type) -> Any:
        """The subject of a type that another subject belongs to."""
        if isinstance(subject, about):
            return subject
        return subject.server if about is ServerFacts else getattr(subject, "server", subject).machine

    @staticmethod
    def label(subject: Any) -> str:
        """The name that distinguishes a subject from others of its type."""
        return subject.name if isinstance(subject, DatastackFacts) else getattr(subject, "host", "")
