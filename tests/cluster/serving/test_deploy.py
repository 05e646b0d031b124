"""The files of ``deploy/`` for clusters: Ray's own schema takes them, and their options are ours."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from sensorium.server.hosts import is_loopback
from sensorium.server.options import ServerOptions

DEPLOY = Path(__file__).parents[3] / "deploy"


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def service() -> dict[str, Any]:
    (found,) = (each for each in documents("kuberay.yaml") if each["kind"] == "RayService")
    spec: dict[str, Any] = found["spec"]
    return spec


@pytest.mark.parametrize("place", ["serve.yaml", "kuberay.yaml"])
def test_ray_takes_the_file_and_we_its_options(place: str) -> None:
    document = documents(place)[0] if place == "serve.yaml" else yaml.safe_load(service()["serveConfigV2"])
    schema = ServeDeploySchema.model_validate(document)
    (application,) = schema.applications
    module, _, builder = application.import_path.partition(":")
    assert callable(getattr(import_module(module), builder))
    options = ServerOptions(**application.args)
    assert options.keys is not None
    assert options.data is not None
    assert options.data.is_absolute()
    assert is_loopback(schema.http_options.host) == (place == "serve.yaml")


def test_all_nodes_on_kubernetes_share_the_folder_and_the_token() -> None:
    spec = service()
    options = yaml.safe_load(spec["serveConfigV2"])
    cluster = spec["rayClusterConfig"]
    assert cluster["authOptions"] == {"mode": "token"}
    folder, keys = (Path(options["applications"][0]["args"][name]) for name in ("data", "keys"))
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {Path(each["mountPath"]): each["name"] for each in container["volumeMounts"]}
        assert mounted.keys() >= {folder.parent, keys.parent}
        assert {each["name"] for each in pod["volumes"]} == set(mounted.values())
        assert {"name": "serve", "containerPort": options["http_options"]["port"]} in container["ports"]
