"""Questions about films without a video-language model: key moments and the transcript first, then words.

Source: Zeng et al. 2023, Socratic Models: Composing Zero-Shot Multimodal Reasoning with Language.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer
from sensorium.language.grounding import content_words, first_sentence, is_grounded
from sensorium.language.language_model import LanguageModel
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.video.film_questions import AsksOfFilm, FilmQuestion, parse_film_question
from sensorium.video.video_story import (
    Moment,
    Sentence,
    VideoStory,
    clock,
    moment_evidence,
    read_story,
    sentence_evidence,
)
from sensorium.vision_language.answering import Reply, answer_directly
from sensorium.vision_language.questions import Asks, Question, find_in_phrase
from sensorium.vision_language.scene import SceneReader
from sensorium.vision_language.vocabulary import Thing, with_article

if TYPE_CHECKING:
    from sensorium.media.source import MediaSource

_STORIES_KEPT = 4
_LONGEST_ANSWER = 40
_MOST_QUOTES = 3
_CLOSE_ENOUGH = 0.35
_ONLY_FACTS = (
    "You answer a question about a film in one short sentence, using only the words that are said in it. "
    "If they do not say it, answer: I can't tell."
)


class SocraticVideoQA:
    """Answers questions about films.

    Args:
        folder: Not used: the parts have folders of their own.
        checkpoint: The catalog entry.
        device: Where the parts run.
        dtype: The precision of the language model.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._checkpoint = checkpoint
        self._scenes = SceneReader(device=device)
        self._scenes.load()
        # A silent film needs no recogniser, and most questions no language model: the first use loads them.
        self._speech = SpeechToText(device=device)
        self._language_model = LanguageModel(device=device, dtype=dtype)
        self._stories: OrderedDict[str, VideoStory] = OrderedDict()
        self._guard = threading.Lock()

    def answer(
        self, video: MediaSource, question: str, *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Answer:
        """Answer one question about a film, naming the times that the answer rests on."""
        story = self._story(video, progress, cancel)
        check_cancelled(cancel)
        reply = self._reply(story, parse_film_question(question), cancel)
        return Answer(reply.text, model=self._model(story), evidence=reply.evidence, confidence=reply.confidence)

    def describe(self, video: MediaSource, *, progress: ProgressCallback | None, cancel: Cancellation | None) -> Answer:
        """Tell what is seen and said in a film, one line a moment or sentence; no language model takes part."""
        story = self._story(video, progress, cancel)
        return Answer(story.text(), model=self._model(story, words=False), evidence=story.evidence())

    def moments(
        self, video: MediaSource, *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> list[Moment]:
        """Return a film's key moments, in the order of time."""
        return list(self._story(video, progress, cancel).moments)

    def _model(self, story: VideoStory, *, words: bool = True) -> str:
        parts = [self._scenes.model]
        parts += [self._speech.model] if story.has_audio else []
        parts += [self._language_model.model] if words else []
        return f"{self._checkpoint.name} ({' + '.join(parts)})"

    def _story(self, video: MediaSource, progress: ProgressCallback | None, cancel: Cancellation | None) -> VideoStory:
        """Look and listen, or remember: questions about one film come in rows."""
        key = _identity(video)
        with self._guard:
            known = self._stories.get(key) if key else None
        if known is None:
            known = read_story(video, scenes=self._scenes, speech=self._speech, progress=progress, cancel=cancel)
            if key:
                with self._guard:
                    self._stories[key] = known
                    while len(self._stories) > _STORIES_KEPT:
                        self._stories.popitem(last=False)
        return known

    def _reply(self, story: VideoStory, question: FilmQuestion, cancel: Cancellation | None) -> Reply:
        moments = _moments_asked_for(story, question)
        sentences = [item for item in story.sentences if _overlaps(item, question, story)]
        if question.asks is AsksOfFilm.LENGTH:
            return Reply(f"The film is {clock(story.duration)} long.", confidence=1.0)
        if question.asks is AsksOfFilm.WORDS:
            return _words(story, sentences)
        if question.asks is AsksOfFilm.WHEN_SAID:
            return self._said(story, question.subject, "is mentioned")
        if question.asks is AsksOfFilm.ABOUT:
            return self._about(story, question, cancel)
        if question.asks is AsksOfFilm.WHEN_SEEN:
            return self._seen(story, moments, question)
        if question.asks is AsksOfFilm.STORY or question.picture.asks in {Asks.CONTENT, Asks.DETAIL, Asks.ACTION}:
            return _story_between(story, moments, sentences)
        direct = _from_moments(moments, question.picture)
        if direct is not None:
            return direct
        return self._from_transcript(story, sentences, question, cancel)

    def _seen(self, story: VideoStory, moments: Sequence[Moment], question: FilmQuestion) -> Reply:
        picture = Question(question.text, Asks.PRESENCE, question.subject)
        if picture.about_people:
            found = [moment for moment in moments if moment.scene.people]
            return _times("A person" if not picture.about_particular_people else "Somebody", found, len(story.moments))
        thing = find_in_phrase(question.subject)
        if thing is None:
            said = self._said(story, question.subject, "is mentioned")
            known = f"{question.subject!r} is not among the things that I know by sight" if question.subject else ""
            if not known:
                return Reply("I can't tell what to look for; ask like this: When does the cat appear?")
            return (
                Reply(f"I can't tell: {known}. {said.text}", said.evidence)
                if said.evidence
                else Reply(f"I can't tell: {known}.")
            )
        found = [moment for moment in moments if moment.scene.shows(thing)]
        if not found:
            return _not_seen(story, thing, moments)
        return _times(f"{_capitalised(with_article(thing.name))}", found, len(story.moments))

    def _said(self, story: VideoStory, subject: str, verb: str) -> Reply:
        if not story.sentences:
            return Reply(_silence(story))
        wanted = set(content_words(subject))
        found = [item for item in story.sentences if wanted and wanted <= set(content_words(item.text))]
        if not found:
            return Reply(f"As far as I can hear, {subject or 'that'} is not mentioned.")
        quotes = _quoted(found)
        return Reply(f"{_capitalised(subject)} {verb} {quotes}.", tuple(sentence_evidence(item) for item in found))

    def _about(self, story: VideoStory, question: FilmQuestion, cancel: Cancellation | None) -> Reply:
        if not story.sentences:
            return Reply(_silence(story))
        wanted = set(content_words(question.subject))
        found = [item for item in story.sentences if wanted & set(content_words(item.text))]
        found = found or self._closest(story.sentences, question.subject)
        if not found:
            return Reply(f"As far as I can hear, nothing is said about {question.subject}.")
        return Reply(f"{_capitalised(_quoted(found))}.", tuple(sentence_evidence(item) for item in found))

    def _from_transcript(
        self, story: VideoStory, sentences: Sequence[Sentence], question: FilmQuestion, cancel: Cancellation | None
    ) -> Reply:
        """Answer from the sentences that come closest to the question, in the model's words or in their own."""
        found = self._closest(sentences, question.text)
        if not found:
            seen = _listed_captions(story.moments)
            heard = "" if story.sentences else f" {_silence(story)}"
            return Reply(f"I can't tell that from this film.{heard} {seen}".strip(), story.evidence())
        evidence = tuple(sentence_evidence(item) for item in found)
        texts = [item.text for item in found]
        times = _joined([f"at {clock(item.start)}" for item in found])
        if story.language == "en":
            written = self._language_model.generate(
                question.text,
                ["What is said in the film:", *(f'- "{text}"' for text in texts)],
                system=_ONLY_FACTS,
                max_new_tokens=_LONGEST_ANSWER,
                stop="\n",
                cancel=cancel,
            )
            said = first_sentence(written)
            if said and is_grounded(said, texts, question.text):
                return Reply(f"{said.rstrip('.')} (said {times}).", evidence)
        return Reply(f"What is said comes closest to that {_quoted(found)}.", evidence)

    def _closest(self, sentences: Sequence[Sentence], text: str) -> list[Sentence]:
        """Return the sentences whose meaning is nearest to a text, the nearest ones only, in the order of time."""
        if not sentences or not content_words(text):
            return []
        texts = [text, *(sentence.text for sentence in sentences)]
        rows = self._scenes.clip.encode_text(texts)
        nearness = (rows[1:] @ rows[0]).tolist()
        best = max(nearness)
        if best < _CLOSE_ENOUGH:
            return []
        near = [
            (value, item)
            for value, item in zip(nearness, sentences, strict=True)
            if value >= max(_CLOSE_ENOUGH, 0.8 * best)
        ]
        chosen = sorted(near, key=lambda pair: -pair[0])[:_MOST_QUOTES]
        return sorted((item for _, item in chosen), key=lambda item: item.start)


def _identity(video: MediaSource) -> str:
    """Return what tells a film from others, or "" where nothing cheap does (addresses, open files)."""
    if isinstance(video, bytes):
        return hashlib.blake2b(video, digest_size=16).hexdigest()
    if isinstance(video, (str, os.PathLike)):
        path = Path(os.fspath(video))
        try:
            state = path.stat()
        except (OSError, ValueError):
            return ""
        return f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    return ""


def _moments_asked_for(story: VideoStory, question: FilmQuestion) -> Sequence[Moment]:
    time = _time_asked_for(story, question)
    if time is None:
        return story.moments
    return [max((moment for moment in story.moments if moment.start <= time), key=lambda moment: moment.start)]


def _time_asked_for(story: VideoStory, question: FilmQuestion) -> float | None:
    if question.time is not None:
        return question.time
    return None if question.share is None else question.share * story.duration


def _overlaps(sentence: Sentence, question: FilmQuestion, story: VideoStory) -> bool:
    time = _time_asked_for(story, question)
    return time is None or sentence.start - 1 <= time <= sentence.end + 1


def _words(story: VideoStory, sentences: Sequence[Sentence]) -> Reply:
    if not story.sentences:
        return Reply(_silence(story))
    if not sentences:
        return Reply("Nothing is said then.")
    lines = [f"[{clock(item.start)}-{clock(item.end)}] {item.text}" for item in sentences]
    return Reply("\n".join(lines), tuple(sentence_evidence(item) for item in sentences))


def _story_between(story: VideoStory, moments: Sequence[Moment], sentences: Sequence[Sentence]) -> Reply:
    if moments is story.moments:
        return Reply(story.text(), story.evidence())
    seen = [moment_evidence(moment) for moment in moments]
    evidence = sorted([*seen, *map(sentence_evidence, sentences)], key=lambda item: item.start or 0.0)
    return Reply(
        "\n".join(f"[{clock(item.start)}-{clock(item.end)}] {item.text}" for item in evidence), tuple(evidence)
    )


def _from_moments(moments: Sequence[Moment], question: Question) -> Reply | None:
    """Answer a question about a picture from the moments that can tell, naming their times."""
    if question.asks is Asks.COUNT and question.about_people:
        return _most_people(moments, question)
    if question.asks is Asks.PRESENCE and question.about_people:
        found = [moment for moment in moments if moment.scene.people]
        return _times("Yes, somebody", found, len(moments)) if found else Reply("I can find nobody in the film.")
    thing = question.thing
    if (
        question.asks in {Asks.PRESENCE, Asks.COLOUR, Asks.IS_COLOUR, Asks.PLACE, Asks.KIND, Asks.COUNT}
        and thing is not None
    ):
        found = [moment for moment in moments if moment.scene.shows(thing)]
        if not found:
            return _not_seen(None, thing, moments)
        if question.asks is Asks.PRESENCE:
            return _times(f"Yes, {with_article(thing.name)}", found, len(moments))
        replies = [(moment, answer_directly(moment.scene, question)) for moment in found]
        return _each(replies)
    if question.asks in {Asks.COLOUR, Asks.LIGHT, Asks.BLUR, Asks.SIZE} and not question.subject:
        return _each([(moment, answer_directly(moment.scene, question)) for moment in moments])
    return None


def _most_people(moments: Sequence[Moment], question: Question) -> Reply:
    most = max(moments, key=lambda moment: len(moment.scene.people))
    if not most.scene.people:
        return Reply("I can find nobody; people who are small or hidden can be missed.")
    reply = answer_directly(most.scene, question)
    assert reply is not None
    text = f"{reply.text.rstrip('.')}, at {clock(most.start)}; that is the most at one time."
    return Reply(text, (moment_evidence(most),), reply.confidence)


def _each(replies: Sequence[tuple[Moment, Reply | None]]) -> Reply | None:
    """Join the answers of several moments, the same ones once."""
    by_text: OrderedDict[str, list[Moment]] = OrderedDict()
    for moment, reply in replies:
        if reply is not None:
            by_text.setdefault(reply.text.rstrip("."), []).append(moment)
    if not by_text:
        return None
    confidences = [reply.confidence for _, reply in replies if reply is not None and reply.confidence is not None]
    text = "; ".join(f"{words} ({_spans(moments)})" for words, moments in by_text.items())
    evidence = tuple(moment_evidence(moment) for moments in by_text.values() for moment in moments)
    return Reply(f"{text}.", evidence, max(confidences, default=None))


def _times(what: str, found: Sequence[Moment], of: int) -> Reply:
    if not found:
        return Reply(f"{what} is not seen in any of the {of} moments that I looked at.")
    evidence = tuple(moment_evidence(moment) for moment in found)
    confidences = [item.confidence for item in evidence if item.confidence is not None]
    return Reply(f"{what} is seen {_spans(found)}.", evidence, max(confidences, default=None))


def _not_seen(story: VideoStory | None, thing: Thing, moments: Sequence[Moment]) -> Reply:
    sign = max((moment.scene.slightest_sign_of(thing) for moment in moments), default=0.0)
    unsure = [moment for moment in moments if moment.scene.slightest_sign_of(thing) >= 0.3]
    if unsure:
        best = max(unsure, key=lambda moment: moment.scene.slightest_sign_of(thing))
        text = f"I'm not sure: there may be {with_article(thing.name)} at {clock(best.start)}."
        return Reply(text, (moment_evidence(best),), round(sign, 2))
    return Reply(f"I can see no {thing.name} in this film.", confidence=round(1 - sign, 2))


def _spans(moments: Sequence[Moment]) -> str:
    spans: list[list[float]] = []
    for moment in moments:
        if spans and abs(spans[-1][1] - moment.start) < 0.05:
            spans[-1][1] = moment.end
        else:
            spans.append([moment.start, moment.end])
    return _joined([f"from {clock(start)} to {clock(end)}" for start, end in spans])


def _quoted(sentences: Sequence[Sentence]) -> str:
    return _joined([f'at {clock(item.start)}: "{item.text}"' for item in sentences[:_MOST_QUOTES]])


def _listed_captions(moments: Sequence[Moment]) -> str:
    shown = [f"{moment.caption.split('. ')[0].rstrip('.')} ({clock(moment.start)})" for moment in moments[:3]]
    return f"I can see: {'; '.join(shown)}."


def _silence(story: VideoStory) -> str:
    return "Nothing is said in this film." if story.has_audio else "The film has no sound track."


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
