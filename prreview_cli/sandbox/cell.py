"""The layers of the agent's cell: which this machine has, and what is said where one is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prreview_cli.core.errors import SandboxMissing
from prreview_cli.sandbox import launcher, probing

LAUNCHER = Path(launcher.__file__)
FILES, NETWORK = "files", "network"
"""The names of the layers, as `sandbox.require` has them."""

_WHOLE_ABI = 3  # from this version on, truncating by path is held back too


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the cell as it was found on this machine."""

    name: str
    present: bool
    detail: str


def probe() -> list[Layer]:
    """Every layer that this version knows, tried and not merely asked for: a child confines itself and
    then attempts what it must not do. Takes about 70 ms."""
    return [_files(), _network()]


def missing(required: Sequence[str], layers: Sequence[Layer]) -> list[Layer]:
    """The required layers that are not there; one that this version does not know counts as absent."""
    known = {layer.name: layer for layer in layers}
    found = (known.get(name, Layer(name, present=False, detail="this version of prreview does not build it")) for name in required)
    return [layer for layer in found if not layer.present]


def refusal(absent: Sequence[Layer]) -> SandboxMissing:
    """What is raised where the missing layers are not accepted."""
    return SandboxMissing(f"sandbox.require asks for {_named(absent)}.")


def note(absent: Sequence[Layer]) -> str:
    """The sentence that a review must carry which was made without these layers."""
    names = " and ".join(layer.name for layer in absent)
    return f"The agent ran without the {names} layer of its cell, which this machine lacks."


def _named(absent: Sequence[Layer]) -> str:
    return " and ".join(f'the layer "{layer.name}", which is missing: {layer.detail}' for layer in absent)


def _files() -> Layer:
    abi = launcher.landlock_abi()
    if abi == 0:
        return Layer(FILES, present=False, detail="the kernel offers no Landlock, or it is switched off")
    if not probing.files(LAUNCHER):
        return Layer(FILES, present=False, detail=f"Landlock (ABI {abi}) did not hold back a read that it must hold back")
    weak = "" if abi >= _WHOLE_ABI else "; it cannot hold back truncating a file by its path"
    return Layer(FILES, present=True, detail=f"Landlock, ABI {abi}{weak}")


def _network() -> Layer:
    if sys.platform != "linux":
        return Layer(NETWORK, present=False, detail="there are no namespaces on this system")
    wrong = probing.network(LAUNCHER)
    return Layer(NETWORK, present=not wrong, detail=wrong or "a network and a root of its own, whose one door is the gateway's")
