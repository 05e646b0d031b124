"""Video models on tiny checkpoints in the hub's layout, held against transformers called directly.

transformers' processors for these models can't be opened without torchvision. So the prompts are written here by hand,
the pixels come from the library's own processor code (`library_processors`), and go to the model's own ``generate``.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sensorium import LLaVA, VideoQA
from sensorium.answer import Usage
from sensorium.errors import (
    CancelledError,
    InputError,
    InsufficientMemoryError,
    ModelUnavailableError,
    UnsupportedError,
)
from sensorium.media.video import VideoFrame, sample_frames
from sensorium.progress import Progress
from sensorium.video.families.video_processor import VIDEO_PROCESSORS, Qwen3VideoProcessor, SmolVLMVideoProcessor
from tests import films
from tests.checkpoints.thinking import tiny_thinking_qwen
from tests.checkpoints.video import tiny_llava_next_video, tiny_video_llama_3
from tests.checkpoints.vision_language import tiny_llava, tiny_qwen_vl, tiny_smolvlm
from tests.openai_server import images_in, serve_openai
from tests.video.library_processors import library_inputs

_SAMPLING = {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 40}}
"""As SmolVLM 2's files have it, which name another size beside it."""
QUESTION = "What happens in this film?"
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
BY_LIBRARY = "generate on what its video processor's own code gives (resize and normalise by torch)"
TIMES = "The film is 6.0 seconds long. Its {count} {what} are from these seconds: {times}."


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds: the upper half moves, the lower half stands still."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 64 + 60, 3), dtype=np.uint8)
    still = np.full((24, 64, 3), 90, dtype=np.uint8)
    pictures = [np.concatenate([noise[:, index : index + 64], still]) for index in range(60)]
    return films.film(
        tmp_path_factory.mktemp("film") / "moving.mp4", rate=10, times=list(np.arange(60) / 10), pictures=pictures
    )


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hub")
    names = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5")
    qwen = {name: tiny_qwen_vl(folder / name, family=name) for name in names}
    return {
        **qwen,
        "video_llama_3": tiny_video_llama_3(folder / "video_llama_3"),
        "llava_next_video": tiny_llava_next_video(folder / "llava_next_video"),
        "smolvlm": tiny_smolvlm(folder / "smolvlm"),
    }


def video_settings(folder: Path) -> dict[str, Any]:
    own = folder / "video_preprocessor_config.json"
    found: dict[str, Any] = json.loads((own if own.is_file() else folder / "preprocessor_config.json").read_text())
    return found


def by_transformers(folder: Path, prompt: str, count: int, **inputs: Any) -> str:
    """Return what transformers writes after a prompt, called directly."""
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    if "qwen" in folder.name:
        video = tokenizer.convert_tokens_to_ids("<|video_pad|>")
        inputs["mm_token_type_ids"] = (ids == video).int() * 2
    with torch.inference_mode():
        written = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, **inputs
        )
    # A letter that the longest answer cuts in the middle is left out.
    text = str(tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True))
    return text.rstrip("\N{REPLACEMENT CHARACTER}").strip()


def times_of(frames: list[VideoFrame]) -> str:
    return ", ".join(f"{frame.time:.1f}" for frame in frames)


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"])
def test_qwen_vl_is_that_of_transformers(
    family: str,
    checkpoints: dict[str, Path],
    film: Path,
    monkeypatch: pytest.MonkeyPatch,
    parity: Callable[[str, str, str], None],
) -> None:
    answer = VideoQA(checkpoints[family]).answer_video_question(film, QUESTION)
    frames = list(sample_frames(film, 12))
    pixels = library_inputs(family, [frame.image for frame in frames], video_settings(checkpoints[family]), monkeypatch)
    assert pixels["video_grid_thw"].tolist() == [[6, 6, 8]]
    told = TIMES.format(count=12, what="frames", times=times_of(frames))
    video = "<|vision_start|>" + "<|video_pad|>" * (6 * 3 * 4) + "<|vision_end|>"
    prompt = f"{SYSTEM}<|im_start|>user\n{video}{told}\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    more: dict[str, Any] = {"second_per_grid_ts": torch.tensor([2 * 6.0 / 12])} if family == "qwen2_5_vl" else {}
    assert answer == by_transformers(checkpoints[family], prompt, 256, **pixels, **more)
    assert len(answer) > 20
    assert answer.model == family
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 6 * 3 * 4
    parity(f"VideoQA, {family}", BY_LIBRARY, "token-identical")


