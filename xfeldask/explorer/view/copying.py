"""Text that a browser copies."""


def copying(text: str, done: str = "") -> str:
    """Write JavaScript that copies a text, and does something then.

    Parameters
    ----------
    text, done : JavaScript, an expression and a statement

    Examples
    --------
    >>> copying("location.href").startswith("const text = location.href; ")
    True
    """
    # a page that is not served from this machine or by https has no navigator.clipboard
    return (
        f"const text = {text}; const done = () => {{ {done} }}; "
        "if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(text).then(done); "
        "else { const area = document.createElement('textarea'); area.value = text; document.body.append(area); "
        "area.select(); if (document.execCommand('copy')) done(); area.remove(); }"
    )
