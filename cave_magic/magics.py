"""The four line magics and their settings. The commands are imported when a magic is first used."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, magics_class, no_var_expand
from traitlets import Bool, Float, Unicode, validate

from .commands import NAMES, cannot_be_imported, completion, find_command
from .errors import Cancelled, CaveMagicError

if TYPE_CHECKING:
    from .commands.arguments import MagicCommand
    from .commands.context import Context


class LineMagic:
    """A line magic that imports its command when it is called or its help is shown, which keeps `%load_ext` instant."""

    def __init__(self, magics: CaveMagics, name: str) -> None:
        self.__self__, self.__name__ = magics, name  # IPython expects the attributes of a bound method

    def __call__(self, line: str = "") -> Any:
        """Runs the line. Raises a CaveMagicError, which quotes nothing that was typed, if it fails."""
        result, failure = self._run(line)
        line = ""  # a debugger shows the locals of this frame
        if failure is not None:
            raise failure
        return result

    def _run(self, line: str) -> tuple[Any, CaveMagicError | None]:
        try:
            from .commands.line import run

            command, context = self._command, self.__self__.new_context()
        except KeyboardInterrupt:
            return None, Cancelled("Stopped. Nothing was changed.")
        except (Exception, SystemExit) as error:
            return None, cannot_be_imported(error)
        try:
            return run(command, context, str(line or ""))  # None from `run_line_magic` is no word
        except KeyboardInterrupt:  # a second one, while the first was being handled
            return None, Cancelled("Stopped.")

    @property
    def _command(self) -> MagicCommand:
        return find_command(self.__name__)

    @property
    def __wrapped__(self) -> Any:
        """The function whose source `%cave_check??` shows."""
        return self._command.run

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        return self._command.format_help()


@magics_class
class CaveMagics(Magics):
    """Settings: `%config CaveMagics.server = "https://..."`, and the others below."""

    shell: Any
    server = Unicode("", help="The CAVE server; if empty, the server of the datastack.").tag(config=True)
    datastack = Unicode("minnie65_public", help="The datastack to use if none is named.").tag(config=True)
    timeout = Float(10.0, help="How many seconds to wait for servers at most.").tag(config=True)
    fill_next_cell = Bool(True, help="After the first set-up, put the line to go on with into the next cell.").tag(
        config=True
    )
    wait_for_terms = Bool(True, help="Wait until the terms of service are accepted in the browser.").tag(config=True)
    explain_errors = Bool(True, help="Explain a CAVE error in one line below its traceback.").tag(config=True)

    def __init__(self, shell: Any = None, **settings: Any) -> None:
        super().__init__(shell, **settings)
        line_magics = {name: LineMagic(self, name) for name in NAMES}
        no_var_expand(line_magics["cave_save"])  # it reads `$variable` itself, so that its value never enters the line
        self.magics = {"line": line_magics, "cell": {}}
        self._has_filled = False

    @validate("server", "datastack")
    def _without_secrets(self, proposal: dict[str, Any]) -> str:
        """Keeps tokens and passwords out of the settings, which `%config` shows, and out of the history."""
        value: str = proposal["value"]
        if value in ("", type(self).datastack.default_value):
            return value
        from .credentials import scrub
        from .ui.redact import find_secrets, redact

        secrets = find_secrets(value)
        if secrets and self.shell is not None:
            scrub.scrub_session(self.shell, secrets)
        return redact(value, *secrets)

    def new_context(self) -> Context:
        """The context for one line: the current front end, the settings, the shell."""
        from .commands.context import Context
        from .commands.shell import Shell
        from .credentials.target import Settings
        from .ui.frontend import frontend_for

        return Context(
            frontend=frontend_for(self.shell),
            settings=Settings(server=self.server, datastack=self.datastack),
            timeout=self.timeout,
            shell=Shell(self.shell),
            fill_next=self._fill_next,
            waits_for_terms=self.wait_for_terms,
        )

    def explain_error(self, result: Any) -> None:
        """Shows what a CAVE error means, below its traceback, and nothing else, whatever happens.

        Args:
            result: the ExecutionResult of a cell, from IPython after each cell.
        """
        error = result.error_in_exec
        if error is None or not self.explain_errors:
            return
        with suppress(BaseException):  # a user's object may raise anything; IPython would show it, or end
            if not isinstance(error, ImportError) and sys.modules.keys().isdisjoint(_LIBRARIES):
                return  # importing what explains errors takes a quarter of a second, once
            from .api import failures

            if not any(map(failures.is_of_library, failures.causes(error))):
                return
            from .credentials.target import Settings
            from .doctor.error_line import error_line
            from .ui.document import Page
            from .ui.frontend import frontend_for

            if words := error_line(error, Settings(server=self.server, datastack=self.datastack)):
                frontend_for(self.shell).show(Page((words,)))

    def _fill_next(self, text: str) -> None:
        """Writes a line into the next cell or at the next prompt, once in a kernel: twice would be annoying."""
        if self.fill_next_cell and not self._has_filled:
            self._has_filled = True
            self.shell.set_next_input(text)


def load(shell: Any) -> None:
    """Registers the magics. A second call changes nothing."""
    if CaveMagics.__name__ not in shell.magics_manager.registry:
        shell.register_magics(CaveMagics)
        _handle_errors(shell)
        shell.events.register("post_run_cell", shell.magics_manager.registry[CaveMagics.__name__].explain_error)
    completion.register(shell)


_LIBRARIES = ("requests", "caveclient", "cloudvolume", "cloudfiles")
"""Without one of them, or an ImportError, an error is not about CAVE."""


def _handle_errors(shell: Any) -> None:
    """Lets a kernel show our errors as pages, and any shell without frames. Other errors are handled as before."""
    others, handle_other = shell.custom_exceptions, shell.CustomTB

    def handle(
        self: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
    ) -> Any:
        if not isinstance(error, CaveMagicError):
            return handle_other(kind, error, trace, tb_offset=tb_offset)
        if getattr(self, "kernel", None) is not None:
            from .ui.document import Page
            from .ui.frontend import failure_line
            from .ui.notebook import NotebookFrontend

            front = NotebookFrontend(self.kernel)
            if front.shows_failure:
                self._last_traceback = error._render_traceback_()  # the reply repeats it, else that of an earlier error
                return front.show(Page((failure_line(error),)))
        # `self.showtraceback` would start a debugger after `%pdb on`, that of rich shows the frames with the line, and
        # `%debug` and `%tb` would get an error without frames in place of the last one that has some.
        return type(self)._showtraceback(self, kind, error, error._render_traceback_())

    shell.set_custom_exc((CaveMagicError, *others), handle)


def unload(shell: Any) -> None:
    """Unregisters the magics, their settings, tab completion, and the handling of errors."""
    completion.unregister(shell)
    shell.custom_exceptions = tuple(kind for kind in shell.custom_exceptions if kind is not CaveMagicError)
    manager = shell.magics_manager
    magics = manager.registry.pop(CaveMagics.__name__, None)
    for name in NAMES:
        manager.magics["line"].pop(name, None)
    if magics is not None:
        shell.events.unregister("post_run_cell", magics.explain_error)
    if magics in shell.configurables:
        shell.configurables.remove(magics)
