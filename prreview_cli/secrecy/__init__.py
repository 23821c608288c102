"""What no one may read: the Secret type, and one matcher behind redaction, the guard before a post, and audits."""

from prreview_cli.secrecy.matcher import Hit, Matcher
from prreview_cli.secrecy.rules import RULES
from prreview_cli.secrecy.secret import Secret
from prreview_cli.secrecy.shapes import Rule, looks_like_token

__all__ = ["RULES", "Hit", "Matcher", "Rule", "Secret", "looks_like_token"]
