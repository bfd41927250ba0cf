"""What is known about the auth server before a sign-in: its version, and whether its pages can be opened."""

from __future__ import annotations

from dataclasses import dataclass

from ..api import endpoints, responses
from ..api.batch import Batch
from ..api.responses import Response
from ..credentials.target import Target
from ..ui.frontend import Frontend
from .route import HOSTS


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthServer:
    """What is known about an auth server before a sign-in: its version ("" if unknown), and its sign-in page."""

    version: str
    page: Response

    @property
    def has_sign_in(self) -> bool:
        """Whether it has a sign-in page: it redirects programs to it, too."""
        return self.page.failure is None and 200 <= self.page.status < 400

    @property
    def failure(self) -> str:
        """Why its pages cannot be opened now; "" if they are not known to be down."""
        is_down = self.page.failure is not None or self.page.status >= 500 or self.page.status == 429
        return self.page.sentence if is_down else ""


def probe_auth_server(target: Target, seconds: float, frontend: Frontend) -> AuthServer:
    """Requests the version and the sign-in page of the auth server."""
    server = target.server
    with Batch(seconds) as batch:
        version = batch.get(endpoints.auth_version_url(server))
        page = batch.get(endpoints.sign_in_page(server, f"http://{HOSTS[0]}/"))
        with frontend.waiting() as on_wait:
            batch.wait(on_wait)
        return AuthServer(version=responses.version_in(version.response), page=page.response)
