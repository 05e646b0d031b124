"""What Prometheus reads of an engine."""

from __future__ import annotations

from sensorium.engine.metrics import Metrics


def value(metrics: Metrics, line: str) -> float:
    """Return the number that stands behind a name with its labels."""
    found = [each for each in metrics.text().decode().splitlines() if each.startswith(line + " ")]
    assert len(found) == 1, found
    return float(found[0].rpartition(" ")[2])


def test_a_job_is_counted_on_its_way() -> None:
    metrics = Metrics()
    metrics.queued("whisper-base")
    assert value(metrics, 'sensorium_queue_length{model="whisper-base"}') == 1
    metrics.started("whisper-base", "transcribe", 0.2)
    assert value(metrics, 'sensorium_queue_length{model="whisper-base"}') == 0
    assert value(metrics, 'sensorium_running{model="whisper-base",operation="transcribe"}') == 1
    metrics.ended("whisper-base", "transcribe", "failed", 3.0)
    assert value(metrics, 'sensorium_running{model="whisper-base",operation="transcribe"}') == 0
    assert value(metrics, 'sensorium_failures_total{model="whisper-base",operation="transcribe"}') == 1
    labels = 'model="whisper-base",operation="transcribe"'
    assert value(metrics, f"sensorium_waiting_seconds_sum{{{labels}}}") == 0.2
    assert value(metrics, f"sensorium_running_seconds_count{{{labels}}}") == 1
    assert value(metrics, f'sensorium_jobs_total{{{labels},state="failed"}}') == 1


def test_a_job_that_is_run_again_has_not_ended() -> None:
    metrics = Metrics()
    metrics.queued("m")
    metrics.started("m", "caption", 0)
    metrics.ended("m", "caption", "queued", 1)
    assert value(metrics, 'sensorium_running{model="m",operation="caption"}') == 0
    assert b"sensorium_jobs_total{" not in metrics.text()


def test_a_model_is_counted_on_its_way_and_its_memory_goes() -> None:
    metrics = Metrics()
    metrics.loaded("starter", 1.5)
    metrics.memory("starter", 1000, 20)
    metrics.batch("starter", 8)
    metrics.cancelled("starter", 0.1)
    assert value(metrics, 'sensorium_memory_bytes{model="starter"}') == 1000
    assert value(metrics, 'sensorium_gpu_memory_bytes{model="starter"}') == 20
    assert value(metrics, 'sensorium_batch_size_sum{model="starter"}') == 8
    assert value(metrics, 'sensorium_cancels_total{model="starter"}') == 1
    metrics.unloaded("starter", "room")
    assert value(metrics, 'sensorium_unloads_total{model="starter",reason="room"}') == 1
    assert value(metrics, 'sensorium_memory_bytes{model="starter"}') == 0


def test_engines_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.queued("m")
    assert b'model="m"' not in other.text()
