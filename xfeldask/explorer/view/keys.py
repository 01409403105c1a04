"""The keyboard: a key pressed anywhere on the page but in a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import param
from panel.custom import JSComponent

LEFT_BY_ENTER = "left-by-enter"
"""Class of fields for a name, in which Enter ends the typing: keys are keys again."""

_LISTENER = """
export function render({ model }) {
  const listen = (event) => {
    const field = event.composedPath()[0];
    if (event.altKey) return;
    // what is typed after Enter is keys again, and no part of the name that was entered
    const named = event.composedPath().some((part) => part.classList?.contains('LEFT_BY_ENTER'));
    if (event.key == 'Enter' && named) setTimeout(() => field.blur());
    // a letter is small unless Shift is held, whatever CapsLock makes of it
    const typed = event.key ?? '';  // none where a browser fills a field by itself
    const letter = typed.length != 1 ? typed : event.shiftKey ? typed.toUpperCase() : typed.toLowerCase();
    const key = (event.ctrlKey || event.metaKey ? 'Control+' : '') + letter;
    if (!model.known.includes(key)) return;
    // of what lies over the page, Escape closes that alone
    if (key != '?' && event.composedPath().some((part) => part.localName == 'dialog' && part.open)) return;
    if (field.matches?.('input, textarea, select, [contenteditable], [role=slider]')) return;
    // what has the focus moves by these itself
    if (field.matches?.('[role=tab]') && /^(Arrow|Home|End|Enter| )/.test(event.key)) return;
    model.send_msg(key);
  };
  document.addEventListener('keydown', listen);
  model.on('remove', () => document.removeEventListener('keydown', listen));
  return document.createElement('span');
}
"""


class Keys(JSComponent):
    """A listener to keys that calls what belongs to each; shows nothing.

    Parameters
    ----------
    actions : function of no arguments by key, as browsers name it, with ``Control+`` before it where that is held
    """

    known = param.List([], item_type=str, doc="keys that are told of")

    _esm = _LISTENER.replace("LEFT_BY_ENTER", LEFT_BY_ENTER)

    def __init__(self, actions: Mapping[str, Callable[[], Any]], **params: Any) -> None:
        super().__init__(known=list(actions), width=0, height=0, margin=0, **params)  # type: ignore[no-untyped-call]
        self._actions = dict(actions)

    def _handle_msg(self, key: Any) -> None:
        if isinstance(key, str) and key in self._actions:
            self._actions[key]()
