"""Voices of the library's text-to-waveform models (Phonon, Pocket TTS, VibeVoice, Higgs Audio): one for all of them.

What differs between them stands in `voice_forms`, by the class of their processor.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import place, prepare_torch
from sensorium.models.fetching_anew import fetch_anew
from sensorium.models.json_files import json_table
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_model, open_part
from sensorium.models.thread_safe import make_thread_safe
from sensorium.progress import Cancellation
from sensorium.speech.families import components
from sensorium.speech.families.audio_codecs import codec_class
from sensorium.speech.families.torch_generation import as_samples, seeded_generation
from sensorium.speech.families.voice_files import SUFFIX, StoredVoice, prompt_width, read_voice, voice_files
from sensorium.speech.families.voice_forms import FORMS, Form, form_of
from sensorium.speech.families.voice_languages import spoken_languages
from sensorium.speech.speakable_text import Unspoken, foreign_words
from sensorium.speech.tempo import change_tempo
from sensorium.speech.voice import Reference, SpokenBefore
from sensorium.text.spoken_form import spoken_form

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLOWEST = 8.0
"""Letters a second of very slow speech; it bounds how long a sentence may get."""
_CONTROL_WORD = re.compile(r"<\|[^|<>]*\|>|\[SPEAKER\d+\]")


@dataclass(eq=False)
class _Prompted(SpokenBefore):
    """A speaker as some models know one: by what is stored of the voice."""

    stored: StoredVoice = field(default_factory=StoredVoice)


class WaveformVoice:
    """A loaded checkpoint such as ``gradium/phonon-40m-multilingual``.

    Args:
        folder: A checkpoint in the layout of transformers; its voices may lie in ``voices`` or ``embeddings``.
        checkpoint: Its catalog entry.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"`` is float32 on a CPU; on a GPU half precision, but for models that are too small to need it.

    Raises:
        ModelUnavailableError: Files are missing or damaged.
        UnsupportedError: Its processor is of no kind that is known here.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        prepare_torch()
        from transformers import AutoModelForTextToWaveform

        self._name = checkpoint.name
        self._folder = folder
        family = str(json_table(folder / "config.json").get("model_type", ""))
        self._form = _form(folder, family, checkpoint)
        if dtype == "auto" and self._form.half == "float32":
            dtype = "float32"
        placement = place(device, dtype, memory_bytes=weights_memory(folder), half=self._form.half)
        self._processor = _open_processor(folder, checkpoint, placement.device)
        if self._form.prompts and getattr(self._processor, "audio_tokenizer", None) is None:
            raise _incomplete(checkpoint, "its processor_config.json is missing, or names no codec")
        self._model: Any = open_model(
            AutoModelForTextToWaveform, folder, checkpoint=checkpoint, device=placement.device, dtype=placement.dtype
        )
        self.languages = spoken_languages(folder, checkpoint, family)
        self.longest_sentence = self._form.longest_sentence
        self.sample_rate: int = self._processor.feature_extractor.sampling_rate
        self.reference_rate = self.sample_rate
        self.needs_transcript = self._form.needs_transcript

    def unspoken(self, text: str, language: str | None) -> Unspoken | None:
        """Return the words in letters that none of the voice's languages is written in."""
        return foreign_words(text, self._name, self.languages)

    def written_out(self, sentence: str, language: str | None) -> str:
        """Return a sentence without the models' own control words; where they need it, with numbers as words."""
        plain = _CONTROL_WORD.sub(" ", sentence)
        for word in self._processor.tokenizer.all_special_tokens:
            plain = plain.replace(word, " ")
        spoken = language or (self.languages[0] if len(self.languages) == 1 else "")
        return spoken_form(plain, spoken) if spoken and not self._form.reads_numbers else plain

    def speaker(self, voice: str | None) -> SpokenBefore:
        """Return a voice of the checkpoint, by its name or its file; else one drawn by the seed, and kept."""
        own = voice_files(self._folder) if self._form.prompts else {}
        if voice is None and own:
            return self._prompted(next(iter(own.values())))
        if voice is None and not self.clones:
            raise UnsupportedError(
                f"The checkpoint {self._name!r} speaks only in a voice that it is given, and none came with it",
                f"Copy files of voices into its folder 'voices', or name such a {SUFFIX} file as the voice",
            )
        if voice is None:
            return SpokenBefore("")
        if voice in own:
            return self._prompted(own[voice])
        if self._form.prompts and self.voice_is_file(voice):
            return self._prompted(Path(voice))
        if not own:
            raise UnsupportedError(
                f"The checkpoint {self._name!r} has no voices to choose from",
                "Leave out the voice, or clone a recording" if self.clones else "Leave out the voice",
            )
        raise InputError(f"The checkpoint {self._name!r} has no voice {voice!r}", f"Choose {', '.join(own)}")

    def voice_is_file(self, voice: str) -> bool:
        """Return whether a voice is named by its file."""
        return voice.endswith(SUFFIX)

    @property
    def clones(self) -> bool:
        """Whether the checkpoint can hear a recording: some come with half a codec."""
        if not self._form.prompts:
            return True
        codec = self._processor.audio_tokenizer.config
        return codec.encoder_config is not None and codec.latent_dim == prompt_width(self._model.config)

    def imitate(self, reference: Reference) -> SpokenBefore:
        """Return the speaker of a recording."""
        if not self._form.prompts:
            return SpokenBefore("", reference)
        heard = self._inputs(" ", SpokenBefore("", reference))
        return _Prompted("", reference, StoredVoice(heard["audio_prompt_latents"][0]))

    def speak(
        self, sentence: str, *, speaker: SpokenBefore, speed: float, seed: int, cancel: Cancellation | None
    ) -> NDArray[np.float32]:
        """Return the samples of a sentence; empty if the model ends before it begins."""
        import torch

        with torch.inference_mode():
            inputs = self._inputs(sentence, speaker).to(self._model.device, self._model.dtype)
        before = inputs["audio_input_ids"].shape[1] if "audio_input_ids" in inputs else 0
        bounded = {} if self._form.frames is None else {"max_new_tokens": self._most_frames(sentence, inputs)}
        with seeded_generation(self._model.base_model, seed=seed, voice=self._name, cancel=cancel):
            heard = self._heard(speaker)
            given = self._model.generate(**inputs, **heard, **bounded, return_dict_in_generate=False)
            waveform = self._form.waveform(self._processor, given, before)
            samples = np.zeros(0, np.float32) if waveform is None else as_samples(waveform)
        speaker.remember(samples, sentence)
        return change_tempo(samples, self.sample_rate, speed) if len(samples) else samples

    def _prompted(self, file: Path) -> SpokenBefore:
        return _Prompted("", stored=read_voice(file, self._model.config))

    def _heard(self, speaker: SpokenBefore) -> dict[str, Any]:
        """Return what the layers keep of a speaker, if that is stored; each sentence goes on in its own copy."""
        from transformers import DynamicCache

        states = speaker.stored.states if isinstance(speaker, _Prompted) else ()
        if not states:
            return {}
        cache = DynamicCache(config=self._model.config)
        for layer, pair in enumerate(states):
            cache.update(*(part.to(self._model.device, self._model.dtype) for part in pair), layer)
        return {"past_key_values": cache}

    def _inputs(self, sentence: str, speaker: SpokenBefore) -> Any:
        """Return what the model takes: the sentence after the speaker's voice."""
        heard = speaker.reference
        stored = speaker.stored if isinstance(speaker, _Prompted) else StoredVoice()
        sound: dict[str, Any] = {}
        if stored.latents is not None:
            sound = {"audio_prompt_latents": [stored.latents]}
        elif heard is not None and not stored.states:
            sound = {"audio": [heard.samples], "sampling_rate": self.reference_rate}
        said = None if not sound else self.written_out(heard.text, None) if heard else ""
        prompt = self._processor.apply_chat_template(
            self._form.conversation(sentence, said), add_generation_prompt=True, tokenize=False
        )
        return self._processor(text=[prompt], return_tensors="pt", **sound)

    def _most_frames(self, sentence: str, inputs: Any) -> int:
        frames = self._form.frames(self._model, self._processor) if self._form.frames else 0.0
        room: int = self._model.config.get_text_config().max_position_embeddings - inputs["input_ids"].shape[1]
        return max(1, min(int(frames * (2 + len(sentence) / _SLOWEST)), room))


