"""The profiles that are shipped: the repository's `profiles/`, which `shipped` links to so that a wheel holds them too."""

from __future__ import annotations

import re
from importlib import resources

from prreview_cli.core.errors import UsageError

TEMPLATES = ("dev", "staging", "prod", "ci")


def template_for(name: str, template: str | None) -> str:
    """The template to begin a profile with: the one asked for, else the one of the same name, else dev."""
    chosen = template or (name if name in TEMPLATES else "dev")
    if chosen not in TEMPLATES:
        raise UsageError(f"There is no template {chosen!a}.", remedy=f"Choose one of {', '.join(TEMPLATES)}.")
    return chosen


def template_text(template: str, environment: str) -> str:
    """A shipped template with its comments, for another environment."""
    text = (resources.files("prreview_cli.settings") / "shipped" / f"{template}.toml").read_text(encoding="utf-8")
    return re.sub(r'(?m)^environment = ".*"$', f'environment = "{environment}"', text, count=1)
