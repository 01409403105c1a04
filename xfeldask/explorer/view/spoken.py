"""Names for parts of widgets that their libraries leave without one, for those who hear the page."""

from __future__ import annotations

import json
from typing import Any

from panel.custom import JSComponent

COUNTS = "counts"
"""Class of what is said aloud when it changes."""
RULES = (
    (".bk-spin-btn-up", {"aria-label": "more"}),
    (".bk-spin-btn-down", {"aria-label": "less"}),
    (".MuiInputAdornment-root > button:first-of-type", {"aria-label": "more"}),
    (".MuiInputAdornment-root > button:last-of-type", {"aria-label": "less"}),
    (".MuiInputAdornment-root > div:first-of-type > button", {"aria-label": "more"}),
    (".MuiInputAdornment-root > div:last-of-type > button", {"aria-label": "less"}),
    ("[role=combobox]", {"aria-label": "choice"}),
    ("[role=progressbar]", {"aria-label": "progress"}),
    ("input[id]:not([type=hidden])", {"aria-label": "value"}),
    ("div[title='Drag to resize sidebar']", {"role": "separator", "aria-orientation": "vertical"}),
    (".MuiToolbar-root .title", {"role": "heading", "aria-level": "1"}),
    (".MuiToolbar-root > h5", {"role": "presentation"}),
    (f".{COUNTS}", {"role": "status"}),
)
"""What is found by a selector gets these attributes, where it has no name yet."""


class Spoken(JSComponent):
    """A listener that shows nothing; it names what has no name, whenever something has been added to the page."""

    _esm = """
    export function render({ model }) {
      const rules = RULES_TOLD;
      const watched = new WeakSet();
      const observers = [];
      const label = (part) => part.getRootNode().getElementById?.(part.getAttribute('aria-labelledby'));
      const named = (part) => part.labels?.length || part.title || label(part)?.textContent.trim();
      const walk = (root) => {
        for (const [selector, attributes] of rules)
          for (const part of root.querySelectorAll(selector))
            for (const [name, value] of Object.entries(attributes))
              if (!part.hasAttribute(name) && !(name == 'aria-label' && named(part))) part.setAttribute(name, value);
        if (!watched.has(root)) {
          watched.add(root);
          const observer = new MutationObserver(soon);
          observer.observe(root, { childList: true, subtree: true });
          observers.push(observer);
        }
        for (const part of root.querySelectorAll('*')) if (part.shadowRoot) walk(part.shadowRoot);
      };
      let waiting = 0;
      const soon = () => { waiting ||= setTimeout(() => { waiting = 0; walk(document); }, 500); };
      soon();
      model.on('remove', () => { clearTimeout(waiting); observers.forEach((observer) => observer.disconnect()); });
      return document.createElement('span');
    }
    """.replace("RULES_TOLD", json.dumps(RULES))

    def __init__(self, **params: Any) -> None:
        super().__init__(width=0, height=0, margin=0, **params)  # type: ignore[no-untyped-call]
