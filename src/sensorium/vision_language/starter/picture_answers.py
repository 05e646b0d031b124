"""Questions and conversations about pictures without a vision-language model: facts first, then words.

What can be measured is answered from the measurement. A small language model is asked only about what the facts may
tell in other words, and its answer is kept only if it says nothing beyond them; else the answer is "I can't tell".

Source: Zeng et al. 2023, Socratic Models: Composing Zero-Shot Multimodal Reasoning with Language.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer, Ending, Evidence, Usage
from sensorium.language.grounding import first_sentence, is_grounded
from sensorium.language.language_model import LanguageModel
from sensorium.language.messages import TextPart, Turn, user_turn
from sensorium.language.sampling import Sampling
from sensorium.language.stop_sequences import StopSequences
from sensorium.language.written_language import require_language
from sensorium.models.catalog import Checkpoint, component
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled
from sensorium.task import Opening
from sensorium.vision_language.image_qa import AS_USUAL, AnswerOptions
from sensorium.vision_language.starter.answering import answer_directly, cannot_tell, not_understood
from sensorium.vision_language.starter.captions import caption
from sensorium.vision_language.starter.languages import Asked, asked
from sensorium.vision_language.starter.phrases import Phrase, Row, capitalised, sentence, uncapitalised
from sensorium.vision_language.starter.questions import Asks, Question, find_in_phrase, parse_question
from sensorium.vision_language.starter.reply import Reply
from sensorium.vision_language.starter.scene import Scene, open_scene_reader
from sensorium.vision_language.text_reader import TextReader

if TYPE_CHECKING:
    import PIL.Image

_SCENES_KEPT = 16
_LONGEST_ANSWER = 32
_LONGEST_REPLY = 128
_LITTLE_REPETITION = 1.2
_ONLY_FACTS = (
    "You answer a question about a picture in one short sentence, using only the facts given. "
    "If the facts do not say it, answer: I can't tell."
)
_INVENT = "You are a friendly assistant. You do what the user asks, briefly, about a picture that is told to you."
_TALK = "You are a friendly assistant. You answer briefly, and say so if you don't know something."
_WHAT_IS_IT = "What is this?"
_IN_ENGLISH_ONLY = (
    "I can write stories and the like in English only; ask in English, or choose a model that knows your language with "
    "model=…"
)
_CREATIVE = re.compile(
    r"\b(?:write|compose|invent|imagine|make up|create|draft|rewrite|rephrase|translate|summari[sz]e)\b|"
    r"\b(?:story|poem|haiku|limerick|song|joke|slogan|headline|hashtags?|tweet)\b",
    re.IGNORECASE,
)
_GREETING = re.compile(r"^\W*(?:hi|hello|hey|good (?:morning|evening|day))\b[\w\s]{0,8}\W*$", re.IGNORECASE)
_THANKS = re.compile(r"^\W*(?:thanks?|thank you|ok|okay|great|fine|bye)\b[\w\s]{0,12}\W*$", re.IGNORECASE)
_WHICH_PICTURE = re.compile(
    r"which (?:one|picture|image|photo|of (?:them|these|the (?:pictures|images|photos|two)))s? "
    r"(?:is|shows?|has|contains?|depicts?) (?P<subject>[\w\s-]+)\W*$",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:it|this|that|they|them|these|those)\b(?! (?:picture|image|photo))", re.IGNORECASE)
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}


class Reads(Enum):
    """What is read in a picture."""

    NOTHING = "nothing"
    CLEAR = "writing that a glance shows"
    ALL = "all that is written"


class SocraticImageQA:
    """Answers single questions about single pictures.

    Attributes:
        batch_size: How many pictures go through at once.

    Args:
        folder: Not used: the parts have folders of their own.
        checkpoint: The catalog entry.
        device: Where the parts run.
        dtype: The precision of the language model.
        opening: How the parts are opened.
    """

    made_of_parts = True
    batch_size = 1
    thinks = False

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, opening: Opening) -> None:
        self.checkpoint = checkpoint
        self.reader = open_scene_reader(checkpoint, opening)
        self.reader.load()
        # Most questions need no language model: it is loaded by the first one that does.
        self.language_model = opening.part(LanguageModel, component(checkpoint, LanguageModel.task), dtype=dtype)
        # Few questions are about writing: the reader is loaded by the first one that is, or by the first caption.
        self.text_reader = opening.part(TextReader, component(checkpoint, TextReader.task), device="cpu")
        self._scenes: OrderedDict[bytes, Scene] = OrderedDict()
        self._guard = threading.Lock()

    @property
    def model(self) -> str:
        """The name that answers carry: this system, and the checkpoints that it is made of."""
        return f"{self.checkpoint.name} ({self.reader.model} + {self.text_reader.model} + {self.language_model.model})"

    def answer(
        self,
        images: Sequence[PIL.Image.Image],
        questions: Sequence[str],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Answer]:
        """Answer a question about each of several upright RGB pictures."""
        answers = []
        for image, question in zip(images, map(asked, questions), strict=True):
            scene = self.scene(image, reads=_reads_for(question), cancel=cancel)
            reply = self.reply(scene, question, longest=options.longest(_LONGEST_ANSWER), cancel=cancel)
            answers.append(reply.to(question).as_answer(self.model))
        return answers

    def caption(
        self,
        images: Sequence[PIL.Image.Image],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Answer]:
        """Describe upright RGB pictures in a sentence or two each; no language model takes part."""
        return [self._caption(image, cancel) for image in images]

    def _caption(self, image: PIL.Image.Image, cancel: Cancellation | None) -> Answer:
        reply = caption(self.scene(image, reads=Reads.CLEAR, cancel=cancel))
        return reply.as_answer(f"{self.checkpoint.name} ({self.reader.model} + {self.text_reader.model})")

    def scene(
        self, image: PIL.Image.Image, *, reads: Reads = Reads.NOTHING, cancel: Cancellation | None = None
    ) -> Scene:
        """Measure a picture, or remember what was measured: questions about one picture come in rows.

        Args:
            image: Upright, RGB.
            reads: What is read, too. Reading takes longer than all the rest, a glance much less.
            cancel: Stops between two measurements.
        """
        key = hashlib.blake2b(image.tobytes(), digest_size=16, key=str(image.size).encode()[:64]).digest()
        with self._guard:
            known = self._scenes.get(key)
        glances = reads is Reads.CLEAR and (known is None or known.clearly_written is None)
        if known is None or glances or (reads is Reads.ALL and known.writing is None):
            known = known or self.reader.read(image, cancel=cancel)
            if glances:
                known = replace(known, clearly_written=self.text_reader.shows_writing(image, cancel=cancel))
            if known.writing is None and (reads is Reads.ALL or (glances and known.clearly_written)):
                known = replace(known, writing=self.text_reader.read(image, cancel=cancel))
            with self._guard:
                self._scenes[key] = known
                while len(self._scenes) > _SCENES_KEPT:
                    self._scenes.popitem(last=False)
        return known

    def reply(
        self,
        scene: Scene,
        asking: Asked,
        *,
        longest: int = _LONGEST_ANSWER,
        cancel: Cancellation | None = None,
    ) -> Reply:
        """Answer from what was measured, else from the facts in other words, else say that it can't be told.

        Returns:
            The reply in English, which `Reply.to` says in the language of the question.
        """
        check_cancelled(cancel)
        if not asking.english:
            return cannot_tell(scene, not_understood(asking))
        question = parse_question(asking.english)
        direct = answer_directly(scene, question)
        if direct is not None:
            return direct
        foreign = asking.language is not None
        if (question.asks is Asks.PRESENCE and question.subject) or (
            foreign and question.subject and question.thing is None
        ):
            unknown = "I can't tell: {phrase!r} is not among the things that I know by sight"
            return cannot_tell(scene, Phrase(unknown, phrase=question.subject))
        if foreign:
            # The language model writes English only.
            return cannot_tell(scene, "I can't tell that from this picture")
        return self._ask_language_model(scene, question, longest, cancel)

    def _ask_language_model(self, scene: Scene, question: Question, longest: int, cancel: Cancellation | None) -> Reply:
        facts = [*scene.tag_facts(), scene.people_fact()]
        refusal = cannot_tell(scene, "I can't tell that from this picture")
        if not re.match(r"(?:what|which|who|where|when|how|name)\b", question.text.strip().lower()):
            # A yes or a no can't be checked against the facts, and a small model's is a coin's.
            return refusal
        written = self.language_model.generate(
            question.text,
            ["Facts about the picture:", *(f"- {fact.text}." for fact in facts)],
            system=_ONLY_FACTS,
            max_new_tokens=longest,
            stop="\n",
            cancel=cancel,
        )
        said = first_sentence(written)
        texts = [fact.text for fact in facts]
        if not said or not is_grounded(said, texts, question.text):
            # The model has worked, though its words aren't used.
            return replace(refusal, ending=Ending("stop", written.usage))
        used = tuple(fact for fact in facts if is_grounded(said, [fact.text], question.text))
        # A model that had more to say after the first sentence was not cut.
        reason = written.finish_reason if said == str(written) else "stop"
        return Reply(said, used or tuple(facts), ending=Ending(reason, written.usage))


class SocraticChat:
    """Talks about pictures over several turns.

    Attributes:
        longest_reply: Longest reply in tokens where the caller doesn't say.

    Args:
        folder: Not used: the parts have folders of their own.
        checkpoint: The catalog entry.
        device: Where the parts run.
        dtype: The precision of the language model.
        opening: How the parts are opened.
    """

    made_of_parts = True
    longest_reply = _LONGEST_REPLY
    thinks = False

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, opening: Opening) -> None:
        self._qa = SocraticImageQA(folder, checkpoint=checkpoint, device=device, dtype=dtype, opening=opening)

    def stream(
        self,
        turns: Sequence[Turn],
        sampling: Sampling,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[str, None, Answer]:
        """Answer the last turn of a conversation, piece by piece.

        An answer from facts comes whole, for it is checked before it is said.
        """
        reads = _reads_for(asked(turns[-1].text or _WHAT_IS_IT)) if turns else Reads.NOTHING
        scenes = [self._qa.scene(part.source, reads=reads, cancel=cancel) for turn in turns for part in turn.media]
        reply = self._reply(scenes, turns, cancel) if scenes else None
        if reply is None:
            require_language(turns[-1].text, self._qa.language_model.checkpoint, what="question")
        if reply is None:
            return (yield from self._invent(scenes, turns, sampling, progress, cancel))
        answer = reply.as_answer(self._qa.model)
        stops = StopSequences(sampling.stop)
        said = stops.let_through(answer)
        said += "" if stops.found else stops.rest()
        if said:
            yield said
        return Answer(said.strip(), **answer.origin())

    def _reply(self, scenes: Sequence[Scene], turns: Sequence[Turn], cancel: Cancellation | None) -> Reply | None:
        """Answer from facts, or return None where the user asks for something invented."""
        question = asked(turns[-1].text or _WHAT_IS_IT)
        reply = self._reply_in_english(scenes, turns, question, cancel)
        return None if reply is None else reply.to(question)

    def _reply_in_english(
        self, scenes: Sequence[Scene], turns: Sequence[Turn], asking: Asked, cancel: Cancellation | None
    ) -> Reply | None:
        last = asking.english
        if _THANKS.match(last):
            return Reply(Phrase("You're welcome. What else would you like to know?"))
        if _GREETING.match(last):
            text = Phrase("Hello! {caption} What would you like to know?", caption=caption(scenes[0]).text)
            return Reply(text, scenes[0].facts())
        if _CREATIVE.search(last):
            return None if asking.language is None else cannot_tell(scenes[0], _IN_ENGLISH_ONLY)
        which = _WHICH_PICTURE.match(last.strip())
        if which and len(scenes) > 1:
            return self._which(scenes, which["subject"], cancel)
        chosen = _chosen(last, len(scenes), new=len(turns[-1].media) if len(turns) > 1 else 0)
        earlier = [_in_english(turn) for turn in turns[:-1]]
        resolved = _resolved(_without_ordinals(last) if len(scenes) > 1 else last, earlier, scenes)
        question = replace(asking, english=resolved)
        replies = [(index, self._qa.reply(scenes[index], question, cancel=cancel)) for index in chosen]
        if len(replies) == 1:
            return replies[0][1]
        lines = [Phrase("Picture {number}: {answer}", number=index + 1, answer=reply.text) for index, reply in replies]
        evidence = tuple(fact for _, reply in replies for fact in reply.evidence)
        return Reply(Row(lines, "\n"), evidence, ending=_together([reply for _, reply in replies]))

    def _which(self, scenes: Sequence[Scene], subject: str, cancel: Cancellation | None) -> Reply:
        """Tell which of several pictures shows something."""
        question = asked(f"is there {subject}?")
        replies = [self._qa.reply(scene, question, cancel=cancel) for scene in scenes]
        found = [
            Phrase("picture {number}", number=index)
            for index, reply in enumerate(replies, 1)
            if reply.text.startswith("Yes")
        ]
        evidence = tuple(fact for reply in replies for fact in reply.evidence)
        if found:
            return Reply(sentence(capitalised(Row(found, " and "))), evidence)
        text = Phrase("None of them, as far as I can tell: {answer}", answer=uncapitalised(replies[0].text))
        return Reply(text, evidence)

    def _invent(
        self,
        scenes: Sequence[Scene],
        turns: Sequence[Turn],
        sampling: Sampling,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Generator[str, None, Answer]:
        """Write what the user asks for, told what the pictures show; without pictures, go on with the conversation."""
        given = turns[0].text if turns[0].role == "system" else _INVENT if scenes else _TALK
        asked = [turn for turn in turns if turn.role != "system"]
        if scenes:
            # A small model loses its way in earlier turns.
            told = " ".join(caption(scene).text for scene in scenes)
            asked = [user_turn(f"{told}\n\n{turns[-1].text or _WHAT_IS_IT}")]
        stream = self._qa.language_model.stream(
            [Turn("system", (TextPart(given),)), *asked],
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            repetition_penalty=_LITTLE_REPETITION
            if sampling.repetition_penalty is None
            else sampling.repetition_penalty,
            stop=sampling.stop,
            progress=progress,
            cancel=cancel,
        )
        written = yield from stream
        return written.changed(model=self._qa.model, evidence=_facts(scenes))


def _reads_for(question: Asked) -> Reads:
    """Return what must be read in a picture to answer a question."""
    asks = parse_question(question.english).asks if question.english else Asks.OTHER
    if asks is Asks.WRITING:
        return Reads.ALL
    return Reads.CLEAR if asks in {Asks.CONTENT, Asks.DETAIL} else Reads.NOTHING


def _together(replies: Sequence[Reply]) -> Ending:
    """Return how an answer ended that is made of several, of which any may have been cut."""
    usages = [reply.ending.usage for reply in replies if reply.ending.usage is not None]
    cut = any(reply.ending.finish_reason == "length" for reply in replies)
    return Ending("length" if cut else "stop", sum(usages, Usage(0, 0)))


def _in_english(turn: Turn) -> Turn:
    """Return a turn with what it speaks of in English: the question, or the things that an answer names."""
    question = asked(turn.text)
    if question.language is None:
        return turn
    english = question.english if turn.role == "user" else " ".join(question.language.things_in(turn.text))
    return Turn(turn.role, (TextPart(english),))


def _resolved(question: str, earlier: Sequence[Turn], scenes: Sequence[Scene]) -> str:
    """Put the thing that was talked about last in the place of "it"."""
    if not _PRONOUN.search(question) or find_in_phrase(parse_question(question).subject) is not None:
        return question
    for turn in reversed(earlier):
        if turn.role == "system":
            continue
        name = _mentioned(turn.text, scenes)
        if name:
            return _PRONOUN.sub(f"the {name}", question, count=1)
    return question


def _mentioned(text: str, scenes: Sequence[Scene]) -> str:
    """Return the first thing that a turn speaks of: what the pictures show comes before other words."""
    words = text.lower()
    tags = [tag for scene in scenes for tag in scene.tags if tag.sure]
    found = [(words.find(tag.name.lower()), tag.name) for tag in tags if tag.name.lower() in words]
    if found:
        return min(found)[1]
    asked = parse_question(text)
    if asked.asks is not Asks.OTHER and asked.subject and asked.thing is not None:
        return asked.noun
    for word in re.findall(r"[a-z]+", words):
        thing = find_in_phrase(word)
        if thing is not None and any(scene.shows(thing) for scene in scenes):
            return str(word)
    return ""


def _chosen(question: str, count: int, *, new: int) -> list[int]:
    """Return which pictures a question is about: the one it names, else those that came with it, else all."""
    words = question.lower()
    for ordinal, index in _ORDINALS.items():
        if re.search(rf"\b{ordinal}\b", words) and -count <= index < count:
            return [index % count]
    number = re.search(r"\b(?:picture|image|photo) (?:number )?(\d+)\b", words)
    if number and 1 <= int(number[1]) <= count:
        return [int(number[1]) - 1]
    return list(range(count - new if new else 0, count))


def _without_ordinals(question: str) -> str:
    """Take out what only tells which picture is meant."""
    ordinals = "|".join(_ORDINALS)
    named = rf"\b(?:the )?(?:{ordinals})(?: (?:one|picture|image|photo))?\b|\b(?:picture|image|photo) (?:number )?\d+\b"
    return re.sub(named, "the picture", question, flags=re.IGNORECASE)


def _facts(scenes: Sequence[Scene]) -> tuple[Evidence, ...]:
    return tuple(fact for scene in scenes for fact in scene.facts())
