"""Subtitles: the reading rules over random speech in several scripts, the formats, and reading them back."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from sensorium.errors import InputError
from sensorium.media.subtitles import (
    FORMATS,
    Cue,
    Word,
    format_subtitles,
    layout_cues,
    write_subtitles,
)
from sensorium.text.phrase_breaks import break_cost, ends_sentence, join_texts, needs_space
from tests.subtitle_reader import read_cues

ENGLISH = (
    "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them. "
    "He was not an ill-disposed young man, unless to be rather cold hearted and rather selfish is to be ill-disposed. "
    "Yes. No. Had he married a more amiable woman, he might have been made still more respectable than he was."
)
CHINESE = (
    "我们今天要讨论的是人工智能在多模态学习中的应用，特别是图像、语音和视频的理解。首先，我们来看一下CLIP模型的基本原理：它把图像和文字映射"
    "到同一个向量空间里。然后，我们会介绍Whisper语音识别系统，以及如何用它生成字幕。好的。开始吧！"
)
JAPANESE = (
    "今日は、マルチモーダル学習における人工知能の応用について話したいと思います。まず、モデルの基本的な仕組みを見てみましょう。"
    "「はい、わかりました」と彼は言いました。"
)
KOREAN = "오늘은 멀티모달 학습에서 인공지능의 응용에 대해 이야기하려고 합니다. 먼저 모델의 기본 원리를 살펴보겠습니다."
ARABIC = "أعلنت الحكومة اليوم عن خطة جديدة لتطوير التعليم في المدارس الحكومية، وقالت إن الخطة ستبدأ في العام المقبل."


@dataclass(frozen=True)
class Said:
    """The least that can be laid out."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    language: str = ""
    speaker: str = ""


def said(units: list[str], start: float, pauses: random.Random, letters_per_second: float) -> Said:
    """Speak units (words with their spaces, or characters) at a pace, with pauses after punctuation."""
    words = []
    now = start
    for unit in units:
        end = now + len(unit) / letters_per_second
        words.append(Word(round(now, 2), round(end, 2), unit))
        now = end
        if unit[-1] in ".?!。！？":
            now += pauses.uniform(0.0, 2.5)
        elif unit[-1] in ",，、:;：":
            now += pauses.uniform(0.0, 0.6)
    return Said(words[0].start, words[-1].end, "".join(units).strip(), tuple(words))


def random_speech(script: str, seed: int) -> list[Said]:
    """Return segments of random text with word times, spoken at a pace that people speak at."""
    pauses = random.Random(seed)
    segments = []
    now = pauses.uniform(0.0, 3.0)
    for _ in range(25):
        count = pauses.randint(1, 40)
        if script == "latin":
            letters = "etaoinshrdlucmfwypvbgk"
            units = [
                "".join(pauses.choices(letters, k=min(14, 1 + int(pauses.expovariate(0.25))))) for _ in range(count)
            ]
            marks = [pauses.choices(["", ",", ".", "?", ";"], [80, 10, 6, 2, 2])[0] for _ in units]
            units = [(" " if n else "") + unit + mark for n, (unit, mark) in enumerate(zip(units, marks, strict=True))]
            units[-1] = units[-1].rstrip(",.?;") + "."
            segment = said(units, now, pauses, pauses.uniform(9.0, 17.0))
        else:
            units = [
                pauses.choice("的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会")
                for _ in range(count)
            ]
            units = [unit + pauses.choices(["", "，", "。", "、"], [85, 8, 5, 2])[0] for unit in units]
            segment = said(units, now, pauses, pauses.uniform(3.0, 7.0))
        segments.append(segment)
        now = segment.end + pauses.choice([0.0, 0.05, 0.3, 0.45, 0.9, 4.0, 30.0])
    return segments


@pytest.mark.parametrize("script", ["latin", "chinese"])
@pytest.mark.parametrize("seed", range(12))
def test_every_reading_rule_holds_over_random_speech(script: str, seed: int) -> None:
    segments = random_speech(script, seed)
    cues = layout_cues(segments, language="zh" if script == "chinese" else "en")
    line_length, speed = (16, 9) if script == "chinese" else (42, 20)
    spoken = [word for segment in segments for word in segment.words]

    for cue in cues:
        lines = cue.text.split("\n")
        assert len(lines) <= 2
        assert all(0 < len(line) <= line_length and line == line.strip() for line in lines), cue
        assert 1.0 - 1e-9 <= cue.end - cue.start <= 7.0 + 1e-9, cue
        assert len(cue.text) / (cue.end - cue.start) <= speed + 1e-9, cue
        assert not any(line[0] in "，。、！？" for line in lines), cue
    for cue, following in pairwise(cues):
        assert following.start - cue.end >= 0.083 - 1e-9
        gap = following.start - cue.end
        assert gap == pytest.approx(0.083) or gap >= 0.5 - 1e-9, "a gap that flickers"
    for cue in cues:
        inside = [word for word in spoken if word.start >= cue.start - 1e-9 and word.start < cue.end]
        assert inside, "a cue where nobody speaks"
        assert cue.start >= inside[0].start - 1e-9, "a cue before its words"
        assert cue.end <= max(word.end for word in inside) + 1.5, "a cue long after its words"
        assert all(b.start - a.end <= 1.0 + 1e-9 for a, b in pairwise(inside)), "text over silence"
    joined = "".join(cue.text for cue in cues)
    assert "".join(joined.split()) == "".join("".join(word.text for word in spoken).split()), "text lost or changed"


