"""The voices that users have made of recordings, as an ingress replica has them: asks the keeper."""

from __future__ import annotations

from sensorium.cluster.serving.keeper_line import KeeperLine
from sensorium.engine.custom_voices import Consent, CustomVoice
from sensorium.operations.media import Media


class RemoteVoices:
    """The keeper's voices: see `CustomVoices`.

    Args:
        line: To the keeper.
    """

    def __init__(self, line: KeeperLine) -> None:
        self._line = line

    async def add_consent(self, *, owner: str, name: str, language: str, statement: str, recording: Media) -> Consent:
        """Keep a statement of consent: see `CustomVoices.add_consent`."""
        answer = await self._line.ask(
            "voices.add_consent",
            owner=owner,
            name=name,
            language=language,
            statement=statement,
            recording=str(recording),
        )
        return Consent.from_dict(answer)

    async def consent(self, consent: str, owner: str) -> Consent:
        """Return a statement of consent: see `CustomVoices.consent`."""
        return Consent.from_dict(await self._line.ask("voices.consent", consent=consent, owner=owner))

    async def consents(self, owner: str, *, after: str | None = None, limit: int = 20) -> list[Consent]:
        """Return statements of consent, the newest first: see `CustomVoices.consents`."""
        found = await self._line.ask("voices.consents", owner=owner, after=after, limit=limit)
        return [Consent.from_dict(each) for each in found]

    async def rename_consent(self, consent: str, owner: str, name: str) -> Consent:
        """Call a statement of consent something else: see `CustomVoices.rename_consent`."""
        return Consent.from_dict(await self._line.ask("voices.rename_consent", consent=consent, owner=owner, name=name))

    async def delete_consent(self, consent: str, owner: str) -> None:
        """Delete a statement of consent: see `CustomVoices.delete_consent`."""
        await self._line.ask("voices.delete_consent", consent=consent, owner=owner)

    async def add_voice(
        self, *, owner: str, name: str, consent: str, recording: Media, text: str, seconds: float
    ) -> CustomVoice:
        """Keep a voice: see `CustomVoices.add_voice`."""
        answer = await self._line.ask(
            "voices.add_voice",
            owner=owner,
            name=name,
            consent=consent,
            recording=str(recording),
            text=text,
            seconds=seconds,
        )
        return CustomVoice.from_dict(answer)

    async def voice(self, voice: str, owner: str) -> CustomVoice:
        """Return a voice: see `CustomVoices.voice`."""
        return CustomVoice.from_dict(await self._line.ask("voices.voice", voice=voice, owner=owner))

    async def voices(self, owner: str) -> list[CustomVoice]:
        """Return an owner's voices, the newest first: see `CustomVoices.voices`."""
        return [CustomVoice.from_dict(each) for each in await self._line.ask("voices.voices", owner=owner)]

    async def delete_voice(self, voice: str, owner: str) -> None:
        """Delete a voice: see `CustomVoices.delete_voice`."""
        await self._line.ask("voices.delete_voice", voice=voice, owner=owner)
