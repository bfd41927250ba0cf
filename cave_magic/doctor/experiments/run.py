"""Makes the experiments, all at the same time and within the timeout of the batch."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from ...api import http
from ...api.batch import Batch, result_or
from ...api.failures import Failure
from ...api.responses import Response, is_cave
from ...api.urls import is_on_this_computer, name_of_host, proxy_parts
from ...credentials.target import Target
from ...environment import name_lookup
from ...token import Token

if TYPE_CHECKING:
    from .model import Tried
    from .plan import Trial


def is_strange(response: Response) -> bool:
    """Whether a response calls for experiments: it is not from a working CAVE service, and does not ask for a pause."""
    return not is_cave(response) and response.status != 429 and response.wait is None


class Experiments:
    """The experiments on one request of a server, while they are under way.

    The token that the server got before is `masked` in what it returns; it is not sent.
    """

    def __init__(self, batch: Batch, target: Target, masked: Token | None) -> None:
        self._batch, self._target, self._masked = batch, target, masked
        self._url, self._proxy, self._is_compared = "", "", False
        self._running: list[tuple[Trial, Future[Response]]] = []
        self._private_address: Future[str] | None = None
        self._lock = threading.Lock()

    def start(self, response: Response) -> None:
        """Starts the experiments on a failed request, unless there were some before."""
        with self._lock:
            if self._url:
                return
            self._url = response.url
        from .plan import of_the_token, trials  # lazily: a check on which all is well imports nothing more

        self._run(trials(response, self._target) if is_strange(response) else of_the_token(response.url))
        self._proxy = http.proxy_for(response.url)  # not in `facts`, where requests may turn out to be shadowed
        name = name_of_host(response.url)
        if not self._proxy and not name_lookup.is_ip_address(name):
            self._private_address = self._batch.submit(partial(name_lookup.private_address_of, name), lane="lookup")

    def compare(self, response: Response) -> None:
        """Compares with other servers, if this response of another service of the server is strange, too."""
        with self._lock:
            if self._is_compared or not is_strange(response):
                return
            self._is_compared = True
        from .plan import comparisons

        self._run(comparisons(self._target))

    def _run(self, planned: Iterable[Trial]) -> None:
        for trial in planned:
            self._running.append((trial, self._batch.try_way(trial.url or self._url, trial.way, self._masked)))

    def facts(self) -> Tried:
        """Their outcome, once the batch is over."""
        from ...environment.proxies import read_proxy_settings
        from .model import NOTHING_TRIED, Experiment, Tried

        if not self._url:
            return NOTHING_TRIED
        name, address = name_of_host(self._url), self._proxy
        return Tried(
            url=self._url,
            experiments=tuple(
                Experiment(
                    change=trial.change,
                    source=trial.source,
                    response=result_or(future, Response(url=trial.url or self._url, failure=Failure.CONNECT_TIMEOUT)),
                )
                for trial, future in list(self._running)
            ),
            proxy=(read_proxy_settings().proxy_for(self._url) or "this computer's settings") if address else "",
            is_proxy_here=bool(address) and is_on_this_computer("http://" + proxy_parts(address)[1]),
            private_address=result_or(self._private_address, ""),
            hosts_file=str(name_lookup.HOSTS_FILE) if name_lookup.is_in_hosts_file(name) else "",
        )
