"""Judges what the starter sees on photographs that it has never met: ``python -m training.starter_eyes.judge``.

Run it from the repository's root with ``PYTHONPATH=src:.``; with another ``src`` it judges another version by the same
rules: what that version doesn't have is "not there". Results go to stdout; ``--answers`` keeps every answer.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import sensorium
from sensorium import CLIP, ImageQA, VideoQA
from sensorium.errors import SensoriumError
from sensorium.vision_language.people import PeopleDetector
from training.starter_eyes.photographs import Photograph, fetch, photographs
from training.starter_eyes.verdicts import (
    REFUSED,
    RIGHT,
    WRONG,
    character_errors,
    found_words,
    said_number,
    verdict,
    words_of,
)

HOW_MANY = "How many people are there?"
FACE = "Is there a face?"


class Record:
    """Every answer with its verdict, and the processor seconds that each kind of work took."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def keep(self, photograph: Photograph, asked: str, answer: str, judged: str, **more: Any) -> str:
        """Keep an answer; return its verdict."""
        self.answers.append(
            {"photograph": photograph.name, "asked": asked, "answer": answer, "verdict": judged, **more}
        )
        return judged

    def timed(self, work: str, call: Callable[[], Any]) -> Any:
        """Return what a call returns, or the error that says why it can't."""
        begun = time.process_time()
        try:
            return call()
        except SensoriumError as error:
            return error
        finally:
            self.seconds[work].append(time.process_time() - begun)


def main() -> None:
    """Fetch the photographs, ask everything, print the table."""
    parser = argparse.ArgumentParser(description="Judges what the starter sees on photographs that it has never met.")
    parser.add_argument("--answers", type=Path, help="write every answer with its verdict to this JSON file")
    parser.add_argument("--only", nargs="+", help="names of photographs")
    options = parser.parse_args()
    chosen = [item for item in photographs() if not options.only or item.name in options.only]
    fetch(chosen)
    record = Record()
    print(f"{len(chosen)} photographs\n\n| measure | result |\n| --- | --- |")
    for judge in (judge_answers, judge_labels, judge_reading, judge_faces, judge_moderation):
        for measure, result in judge(chosen, record):
            print(f"| {measure} | {result} |", flush=True)
        if options.answers:
            options.answers.write_text(json.dumps(record.answers, indent=1, ensure_ascii=False), encoding="utf-8")
    for work, seconds in record.seconds.items():
        print(f"| processor seconds to {work} (median, longest) | {median(seconds):.2f}, {max(seconds):.2f} |")


def judge_answers(chosen: Sequence[Photograph], record: Record) -> list[tuple[str, str]]:
    """Ask all questions, how many people there are, and for a caption."""
    by_kind: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_language: defaultdict[str, Counter[str]] = defaultdict(Counter)
    counts: Counter[str] = Counter()
    presence: Counter[tuple[bool, bool | None]] = Counter()
    faces: Counter[tuple[bool, str]] = Counter()
    with ImageQA() as image_qa:
        for photograph in chosen:
            path = str(photograph.path)
            caption = str(record.timed("caption", lambda path=path: image_qa.generate_caption(path)))
            record.keep(photograph, "caption", caption, "")
            for asked in photograph.questions:
                answer = record.timed("answer", lambda path=path, ask=asked.ask: image_qa.answer_question(path, ask))
                judged = REFUSED if isinstance(answer, Exception) else verdict(str(answer), asked.right, asked.kind)
                record.keep(photograph, asked.ask, str(answer), judged, kind=asked.kind, language=asked.language)
                by_language[asked.language][judged] += 1
                if asked.language == "en":
                    by_kind[asked.kind][judged] += 1
            if photograph.people is not None:
                fewest, most = photograph.people
                answer = str(image_qa.answer_question(path, HOW_MANY))
                number = said_number(answer)
                judged = REFUSED if number is None else RIGHT if fewest <= number <= most else WRONG
                record.keep(photograph, HOW_MANY, answer, judged, people=photograph.people)
                counts[f"{fewest if fewest == most else 'from–to'}, {judged}"] += 1
                if fewest > 0 or most == 0:
                    presence[most > 0, None if number is None else number > 0] += 1
            if photograph.face is not None:
                answer = str(image_qa.answer_question(path, FACE))
                said = {RIGHT: "yes", WRONG: "no", REFUSED: "refused"}[verdict(answer, "^yes", "presence")]
                faces[photograph.face, said] += 1
                judged = REFUSED if said == "refused" else RIGHT if (said == "yes") == photograph.face else WRONG
                record.keep(photograph, FACE, answer, judged, face=photograph.face)
    rows = [(f"questions in {name}, right / wrong / refused", _three(by_language[name])) for name in by_language]
    rows += [(f"English questions for {name}, right / wrong / refused", _three(by_kind[name])) for name in by_kind]
    for number in (0, 1, 2, 3, "from–to"):
        cases = Counter({judged: counts[f"{number}, {judged}"] for judged in (RIGHT, WRONG, REFUSED)})
        rows.append((f"people counted where there are {number}, right / wrong / refused", _three(cases)))
    rows.append(("people seen where there are some", _share(presence, True)))
    rows.append(("people seen where there are none", _share(presence, False)))
    for shown in (True, False):
        said = " / ".join(str(faces[shown, word]) for word in ("yes", "no", "refused"))
        rows.append((f'"{FACE}" where there is {"one" if shown else "none"}, yes / no / refused', said))
    return rows


