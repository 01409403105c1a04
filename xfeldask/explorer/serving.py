"""The explorer as a server, and in a notebook."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sys
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import panel as pn
from bokeh.server.contexts import ApplicationContext
from bokeh.settings import settings
from bokeh.util.warnings import BokehUserWarning
from panel.io.application import build_applications
from panel.io.resources import LOCAL_DIST
from panel.io.session import generate_session
from panel.pane.image import Image
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.web import GZipContentEncoding, OutputTransform
from tornado.websocket import WebSocketClosedError

from xfeldask.errors import InputError
from xfeldask.explorer.ahead import Ahead
from xfeldask.explorer.dask_link import DaskLink
from xfeldask.explorer.garbage import lasting, look_for_new_garbage
from xfeldask.explorer.guard import hosts_of, origins_of, protect
from xfeldask.explorer.serving_options import Options, read_options
from xfeldask.explorer.view.frame import DASK, load_early, message
from xfeldask.store.storage.urls import StorePath

if TYPE_CHECKING:
    import xarray as xr

TITLE = "xfeldask"
MOST_VISITS = 100
"""Pages that a server has at a time."""
COMPRESSION = 1
"""Of what is sent by websockets: images of photons are mostly zeros, and a higher one takes far longer for little."""
REST = 1.0
"""Seconds between pages of other stores than the first, which are made so that their images are read."""
PARTS = ("model.session", "view.canvas", "view.plane", "tabs", "view.page", "view.warming")
"""Modules of the explorer that pages are made by, in pieces: a server answers a browser before and between them."""
CALL = "panel serve xfeldask/dashboard.py --address 127.0.0.1 --args --store run.zarr"


def serve(
    options: Options,
    port: int = 0,
    address: str = "127.0.0.1",
    show: bool = False,
    password: str | None = None,
    origins: Sequence[str] = (),
    listening: Callable[[int], None] | None = None,
) -> None:
    """Serve the page until interrupted.

    Parameters
    ----------
    options : Options
    port : int; 0 takes a free one
    address : str, to listen on
    show : bool, open a browser
    password : str, optional, that a visitor has to give, with any name
    origins : ``host:port`` that pages may come from besides the server's own
    listening : optional, called with the port that is listened on

    Raises
    ------
    InputError
        Something else listens there, or nobody may.
    """
    pass_over_warnings()
    # a twentieth of the time that a page takes to be made, for what tests tell
    settings.perform_document_validation = False
    ask_last()
    with one_skeleton(), lasting():
        server = make_server(options, port, address, password, origins, show=show)
        if listening is not None:
            listening(server.port)
        server.io_loop.add_callback(begin, server, options)
        server.start()
        server.io_loop.start()


async def begin(server: Any, options: Options) -> None:
    """Make ready what the first visitor would wait for, while the browser loads what draws it; never ends.

    Between two pieces the server answers, and while the store is read. Who comes before all is there has a page made at
    once.
    """
    context = server._tornado.applications["/"]
    ahead = made_ahead(context, options)
    try:
        for part in PARTS:
            import_module(f"xfeldask.explorer.{part}")
            await asyncio.sleep(0)
        if not context.sessions:
            await asyncio.to_thread(_warm, options)
        if not context.sessions:
            await ahead.fill()
    finally:
        look_for_new_garbage()
    keeping = asyncio.create_task(ahead.keep())
    for here in range(1, len(options.stores)):
        await asyncio.sleep(REST)
        try:
            _make_page(options.stores, here).get_root()
        except Exception:  # damaged bytes may raise anything, which who comes is told
            logging.getLogger(__name__).debug("a page of %s cannot be made", options.stores[here], exc_info=True)
    await keeping


@contextmanager
def one_skeleton() -> Iterator[None]:
    """Answer requests for the page with one empty page, made once, within.

    The page of a visitor is made when the browser comes back by its websocket, which no other site in it may do; a
    request alone costs little, and any site can have a browser send many.
    """
    (app,) = build_applications({"/": lambda: message("")}, title=TITLE).values()
    pn.state._session_key_funcs["/"] = lambda request: request.path
    session = pn.state._sessions["/"] = generate_session(app)
    load_early(session.document)
    try:
        with pn.config.set(reuse_sessions=True):
            yield
    finally:
        del pn.state._session_key_funcs["/"], pn.state._sessions["/"]


def make_server(
    options: Options,
    port: int = 0,
    address: str = "127.0.0.1",
    password: str | None = None,
    origins: Sequence[str] = (),
    **more: Any,
) -> Any:
    """Make the server, which listens and is not started; parameters as of `serve`, and as of `panel.serve`."""
    if password:
        more |= {"basic_auth": password, "cookie_secret": os.urandom(32).hex()}
    if origins:
        more["websocket_origin"] = list(origins)
    app = {"/": lambda: page_of(options)}
    more |= {"start": False, "title": TITLE, "websocket_compression_level": COMPRESSION}
    more["extra_patterns"] = [(f"/{DASK}", DaskLink)]
    try:
        server = pn.serve(app, port=port, address=address, **more)
    except (OSError, UnicodeError) as error:
        why = f"cannot listen on port {port} of {address}: {getattr(error, 'strerror', None) or error}".lower()
        is_port = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES)
        then = "another with --port, such as 0 for a free one" if is_port else "another --address, such as 127.0.0.1"
        raise InputError(f"{why}; choose {then}") from None
    hosts = hosts_of(address, origins)
    server._tornado.add_transform(packed)
    protect(server._tornado, hosts)
    server._tornado.websocket_origins.update(origins_of(hosts_of(address), server.port))
    return server


def made_ahead(context: ApplicationContext, options: Options) -> Ahead:
    """Let visitors whose address carries no state be given a page of the first store that was made ahead."""

    def state() -> Hashable:
        from xfeldask.explorer.model.session import lasting_state

        return lasting_state(options.stores[0], options.embedding_of(0))

    return Ahead(context, state, MOST_VISITS)


def packed(request: HTTPServerRequest) -> OutputTransform:
    """Compress what is the same for everybody; a page holds a secret, whose length compression would tell of."""
    return GZipContentEncoding(request) if "/static/" in request.path else OutputTransform(request)


def pass_over_warnings() -> None:
    """Do not warn of what is no fault.

    A browser tells of parts of a page as of its own that were sent to it later, see
    https://github.com/bokeh/bokeh/pull/12915; and it may leave while something is being sent. Requests that are refused
    are told to who made them.
    """
    warnings.filterwarnings("ignore", "reference already known", BokehUserWarning)
    logging.getLogger("asyncio").addFilter(_GONE)
    for name, level in LEVELS.items():
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(level)


LEVELS = {"bokeh": logging.ERROR, "tornado": logging.CRITICAL, "tornado.application": logging.ERROR}
"""Levels from which on the server's own libraries are heard; Dask sets the same where its scheduler is used."""


