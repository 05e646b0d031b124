"""The Serve application of the server: what ``serve deploy`` builds, and ``sensorium serve --cluster`` runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sensorium.cluster.serving.ingress import Ingress
from sensorium.cluster.serving.keeper import Keeper
from sensorium.server.keys import KeyRing, known_keys
from sensorium.server.options import ServerOptions

NAME = "sensorium"
"""What the application is called on the cluster."""

_MANY = 1_000_000
"""Questions that the keeper may have open at the same time: its own queue says when there are too many."""
_BEYOND_OUR_LIMIT = 64
"""Requests that a replica takes beyond its limit, so that they are refused in our words."""
_ATTEMPTS = 4
"""How often the keeper tries to begin: one that has just ended may hold its folder for a moment."""
_RETRY_SECONDS = 5


def application(args: dict[str, Any]) -> Any:
    """Return the application, for the ``import_path`` of a ``serve deploy`` file.

    Args:
        args: The options of the server, as in its TOML file.

    Raises:
        InputError: One is unknown or wrong, or the keys can't be read.
    """
    options = ServerOptions(**args)
    keys = known_keys(options.keys)
    return application_of(
        options.model_copy(update={"queue_shares": {**keys.queue_shares, **options.queue_shares}}), keys
    )


def application_of(options: ServerOptions, keys: KeyRing) -> Any:
    """Return the application.

    Args:
        options: Of the server.
        keys: Those that it knows; only their digests go to the replicas.
    """
    from ray import serve
    from ray.serve.config import BackpressureConfig

    told = _plain(options)
    keeper: Any = serve.deployment(
        Keeper,
        name="keeper",
        num_replicas=1,
        max_ongoing_requests=_MANY,
        max_constructor_retry_count=_ATTEMPTS,
        graceful_shutdown_timeout_s=options.grace,
        graceful_shutdown_wait_loop_s=0.2,
        health_check_period_s=2,
        health_check_timeout_s=20,
        ray_actor_options={"num_cpus": 0},
    )
    ingress: Any = serve.deployment(
        serve.ingress()(Ingress),
        name="ingress",
        num_replicas=options.ingress_replicas,
        max_ongoing_requests=options.requests + _BEYOND_OUR_LIMIT,
        max_queued_requests=options.requests,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=_RETRY_SECONDS),
        max_constructor_retry_count=1,
        graceful_shutdown_timeout_s=options.grace,
        graceful_shutdown_wait_loop_s=0.2,
        ray_actor_options={"num_cpus": 0},
    )
    return ingress.bind(told, [key.model_dump() for key in keys], keeper.bind(told))


def _plain(options: ServerOptions) -> Mapping[str, Any]:
    """Return options as data of which the same are made elsewhere; the file of the keys isn't needed there."""
    return options.model_dump(mode="json", exclude_unset=True, exclude={"keys"})
