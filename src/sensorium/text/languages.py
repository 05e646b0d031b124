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

_CODE_PAIRS = """
af afr am amh ar ara as asm az aze ba bak be bel bg bul bn ben bo bod br bre bs bos ca cat cs ces cy cym
da dan de deu el ell en eng es spa et est eu eus fa fas fi fin fo fao fr fra gl glg gu guj ha hau haw haw he heb hi hin
hr hrv ht hat hu hun hy hye id ind is isl it ita ja jpn jw jav ka kat kk kaz km khm kn kan ko kor la lat lb ltz ln lin
lo lao lt lit lv lav mg mlg mi mri mk mkd ml mal mn mon mr mar ms msa mt mlt my mya ne nep nl nld nn nno no nor oc oci
pa pan pl pol ps pus pt por ro ron ru rus sa san sd snd si sin sk slk sl slv sn sna so som sq sqi sr srp su sun sv swe
sw swa ta tam te tel tg tgk th tha tk tuk tl tgl tr tur tt tat uk ukr ur urd uz uzb vi vie yi yid yo yor yue yue zh zho
ar arb az azj az azb fa pes lv lvs mn khk ms zlm ne npi sw swh uz uzn zh cmn
sq alb hy arm eu baq my bur zh chi cs cze nl dut fr fre ka geo de ger el gre is ice mk mac mi mao ms may fa per ro rum
sk slo bo tib cy wel"""
_CODES = _CODE_PAIRS.split()
_THREE_LETTERS = {three: two for two, three in zip(_CODES[::2], _CODES[1::2], strict=True)}
"""From ISO 639-3, which names several thousand languages, and from the older codes in films, to the codes above."""

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
}


def language_code(language: str) -> str:
    """Return the code of a language given as a code, a locale ("pt-BR") or an English name.

    Raises:
        InputError: No such language is known.
    """
    wanted = language.strip().lower()
    names = {name.lower(): code for code, name in LANGUAGES.items()} | _OTHER_NAMES | _THREE_LETTERS
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


def code_of_three_letters(code: str) -> str:
    """Return the short code of an ISO 639-3 code where there is one ("eng" is "en"), else the code itself.

    Args:
        code: With or without a script, such as ``"uzb-script_cyrillic"``.
    """
    three = code.strip().lower().partition("-")[0]
    return _THREE_LETTERS.get(three, three)
