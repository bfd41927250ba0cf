"""What an experiment changes, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ...api.responses import Response


class Change(Enum):
    """What an experiment changes, in words, in the order of preference if several change the outcome.

    Changes with no side effects come first.
    """

    AGAIN = "again, without the token"
    MADE_UP = "with a made-up token"
    AS_INSTALLED = "without what {} changed in requests"
    PROXY_SPELLING = "with the {} of the proxy in the usual form"
    PROXY_SCHEME = "with {}:// before the address of the proxy"
    OTHER_PROXY = "through the proxy in {}"
    NO_EXCEPTION = "through the proxy in spite of {}"
    NETRC = "without the password in {}"
    NO_BUNDLE = "without {}"
    OTHER_BUNDLE = "with the certificates in {}"
    NO_PROXY = "without the proxy"
    MADE_UP_DIRECT = "with a made-up token, without the proxy"
    FAMILY = "over {} only"
    OTHER_ADDRESS = "with its second address"
    SCHEME = "with {}://"
    UNVERIFIED = "without verifying the certificate"
    OTHER_SERVER = "{} instead"
    NO_SERVER = "a host that does not exist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A request with one thing changed, and its response; `source`: which variable, file, scheme or host, or ""."""

    change: Change
    source: str = ""
    response: Response

    @property
    def words(self) -> str:
        """What was changed, in words."""
        return self.change.value.format(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """All experiments on one request that failed.

    Attributes:
        url: the URL of the request; "" if no experiment was needed.
        experiments: in the order of preference.
        proxy: the variable that names the proxy for the request, or the words for another setting; "" without a proxy.
        is_proxy_here: whether that proxy is a program of this computer.
        private_address: the address of the host, if no public server has such an address; else "".
        hosts_file: the hosts file, if it names the host; else "".
    """

    url: str = ""
    experiments: tuple[Experiment, ...] = field(default=(), repr=False)
    proxy: str = ""
    is_proxy_here: bool = False
    private_address: str = ""
    hosts_file: str = ""

    def about(self, change: Change) -> tuple[Experiment, ...]:
        """The experiments with a change."""
        return tuple(one for one in self.experiments if one.change is change)

    def first(self, change: Change) -> Response | None:
        """The response of the first experiment with a change, or None."""
        return next((one.response for one in self.about(change)), None)


NOTHING_TRIED = Tried()
