"""Answers from a film's time line: a language model reads what is seen, done and said, and names times in its
answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sensorium.answer import Answer, Evidence
from sensorium.language.grounding import content_words
from sensorium.language.language_model import LanguageModel
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.video.video_story import AnyMoment, VideoStory, clock, timed, times_in
from sensorium.vision_language.image_qa import AS_USUAL, AnswerOptions

_LONGEST_ANSWER = 256
_SHORTEST_WINDOW_SHARE = 4
_SYSTEM = (
    "You answer questions about a film. You know the film only from its time line: what is seen, what is done and "
    "what is said, each with its time. Answer in one to three sentences, in the language of the question, and name "
    "the times that you rely on, like this: [00:12]. If the time line does not tell, say that it does not."
)
_NEAR_SECONDS = 1.0


def answer_from_story(
    story: VideoStory[AnyMoment],
    question: str,
    language_model: LanguageModel,
    *,
    options: AnswerOptions = AS_USUAL,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Answer:
    """Let a language model answer from a time line.

    If the time line is too long for the model's context window, some lines are left out. Lines that share a word with
    the question are kept first, then lines that are spread over the whole film.

    Args:
        story: The film's time line.
        question: The question.
        language_model: Writes the answer.
        options: How long the answer may be, and whether the model may think before.
        progress: Told the tokens written so far.
        cancel: Stops within one token.

    Returns:
        The answer. Its evidence is the lines whose times the answer names; if it names no time, all lines that the
        model was given.

    Raises:
        CancelledError: ``cancel`` was set.
    """
    language_model.ensure_loaded(progress=progress, cancel=cancel)
    window = language_model.context_window
    usual = _LONGEST_ANSWER if window is None else min(_LONGEST_ANSWER, window // _SHORTEST_WINDOW_SHARE)
    longest = options.longest(usual)

    def context(items: Sequence[Evidence]) -> list[str]:
        return [
            f"The film is {clock(story.duration)} long.",
            *story.about_sound(),
            "Its time line:",
            *map(timed, items),
        ]

    prompt = f"Question: {question}"

    def fits(items: Sequence[Evidence]) -> bool:
        if window is None:
            return True
        facts = "\n".join(context(items))
        messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": f"{facts}\n\n{prompt}"}]
        return language_model.count_tokens(messages) + longest <= window

    given = thinned(story.evidence(), question, fits)
    written = language_model.generate(
        prompt,
        context(given),
        system=_SYSTEM,
        max_new_tokens=longest,
        thinking=options.thinking,
        progress=progress,
        cancel=cancel,
    )
    return written.changed(evidence=cited(written, given))


def thinned(
    items: Sequence[Evidence], question: str, fits: Callable[[Sequence[Evidence]], bool]
) -> tuple[Evidence, ...]:
    """Return as many items as fit, in the order of time.

    Items that share a word with the question are chosen first, then items that are spread over the whole film.

    Args:
        items: In the order of time.
        question: The question.
        fits: Returns whether a list of items is short enough.
    """
    if fits(items):
        return tuple(items)
    wanted = set(content_words(question))
    shares = [bool(wanted & set(content_words(item.text))) for item in items]
    # Sorted by their mirrored binary digits, the first n indices are evenly spread for every n.
    order = sorted(range(len(items)), key=lambda index: (not shares[index], int(f"{index:032b}"[::-1], 2)))
    low, high = 0, len(items)
    while high - low > 1:
        middle = (low + high) // 2
        if fits([items[index] for index in sorted(order[:middle])]):
            low = middle
        else:
            high = middle
    return tuple(items[index] for index in sorted(order[:low]))


def cited(answer: str, given: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the items whose times an answer names; all items if the answer names no time."""
    named = times_in(answer)
    found = [
        item
        for item in given
        if any(
            (item.start or 0.0) - _NEAR_SECONDS <= time <= (item.end or item.start or 0.0) + _NEAR_SECONDS
            for time in named
        )
    ]
    return tuple(found or given)
