"""The small pictures in the bar, which are buttons, and the list of keys that opens over the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import param
from panel.custom import JSComponent

from xfeldask.explorer.view.copying import copying

# Material Icons, Apache License 2.0
PATHS = {
    "previous": "M15.41 7.41 14 6l-6 6 6 6 1.41-1.41L10.83 12z",
    "next": "M10 6 8.59 7.41 13.17 12l-4.58 4.59L10 18l6-6z",
    "random": "M10.59 9.17 5.41 4 4 5.41l5.17 5.17zM14.5 4l2.04 2.04L4 18.59 5.41 20 17.96 7.46 20 9.5V4zm.33 9.41"
    "-1.41 1.41 3.13 3.13L14.5 20H20v-5.5l-2.04 2.04z",
    "copy": "M3.9 12A3.1 3.1 0 0 1 7 8.9h4V7H7a5 5 0 0 0 0 10h4v-1.9H7A3.1 3.1 0 0 1 3.9 12zM8 13h8v-2H8zm9-6h-4v1.9h4"
    "a3.1 3.1 0 0 1 0 6.2h-4V17h4a5 5 0 0 0 0-10z",
    "keys": "M20 5H4a2 2 0 0 0-2 2v10a2 2 0 0 0 2 2h16a2 2 0 0 0 2-2V7a2 2 0 0 0-2-2zm-9 3h2v2h-2zm0 3h2v2h-2zM8 8h2v2"
    "H8zm0 3h2v2H8zm-1 2H5v-2h2zm0-3H5V8h2zm9 7H8v-2h8zm0-4h-2v-2h2zm0-3h-2V8h2zm3 3h-2v-2h2zm0-3h-2V8h2z",
}
"""Outline of each picture within 24 by 24."""

STYLE = """
button { background: none; border: 0; border-radius: 50%; color: white; cursor: pointer; padding: 8px; }
button svg { display: block; fill: currentColor; height: 24px; width: 24px; }
button:hover, button:focus-visible { background: rgba(255, 255, 255, .2); }
dialog { background: var(--panel-surface-color, white); border: 1px solid gray; border-radius: 6px;
  color: var(--panel-on-surface-color, black); font-size: 14px; padding: 12px 24px 20px; }
dialog::backdrop { background: rgba(0, 0, 0, .5); }
h2 { font-size: 18px; margin: 4px 0 12px; }
dialog button { color: inherit; float: right; font-size: 20px; padding: 0 8px; }
"""


class Icons(JSComponent):
    """Buttons in a row: one component for all of them, as each that React draws has the page laid out once more.

    Parameters
    ----------
    actions : what each button says and does, by name as in `PATHS`; ``copy`` and ``keys`` are done by the browser
    keys : HTML, the list of keys
    """

    buttons = param.List([], doc="name, words and outline of each")
    keys = param.String("", doc="HTML")
    turned = param.Integer(0, doc="how often the list of keys was to be shown, or to be shown no longer")

    _esm = """
    export function render({ model }) {
      const row = document.createElement('div');
      row.style.cssText = 'display: flex; align-items: center';
      for (const [name, words, path] of model.buttons) {
        const button = document.createElement('button');
        button.title = words;
        button.setAttribute('aria-label', words);
        button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
        button.onclick = () => {
          if (name == 'keys') list.showModal();
          else if (name == 'copy') { COPY }
          else model.send_msg(name);
        };
        row.append(button);
      }
      const list = document.createElement('dialog');
      list.setAttribute('aria-label', 'list of keys');
      list.innerHTML = `<button aria-label="close">\u00d7</button><h2>Keys</h2>${model.keys}`;
      // the button that closes it, and what lies around it
      list.onclick = (event) => { if (event.target == list || event.target.closest('button')) list.close(); };
      // whether it is open is known here alone: who closes it may turn it again before the server hears of it
      model.on('turned', () => list.open ? list.close() : list.showModal());
      row.append(list);
      return row;
    }
    """.replace("COPY", copying("window.location.href"))

    def __init__(self, actions: Mapping[str, tuple[str, Callable[[], Any] | None]], keys: str, **params: Any) -> None:
        buttons = [[name, words, PATHS[name]] for name, (words, _) in actions.items()]
        look = {"align": "center", "margin": 0, "stylesheets": [STYLE]}
        super().__init__(buttons=buttons, keys=keys, **(look | params))  # type: ignore[no-untyped-call]
        self._actions = {name: action for name, (_, action) in actions.items() if action is not None}

    def turn(self) -> None:
        """Show the list of keys, or show it no longer."""
        self.turned += 1

    def _handle_msg(self, name: Any) -> None:
        if isinstance(name, str) and name in self._actions:
            self._actions[name]()
