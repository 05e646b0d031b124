"""Images, texts and, with some checkpoints, sound in one space: similarity, zero-shot classification, embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, overload

from sensorium.arguments import checked
from sensorium.errors import InputError, MissingDependencyError, SensoriumError
from sensorium.models import device
from sensorium.models.extras import missing_packages_explained
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.task import Task
from sensorium.vision_language.classification import Classification, classification_of
from sensorium.vision_language.compared_texts import read_labels, read_texts
from sensorium.vision_language.embeddable import Passage, SoundWindow
from sensorium.vision_language.embedding_batches import encode_in_batches
from sensorium.vision_language.families.headed_family import BLIP_RETRIEVAL, headed_family

if TYPE_CHECKING:
    import torch

    from sensorium.media.content import Kind
    from sensorium.media.image import ImageSource
    from sensorium.vision_language.dual_encoder import DualEncoder, Rows
    from sensorium.vision_language.embeddable import SoundSource as AudioSource


class CLIP(Task["DualEncoder"]):
    """CLIP: contrastive language-image pre-training, and checkpoints that do the same.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Source: Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision.
    """

    task = "image-text-similarity"
    families: ClassVar[dict[str, str]] = {
        "conse": "sensorium.vision_language.starter.conse:ConSE",
        "clip": "sensorium.vision_language.families.clip_families:HubCLIP",
        "chinese_clip": "sensorium.vision_language.families.clip_families:ChineseCLIP",
        "altclip": "sensorium.vision_language.families.clip_families:AltCLIP",
        "aimv2": "sensorium.vision_language.families.clip_families:AIMv2",
        "metaclip_2": "sensorium.vision_language.families.clip_families:MetaCLIP2",
        BLIP_RETRIEVAL: "sensorium.vision_language.families.blip_retrieval:BlipRetrieval",
        "vision-text-dual-encoder": "sensorium.vision_language.families.clip_families:VisionTextDualEncoder",
        "siglip": "sensorium.vision_language.families.siglip_families:SigLIP",
        "siglip2": "sensorium.vision_language.families.siglip_families:SigLIP2",
        "embedding_gemma2": "sensorium.vision_language.families.one_space:OneSpace",
    }
    cpu_families = frozenset({"conse"})

    def _family(self, folder: Path) -> str:
        return headed_family(super()._family(folder), folder)

    @property
    def scoring(self) -> str:
        """What the scores mean.

        ``"softmax"`` (CLIP and its kin): the scores of the texts that are compared share out 1 among them.
        ``"sigmoid"`` (SigLIP): each is the probability that this text goes with the image, whatever the others are.
        """
        return self.backend.scoring

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return self.backend.embedding_size

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of files that it can make rows of, to be found: ``"image"`` and the like."""
        return self.backend.kinds

    @checked
    def encode_image(
        self,
        image: ImageSource | Sequence[ImageSource],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> torch.Tensor:
        """Encode images.

        Args:
            image: An image or a list of images: PIL images, arrays, paths, addresses, bytes.
            progress: Told how many images are done.
            cancel: Stops after the batch at hand.

        Returns:
            float32 ``[n, d]`` on the CPU, each row of length 1.

        Raises:
            InputError: An image can't be read.
        """
        _require_torch("encode_image", "image_rows")
        import torch

        return torch.from_numpy(self.image_rows(image, progress=progress, cancel=cancel))

    @checked
    def encode_text(
        self,
        text: str | Sequence[str],
        *,
        role: Literal["query", "document"] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> torch.Tensor:
        """Encode texts; a text that was encoded before comes from memory.

        Args:
            text: A text or a list of texts.
            role: What they are, for checkpoints that want to be told: ``"query"`` is what is looked for,
                ``"document"`` what is to be found; None to say nothing.
            progress: Told how many texts are done.
            cancel: Stops after the batch at hand.

        Returns:
            float32 ``[n, d]`` on the CPU, each row of length 1.

        Raises:
            InputError: A text is empty, too long, or in a language that the checkpoint doesn't know.
        """
        _require_torch("encode_text", "text_rows")
        import torch

        return torch.from_numpy(self.text_rows(text, role=role, progress=progress, cancel=cancel))

    @checked
    def image_rows(
        self,
        image: ImageSource | Sequence[ImageSource],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Rows:
        """Encode images as `encode_image` does, and return a numpy array; the starter needs no torch for it."""
        import numpy as np

        from sensorium.media.image import as_list

        images = as_list(image)
        with self.lease(progress=progress, cancel=cancel) as backend:
            rows = np.empty((len(images), backend.embedding_size), np.float32)
            for index, row in self.encode_images(images, progress=progress, cancel=cancel):
                rows[index] = row
        return rows

    @checked
    def text_rows(
        self,
        text: str | Sequence[str],
        *,
        role: Literal["query", "document"] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Rows:
        """Encode texts as `encode_text` does, and return a numpy array; the starter needs no torch for it."""
        with self.lease(progress=progress, cancel=cancel) as backend:
            texts = [backend.prompted(each, role) for each in read_texts(text)]
            return backend.encode_texts(texts, progress=progress, cancel=cancel)

    @checked
    def encode_sound(
        self,
        sound: AudioSource | Sequence[AudioSource],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> torch.Tensor:
        """Encode recordings, where the checkpoint takes sound; of one that is longer than it takes, the mean of all.

        Args:
            sound: A recording or a list of recordings: paths, addresses, bytes, or float32 mono samples at 16 kHz.
            progress: Told how many stretches are done.
            cancel: Stops after the batch at hand.

        Returns:
            float32 ``[n, d]`` on the CPU, each row of length 1.

        Raises:
            InputError: A recording can't be read.
            UnsupportedError: The checkpoint takes no sound.
        """
        _require_torch("encode_sound", "sound_rows")
        import torch

        return torch.from_numpy(self.sound_rows(sound, progress=progress, cancel=cancel))

    @checked
    def sound_rows(
        self,
        sound: AudioSource | Sequence[AudioSource],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Rows:
        """Encode recordings as `encode_sound` does, and return a numpy array."""
        from sensorium.vision_language.sound_rows import sound_rows

        with self.lease(progress=progress, cancel=cancel) as backend:
            return sound_rows(backend, sound, model=self.model, limits=self.limits, progress=progress, cancel=cancel)

    @checked
    def count_tokens(self, text: str | Sequence[str]) -> int:
        """Return how many tokens the text encoder reads for a text, or for several together."""
        with self.lease() as backend:
            return sum(map(backend.count_tokens, read_texts(text)))

    @checked
    def encode_images(
        self,
        sources: Iterable[ImageSource | SoundWindow | Passage],
        *,
        batch_size: int | None = None,
        on_error: Callable[[int, SensoriumError], None] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Iterator[tuple[int, Rows]]:
        """Encode any number of images in constant memory; reading overlaps with computing.

        Args:
            sources: Images, read as they are needed; where the checkpoint's `kinds` name them, also stretches of sound
                and passages of texts.
            batch_size: How many go through the network at once; by default what suits the device.
            on_error: Called with the index of an image that can't be read, which is then skipped;
                without it the error is raised.
            progress: Told how many images are done.
            cancel: Stops after the batch at hand.

        Yields:
            The index of the source and its row: float32 ``[d]`` of length 1. In order, but for skipped ones.

        Raises:
            InputError: An image can't be read, and there is no ``on_error``; or ``batch_size`` is not positive.
            CancelledError: ``cancel`` was set.
        """

        if batch_size is not None and batch_size < 1:
            raise InputError(f"A batch of {batch_size} images can't be", "Use 1 or more, or leave it out")
        with self.lease(progress=progress, cancel=cancel) as backend:
            yield from encode_in_batches(
                backend,
                sources,
                size=batch_size or backend.batch_size,
                limits=self.limits,
                on_error=on_error,
                progress=progress,
                cancel=cancel,
            )

    @checked
    def compute_similarity(
        self,
        image: ImageSource | Sequence[ImageSource],
        texts: str | Sequence[str],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> torch.Tensor:
        """Compare images with texts.

        Args:
            image: An image or a list of images.
            texts: The texts to choose from.
            progress: Told how many texts and images are done.
            cancel: Stops after the batch at hand.

        Returns:
            The probability of each text, float32 ``[n, len(texts)]``. Where `scoring` is ``"softmax"``, each row adds
            up to 1; where it is ``"sigmoid"``, each text stands for itself.

        Raises:
            InputError: An image can't be read, or a text can't be used.
        """
        _require_torch("compute_similarity", "similarity_rows")
        import torch

        return torch.from_numpy(self.similarity_rows(image, texts, progress=progress, cancel=cancel))

    @checked
    def similarity_rows(
        self,
        image: ImageSource | Sequence[ImageSource],
        texts: str | Sequence[str],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Rows:
        """Compare as `compute_similarity` does, and return a numpy array; the starter needs no torch for it."""
        from sensorium.media.image import as_list

        with self.lease(progress=progress, cancel=cancel) as backend:
            return backend.probabilities(self._cosines(backend, as_list(image), read_texts(texts), progress, cancel))

    @overload
    def zero_shot_classification(
        self,
        image: list[ImageSource] | tuple[ImageSource, ...],
        candidate_labels: str | Sequence[str],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Classification]: ...

    @overload
    def zero_shot_classification(
        self,
        image: ImageSource,
        candidate_labels: str | Sequence[str],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Classification: ...

    @checked
    def zero_shot_classification(
        self,
        image: ImageSource | Sequence[ImageSource],
        candidate_labels: str | Sequence[str],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Classification | list[Classification]:
        """Classify images into labels that the checkpoint was never trained on.

        Args:
            image: An image or a list of images.
            candidate_labels: The labels to choose from, each put into the sentence that the checkpoint's family
                expects, such as "a photo of a …"; a label that comes twice counts once.
            progress: Told how many labels and images are done.
            cancel: Stops after the batch at hand.

        Returns:
            A `Classification`, or a list of them for a list of images.

        Raises:
            InputError: An image can't be read, or a label can't be used.
        """
        from sensorium.media.image import as_list

        labels = read_labels(candidate_labels)
        with self.lease(progress=progress, cancel=cancel) as backend:
            texts = [backend.label_text(label) for label in labels]
            cosines = self._cosines(backend, as_list(image), texts, progress, cancel)
            results = [classification_of(labels, row, backend, model=self.model) for row in cosines]
        return results if isinstance(image, (list, tuple)) else results[0]

    def _cosines(
        self,
        backend: DualEncoder,
        images: list[ImageSource],
        texts: list[str],
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Rows:
        text_rows = backend.encode_texts(texts, progress=progress, cancel=cancel)
        cosines: Rows = self.image_rows(images, progress=progress, cancel=cancel) @ text_rows.T
        return cosines


def _require_torch(method: str, instead: str) -> None:
    """Make torch ready, for results that are tensors.

    Raises:
        MissingDependencyError: It isn't installed.
    """
    try:
        with missing_packages_explained(f"CLIP.{method}, which returns a torch tensor,"):
            device.prepare_torch()
    except MissingDependencyError as error:
        raise MissingDependencyError(error.message, f"{error.remedy}, or call {instead}: it returns numpy") from None
