"""Where weights go and in which precision: machines of every kind, told from what torch says about them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sensorium.errors import InputError, InsufficientMemoryError
from sensorium.models import device, memory

GIGABYTE = 1_000_000_000
Machine = Callable[..., None]


@pytest.fixture(autouse=True)
def looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SENSORIUM_COMPILE", "SENSORIUM_HARDWARE"):
        monkeypatch.delenv(name, raising=False)
    device.hardware_class.cache_clear()
    yield
    device.hardware_class.cache_clear()


@pytest.fixture
def graphics_card(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Makes torch describe a machine with one NVIDIA card."""

    def describe(*, free: float = 24, total: float = 80, capability: tuple[int, int] = (9, 0)) -> None:
        monkeypatch.setattr(device, "_has_no_accelerator", lambda: False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda where=None: capability)
        sizes = int(free * GIGABYTE), int(total * GIGABYTE)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda where=None: sizes)

    return describe


@pytest.fixture
def apple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_has_no_accelerator", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


def main_memory(monkeypatch: pytest.MonkeyPatch, gigabytes: float) -> None:
    monkeypatch.setattr(device, "available_memory", lambda: int(gigabytes * GIGABYTE))


def test_a_processor_computes_in_float32_and_nothing_is_moved_or_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_COMPILE", "1")
    placement = device.place("cpu", "auto", memory_bytes=1000)
    assert placement == device.Placement("cpu", torch.float32, offload="", compiled=False)


def test_weights_that_do_not_fit_into_main_memory_are_refused_before_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    main_memory(monkeypatch, 16)
    with pytest.raises(InsufficientMemoryError) as caught:
        device.place("cpu", "auto", memory_bytes=28 * GIGABYTE)
    assert caught.value.message == "The weights need 28.0 GB of memory, and 16.0 GB are left"
    assert "smaller checkpoint" in caught.value.remedy
    assert device.place("cpu", "bfloat16", memory_bytes=28 * GIGABYTE).dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("half", "capability", "expected"),
    [
        ("bfloat16", (9, 0), torch.bfloat16),
        ("bfloat16", (8, 0), torch.bfloat16),
        ("bfloat16", (7, 5), torch.float16),
        ("float16", (9, 0), torch.float16),
    ],
)
def test_half_precision_is_the_familys_if_the_card_has_it(
    graphics_card: Machine, half: str, capability: tuple[int, int], expected: torch.dtype
) -> None:
    graphics_card(capability=capability)
    assert device.place("auto", "auto", half=half) == device.Placement("cuda", expected)
    assert device.place("cuda:0", "auto", half=half) == device.Placement("cuda:0", expected)


def test_a_precision_that_was_asked_for_wins(graphics_card: Machine) -> None:
    graphics_card(capability=(7, 0))
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        assert device.place("cuda", name).dtype is dtype
    with pytest.raises(InputError, match="no dtype 'float8'"):
        device.place("cuda", "float8")


def test_apples_cards_compute_in_float16(apple: None) -> None:
    assert device.place("auto", "auto", memory_bytes=8) == device.Placement("mps", torch.float16)


@pytest.mark.parametrize(
    ("free", "largest", "offload"),
    [(24, 0, ""), (14, 0, ""), (13, 0, "model"), (11, 0, "sequential"), (9, 7, "model"), (8, 7, "sequential")],
)
def test_what_does_not_fit_on_the_card_waits_in_main_memory(
    graphics_card: Machine, monkeypatch: pytest.MonkeyPatch, free: float, largest: float, offload: str
) -> None:
    graphics_card(free=free)
    main_memory(monkeypatch, 64)
    placement = device.place("cuda", "auto", memory_bytes=25 * GIGABYTE, largest_part_bytes=int(2 * largest * GIGABYTE))
    assert placement.offload == offload