def judge_labels(chosen: Sequence[Photograph], record: Record) -> list[tuple[str, str]]:
    """Let the right label win against others, in each language that the photograph has labels in."""
    cases: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with CLIP() as clip:
        for photograph in chosen:
            for language, labels in photograph.labels.items():
                found = record.timed(
                    f"classify, {'English' if language == 'en' else 'other languages'}",
                    lambda path=str(photograph.path), labels=labels: clip.zero_shot_classification(path, list(labels)),
                )
                best = str(found) if isinstance(found, Exception) else found[0]["label"]
                judged = REFUSED if isinstance(found, Exception) else RIGHT if best == labels[0] else WRONG
                record.keep(photograph, ", ".join(labels), best, judged, kind="label", language=language)
                cases[language][judged] += 1
    return [(f"labels in {language}, right / wrong / refused", _three(cases[language])) for language in cases]


def judge_reading(chosen: Sequence[Photograph], record: Record) -> list[tuple[str, str]]:
    """Read what is written, and find nothing where nothing is."""
    reader_class = getattr(sensorium, "TextReader", None)
    if reader_class is None:
        return [("writing", "not there")]
    words = read_words = characters = errors = invented = empty = 0
    with reader_class() as reader:
        for photograph in chosen:
            if photograph.writing is None:
                continue
            read = record.timed("read", lambda path=str(photograph.path): reader.read(path)).text
            if not photograph.writing:
                empty += 1
                invented += bool(words_of(read))
                record.keep(photograph, "read", read, WRONG if words_of(read) else RIGHT, kind="writing")
                continue
            written = " ".join(photograph.writing)
            count = found_words(written, read)
            words, read_words = words + len(words_of(written)), read_words + count
            for line in photograph.writing:
                characters += len("".join(words_of(line)))
                errors += character_errors(line, read)
            judged = RIGHT if count == len(words_of(written)) else WRONG
            record.keep(photograph, "read", read, judged, kind="writing", written=written)
    return [
        ("written words read", f"{read_words} of {words}"),
        ("characters wrong in what is written", f"{errors} of {characters}"),
        ("writing claimed where there is none", f"{invented} of {empty}"),
    ]


def judge_faces(chosen: Sequence[Photograph], record: Record) -> list[tuple[str, str]]:
    """Find faces where there are some, and none elsewhere."""
    if not hasattr(PeopleDetector, "find"):
        return [("faces found", "not there")]
    found: Counter[tuple[bool, bool]] = Counter()
    with PeopleDetector() as detector:
        for photograph in chosen:
            if photograph.face is not None:
                people = record.timed("find people", lambda path=str(photograph.path): detector.find(path))
                faces = [person for person in people if person.face is not None]
                found[photograph.face, bool(faces)] += 1
                judged = RIGHT if bool(faces) == photograph.face else WRONG
                record.keep(photograph, "faces", f"{len(faces)} of {len(people)} people", judged, kind="face")
    return [
        ("pictures with a face in which one is found", _share(found, True)),
        ("pictures without a face in which one is found", _share(found, False)),
    ]


def judge_moderation(chosen: Sequence[Photograph], record: Record) -> list[tuple[str, str]]:
    """Count what moderation flags in photographs that show nothing of it."""
    flags: Counter[str] = Counter()
    not_judged: set[str] = set()
    with VideoQA() as video_qa:
        for photograph in chosen:
            found = record.timed("moderate", lambda path=str(photograph.path): video_qa.moderate(path))
            not_judged.update(found.not_judged)
            labels = {moment.label for moment in found.moments if moment.flagged} - photograph.may_flag
            flags.update(labels)
            if labels:
                record.keep(photograph, "moderate", ", ".join(sorted(labels)), WRONG, kind="moderation")
    return [
        ("false flags of moderation", ", ".join(f"{label} {count}" for label, count in flags.items()) or "none"),
        ("labels that moderation can't judge", ", ".join(sorted(not_judged)) or "none"),
    ]


def _three(cases: Counter[str]) -> str:
    return " / ".join(str(cases[judged]) for judged in (RIGHT, WRONG, REFUSED))


def _share(cases: Counter[Any], shown: bool) -> str:
    return f"{cases[shown, True]} of {sum(count for (truth, _), count in cases.items() if truth is shown)}"


if __name__ == "__main__":
    main()
