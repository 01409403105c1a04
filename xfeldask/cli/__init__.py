"""The verbs as commands. Flags are spelled as the keywords of the Python functions."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from xfeldask.cli.background import background
from xfeldask.cli.config import config
from xfeldask.cli.demo import demo
from xfeldask.cli.embed import embed
from xfeldask.cli.explore import explore
from xfeldask.cli.export import export
from xfeldask.cli.ingest import ingest
from xfeldask.cli.inspect import inspect
from xfeldask.cli.judge import judge
from xfeldask.cli.particle_kinds import kinds
from xfeldask.cli.phase import phase
from xfeldask.cli.process import process
from xfeldask.cli.project import project
from xfeldask.cli.reconstruct import reconstruct
from xfeldask.cli.report import report
from xfeldask.cli.reproduce import reproduce
from xfeldask.cli.select import select
from xfeldask.cli.selfcheck import selfcheck
from xfeldask.cli.simulate import simulate
from xfeldask.cli.sort import sort
from xfeldask.cli.verify import verify
from xfeldask.errors import InputError, MissingFileError, StoreExistsError, XfeldaskError, XfeldaskWarning, printable

BAD_INPUT = (InputError, MissingFileError, StoreExistsError)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xfeldask")
def commands() -> None:
    """Simulate, embed and sort single-particle X-ray diffraction shots."""


for command in (
    simulate,
    ingest,
    config,
    embed,
    sort,
    background,
    kinds,
    project,
    judge,
    phase,
    reconstruct,
    explore,
    select,
    inspect,
    export,
    process,
    report,
    verify,
    selfcheck,
    demo,
    reproduce,
):
    commands.add_command(command)


def main() -> None:
    """Run the command line; exit code 2 for bad input, 1 for a failure, 130 for Ctrl-C."""
    try:
        with told_warnings():
            code = commands.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped; what was committed is kept, and the same command goes on, by --resume where it has that", 130)
    except XfeldaskError as error:
        _fail(str(error), 2 if isinstance(error, BAD_INPUT) else 1)
    except Exception as error:
        if os.environ.get("XFELDASK_TRACEBACK"):
            raise
        what = f"{type(error).__name__}: {error}".split("\n")[0]
        _fail(f"unexpected failure ({what}); set XFELDASK_TRACEBACK=1 to see where, and report it", 1)


@contextmanager
def told_warnings() -> Iterator[None]:
    """Print warnings of this package as one line each.

    Examples
    --------
    >>> import contextlib
    >>> from xfeldask.errors import FewPhotonsWarning
    >>> with contextlib.redirect_stderr(sys.stdout), told_warnings():
    ...     warnings.warn("a single hit will have 0.1 photons", FewPhotonsWarning)
    xfeldask: warning: a single hit will have 0.1 photons
    """
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, XfeldaskWarning):
                click.echo(f"xfeldask: warning: {printable(message)}", err=True)
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", XfeldaskWarning)
        yield


def _fail(message: str, code: int) -> None:
    click.echo(f"xfeldask: {printable(message)}", err=True)
    sys.exit(code)