class _Gone(logging.Filter):
    """Passes over that a visitor left while something was being sent to them."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, WebSocketClosedError | StreamClosedError)


_GONE = _Gone()


def ask_last() -> None:
    """Have Panel ask last, of a word say, those panes that import all of Matplotlib to tell whether they can show it.

    `Image` asks all its kin, of which that of Matplotlib is one.
    """
    pn.pane.Matplotlib.priority = Image.priority = -1.0


def page_of(options: Options) -> Any:
    """Make the page of the store that the address names, by its place among the stores."""
    if pn.state.curdoc is not None:
        # Panel does this for pages that it makes upon a request; styles would come from elsewhere
        pn.state.curdoc.template_variables["dist_url"] = LOCAL_DIST
    if visits() > MOST_VISITS:
        return message(f"{MOST_VISITS} pages of this explorer are open; close some and load this one again")
    query = pn.state.location.query_params if pn.state.location is not None else {}
    index = query.get("store", 0)
    here = index if isinstance(index, int) and 0 <= index < len(options.stores) else 0
    return _make_page(options.stores, here, options.embedding_of(here), options.allow_write)


def _make_page(*what: Any) -> Any:
    from xfeldask.explorer.view.page import make_page  # takes seconds to import, in which the server answers

    return make_page(*what)


def _warm(options: Options) -> None:
    from xfeldask.explorer.view.warming import warm

    try:
        warm(options.stores[0], options.embedding_of(0))
    except Exception:  # damaged bytes may raise anything, which who comes is told
        logging.getLogger(__name__).debug("%s cannot be read", options.stores[0], exc_info=True)


def visits() -> int:
    """Return how many pages of this server there are, with those that are being made; 0 where there is no server."""
    context = _server_context()
    return 0 if context is None else len(context.sessions) + 1


def _server_context() -> Any:
    """Return what Bokeh knows of the server that the page being made belongs to; None where there is none."""
    context = pn.state.curdoc.session_context if pn.state.curdoc is not None else None
    return None if context is None else context.server_context


def served_page() -> Any:
    """Make the page for `panel serve`, of the stores that the command line or the environment names."""
    pass_over_warnings()
    options = read_options(sys.argv[1:], os.environ)
    if not options.stores:
        return message(f"no store was named; start with: {CALL}")
    context = _server_context()
    if context is not None and not Ahead.serves(context.application_context):
        IOLoop.current().add_callback(made_ahead(context.application_context, options).keep)
    return page_of(options)


def explore(store: str | StorePath | xr.Dataset, embedding: str | None = None, *, allow_write: bool = False) -> Any:
    """Look at a store in a notebook: the page of ``xfeldask explore`` without its bar.

    Parameters
    ----------
    store : path of a store, or a Dataset that `open_dataset` gave
    embedding : str, optional; the store's first that was sorted by default
    allow_write : bool, whether selections and embeddings may be written into the store

    Returns
    -------
    panel.viewable.Viewable
        A notebook shows it; ``.show()`` opens it in a browser.

    Raises
    ------
    InputError
        A Dataset that is not from a file.
    MissingFileError
        There is no store at the path.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> two = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    >>> ds = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> type(xfeldask.explore(ds)).__name__
    'Row'
    """
    import xarray as xr

    from xfeldask.explorer.model.session import Session
    from xfeldask.explorer.view.notebook import load_notebook
    from xfeldask.explorer.view.page import Explorer

    if isinstance(store, xr.Dataset):
        source = store.encoding.get("source")
        if source is None:
            raise InputError("this Dataset was not opened from a store; give the store's path")
        store = str(source)
    load_notebook()
    return Explorer(Session(store, embedding), allow_write).view()