def test_no_gap_between_segments_is_too_small_or_negative_when_words_come_impossibly_fast() -> None:
    words = tuple(Word(5.0, 5.0, f" word{number}") for number in range(60))
    cues = layout_cues([Said(5.0, 5.0, "".join(word.text for word in words), words)])
    assert all(cue.end - cue.start >= 1.0 - 1e-9 for cue in cues)
    assert all(after.start - cue.end >= 0.083 - 1e-9 for cue, after in pairwise(cues))


def test_overlapping_and_unsorted_word_times_are_put_in_order() -> None:
    words = (Word(1.0, 1.6, "one"), Word(1.4, 2.0, " two"), Word(1.2, 1.3, " three."), Word(9.0, 8.0, " Four."))
    cues = layout_cues([Said(1.0, 9.0, "one two three. Four.", words)])
    assert [cue.text for cue in cues] == ["one two three.", "Four."]
    assert all(cue.end > cue.start for cue in cues)


def test_english_breaks_at_phrases() -> None:
    segment = said([(" " if n else "") + word for n, word in enumerate(ENGLISH.split())], 0.0, random.Random(1), 14.0)
    cues = layout_cues([segment], language="en")
    lines = [line for cue in cues for line in cue.text.split("\n")]
    for line in lines:
        assert line.split()[-1].lower() not in {"the", "a", "an", "of", "to", "and", "mr.", "his", "in"}, lines
    assert any(cue.text.endswith("to do for them.") for cue in cues), "the sentence should end its cue"


@pytest.mark.parametrize(("language", "text"), [("zh", CHINESE), ("ja", JAPANESE)])
def test_chinese_and_japanese_break_by_their_rules(language: str, text: str) -> None:
    cues = layout_cues([said(list(text), 0.0, random.Random(2), 6.0)], language=language)
    lines = [line for cue in cues for line in cue.text.split("\n")]
    assert max(map(len, lines)) <= 16
    for line in lines:
        assert line[0] not in "，。、：；！？）」』ーぁぃぅぇぉっゃゅょァィゥェォッャュョ", line
        assert line[-1] not in "「『（", line
    together = "".join(lines)
    assert together == text, "nothing lost, no spaces put in"
    if language == "zh":
        assert any("CLIP" in line for line in lines)
        assert any("Whisper" in line for line in lines), "a Latin word was torn"
    else:
        assert any("マルチモーダル" in line for line in lines), "a loan word was torn"


def test_korean_breaks_between_words_at_sixteen_characters() -> None:
    segment = said([(" " if n else "") + word for n, word in enumerate(KOREAN.split())], 0.0, random.Random(3), 6.0)
    cues = layout_cues([segment], language="ko")
    lines = [line for cue in cues for line in cue.text.split("\n")]
    assert max(map(len, lines)) <= 16
    assert " ".join(lines) == KOREAN


def test_right_to_left_text_is_untouched() -> None:
    segment = said([(" " if n else "") + word for n, word in enumerate(ARABIC.split())], 0.0, random.Random(4), 12.0)
    cues = layout_cues([segment], language="ar")
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == ARABIC
    for form in ("srt", "vtt", "json"):
        assert [cue.text for cue in read_cues(format_subtitles(cues, form), form)] == [cue.text for cue in cues]


def test_zero_width_joiners_survive() -> None:
    persian = "می\u200cخواهم"
    assert persian in format_subtitles([Cue(0, 1, persian)], "srt")


def test_segments_without_words_are_laid_out_by_length() -> None:
    cues = layout_cues([Said(10.0, 34.0, ENGLISH)], language="en")
    assert cues[0].start == 10.0
    assert cues[-1].end <= 35.0
    assert max(len(line) for cue in cues for line in cue.text.split("\n")) <= 42
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == ENGLISH


def test_words_given_without_spaces_get_them() -> None:
    words = (Word(0.0, 0.4, "Hello"), Word(0.4, 0.8, "world"), Word(0.8, 0.8, "!"))
    assert layout_cues([Said(0.0, 1.0, "Hello world!", words)])[0].text == "Hello world!"


