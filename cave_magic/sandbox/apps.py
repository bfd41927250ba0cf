"""The Flask applications of a sandbox, and which of them handles a path."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import timedelta
from functools import cache

import flask
from werkzeug.exceptions import InternalServerError
from werkzeug.wrappers import Response

from cave_magic.sandbox.auth_api import auth
from cave_magic.sandbox.gate import World, attach, finish
from cave_magic.sandbox.info_api import info, schema, state
from cave_magic.sandbox.local_api import BLUEPRINTS
from cave_magic.sandbox.sticky import practice, sticky
from cave_magic.sandbox.wire import Port, Reply, Request, environ

Custom = Callable[[flask.Request], flask.Response]
"""A custom misbehaviour: takes a request and returns a response."""


def build_apps(shared: World) -> tuple[flask.Flask, flask.Flask, flask.Flask]:
    """The auth server, the info service with its global neighbours, and the services of a local server.

    The errors of the auth server are HTML, and its routes exist under `/sticky_auth` too; the others' errors are JSON.
    """
    return (
        _app("cave_auth", shared, (auth, sticky, practice), is_auth=True),
        _app("cave_info", shared, (info, schema, state)),
        _app("cave_local", shared, BLUEPRINTS),
    )


def is_global_service(path: str) -> bool:
    """Whether the info application handles `path` on the global server."""
    return path.split("/")[1] in ("info", "schema", "nglstate")


def respond(app: flask.Flask, request: Request, port: Port) -> Reply:
    """The response of `app` to a request that arrived at `port`."""
    return _reply(Response.from_app(app, environ(request, port), buffered=True))


def respond_custom(app: flask.Flask, custom: Custom, request: Request, port: Port) -> Reply:
    """The response of a custom function, which is called with a Flask request inside `app`."""
    with app.request_context(environ(request, port)):
        return _reply(app.make_response(custom(flask.request)))


def captive_portal() -> str:
    """The page of a guest network that intercepted a request."""
    return "<!doctype html><title>Guest network</title><h1>Guest network</h1><p>Log in to use the internet.</p>"


def _reply(response: Response) -> Reply:
    return Reply(response.status_code, tuple(response.headers.items()), response.get_data())


def _app(name: str, shared: World, blueprints: tuple[flask.Blueprint, ...], *, is_auth: bool = False) -> flask.Flask:
    """An application with its own settings and state; those of all sandboxes share their routes and templates."""
    app = copy(_routes(name, blueprints, is_auth))
    app.config, app.extensions = copy(app.config), {}
    app.secret_key = shared.service_token
    attach(app, shared, is_auth=is_auth)
    return app


@cache  # compiling the routes takes nine tenths of the time to start a sandbox
def _routes(name: str, blueprints: tuple[flask.Blueprint, ...], is_auth: bool) -> flask.Flask:
    app = flask.Flask(name, static_folder=None)
    app.logger.disabled = True
    app.url_map.merge_slashes = False
    app.permanent_session_lifetime = timedelta(hours=1)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    if is_auth:
        app.register_blueprint(auth, name="auth_of_sticky", url_prefix="/sticky_auth")
    else:
        app.register_error_handler(InternalServerError, _json_failure)
    app.add_url_rule("/captive-portal", "captive_portal", captive_portal)
    app.after_request(finish)
    app.jinja_env.auto_reload = False  # creates the environment, so that it is shared too
    return app


def _json_failure(error: Exception) -> tuple[flask.Response, int]:
    return flask.jsonify({"message": "Internal Server Error"}), 500
