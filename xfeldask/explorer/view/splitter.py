"""A bar between the plots and the tabs, to be moved: both can be seen at once, each as high as somebody wants it."""

from __future__ import annotations

from typing import Any

from panel.custom import JSComponent

LEAST = 260
"""Height that what is above can have at least [pixels]."""
PLOTS = "--plots"
"""Property of what is above that holds the height somebody gave it."""
STEP = 40
"""By which a key moves the bar [pixels]."""


class Splitter(JSComponent):
    """A bar that gives what stands above it another height; keys up and down move it, a double click puts it back."""

    _esm = (
        """
    export function render({ view }) {
      const bar = document.createElement('div');
      bar.tabIndex = 0;
      bar.setAttribute('role', 'separator');
      bar.setAttribute('aria-orientation', 'horizontal');
      bar.setAttribute('aria-label', 'height of the plots');
      bar.title = 'drag to give the plots or the tabs more room; a double click puts it back';
      bar.style.cssText = 'height:10px;cursor:row-resize;touch-action:none;display:flex;align-items:center;' +
        'justify-content:center';
      const grip = document.createElement('div');
      grip.style.cssText = 'width:64px;height:4px;border-radius:2px;background:rgba(128,128,128,.6)';
      bar.append(grip);
      const above = () => view.el.previousElementSibling;
      const set = (height) => {
        above().style.setProperty('PLOTS', Math.max(LEAST_HEIGHT, height) + 'px');
        soon();
      };
      const place = () => above()?.getBoundingClientRect().height ?? 0;
      const tell = () => bar.setAttribute('aria-valuenow', Math.round(place()));
      requestAnimationFrame(tell);
      // Bokeh hears of figures that get larger, not of those that get smaller
      const fit = () => { tell(); view.root.invalidate_layout(); };
      let waiting = 0;
      const soon = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(fit); };
      bar.addEventListener('pointerdown', (down) => {
        const start = place();
        bar.setPointerCapture(down.pointerId);
        const move = (event) => set(start + event.clientY - down.clientY);
        bar.addEventListener('pointermove', move);
        bar.addEventListener('lostpointercapture', () => bar.removeEventListener('pointermove', move), { once: true });
        down.preventDefault();
      });
      bar.addEventListener('keydown', (event) => {
        const by = { ArrowUp: -BY, ArrowDown: BY }[event.key];
        if (by) { set(place() + by); event.preventDefault(); event.stopPropagation(); }
      });
      bar.addEventListener('dblclick', () => {
        above().style.removeProperty('PLOTS');
        soon();
      });
      return bar;
    }
    """.replace("LEAST_HEIGHT", str(LEAST))
        .replace("BY", str(STEP))
        .replace("PLOTS", PLOTS)
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(height=10, margin=0, sizing_mode="stretch_width", **params)  # type: ignore[no-untyped-call]
