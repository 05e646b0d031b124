"""Which families of checkpoints speak, and by which backend."""

from __future__ import annotations

from collections.abc import Mapping

WAVEFORM = "text-to-waveform"
"""The family of those that the library lists so, under whatever name, and whose processor is known here."""
_WAVEFORM_VOICE = "sensorium.speech.families.waveform_voice:WaveformVoice"

VOICE_FAMILIES: Mapping[str, str] = {
    "hibari": "sensorium.speech.families.hibari_voice:HibariVoice",
    "vits": "sensorium.speech.families.vits_voice:VitsVoice",
    "speecht5": "sensorium.speech.families.speecht5_voice:SpeechT5Voice",
    "bark": "sensorium.speech.families.bark_voice:BarkVoice",
    "csm": "sensorium.speech.families.csm_voice:CsmVoice",
    "dia": "sensorium.speech.families.dia_voice:DiaVoice",
    "gradium_phonon_tts": _WAVEFORM_VOICE,
    "pocket_tts": _WAVEFORM_VOICE,
    "vibevoice": _WAVEFORM_VOICE,
    "higgs_audio_v2": _WAVEFORM_VOICE,
    WAVEFORM: _WAVEFORM_VOICE,
}
"""Maps each family to ``"module:Class"`` of its backend."""

_OTHER_PURPOSES: Mapping[str, str] = {
    "musicgen": "it makes music and sounds from a description, and speaks no text",
    "musicgen_melody": "it makes music and sounds from a description, and speaks no text",
    "qwen2_5_omni": "it answers aloud what it is asked, and doesn't read a text as it stands",
    "qwen3_omni_moe": "it answers aloud what it is asked, and doesn't read a text as it stands",
    "seamless_m4t": "it translates, and speaks its translation instead of the text",
    "seamless_m4t_v2": "it translates, and speaks its translation instead of the text",
    "fastspeech2_conformer_with_hifigan": "it reads phonemes of the package g2p_en, which Sensorium doesn't use",
}


def voice_family(family: str) -> str:
    """Return the family whose backend opens a checkpoint; the one given if none speaks with it."""
    if family in VOICE_FAMILIES:
        return family
    from sensorium.speech.families.voice_forms import form_of

    return WAVEFORM if form_of(family) else family


def why_no_voice(family: str) -> str | None:
    """Return why a family that makes sound reads no text aloud; None where nothing is known of it."""
    return _OTHER_PURPOSES.get(family)