def test_offloading_needs_main_memory(graphics_card: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    graphics_card(free=4)
    main_memory(monkeypatch, 8)
    with pytest.raises(InsufficientMemoryError, match=r"need 12\.5 GB of memory, and 8\.0 GB are left"):
        device.place("cuda", "auto", memory_bytes=25 * GIGABYTE)


def test_compilation_is_on_request_and_for_nvidia_only(graphics_card: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    graphics_card()
    assert not device.place("cuda", "auto").compiled
    monkeypatch.setenv("SENSORIUM_COMPILE", "1")
    assert device.place("cuda", "auto").compiled


def test_a_model_that_stays_in_one_place_must_fit_there(
    graphics_card: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphics_card(free=8)
    main_memory(monkeypatch, 16)
    device.require_memory("cuda", torch.float16, 16 * GIGABYTE)
    with pytest.raises(InsufficientMemoryError, match=r"need 14\.0 GB of the GPU's memory, and 8\.0 GB are free"):
        device.require_memory("cuda", torch.float16, 28 * GIGABYTE)
    with pytest.raises(InsufficientMemoryError, match=r"need 28\.0 GB of memory, and 16\.0 GB are left"):
        device.require_memory("cpu", torch.float32, 28 * GIGABYTE)


@pytest.mark.parametrize(
    ("memory_gigabytes", "machine"),
    [
        *((None, "cpu"), (8, "gpu-8gb"), (12, "gpu-12gb"), (16, "gpu-16gb"), (20, "gpu-16gb")),
        *((24, "gpu-24gb"), (48, "gpu-24gb"), (80, "gpu-80gb")),
    ],
)
def test_machines_are_told_apart_by_their_gpu(
    graphics_card: Machine, monkeypatch: pytest.MonkeyPatch, memory_gigabytes: int | None, machine: str
) -> None:
    if memory_gigabytes is None:
        monkeypatch.setattr(device, "_has_no_accelerator", lambda: True)
    else:
        graphics_card(total=memory_gigabytes)
    assert device.hardware_class() == machine


def test_apples_gpu_counts_by_the_main_memory_it_may_use(apple: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "total_memory", lambda: 36 * GIGABYTE)
    assert device.hardware_class() == "gpu-24gb"


def test_the_user_may_choose_for_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HARDWARE", "gpu-80gb")
    assert device.hardware_class() == "gpu-80gb"
    device.hardware_class.cache_clear()
    monkeypatch.setenv("SENSORIUM_HARDWARE", "gpu")
    with pytest.raises(InputError, match=r"'gpu' is no class of machines.*gpu-8gb, gpu-12gb"):
        device.hardware_class()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=lambda error: f"{type(error).__name__} {error}"[:50],
)
def test_memory_that_runs_out_is_said_in_a_sentence(error: Exception) -> None:
    with (
        pytest.raises(InsufficientMemoryError) as caught,
        device.explain_out_of_memory("A picture of 9000 × 9000 pixels", "Choose a smaller one"),
    ):
        raise error
    assert str(caught.value) == (
        "A picture of 9000 × 9000 pixels needs more memory than is left. Choose a smaller one."
    )


def test_torchs_own_refusal_is_understood() -> None:
    with pytest.raises(InsufficientMemoryError), device.explain_out_of_memory("A tensor", "Choose a smaller one"):
        torch.empty(1 << 50)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), OSError(errno.ENOENT, "no file"), KeyError("x")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)), device.explain_out_of_memory("A tensor", "Choose a smaller one"):
        raise error


def test_weights_are_counted_from_their_headers(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "vae").mkdir()
    save_file({"a": torch.zeros(10, 3)}, tmp_path / "unet" / "model.safetensors")
    save_file({"a": torch.zeros(10, 3, dtype=torch.float16)}, tmp_path / "unet" / "model.fp16.safetensors")
    save_file({"b": torch.zeros(7, dtype=torch.bfloat16)}, tmp_path / "vae" / "model-00001-of-00002.safetensors")
    save_file({"c": torch.zeros(5), "ids": torch.arange(9)}, tmp_path / "vae" / "model-00002-of-00002.safetensors")
    (tmp_path / "vae" / "half.safetensors").write_bytes(b"half")
    assert memory.weights_memory(tmp_path) == 4 * (30 + 7 + 5)
    assert memory.weights_memory(tmp_path / "unet") == 120


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the control group's files."""
    limits = (
        (tmp_path / "memory.max", tmp_path / "memory.current"),
        (tmp_path / "memory.limit_in_bytes", tmp_path / "memory.usage_in_bytes"),
    )
    monkeypatch.setattr(memory, "_LIMITS", limits)
    monkeypatch.setattr(memory, "_STATISTICS", tmp_path / "memory.stat")
    return tmp_path


@pytest.mark.parametrize(
    "names", [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")]
)
def test_a_containers_limit_is_the_memory(container: Path, names: tuple[str, str]) -> None:
    most, used = names
    (container / most).write_text("5000\n")
    (container / used).write_text("4000\n")
    assert (memory.total_memory(), memory.available_memory()) == (5000, 1000)
    (container / "memory.stat").write_text("anon 100\ninactive_file 1500\n")
    assert memory.available_memory() == 2500


def test_without_a_limit_the_machines_memory_counts(container: Path) -> None:
    whole = memory.total_memory()
    (container / "memory.max").write_text("max\n")
    (container / "memory.current").write_text("4000\n")
    assert memory.total_memory() == whole > memory.available_memory() > 0
