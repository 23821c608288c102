"""`prreview resume`: ends a pause, once host and model accept the secrets."""

from __future__ import annotations

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import ProfileOption
from prreview_cli.cli.output import say
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.core.circuit import Service
from prreview_cli.core.ports.store import Pause, Store
from prreview_cli.wiring import House

app = new_app()


@app.command(epilog="Example: prreview resume -p prod")
def resume(profile: ProfileOption = None) -> None:
    """End a pause. The host and the model are asked first (the model for one token); if one refuses, the pause stays."""
    house = house_of(profile)
    with house.log("resume", quiet=True):
        ended = with_store(house, lambda store: _resume(house, store))
    if ended is None:
        say(f"{house.profile.environment} was not paused; host and model accept its secrets.")
    else:
        say(f"{house.profile.environment} goes on. It was paused for: {ended.reason}")


async def _resume(house: House, store: Store) -> Pause | None:
    async def host() -> None:
        await house.introduce(store)

    try:
        async with house.gateway(store) as gateway:
            ended = await house.kill_switch(store).resume([host, gateway.probe])
            await house.breaker(store).answered(Service.HOST)  # the model's answer was noted by the gateway
            return ended
    finally:
        await house.host.close()
