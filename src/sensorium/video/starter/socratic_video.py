"""Questions about films without a video-language model: from key moments and the transcript to an answer in words.

Source: Zeng et al. 2023, Socratic Models: Composing Zero-Shot Multimodal Reasoning with Language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer, Ending
from sensorium.errors import InputError
from sensorium.language.grounding import content_words, first_sentence, is_grounded
from sensorium.language.language_model import LanguageModel
from sensorium.models.catalog import Checkpoint, component
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.task import Opening
from sensorium.video.film import FilmMemory
from sensorium.video.film_writing import READABLE_SIDE, FilmLine, read_frames
from sensorium.video.key_frames import key_frames
from sensorium.video.parts import Parts
from sensorium.video.starter.film_answering import (
    all_words,
    from_moments,
    is_around,
    moments_asked_for,
    not_seen,
    people_times,
    quoted,
    sentences_asked_for,
    silence,
    tell,
    time_asked_for,
    times,
    what_is_seen,
)
from sensorium.video.starter.film_questions import AsksOfFilm, FilmQuestion, parse_film_question
from sensorium.video.starter.scene_story import SceneMoment, SceneStory, read_story
from sensorium.video.starter.written_film import WrittenFilm, answer_from_film_writing
from sensorium.video.video_story import Sentence, clock, sentence_evidence
from sensorium.vision_language.image_qa import AnswerOptions
from sensorium.vision_language.starter.answering import not_understood
from sensorium.vision_language.starter.languages import Asked, asked
from sensorium.vision_language.starter.phrases import Phrase, Row, capitalised, sentence
from sensorium.vision_language.starter.questions import Asks, Question
from sensorium.vision_language.starter.reply import Reply
from sensorium.vision_language.starter.scene import open_scene_reader
from sensorium.vision_language.starter.vocabulary import with_article
from sensorium.vision_language.starter.writing_answers import looks_for_something
from sensorium.vision_language.text_reader import TextReader

if TYPE_CHECKING:
    from sensorium.video.film import Film

_LONGEST_ANSWER = 40
_MOST_QUOTES = 3
_CLOSE, _VERY_CLOSE, _NEARLY_AS_CLOSE = 0.35, 0.6, 0.8
# Text encoders read few words at a time, CLIP's as few as fifty.
_WORDS_COMPARED = 45
_ASKS_FOR_A_FACT = re.compile(r"(?:what|which|who|whose|whom|where|when|why|how|name)\b")


class SocraticVideoQA:
    """Answers questions about films.

    Args:
        folder: Not used: each part has its own folder.
        checkpoint: The catalog entry.
        device: Where the parts run.
        dtype: The precision of the language model.
        parts: Which models recognise speech and write, and how many frames are looked at.
        opening: How the parts are opened.
    """

    made_of_parts = True

    def __init__(
        self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, parts: Parts, opening: Opening
    ) -> None:
        self._checkpoint = checkpoint
        self._scenes = open_scene_reader(checkpoint, opening)
        self._scenes.load()
        # These are loaded when they are first used: a silent film needs no speech recogniser, most questions need no
        # language model, and few are about writing.
        self._text_reader = opening.part(TextReader, component(checkpoint, TextReader.task), device="cpu")
        self._speech = opening.part(SpeechToText, parts.speech)
        self._language_model = opening.part(LanguageModel, parts.language_model, dtype=dtype)
        self._num_frames = parts.num_frames
        self._stories: FilmMemory[SceneStory] = FilmMemory()
        self._written: FilmMemory[tuple[FilmLine, ...]] = FilmMemory()

    def answer(
        self,
        film: Film,
        question: str,
        *,
        options: AnswerOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Answer:
        """Answer one question about a film, naming the times that the answer rests on."""
        asking = asked(question, film=True)
        written = self._from_writing(film, asking, progress, cancel)
        if written is not None:
            return written.to(asking).as_answer(f"{self._checkpoint.name} ({self._text_reader.model})")
        story = self._story(film, progress, cancel)
        check_cancelled(cancel)
        reply = self._reply(story, asking, options, cancel)
        return reply.to(asking).as_answer(self._model(story))

    def describe(
        self, film: Film, *, options: AnswerOptions, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Answer:
        """Tell what is seen and said in a film, one line per moment or sentence. The language model is not used."""
        story = self._story(film, progress, cancel)
        return Answer(story.text(), model=self._model(story, words=False), evidence=story.evidence())

    def moments(
        self, film: Film, *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> list[SceneMoment]:
        """Return a film's key moments, in the order of time."""
        return list(self._story(film, progress, cancel).moments)

    def _model(self, story: SceneStory, *, words: bool = True) -> str:
        parts = [self._scenes.model]
        parts += [self._speech.model] if story.has_audio else []
        parts += [self._language_model.model] if words else []
        return f"{self._checkpoint.name} ({' + '.join(parts)})"

    def _story(self, film: Film, progress: ProgressCallback | None, cancel: Cancellation | None) -> SceneStory:
        """Return what is seen and said in a film: from memory, or by looking and listening."""
        return self._stories.get(
            film,
            lambda: read_story(
                film,
                scenes=self._scenes,
                speech=self._speech,
                num_frames=self._num_frames,
                progress=progress,
                cancel=cancel,
            ),
        )

    def _from_writing(
        self, film: Film, asking: Asked, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Reply | None:
        """Answer a question about writing; None if it is about something else, or about what may be said as well."""
        if not asking.english:
            return None
        question = parse_film_question(asking.english)
        in_writing = question.asks is AsksOfFilm.WRITING
        perhaps = question.asks is AsksOfFilm.PICTURE and question.picture.asks is Asks.WRITING
        if not in_writing and not (perhaps and looks_for_something(question.text)):
            return None
        lines: Sequence[FilmLine] = self._written.get(film, lambda: self._read(film, progress, cancel))
        time = time_asked_for(question, film.probe().duration)
        if time is not None:
            lines = [line for line in lines if is_around(time, line)]
        written = WrittenFilm(lines, whole=time is None)
        reply, found = answer_from_film_writing(written, question.text, question.subject)
        return reply if in_writing or found else None

    def _read(self, film: Film, progress: ProgressCallback | None, cancel: Cancellation | None) -> tuple[FilmLine, ...]:
        """Read what is written in the frames that represent a film."""
        reader = self._text_reader.ensure_loaded(progress=progress, cancel=cancel)
        info = film.probe()
        frames = key_frames(film, info, self._num_frames, minimum_side=READABLE_SIDE)
        lines, _ = read_frames(
            frames, len(frames), duration=info.duration, reader=reader, progress=progress, cancel=cancel
        )
        return lines

    def _reply(self, story: SceneStory, asking: Asked, options: AnswerOptions, cancel: Cancellation | None) -> Reply:
        if not asking.english:
            parts = [sentence(not_understood(asking)), what_is_seen(story)]
            return Reply(Row([part for part in parts if part], " "), story.evidence())
        question = parse_film_question(asking.english)
        moments = moments_asked_for(story, question)
        sentences = sentences_asked_for(story, question)
        if question.asks is AsksOfFilm.LENGTH:
            return Reply(sentence("The film is {time} long", time=clock(story.duration)), confidence=1.0)
        if question.asks is AsksOfFilm.WORDS:
            return all_words(story, sentences)
        if question.asks is AsksOfFilm.WHEN_SAID:
            return self._mentioned(story, question.subject)
        if question.asks is AsksOfFilm.ABOUT:
            return self._about(story, question.subject)
        if question.asks is AsksOfFilm.WHEN_SEEN:
            return self._seen(story, moments, question)
        if question.asks is AsksOfFilm.STORY or question.picture.asks in {Asks.CONTENT, Asks.DETAIL, Asks.ACTION}:
            return tell(moments, sentences, story)
        direct = from_moments(moments, question.picture)
        if direct is not None:
            return direct
        # The language model writes English only.
        writes = asking.language is None
        return self._from_transcript(story, sentences, question, options, cancel, writes=writes)

    def _seen(self, story: SceneStory, moments: Sequence[SceneMoment], question: FilmQuestion) -> Reply:
        """Say when something is seen."""
        subject = Question(question.text, Asks.PRESENCE, question.subject)
        if not subject.subject:
            return Reply(Phrase("I can't tell what to look for; ask like this: When does the cat appear?"))
        if subject.about_people:
            return people_times(moments, subject, Phrase("Somebody"))
        thing = subject.thing
        if thing is None:
            text = sentence(
                "I can't tell: {phrase!r} is not among the things that I know by sight", phrase=subject.subject
            )
            said = self._mentioned(story, subject.subject)
            return Reply(Row([text, said.text], " "), said.evidence) if said.evidence else Reply(text)
        found = [moment for moment in moments if moment.scene.shows(thing)]
        return times(capitalised(with_article(thing.name)), found) if found else not_seen(thing, moments)

    def _mentioned(self, story: SceneStory, subject: str) -> Reply:
        """Say when a word is said."""
        if not story.sentences:
            return Reply(silence(story))
        wanted = set(content_words(subject))
        found = [item for item in story.sentences if wanted and wanted <= set(content_words(item.text))]
        if not found:
            if not subject:
                return Reply(sentence("As far as I can hear, that is not mentioned"))
            return Reply(sentence("As far as I can hear, {phrase} is not mentioned", phrase=subject))
        evidence = tuple(sentence_evidence(item) for item in found)
        text = Phrase("{phrase} is mentioned {quotes}", phrase=capitalised(subject), quotes=quoted(found))
        return Reply(text, evidence)

    def _about(self, story: SceneStory, subject: str) -> Reply:
        """Quote what is said about a subject: sentences that name the subject, else sentences close in meaning."""
        if not story.sentences:
            return Reply(silence(story))
        wanted = set(content_words(subject))
        found = [item for item in story.sentences if wanted & set(content_words(item.text))]
        if not found and story.language == "en":
            found = self._closest(story.sentences, subject, _CLOSE)
        if not found:
            return Reply(sentence("As far as I can hear, nothing is said about {phrase}", phrase=subject))
        return Reply(capitalised(quoted(found)), tuple(sentence_evidence(item) for item in found))

    def _from_transcript(
        self,
        story: SceneStory,
        sentences: Sequence[Sentence],
        question: FilmQuestion,
        options: AnswerOptions,
        cancel: Cancellation | None,
        *,
        writes: bool,
    ) -> Reply:
        """Answer from the sentences closest to the question: in the language model's words, or by quoting them."""
        asks_for_a_fact = _ASKS_FOR_A_FACT.match(question.text.lower()) is not None
        if sentences and story.language != "en":
            text = sentence(
                "I can't tell that from what is seen, and what is said is not in English ({code!r})",
                code=story.language,
            )
            seen = what_is_seen(story)
            return Reply(Row([text, seen], " ") if seen else text, story.evidence())
        found = self._closest(sentences, question.text, _CLOSE if asks_for_a_fact else _VERY_CLOSE)
        if not found:
            heard = [] if story.sentences else [silence(story)]
            parts = [sentence("I can't tell that from this film"), *heard, what_is_seen(story)]
            return Reply(Row([part for part in parts if part], " "), story.evidence())
        evidence = tuple(sentence_evidence(item) for item in found)
        said, ending = "", Ending()
        if asks_for_a_fact and writes:
            said, ending = self._in_other_words(found, question.text, options, cancel)
        if said:
            text = sentence("{quote} (said at {time})", quote=said.rstrip("."), time=clock(found[0].start))
            return Reply(text, evidence, ending=ending)
        text = Phrase("I can't tell for sure; what comes closest is said {quotes}", quotes=quoted(found))
        return Reply(text, evidence, ending=ending)

    def _in_other_words(
        self, found: Sequence[Sentence], question: str, options: AnswerOptions, cancel: Cancellation | None
    ) -> tuple[str, Ending]:
        """Let the language model answer from sentences.

        Returns:
            The answer, or "" if the model says anything that the sentences don't say; how the model ended, and the
            tokens that it used.
        """
        texts = [item.text for item in found]
        written = self._language_model.generate(
            f"Question: {question}",
            [f"Text: {' '.join(texts)}"],
            system="Answer the question from the text in one short sentence.",
            max_new_tokens=options.longest(_LONGEST_ANSWER),
            stop="\n",
            thinking=options.thinking,
            cancel=cancel,
        )
        said = first_sentence(written)
        grounded = is_grounded(said, texts, question)
        # If the model wrote more than the first sentence, that sentence is complete.
        cut = grounded and said == str(written) and written.finish_reason == "length"
        return said if grounded else "", Ending("length" if cut else "stop", written.usage, written.warnings)

    def _closest(self, sentences: Sequence[Sentence], text: str, enough: float) -> list[Sentence]:
        """Return the sentences that are close enough in meaning to a text, at most three, in the order of time."""
        if not sentences or not content_words(text):
            return []
        texts = [" ".join(words.split()[:_WORDS_COMPARED]) for words in (text, *(item.text for item in sentences))]
        try:
            rows = self._scenes.clip.text_rows(texts)
        except InputError:  # what can't be understood is close to nothing
            return []
        nearness = (rows[1:] @ rows[0]).tolist()
        least = max(enough, _NEARLY_AS_CLOSE * max(nearness))
        near = [(value, item) for value, item in zip(nearness, sentences, strict=True) if value >= least]
        near.sort(key=lambda pair: -pair[0])
        return sorted((item for _, item in near[:_MOST_QUOTES]), key=lambda item: item.start)
