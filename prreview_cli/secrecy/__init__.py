"""What no one may read: the Secret type, and one matcher behind redaction and the guard before a post."""

from prreview_cli.secrecy.matcher import Hit, Matcher
from prreview_cli.secrecy.secret import Secret
from prreview_cli.secrecy.shapes import looks_like_token

__all__ = ["Hit", "Matcher", "Secret", "looks_like_token"]
