"""What no one may read: the Secret type, and one matcher behind redaction and the guard before a post."""

from prreview_cli.secrecy.secret import Secret

__all__ = ["Secret"]
