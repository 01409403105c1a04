"""Changes of the session, told to a tab while it is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.locking import locked


class Watch:
    """A caller of functions as parameters of a session change; while the tab is closed it waits, and calls once after.

    Parameters
    ----------
    session : Session

    Examples
    --------
    >>> import param
    >>> class Two(param.Parameterized):
    ...     n = param.Integer(0)
    >>> two, heard = Two(), []
    >>> watch = Watch(two)
    >>> watch(lambda *events: heard.append([event.new for event in events]), ["n"])
    >>> two.n = 1
    >>> watch.close()
    >>> two.n = 2
    >>> two.n = 3
    >>> watch.open()
    >>> heard
    [[1], [3]]
    """

    def __init__(self, session: Session) -> None:
        self._session, self._open = session, True
        self._watchers: list[Any] = []
        self._missed: dict[Callable[..., Any], dict[str, Any]] = {}

    def __call__(self, function: Callable[..., Any], names: Sequence[str]) -> None:
        """Call a function with the events of some parameters, the last of each where several were missed."""

        def tell(events: tuple[Any, ...]) -> None:
            if self._open:
                function(*events)
            else:
                self._missed.setdefault(function, {}).update({event.name: event for event in events})

        def hear(*events: Any) -> None:
            # figures are changed, and Panel does not hold the page's lock while it tells of a widget
            locked(lambda: tell(events))

        self._watchers.append(self._session.param.watch(hear, list(names)))

    @property
    def is_open(self) -> bool:
        """Whether the tab is open."""
        return self._open

    def open(self) -> None:
        """Tell what was missed, and go on telling."""
        self._open = True
        missed, self._missed = self._missed, {}
        for function, events in missed.items():
            locked(partial(function, *events.values()))

    def close(self) -> None:
        """Tell nothing for now."""
        self._open = False

    def end(self) -> None:
        """Tell nothing ever again."""
        self._open = False
        for watcher in self._watchers:
            self._session.param.unwatch(watcher)
        self._watchers.clear()
        self._missed.clear()
