"""Where a line or a subtitle may end: after punctuation, at a pause, before a conjunction; never inside a phrase."""

from __future__ import annotations

import re

from sensorium.text.characters import belong_together

FORBIDDEN = float("inf")
"""The cost of a break that must not be made."""

_SENTENCE_ENDS = frozenset(".?!…。？！．｡؟۔।॥։።፧፨။៕᙮‼⁇⁈⁉")
_CLAUSE_ENDS = frozenset(",;:，、；：､،؛—–፣፤၊·")
_CLOSING = frozenset("\"'”’»›)]}」』）】》〉〕］｝〗〙〛｠〞〟｣")
_OPENING = frozenset("\"'“‘«‹([{¿¡「『（【《〈〔［｛〖〘〚｟〝｢„‚")
_SURELY_OPENING = _OPENING - frozenset("\"'")
_ENDING = (_SENTENCE_ENDS | _CLAUSE_ENDS | _CLOSING) - frozenset("\"'")
_DASHES = frozenset("—–")
# Characters that must not begin a line in Chinese and Japanese (JIS X 4051; W3C, Requirements for Chinese Text Layout).
_NOT_FIRST = frozenset(
    "。，、．！？；：」』）】》〉〕］｝〗〙〛｠〞〟｣”’»…‥・･ー々ゝゞヽヾ゛゜ｰﾞﾟぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ"
    "ㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿｧｨｩｪｫｬｭｮｯ％‰℃～〜｡､·‼⁇⁈⁉"
)
_NOT_LAST = frozenset("「『（【《〈〔［｛〖〘〚｟〝｢“‘«＄￥＃№")

_ABBREVIATION = re.compile(r"\b(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|Mme|Mlle|Sra|Dra|Nr|bzw|e\.g|i\.e)\.$")

# Words that a phrase begins with: a break belongs before them, not after. Where a language has no list, and beside
# every list but the English one, words of up to three letters are taken for such words.
_PHRASE_OPENERS = {
    "en": "a an the of to in on at by for and or but nor so if as is are was be been am do did has had may can not no "
    "my his her its our your you he she it we me him us who how why i that which whom whose where when while because "
    "although though after before since until unless with without within from into onto over under about against "
    "between through during than then were have been their this these those what would could should will shall must "
    "might being they every each some",
    "fr": "avec sans dans pour mais donc quand comme parce puisque lorsque depuis pendant chez vers sous entre dont "
    "cette leur leurs notre votre nous vous elle elles quel quelle sont était avoir être plus",
    "de": "aber oder denn weil dass wenn während obwohl nachdem bevor seit durch ohne gegen zwischen unter über nach "
    "eine einen einem einer sein seine ihre nicht auch wird wurde haben sind dieser diese dieses welche",
    "es": "pero porque cuando donde aunque mientras desde hasta para entre sobre como quien cual cuyo este esta estos "
    "estas nuestro vuestra está están haber sino según",
    "it": "perché quando dove mentre anche come dopo prima senza della dello delle degli dalla dalle nella nelle sulla "
    "sulle questo questa questi queste sono essere quale cui quindi oppure",
    "pt": "mas porque quando onde embora enquanto desde até para entre sobre como quem qual este esta estes estas "
    "nosso nossa está estão pelo pela",
    "nl": "maar omdat wanneer terwijl hoewel nadat voordat zonder tegen tussen door onder over naar deze hun onze zijn",
    "ru": "чтобы если когда потому хотя после перед через между около или либо который которая которое которые этот "
    "эта эти было были есть будет даже только",
}
_OPENERS = {language: frozenset(words.split()) for language, words in _PHRASE_OPENERS.items()}
_CHINESE_PARTICLES = frozenset("的地得了着过吗呢吧啊呀们")
_CHINESE_OPENERS = frozenset("和与或但而因如虽所就在把被从对向为是")
_JAPANESE_PARTICLES = frozenset("はがをにでともへやかねよ")


def is_east_asian(character: str) -> bool:
    """Return whether a character is Chinese or Japanese: written without spaces, breakable anywhere but by rules."""
    code = ord(character)
    return (
        0x3000 <= code <= 0x30FF
        or 0x31F0 <= code <= 0x31FF
        or 0x3400 <= code <= 0x4DBF
        or 0x4E00 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0xFF00 <= code <= 0xFFEF
        or 0x20000 <= code <= 0x3FFFF
    )


def is_hangul(character: str) -> bool:
    """Return whether a character is Korean: as wide as a Chinese one, but written with spaces."""
    code = ord(character)
    return 0xAC00 <= code <= 0xD7AF or 0x1100 <= code <= 0x11FF or 0x3130 <= code <= 0x318F


