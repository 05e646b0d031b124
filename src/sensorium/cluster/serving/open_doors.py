"""What would let strangers in on a cluster: refused in a sentence before the server listens."""

from __future__ import annotations

from sensorium.errors import InputError


def refuse_open_ports() -> None:
    """Refuse settings of Ray's with which every replica would answer HTTP on every network.

    Raises:
        InputError: Such a setting is on.
    """
    from ray.serve._private import constants

    for name in ("RAY_SERVE_ENABLE_HA_PROXY", "RAY_SERVE_ENABLE_DIRECT_INGRESS"):
        if getattr(constants, name):
            raise InputError(
                f"{name}=1 makes Ray Serve listen at 0.0.0.0, with a port for each replica",
                f"Leave {name} out, and put a proxy of your own in front",
            )


def require_token() -> None:
    """Refuse a Ray that asks nobody for its token.

    Its dashboard and its job API run whatever they are sent, and each replica of Serve has a port on every network that
    takes pickles: Ray has no setting for where that one listens, only the token guards it.

    Raises:
        InputError: So it is.
    """
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    if not is_token_auth_enabled():
        raise InputError(
            "Ray doesn't ask for a token: whoever reaches a port of this cluster could run any program on it",
            "Start Ray with RAY_AUTH_MODE=token on every node, and this server too",
        )
