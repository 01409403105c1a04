"""A file that takes a while, made beside the page and saved by the browser when it is done."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from threading import BoundedSemaphore
from typing import Any

import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import InputError
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.making import Making
from xfeldask.work.progress import Tell

Make = Callable[[Tell], bytes]
"""Makes the bytes of a file, and tells how far it is."""
AT_ONCE = BoundedSemaphore(2)
"""Files that are made at a time for all visitors together; others wait."""


class Taking(Making):
    """The making of a file in a thread of its own; the browser saves it at the end.

    Parameters
    ----------
    session : Session
    label : str, of the button
    prepare : called at each click, returns the name of the file and what makes it
    """

    def __init__(self, session: Session, label: str, prepare: Callable[[], tuple[str, Make]]) -> None:
        super().__init__(session, label)
        self._prepare, self._content = prepare, b""
        self.make.param.update(variant="outlined", margin=(5, 10))
        self.told.sizing_mode = "stretch_width"
        self._file = pmui.FileDownload(callback=lambda: BytesIO(self._content), filename="file", label="save again",
                                       size="small", visible=False, margin=(5, 10))  # fmt: skip
        self.view = pn.Column(
            pn.Row(self.make, self._file, self.told, sizing_mode="stretch_width"), self.bar, sizing_mode="stretch_width"
        )

    def start(self, event: Any = None) -> None:
        """Begin with what is selected at the click."""
        if not self.at_work:
            self._name, self._maker = self._prepare()
        super().start(event)

    def _make(self, tell: Callable[..., None]) -> None:
        def tell_the_page(*what: Any) -> None:
            if self._closed:
                raise InputError("the page that asked for it was closed")
            tell(*what)

        with AT_ONCE:
            tell_the_page("making", 0, 1, "files")
            self._content = self._maker(tell_the_page)

    def _made(self) -> None:
        self.told.object = f"{self._name}, {len(self._content) / 1e6:,.1f} MB"
        self._file.param.update(filename=self._name, visible=True)
        self._file.transfer(download=True)
