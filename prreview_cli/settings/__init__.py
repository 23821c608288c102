"""Profiles: finding, reading, checking and writing them, and the secrets and folders they name."""

from prreview_cli.settings.checking import Report, check_profile, host_secret
from prreview_cli.settings.keyhole import Keyhole
from prreview_cli.settings.profiles import find_profile, is_there, load_profile, profile_paths, profiles_folder, read_profile, read_text
from prreview_cli.settings.state import queue_path, queue_url, state_dir, state_path
from prreview_cli.settings.templates import TEMPLATES, template_for, template_text
from prreview_cli.settings.vault import Vault
from prreview_cli.settings.writing import as_toml, to_mapping, with_value, write_profile, write_text

__all__ = [
    "TEMPLATES",
    "Keyhole",
    "Report",
    "Vault",
    "as_toml",
    "check_profile",
    "find_profile",
    "host_secret",
    "is_there",
    "load_profile",
    "profile_paths",
    "profiles_folder",
    "queue_path",
    "queue_url",
    "read_profile",
    "read_text",
    "state_dir",
    "state_path",
    "template_for",
    "template_text",
    "to_mapping",
    "with_value",
    "write_profile",
    "write_text",
]
