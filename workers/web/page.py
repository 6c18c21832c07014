"""One page for one caller: what every template of a signed-in person is given."""

from __future__ import annotations

from typing import Any

from workers.web import seal
from workers.web.answers import Page
from workers.web.caller import Caller
from workers.web.views import render
from workers.web.web import Web


def page(web: Web, caller: Caller, template: str, **values: Any) -> Page:
    """The page, with the caller's name and role, and the token of its forms."""
    return Page(render(template, who=caller, form_token=seal.form_token(web.key, caller.session), **values))
