"""prreview: the pull-request reviewer that a team runs itself and trusts."""

__version__ = "0.1.0"
