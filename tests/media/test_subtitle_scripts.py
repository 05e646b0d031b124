"""Subtitles in scripts of their own rules: what is one character, where lines may end, what players read."""

from __future__ import annotations

import html
import io
import unicodedata

import av
import pytest

from sensorium.media.subtitles import format_subtitles, layout_cues
from sensorium.text.characters import characters, written_length
from sensorium.text.phrase_breaks import break_cost
from tests.media.test_subtitles import ARABIC, CHINESE, KOREAN, Said

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


def lines_of(text: str, language: str) -> list[str]:
    """Return the lines of subtitles of a text that is spoken at a pace that people speak at."""
    cues = layout_cues([Said(0.0, max(4.0, written_length(text) / 12), text)], language=language)
    return [line for cue in cues for line in cue.text.split("\n")]


def test_a_word_longer_than_a_line_is_cut_with_a_hyphen_that_plain_text_does_not_show() -> None:
    lines = lines_of(f"Die {LONG} ruht.", "de")
    assert max(map(len, lines)) <= 42
    assert [line[-1] for line in lines].count("‐") == 1
    cues = layout_cues([Said(0.0, 6.0, LONG)])
    assert format_subtitles(cues, "txt") == f"{LONG}\n"


def test_addresses_and_hyphenated_words_are_cut_at_their_own_seams() -> None:
    address = "https://www.example.com/a/very/long/path/that/goes/on/index.html"
    lines = lines_of(f"See {address}", "en")
    assert "".join(lines) == f"See{address}"
    assert any(line.endswith("/") for line in lines)
    assert lines_of("Arbeitsunfähigkeitsbescheinigung-Übermittlungs-Verfahren", "de") == [
        "Arbeitsunfähigkeitsbescheinigung-",
        "Übermittlungs-Verfahren",
    ]


THAI = "สวัสดีครับวันนี้เราจะพูดถึงภาษาไทยและการตัดคำซึ่งไม่มีช่องว่างระหว่างคำทำให้การแบ่งบรรทัดเป็นเรื่องยากมาก"
LAO = "ສະບາຍດີມື້ນີ້ພວກເຮົາຈະເວົ້າກ່ຽວກັບພາສາລາວເຊິ່ງບໍ່ມີຊ່ອງຫວ່າງລະຫວ່າງຄຳສັບຕ່າງໆ"
KHMER = "ថ្ងៃនេះយើងនឹងនិយាយអំពីភាសាខ្មែរដែលមិនមានចន្លោះរវាងពាក្យទេ។"
HINDI = "क्षत्रिय" * 12
FAMILIES = "👩‍👩‍👧‍👦" * 50
FLAGS = "🇩🇪🇫🇷🇯🇵" * 30
WAVING = "👋🏽" * 60
MARKED = "a\u0327\u0323\u0301\u0308" * 60


@pytest.mark.parametrize("text", [THAI, LAO, KHMER, HINDI, FAMILIES, FLAGS, WAVING, MARKED])
def test_what_a_reader_takes_for_one_character_is_counted_as_one_and_never_torn(text: str) -> None:
    lines = lines_of(text, "")
    assert len(lines) > 1
    assert max(map(written_length, lines)) <= 42
    assert max(map(written_length, lines)) > 30, "marks are counted as letters"
    whole = characters(unicodedata.normalize("NFC", text))
    assert [each for line in lines for each in characters(line.rstrip("‐"))] == whole


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("abc", 3),
        ("é", 1),
        ("e\u0301", 1),
        ("กำลัง", 4),
        ("हिन्दी", 5),
        ("👩‍👩‍👧‍👦", 1),
        ("🇩🇪🇫🇷", 2),
        ("👋🏽", 1),
    ],
)
def test_written_length(text: str, count: int) -> None:
    assert written_length(text) == count
    assert written_length(f"\u200f{text}\u2069") == count, "marks of direction take no room"


def test_a_whisper_word_of_thai_that_begins_with_a_vowel_sign_stays_on_its_line() -> None:
    for before, after in (("การต", "ัด"), ("เ", "รา"), ("ท", "ำ"), ("ພວກເ", "ຮົາ"), ("្", "មែរ"), ("क्", "ष")):
        assert break_cost(before, after, space=False) == float("inf")


@pytest.mark.parametrize(
    ("language", "text", "never_first", "never_last"),
    [
        (
            "fr",
            "« Bonjour ! » dit-il ; « comment ça va ? » – « Très bien, merci ! » répondit-elle : « et toi ? »",
            "»!?;:",
            "«",
        ),
        (
            "ar",
            "مرحباً بكم في هذا البرنامج الجديد، سنتحدث اليوم عن «اللغة العربية» وعلامات الترقيم؛ هل تعرفون ما هي؟ نعم",
            "،؛؟»",
            "«",
        ),
        (
            "he",
            "שלום לכולם, היום נדבר על „השפה העברית” ועל סימני הפיסוק שלה. האם אתם יודעים מה זה? כן, כמובן!",
            ",.?!”",
            "„",
        ),
        ("hi", "नमस्ते, आज हम हिन्दी भाषा और उसके विराम चिह्नों के बारे में बात करेंगे। क्या आप जानते हैं कि यह क्या है? हाँ।", "।?,", ""),
        ("am", "ሰላም፣ ዛሬ ስለ አማርኛ ቋንቋ እንነጋገራለን። ምን እንደሆነ ታውቃላችሁ፧ አዎ፣ በእርግጥ እናውቃለን።", "፣።፧", ""),
        (
            "zh",
            "他说：“你知道什么是‘标点’吗？”〖是的〗，当然知道！《红楼梦》和〔水浒〕……价格是￥35〜￥50，增长了50‰。",
            "：”’？〗，！》〕…〜‰。",
            "“‘〖《〔￥",
        ),
        ("ja", "ﾃﾞｰﾀ「ﾊﾟｰｾﾝﾄ」ﾊｯﾋﾟｮｳｼﾏｽ｡ｱｲﾇｺﾞﾉㇱㇼﾄ〝引用〟ガ、アルイハ｢ｲﾝﾖｳ｣ﾅﾄﾞｦﾂｶｲﾏｽ｡", "」｡ㇱㇼｯｮｰﾟﾞ〟、｣", "「〝｢"),
    ],
)
def test_no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one(
    language: str, text: str, never_first: str, never_last: str
) -> None:
    lines = lines_of(text, language)
    assert len(lines) > 1
    assert not [line for line in lines if line[0] in never_first or line[-1] in never_last]
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(("form", "reader"), [("srt", "srt"), ("vtt", "webvtt")])
def test_players_read_every_script(form: str, reader: str) -> None:
    texts = (THAI, LAO, KHMER, HINDI, ARABIC, CHINESE, KOREAN, "👩‍👩‍👧‍👦 5 < 6 & 3 --> 4", "\u200fשלום, עולם!\u200f")
    said = [Said(10.0 * number, 10.0 * number + 8.0, text) for number, text in enumerate(texts)]
    cues = layout_cues(said)
    written = io.BytesIO(format_subtitles(cues, form).encode())
    with av.open(written, format=reader) as opened:
        packets = [packet for packet in opened.demux() if packet.size]
        read = [html.unescape(bytes(packet).decode()) for packet in packets]
        starts = [float(packet.pts * packet.time_base) for packet in packets]
    assert read == [cue.text.replace("-->", "→") if form == "srt" else cue.text for cue in cues]
    assert starts == [pytest.approx(cue.start, abs=0.001) for cue in cues]
