"""What happens in another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def elsewhere(function: Callable[..., object], *args: Any, **keywords: Any) -> list[Exception]:
    """Call a function in another thread, and return what it raised."""
    raised = []

    def call() -> None:
        try:
            function(*args, **keywords)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return raised
