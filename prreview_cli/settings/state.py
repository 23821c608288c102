"""Where a profile's state is kept."""

from __future__ import annotations

from pathlib import Path

from prreview_cli.core.errors import ProfileError
from prreview_cli.core.profile import Profile
from prreview_cli.settings.rules import SQLITE_PREFIX
from prreview_cli.settings.trust import check_way


def state_path(profile: Profile) -> Path:
    """The state folder: `state.dir`, else the user's, one per environment. Touches nothing."""
    if profile.state.dir is not None:
        return profile.state.dir
    import platformdirs  # noqa: PLC0415 - only where the folder is not named

    return platformdirs.user_state_path("prreview") / profile.environment


def state_dir(profile: Profile) -> Path:
    """The state folder, made for this user alone (0700) if it is not there; ProfileError if others could write it."""
    folder = state_path(profile)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        check_way(folder)
    except ProfileError as error:
        raise ProfileError(f"The state folder is not safe: {error}", remedy=error.remedy) from None
    except OSError as error:
        raise ProfileError(
            f"The state folder {folder} cannot be made: {error.strerror}.", remedy="Set state.dir to a folder that you may write."
        ) from None
    return folder


def queue_path(profile: Profile) -> Path:
    """The database's file. Touches nothing."""
    if profile.queue.url is not None:
        return Path(profile.queue.url.removeprefix(SQLITE_PREFIX))
    return state_path(profile) / "queue.db"


def queue_url(profile: Profile) -> str:
    """The database, as an absolute URL."""
    return profile.queue.url or f"{SQLITE_PREFIX}{queue_path(profile)}"
