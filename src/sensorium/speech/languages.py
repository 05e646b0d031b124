"""The languages that Whisper knows, by code and by English name."""

from __future__ import annotations

import difflib

from sensorium.errors import InputError

LANGUAGES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "as": "Assamese", "az": "Azerbaijani", "ba": "Bashkir",
    "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "bo": "Tibetan", "br": "Breton", "bs": "Bosnian",
    "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fo": "Faroese",
    "fr": "French", "gl": "Galician", "gu": "Gujarati", "ha": "Hausa", "haw": "Hawaiian", "he": "Hebrew",
    "hi": "Hindi", "hr": "Croatian", "ht": "Haitian Creole", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "jw": "Javanese", "ka": "Georgian", "kk": "Kazakh",
    "km": "Khmer", "kn": "Kannada", "ko": "Korean", "la": "Latin", "lb": "Luxembourgish", "ln": "Lingala",
    "lo": "Lao", "lt": "Lithuanian", "lv": "Latvian", "mg": "Malagasy", "mi": "Maori", "mk": "Macedonian",
    "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "my": "Burmese",
    "ne": "Nepali", "nl": "Dutch", "nn": "Nynorsk", "no": "Norwegian", "oc": "Occitan", "pa": "Punjabi",
    "pl": "Polish", "ps": "Pashto", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sa": "Sanskrit",
    "sd": "Sindhi", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "sn": "Shona", "so": "Somali",
    "sq": "Albanian", "sr": "Serbian", "su": "Sundanese", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil",
    "te": "Telugu", "tg": "Tajik", "th": "Thai", "tk": "Turkmen", "tl": "Tagalog", "tr": "Turkish", "tt": "Tatar",
    "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "yi": "Yiddish", "yo": "Yoruba",
    "yue": "Cantonese", "zh": "Chinese",
}  # fmt: skip

_OTHER_NAMES = {
    "mandarin": "zh",
    "castilian": "es",
    "flemish": "nl",
    "valencian": "ca",
    "moldovan": "ro",
    "farsi": "fa",
    "myanmar": "my",
    "filipino": "tl",
    "fil": "tl",
    "javanese": "jw",
    "jv": "jw",
    "nb": "no",
    "iw": "he",
    "in": "id",
    "cmn": "zh",
}


def language_code(language: str) -> str:
    """Return the code of a language given as a code, a locale ("pt-BR") or an English name.

    Raises:
        InputError: No such language is known.
    """
    wanted = language.strip().lower()
    names = {name.lower(): code for code, name in LANGUAGES.items()} | _OTHER_NAMES
    for candidate in (wanted, wanted.replace("_", "-").partition("-")[0]):
        if candidate in LANGUAGES:
            return candidate
        if candidate in names:
            return names[candidate]
    near = difflib.get_close_matches(wanted, [*names, *LANGUAGES], n=1)
    raise InputError(
        f"There is no language {language[:40]!r} that this system knows",
        (f"Did you mean {near[0]!r}? " if near else "") + "Give a code such as 'en' or 'zh', or an English name",
    )
