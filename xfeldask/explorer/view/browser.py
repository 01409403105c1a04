"""What the browser tells of itself: the system's theme, and whether the server answers, late, or no longer."""

from __future__ import annotations

from typing import Any

import param
from panel.custom import JSComponent

LOST = "The connection to the explorer is lost: this page no longer answers. It loads again when the server is back."

WORKING = "the explorer is at work"
LATE = 300
"""After how long without an answer to what a hand has done the page says that the server is at work [ms]."""
ASKED = 2
"""Times that the server is asked after a gesture: what it puts off until it has answered is done before the second."""
NARROW = 1000
"""Width of a window in which the sidebar would take the room of the plots [pixels]."""


class Browser(JSComponent):
    """A listener that shows nothing while all is well.

    While the server does not answer, a red bar says so; the page is loaded again, in the state that its address
    carries, as soon as the server is back. While it takes long to answer, a bar that moves says that it is at work. The
    page is dark where the system is, and its sidebar closed at first where the window is narrow.
    """

    asked = param.Integer(0, doc="rises when the browser asks whether the server is at work")
    answered = param.Integer(0, doc="what was asked last, when all is done that came before")

    _esm = (
        """
    export function render({ model, view }) {
      if (window.matchMedia('(prefers-color-scheme: dark)').matches)
        for (const root of view.model.document.roots())
          if (root.data?.dark_theme === false) root.data.dark_theme = true;
      if (window.innerWidth < NARROW)
        for (const root of view.model.document.roots())
          if (root.data?.sidebar_open) root.data.sidebar_open = false;
      const bar = document.createElement('div');
      bar.id = 'at-work';
      bar.hidden = true;
      bar.setAttribute('role', 'progressbar');
      bar.setAttribute('aria-label', WORKING_TOLD);
      bar.style.cssText = 'position:fixed;inset:0 0 auto 0;height:4px;z-index:99998;pointer-events:none;' +
        'background:linear-gradient(90deg,transparent,#e69f00,transparent) 0 0/40% 100% no-repeat #0003';
      bar.animate({ backgroundPositionX: ['-60%', '160%'] }, { duration: 1200, iterations: Infinity });
      document.body.append(bar);
      let left = 0, late = 0;
      const ask = () => {
        late ||= setTimeout(() => { bar.hidden = false; }, LATE);
        model.asked += 1;
      };
      const acted = () => { if (!left) ask(); left = ASKED; };
      model.on('answered', () => {
        clearTimeout(late);
        late = 0;
        left = Math.max(0, left - 1);
        if (left) ask(); else bar.hidden = true;
      });
      const acts = ['pointerup', 'keyup', 'change'];
      for (const act of acts) document.addEventListener(act, acted, true);
      model.on('remove', () => {
        for (const act of acts) document.removeEventListener(act, acted, true);
        bar.remove();
      });
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
    """.replace("LOST_TOLD", repr(LOST))
        .replace("WORKING_TOLD", repr(WORKING))
        .replace("NARROW", str(NARROW))
        .replace("LATE", str(LATE))
        .replace("ASKED", str(ASKED))
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(width=0, height=0, margin=0, **params)  # type: ignore[no-untyped-call]
        self.param.watch(lambda event: self.param.update(answered=event.new), "asked")
