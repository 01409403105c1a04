"""What the browser tells of itself: the system's theme, and that the server no longer answers."""

from __future__ import annotations

from typing import Any

from panel.custom import JSComponent

LOST = "The connection to the explorer is lost: this page no longer answers. It loads again when the server is back."

NARROW = 1000
"""Width of a window in which the sidebar would take the room of the plots [pixels]."""


class Browser(JSComponent):
    """A listener that shows nothing while all is well.

    While the server does not answer, a red bar says so; the page is loaded again, in the state that its address
    carries, as soon as the server is back. The page is dark where the system is, and its sidebar closed at first where
    the window is narrow.
    """

    _esm = """
    export function render({ model, view }) {
      if (window.matchMedia('(prefers-color-scheme: dark)').matches)
        for (const root of view.model.document.roots())
          if (root.data?.dark_theme === false) root.data.dark_theme = true;
      if (window.innerWidth < NARROW)
        for (const root of view.model.document.roots())
          if (root.data?.sidebar_open) root.data.sidebar_open = false;
      let leaving = false;
      window.addEventListener('pagehide', () => { leaving = true; });
      const again = async () => {
        try {
          if ((await fetch(location.pathname, { cache: 'no-store' })).ok) return location.reload();
        } catch { /* not yet */ }
        setTimeout(again, 2000);
      };
      view.model.document.on_event('connection_lost', () => setTimeout(() => {
        if (leaving || document.getElementById('connection-lost')) return;
        const bar = document.createElement('div');
        bar.id = 'connection-lost';
        bar.setAttribute('role', 'alert');
        bar.textContent = LOST_TOLD;
        bar.style.cssText = 'position:fixed;inset:0 0 auto 0;z-index:99999;padding:14px;text-align:center;' +
          'background:#b71c1c;color:#fff;font:600 15px sans-serif';
        document.body.append(bar);
        again();
      }, 300));
      return document.createElement('span');
    }
    """.replace("LOST_TOLD", repr(LOST)).replace("NARROW", str(NARROW))

    def __init__(self, **params: Any) -> None:
        super().__init__(width=0, height=0, margin=0, **params)  # type: ignore[no-untyped-call]