@pytest.mark.parametrize("family", ["qwen3_vl", "qwen3_5"])
def test_qwen3_vl_is_that_of_transformers(
    family: str,
    checkpoints: dict[str, Path],
    film: Path,
    monkeypatch: pytest.MonkeyPatch,
    parity: Callable[[str, str, str], None],
) -> None:
    folder = checkpoints[family]
    answer = VideoQA(folder).answer_video_question(film, QUESTION)
    frames = list(sample_frames(film, 12))
    pixels = library_inputs(family, [frame.image for frame in frames], video_settings(folder), monkeypatch)
    assert pixels["video_grid_thw"].tolist() == [[6, 6, 8]]
    steps = [(frames[index].time + frames[index + 1].time) / 2 for index in range(0, 12, 2)]
    video = "".join(f"<{time:.1f} seconds><|vision_start|>{'<|video_pad|>' * 12}<|vision_end|>" for time in steps)
    prompt = (
        f"{SYSTEM}<|im_start|>user\n<|vision_start|>{video}<|vision_end|>{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert answer == by_transformers(folder, prompt, 256, **pixels)
    parity(f"VideoQA, {family}", BY_LIBRARY, "token-identical")


def test_every_family_of_its_layout_is_prepared_like_qwen3_vl() -> None:
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    by_library = {family for family, name in PROCESSOR_MAPPING_NAMES.items() if name == "Qwen3VLProcessor"}
    assert {family for family, ours in VIDEO_PROCESSORS.items() if ours is Qwen3VideoProcessor} == by_library
    assert all(VideoQA.families[family].endswith(":VideoModel") for family in by_library)


def test_thoughts_about_a_film_are_no_part_of_the_answer(film: Path, tmp_path: Path) -> None:
    with VideoQA(tiny_thinking_qwen(tmp_path / "qwen"), num_frames=4) as video_qa:
        quick = video_qa.answer_video_question(film, QUESTION)
        thought = video_qa.describe(film, thinking=True)
        short = video_qa.answer_video_question(film, QUESTION, max_new_tokens=1, thinking=True)
    assert (quick, thought, short) == ("Red.", "Red.", "Red")
    usages = [answer.usage for answer in (quick, thought, short)]
    assert [usage and usage.reasoning_tokens for usage in usages] == [0, 5, 5]


def test_video_llama_3_is_that_of_transformers(
    checkpoints: dict[str, Path],
    film: Path,
    monkeypatch: pytest.MonkeyPatch,
    parity: Callable[[str, str, str], None],
) -> None:
    folder = checkpoints["video_llama_3"]
    answer = VideoQA(folder).answer_video_question(film, QUESTION)
    frames = list(sample_frames(film, 6))
    pixels = library_inputs("video_llama_3", [frame.image for frame in frames], video_settings(folder), monkeypatch)
    kept = pixels["video_compression_mask"].view(6, 12).sum(1).tolist()
    # What stands still is seen once.
    assert kept[0] == 12
    assert max(kept[1:]) < 12
    video = ",".join(
        f"Time {frame.time:.1f}s:{'<|video_pad|>' * count}" for frame, count in zip(frames, kept, strict=True)
    )
    prompt = f"<|im_start|>user\n{video}\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    assert answer == by_transformers(folder, prompt, 256, **pixels)
    parity("VideoQA, video_llama_3", BY_LIBRARY, "token-identical")


def test_llava_next_video_is_that_of_transformers(
    checkpoints: dict[str, Path], tmp_path: Path, parity: Callable[[str, str, str], None]
) -> None:
    folder = checkpoints["llava_next_video"]
    pictures = np.random.default_rng(1).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    square = films.film(tmp_path / "square.mp4", rate=10, times=list(np.arange(60) / 10), pictures=list(pictures))
    answer = VideoQA(folder).answer_video_question(square, QUESTION)
    frames = list(sample_frames(square, 16))
    settings = video_settings(folder)
    values = torch.from_numpy(np.stack([np.asarray(frame.image) for frame in frames])).float() / 255
    values = (values - torch.tensor(settings["image_mean"])) / torch.tensor(settings["image_std"])
    told = TIMES.format(count=16, what="frames", times=times_of(frames))
    prompt = f"USER: {'<video>' * (16 * 4)}\n{told}\n{QUESTION} ASSISTANT:"
    written = by_transformers(folder, prompt, 256, pixel_values_videos=values.permute(0, 3, 1, 2)[None])
    assert answer == written
    parity("VideoQA, llava_next_video", "generate on tensors prepared by hand", "token-identical")


def test_smolvlm_is_that_of_transformers(
    checkpoints: dict[str, Path], film: Path, monkeypatch: pytest.MonkeyPatch, parity: Callable[[str, str, str], None]
) -> None:
    folder = checkpoints["smolvlm"]
    answer = VideoQA(folder).answer_video_question(film, QUESTION)
    frames = list(sample_frames(film, 6))
    settings = video_settings(folder)
    found = library_inputs("smolvlm", [frame.image for frame in frames], settings, monkeypatch)
    pixels = {"pixel_values": found["pixel_values"], "pixel_attention_mask": found["pixel_attention_mask"]}
    seen = "<fake_token_around_image><global-img>" + "<image>" * 4 + "<fake_token_around_image>"
    shown = "".join(f"\nFrame from 00:{int(frame.time):02d}:{seen}" for frame in frames)
    told = f"You are provided the following series of six frames from a 0:00:06 [H:MM:SS] video.\n{shown}\n\n"
    prompt = f"<|im_start|>User: {told}{QUESTION}<end_of_utterance>\nAssistant:"
    assert answer == by_transformers(folder, prompt, 128, **pixels)
    parity("VideoQA, smolvlm", BY_LIBRARY, "token-identical")


@pytest.mark.parametrize(
    "named",
    [
        {"size": {"longest_edge": 160}, "video_sampling": _SAMPLING},  # as published
        {"video_sampling": _SAMPLING},
        {"size": {"longest_edge": 160}},
        {"size": {"longest_edge": 160}, "resample": 3},
        {},
    ],
)
def test_smolvlm_brings_frames_to_the_size_that_the_library_chooses(
    named: dict[str, Any], tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        **{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
        **{"max_image_size": {"longest_edge": 40}, **named},
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    frames = [frame.image.resize((97, 61)) for frame in sample_frames(film, 3, minimum_side=48)]
    ours = SmolVLMVideoProcessor(tmp_path, 1024).prepare(frames)
    theirs = library_inputs("smolvlm", frames, {"resample": 1, **settings}, monkeypatch)
    difference = (ours["pixel_values"] - theirs["pixel_values"]).abs() * 127.5
    assert difference.mean() < 0.3 * ("resample" in named) + 1e-4
    assert torch.equal(ours["pixel_attention_mask"], theirs["pixel_attention_mask"])


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "video_llama_3"])
def test_frames_of_any_size_are_prepared_as_the_library_does(
    family: str, checkpoints: dict[str, Path], film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [
        VideoFrame(frame.image.resize((211, 117)), frame.time) for frame in sample_frames(film, 5, minimum_side=48)
    ]
    with VideoQA(checkpoints[family]) as video_qa:
        backend: Any = video_qa.backend
        ours = backend.inputs(frames, 6.0, QUESTION)
    theirs = library_inputs(family, [frame.image for frame in frames], video_settings(checkpoints[family]), monkeypatch)
    assert ours["video_grid_thw"].tolist() == theirs["video_grid_thw"].tolist()
    difference = (ours["pixel_values_videos"] - theirs["pixel_values_videos"]).abs()
    grey_level = 1 / 255 / min(video_settings(checkpoints[family])["image_std"])
    # Pillow rounds once more than torch does in between: a few grey levels on a picture of noise.
    assert difference.max() < 3.5 * grey_level
    assert difference.mean() < 0.2 * grey_level


def test_a_model_that_reads_pictures_is_shown_frames(
    film: Path, tmp_path: Path, parity: Callable[[str, str, str], None]
) -> None:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

    folder = tiny_llava(tmp_path / "llava", context=1024)
    answer = VideoQA(folder, num_frames=3).answer_video_question(film, QUESTION)
    frames = list(sample_frames(film, 3))
    told = TIMES.format(count=3, what="pictures", times=times_of(frames))
    prompt = f"USER: <image>\n<image>\n<image>\n{told}\n{QUESTION} ASSISTANT:"
    processor = LlavaProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(text=prompt, images=[frame.image for frame in frames], return_tensors="pt")
    model = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    with torch.inference_mode():
        written = model.generate(**inputs, max_new_tokens=128, do_sample=False)
    text = processor.tokenizer.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert answer == text.strip()
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == inputs["input_ids"].shape[1]
    parity("VideoQA, pictures (llava)", "LlavaProcessor and generate on the same frames", "token-identical")
    # Without a wish, as many frames as leave half of the window free.
    told_of: list[Progress] = []
    VideoQA(folder).answer_video_question(film, QUESTION, progress=told_of.append)
    assert max(report.done for report in told_of if report.unit == "frames") == 16


def test_a_model_behind_a_server_is_sent_frames(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serve_openai() as server:
        server.answer = lambda body: ["A pattern moves ", "from [00:01] to 3.5 seconds; not at [00:59]."]
        answer = VideoQA(server.model(), num_frames=4).answer_video_question(film, QUESTION)
        (request,) = server.requests
    assert len(images_in(request.body)) == 4
    text = request.body["messages"][0]["content"][-1]["text"]
    assert "4 pictures are from these seconds: 0.0, " in text
    assert text.endswith(QUESTION)
    assert [item.start for item in answer.evidence] == [1.0, 3.5]
    assert answer.model == "openai:tiny"
    assert answer.usage == Usage(*server.usage or ())


@pytest.mark.parametrize(
    "family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "video_llama_3", "llava_next_video", "smolvlm"]
)
def test_half_precision_runs(family: str, checkpoints: dict[str, Path], film: Path) -> None:
    with VideoQA(checkpoints[family], dtype="bfloat16", num_frames=4) as video_qa:
        assert video_qa.answer_video_question(film, QUESTION)


def test_weights_are_shared_with_chat_about_pictures(checkpoints: dict[str, Path]) -> None:
    with VideoQA(checkpoints["qwen2_vl"]) as video_qa, LLaVA(checkpoints["qwen2_vl"]) as llava:
        seeing: Any = video_qa.backend
        chatting: Any = llava.backend
        assert seeing._model is chatting._model


def test_memory_that_runs_out_is_one_sentence(
    checkpoints: dict[str, Path], film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Qwen2VLForConditionalGeneration

    def exhausted(*arguments: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(Qwen2VLForConditionalGeneration, "generate", exhausted)
    with pytest.raises(InsufficientMemoryError, match="The answer needs more memory than is left"):
        VideoQA(checkpoints["qwen2_vl"]).answer_video_question(film, QUESTION)


def test_progress_and_cancel(checkpoints: dict[str, Path], film: Path) -> None:
    video_qa = VideoQA(checkpoints["qwen2_vl"], num_frames=4)
    told: list[Progress] = []
    video_qa.describe(film, progress=told.append)
    assert {report.unit for report in told} == {"frames", "tokens"}
    assert max(report.done for report in told if report.unit == "frames") == 4
    for unit in ("frames", "tokens"):
        cancel = threading.Event()

        def stop(report: Progress, unit: str = unit, cancel: threading.Event = cancel) -> None:
            if report.unit == unit:
                cancel.set()

        with pytest.raises(CancelledError):
            video_qa.describe(film, progress=stop, cancel=cancel)


def test_a_single_frame_and_a_gif_are_films(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    still = films.film(tmp_path / "one.mp4", count=1)
    Image.new("RGB", (64, 48), "red").save(tmp_path / "still.gif")
    for family in ("qwen2_vl", "video_llama_3", "llava_next_video"):
        video_qa = VideoQA(checkpoints[family])
        assert video_qa.answer_video_question(still, QUESTION)
        assert video_qa.answer_video_question(tmp_path / "still.gif", QUESTION)


def test_wrong_input_is_one_sentence(checkpoints: dict[str, Path], film: Path, tmp_path: Path) -> None:
    video_qa = VideoQA(checkpoints["qwen2_vl"])
    with pytest.raises(InputError, match="question is empty"):
        video_qa.answer_video_question(film, " ")
    with pytest.raises(InputError, match=r"contains '<\|video_pad\|>', which 'qwen2_vl' reserves"):
        video_qa.answer_video_question(film, "What is <|video_pad|>?")
    with pytest.raises(InputError, match="tokens with its 4 frames, and 'qwen2_vl' holds 2048"):
        VideoQA(checkpoints["qwen2_vl"], num_frames=4).answer_video_question(film, "why? " * 1000)
    with pytest.raises(UnsupportedError, match="lists no moments"):
        video_qa.moments(film)
    with pytest.raises(UnsupportedError, match="names no actions by itself"):
        video_qa.classify(film)
    for number in (0, 10_000):
        with pytest.raises(InputError, match=f"num_frames is {number}"):
            VideoQA(checkpoints["qwen2_vl"], num_frames=number)
    letter = tmp_path / "letter.mp4"
    letter.write_text("no film\n" * 100)
    with pytest.raises(InputError, match="letter"):
        video_qa.answer_video_question(letter, QUESTION)


def test_checkpoints_that_cannot_be_used_are_one_sentence(
    checkpoints: dict[str, Path], film: Path, tmp_path: Path
) -> None:
    half = shutil.copytree(checkpoints["qwen2_vl"], tmp_path / "half")
    weights = half / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelUnavailableError, match="'half' can't be opened"):
        VideoQA(half).answer_video_question(film, QUESTION)
    mute = shutil.copytree(checkpoints["qwen2_vl"], tmp_path / "mute")
    (mute / "chat_template.json").write_text(json.dumps({"chat_template": "{{ messages[0].role }}"}))
    with pytest.raises(UnsupportedError, match="'mute' has no chat template that takes films"):
        VideoQA(mute).answer_video_question(film, QUESTION)
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(UnsupportedError, match="VideoQA can't use 'sound': its family is 'whisper'"):
        VideoQA(tmp_path / "sound").answer_video_question(film, QUESTION)


def test_as_many_pictures_are_shown_as_leave_half_of_the_window_free(film: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    # A picture takes 16 tokens.
    VideoQA(tiny_llava(tmp_path / "llava", context=256)).answer_video_question(film, "?", progress=told.append)
    shown = max(report.done for report in told if report.unit == "frames")
    assert 4 <= shown <= 7


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "video_llama_3"])
def test_a_film_of_a_shape_that_the_model_can_not_take(
    family: str, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    strip = np.zeros((8, 2048, 3), dtype=np.uint8)
    path = films.film(tmp_path / "strip.mp4", rate=10, times=[0.0, 0.1, 0.2], pictures=[strip] * 3)
    with pytest.raises(InputError, match=r"can't take a film whose frames are \d+ × \d+ pixels"):
        VideoQA(checkpoints[family]).answer_video_question(path, QUESTION)
