"""What a page hears of its browser."""

from xfeldask.explorer.view.browser import Browser


def test_browser__is_answered_what_it_asked_last() -> None:
    browser = Browser()
    browser.asked = 3
    assert browser.answered == 3