def is_unspaced(character: str) -> bool:
    """Return whether a character belongs to a script that puts no spaces between words."""
    code = ord(character)
    return (
        is_east_asian(character)
        or 0x0E00 <= code <= 0x0EFF  # Thai, Lao
        or 0x1000 <= code <= 0x109F  # Burmese
        or 0x1780 <= code <= 0x17FF  # Khmer
    )


def needs_space(before: str, after: str) -> bool:
    """Return whether two texts that follow each other are joined with a space."""
    if not before or not after:
        return False
    if is_east_asian(before[-1]) or is_east_asian(after[0]):
        return False
    return not (is_unspaced(before[-1]) and is_unspaced(after[0]))


def join_texts(texts: list[str]) -> str:
    """Join sentences or lines into one text, with spaces only where the script has them."""
    joined = ""
    for text in texts:
        joined += (" " if needs_space(joined, text) else "") + text
    return joined


def is_only_closing(text: str) -> bool:
    """Return whether a text is nothing but marks that close what stands before them, as in French « oui ! »."""
    return all(sign in _ENDING and sign not in _DASHES for sign in text)


def ends_sentence(text: str) -> bool:
    """Return whether a sentence ends with this word; a period after "Dr" or an initial doesn't end one."""
    bare = text.rstrip("".join(_CLOSING) + " ")
    return bool(bare) and bare[-1] in _SENTENCE_ENDS and not _ABBREVIATION.search(bare)


def break_cost(before: str, after: str, *, space: bool, pause: float = 0.0, language: str = "") -> float:
    """Return how bad it is to end a line or a subtitle between two pieces of text.

    Args:
        before: The piece that would end the line: a word, or one character of Chinese or Japanese.
        after: The piece that would begin the next line.
        space: Whether a space stands between them.
        pause: How long the speaker is silent between them, in seconds.
        language: Language code, where it is known.

    Returns:
        From 0 (the end of a sentence) to 10 (inside a phrase); `FORBIDDEN` where typography rules it out.
    """
    if not space and belong_together(before[-1], after[0]):
        return FORBIDDEN
    if is_only_closing(after) or before[-1] in _SURELY_OPENING:
        return FORBIDDEN
    if not space and (after[0] in _NOT_FIRST or before[-1] in _NOT_LAST):
        return FORBIDDEN
    if ends_sentence(before):
        return 0.0
    cost = _cost_inside_sentence(before, after, space, language)
    if pause >= 0.5:
        return min(cost, 1.0)
    return min(cost, 3.0) if pause >= 0.25 else cost


def _cost_inside_sentence(before: str, after: str, space: bool, language: str) -> float:
    bare = before.rstrip("".join(_CLOSING))
    if bare and bare[-1] in _CLAUSE_ENDS:
        return 1.0
    if is_east_asian(before[-1]) or is_east_asian(after[0]):
        return 2.0 if space else _east_asian_cost(before[-1], after[0])
    if not space:
        return 9.0
    if before[-1] in _SURELY_OPENING or _ABBREVIATION.search(before) or not any(map(str.isalnum, after)):
        return 10.0
    if _opens_phrase(before, language):
        return 9.0
    return 3.0 if _opens_phrase(after, language) else 5.0


def _opens_phrase(word: str, language: str) -> bool:
    bare = word.strip("".join(_OPENING | _CLOSING | _CLAUSE_ENDS | _SENTENCE_ENDS)).lower()
    if bare in _OPENERS.get(language, frozenset()):
        return True
    core = re.split("['’]", bare)[-1]
    return language != "en" and 0 < len(core) <= 3 and core.isalpha()


def _east_asian_cost(before: str, after: str) -> float:
    if before.isalnum() and after.isalnum() and (before.isascii() or after.isascii()):
        return 4.0
    kinds = _kind(before), _kind(after)
    if kinds == ("katakana", "katakana"):
        return 9.0
    if kinds == ("hiragana", "han"):
        return 3.0
    if kinds == ("han", "hiragana"):
        return 9.0
    if kinds[0] == "hiragana":
        return 3.0 if before in _JAPANESE_PARTICLES and kinds[1] != "hiragana" else 7.0
    if after in _CHINESE_PARTICLES:
        return 9.0
    if before in _CHINESE_OPENERS:
        return 8.0
    if before in _CHINESE_PARTICLES or after in _CHINESE_OPENERS:
        return 3.0
    return 5.0


def _kind(character: str) -> str:
    code = ord(character)
    if 0x3040 <= code <= 0x309F:
        return "hiragana"
    if 0x30A0 <= code <= 0x30FF:
        return "katakana"
    return "han" if is_east_asian(character) else "other"