def test_pieces_of_a_written_word_stay_together() -> None:
    words = (Word(0.0, 0.4, "It"), Word(0.4, 0.8, " rose"), Word(0.8, 1.0, " 50"), Word(1.0, 1.4, "%"))
    assert layout_cues([Said(0.0, 1.4, "It rose 50%", words)])[0].text == "It rose 50%"


def test_nothing_said_gives_no_cues_and_valid_files() -> None:
    assert layout_cues([]) == []
    assert layout_cues([Said(0.0, 1.0, "  ")]) == []
    assert format_subtitles([], "srt") == ""
    assert format_subtitles([], "vtt").startswith("WEBVTT")
    assert json.loads(format_subtitles([], "json")) == []


def test_milliseconds_are_rounded_once() -> None:
    text = format_subtitles([Cue(59.9996, 3599.9999, "x")], "srt")
    assert "00:01:00,000 --> 01:00:00,000" in text
    assert "00:00:01,001 --> 00:00:01,999" in format_subtitles([Cue(1.0009, 1.9994, "x")], "srt")
    assert "100:00:00,000" in format_subtitles([Cue(0.0, 360_000.0, "x")], "srt")
    assert "00:00:00,000 -->" in format_subtitles([Cue(-0.5, 1.0, "x")], "srt")


def test_the_formats_look_as_players_expect() -> None:
    cues = [Cue(0.0, 1.5, "Hello,\nworld"), Cue(2.0, 3.25, "<i> & --> done")]
    assert format_subtitles(cues, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello,\nworld\n\n2\n00:00:02,000 --> 00:00:03,250\n<i> & → done\n"
    )
    assert format_subtitles(cues, "vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello,\nworld\n\n"
        "00:00:02.000 --> 00:00:03.250\n&lt;i&gt; &amp; --&gt; done\n"
    )
    assert format_subtitles(cues, "txt") == "Hello, world\n<i> & --> done\n"
    assert format_subtitles(cues, "tsv") == "start\tend\ttext\n0\t1500\tHello, world\n2000\t3250\t<i> & --> done\n"
    assert json.loads(format_subtitles(cues, "json"))[1] == {"start": 2.0, "end": 3.25, "text": "<i> & --> done"}


def test_empty_lines_and_control_characters_never_reach_a_file() -> None:
    text = format_subtitles([Cue(0.0, 1.0, "one\n\n \ntwo\x00\ttab")], "srt")
    assert text.split("\n")[2:] == ["one", "two  tab", ""]
    assert read_cues(text) == [Cue(0.0, 1.0, "one\ntwo  tab")]


@pytest.mark.parametrize("form", ["srt", "vtt", "tsv", "json"])
def test_what_was_written_reads_back(form: str) -> None:
    cues = layout_cues(random_speech("latin", 99), language="en")
    back = read_cues(format_subtitles(cues, form), form)
    assert len(back) == len(cues)
    for cue, again in zip(cues, back, strict=True):
        assert again.start == pytest.approx(cue.start, abs=0.0005)
        assert again.end == pytest.approx(cue.end, abs=0.0005)
        assert again.text.split() == cue.text.split()


def test_writing_follows_the_suffix_and_refuses_others(tmp_path: Path) -> None:
    cues = [Cue(0.0, 1.0, "你好")]
    for form in FORMATS:
        path = write_subtitles(cues, tmp_path / f"a.{form.upper()}")
        assert path.read_text(encoding="utf-8") == format_subtitles(cues, form)
    assert write_subtitles(cues, tmp_path / "a.text", "vtt").read_text(encoding="utf-8").startswith("WEBVTT")
    with pytest.raises(InputError, match="srt, vtt, txt, tsv, json"):
        write_subtitles(cues, tmp_path / "a.docx")
    with pytest.raises(InputError):
        write_subtitles(cues, tmp_path / "missing" / "a.srt")
    assert not list(tmp_path.glob(".*")), "a temporary file was left"


def test_sentence_ends_and_joining() -> None:
    assert ends_sentence("tono.")
    assert ends_sentence("said.”")
    assert ends_sentence("好。」")
    assert not ends_sentence("Dr.")
    assert not ends_sentence("J.")
    assert join_texts(["你好。", "再见。"]) == "你好。再见。"
    assert join_texts(["Hello.", "Bye."]) == "Hello. Bye."
    assert needs_space("안녕", "하세요")
    assert not needs_space("สวัสดี", "ครับ")


def test_break_costs_rank_as_a_typesetter_would() -> None:
    def cost(before: str, after: str) -> float:
        return break_cost(before, after, space=True, language="en")

    assert (
        cost("done.", "He")
        < cost("then,", "he")
        < cost("walked", "because")
        < cost("young", "man")
        < cost("the", "man")
    )
    assert break_cost("字", "。", space=False) == float("inf")
    assert break_cost("bonjour", "»", space=True) >= 10