def _form(folder: Path, family: str, checkpoint: Checkpoint) -> Form:
    """Return the form of the processor that a checkpoint names, or that goes with its family."""
    named = str(json_table(folder / "processor_config.json").get("processor_class", ""))
    form = FORMS.get(named) or form_of(family)
    if form is None:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} has a processor of the kind {named or family!r}, with which nothing "
            "here speaks",
            f"Choose one whose processor is a {', a '.join(FORMS)}",
        )
    return form


def _open_processor(folder: Path, checkpoint: Checkpoint, device: str) -> Any:
    """Return the processor, with the codec that its settings name."""
    from transformers import AutoFeatureExtractor, AutoProcessor, AutoTokenizer

    codec = components.named_codec(folder)
    if codec is None:
        return open_part(AutoProcessor, folder, checkpoint=checkpoint)
    import transformers

    settings = json_table(folder / "processor_config.json")
    kind = getattr(transformers, str(settings.get("processor_class")), None)
    tokenizer = open_part(AutoTokenizer, folder, checkpoint=checkpoint)
    features = open_part(AutoFeatureExtractor, folder, checkpoint=checkpoint)
    if kind is None or tokenizer.chat_template is None:
        raise _incomplete(checkpoint, "its processor's class or its chat template is missing")
    own = {name: settings[name] for name in inspect.signature(kind).parameters if name in settings}
    own |= {"audio_tokenizer": _open_codec(codec, folder, checkpoint, device), "chat_template": tokenizer.chat_template}
    return make_thread_safe(kind(feature_extractor=features, tokenizer=tokenizer, **own))


def _open_codec(codec: components.NamedCodec, folder: Path, checkpoint: Checkpoint, device: str) -> Any:
    """Open a codec: in a folder of the checkpoint, in one of the user's, or a repository of its own."""
    import torch

    inside, elsewhere = folder / codec.name, Path(codec.name)
    if elsewhere.is_absolute() or ".." in elsewhere.parts:
        # A file that came from the hub may not point to a folder here; one that the user saved may.
        if not checkpoint.folder or not elsewhere.is_dir():
            raise _incomplete(checkpoint, f"its codec is not at {codec.name!r}")
        described, where = checkpoint, elsewhere
    elif inside.is_dir():
        described, where = checkpoint, inside
    else:
        described, where = components.component(codec.name)
    return open_model(codec_class(codec.kind), where, checkpoint=described, device=device, dtype=torch.float32)


def _incomplete(checkpoint: Checkpoint, reason: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r} can't be opened: {reason}", fetch_anew(checkpoint)
    )
