"""``sensorium chat``: a conversation about pictures, line by line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium.cli.call import Call
from sensorium.cli.inputs import Input, gather
from sensorium.cli.interrupt import TerminatedError, interruptible
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import ANSWERS, MaxTokens, Thinking
from sensorium.errors import InputError
from sensorium.progress import Piece

if TYPE_CHECKING:
    from sensorium.operations.chat import Chat
    from sensorium.vision_language.conversation import Conversation

_GREETING = {"role": "user", "content": "Hello!"}
"""Stands for the questions to come, so that numbers are looked at, and the model is loaded, before there is one."""


@dataclass(frozen=True)
class AnswerOptions:
    """How answers are written."""

    system: Annotated[
        str | None,
        typer.Option("--system", metavar="TEXT", help="How to behave.", rich_help_panel=ANSWERS),
    ] = None
    temperature: Annotated[
        float,
        typer.Option("--temperature", metavar="NUMBER", help="0 to 2: 0 is repeatable.", rich_help_panel=ANSWERS),
    ] = 0.0
    top_p: Annotated[
        float,
        typer.Option(
            "--top-p", metavar="NUMBER", help="Sample from the likeliest words only.", rich_help_panel=ANSWERS
        ),
    ] = 1.0
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="NUMBER", help="Makes sampling repeatable.", rich_help_panel=ANSWERS),
    ] = None
    max_tokens: MaxTokens = None
    stop: Annotated[
        list[str] | None,
        typer.Option("--stop", metavar="TEXT", help="End an answer before this text.", rich_help_panel=ANSWERS),
    ] = None
    thinking: Thinking = False

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of an operation that writes text; how to behave is part of the conversation."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "max_new_tokens": self.max_tokens,
            "stop": self.stop or (),
            "thinking": self.thinking,
        }


@grouped
def chat(
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE", help="Pictures, folders, globs or addresses.", show_default=False),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option("--history", metavar="FILE", help="Keep the conversation in this file, and go on with it."),
    ] = None,
    *,
    answers: AnswerOptions,
    common: CommonOptions,
) -> None:
    """Talk about a picture, or about anything, line by line; /quit or Ctrl-D ends.

    Ctrl-C stops the answer that is being written. Lines piped in are answered one after the other. With --history,
    a conversation is kept and gone on with, by the same model unless --model names another one.
    """
    with common.call() as call:
        from sensorium.operations.chat import Chat

        anything = Chat.of({"messages": [_GREETING], **answers.fields, **common.choice})
        items = gather(images, ("image",)) if images else []
        if any(item.name == "-" for item in items):
            raise InputError("The questions come from standard input, so the picture can't", "Name a picture file")
        if history is not None:
            call.require_room([history], items)
        sources = [item.source for item in items]

        def open_conversation() -> tuple[Conversation, Chat]:
            conversation, resumed = _opened(sources, history, answers.system, common)
            chat = anything.model_copy(update={"model": conversation.model}) if resumed else anything
            call.load(chat)
            return conversation, chat

        conversation, chat = interruptible(open_conversation)
        call.clear_progress()
        if sys.stdin.isatty():
            about = "Ask about the picture." if conversation.images else "Ask anything."
            call.note(f"{about} /quit or Ctrl-D ends, Ctrl-C stops an answer.")
        for question in _typed_lines():
            with call.attempt(Input(question)):
                _interruptible_answer(call, conversation, question, chat)
                if history is not None:
                    conversation.save(history)


def _opened(
    sources: list[str | bytes], history: Path | None, system: str | None, common: CommonOptions
) -> tuple[Conversation, bool]:
    """Return the conversation to hold, and whether it is the one in the file, if there is one, or a new one."""
    from sensorium.media.image import read_image
    from sensorium.vision_language.conversation import Conversation
    from sensorium.vision_language.llava import LLaVA

    # A file may be made before anything is kept in it, as mktemp does; and a device keeps nothing.
    resumed = history is not None and history.is_file() and bool(history.read_bytes().strip())
    if history is not None and resumed:
        saved = Conversation.load(history, model=common.model, profile=common.profile, device=common.device)
        if sources and Conversation(sources, model=saved.llava).images != saved.images:
            raise InputError(
                f"The conversation in {history} is about other pictures", "Leave them out, or name another file"
            )
        if system is not None and system != saved.system:
            raise InputError(f"The conversation in {history} has a system prompt of its own", "Leave out --system")
        conversation = saved
    else:
        conversation = Conversation(sources, model=LLaVA(common.model, **common.opening), system=system)
    for image in conversation.images:
        read_image(image, minimum_side=64)
    return conversation, resumed


def _interruptible_answer(call: Call, conversation: Conversation, question: str, chat: Chat) -> None:
    """Print the answer to a question; a user at a terminal can stop it with Ctrl-C, and then neither is remembered."""
    try:
        interruptible(lambda: _answer(call, conversation, question, chat))
    except TerminatedError:
        raise
    except KeyboardInterrupt:
        if not sys.stdin.isatty():
            raise
        call.line()


def _answer(call: Call, conversation: Conversation, question: str, chat: Chat) -> None:
    asked = chat.of({**dict(chat), "messages": conversation.messages_asking(question)})
    if call.as_json:
        answer = call.run(asked)
        call.document({"question": question, **answer.to_dict()})
    else:
        answer = call.run(asked, told=lambda event: call.write(event.text) if isinstance(event, Piece) else None)
        call.line()
    conversation.remember(question, answer)


def _typed_lines() -> Iterator[str]:
    """Yield what the user types, until /quit or the end; a prompt is shown on a terminal only."""
    interactive = sys.stdin.isatty()
    if interactive:
        import contextlib

        with contextlib.suppress(ImportError):  # gives the arrow keys and the history; Windows has its own
            import readline  # noqa: F401
    while True:
        try:
            line = input("> ") if interactive else sys.stdin.readline()
        except EOFError:
            print(file=sys.stderr)
            return
        except KeyboardInterrupt:
            print(file=sys.stderr)
            raise
        if not line and not interactive:
            return
        line = line.removeprefix("\ufeff").strip()  # a byte-order mark, as files from Windows begin with
        if line in ("/quit", "/exit", "/bye"):
            return
        if line:
            yield line
