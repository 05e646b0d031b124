"""Images and texts in one space: similarity, zero-shot classification, embeddings for search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast, overload

from sensorium.arguments import checked
from sensorium.errors import InputError, MissingDependencyError, SensoriumError
from sensorium.models import device
from sensorium.models.catalog import current_profile
from sensorium.models.extras import missing_packages_explained
from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.task import Task
from sensorium.vision_language.classification import Classification, classification_of
from sensorium.vision_language.compared_texts import read_labels, read_texts
from sensorium.vision_language.families.headed_family import BLIP_RETRIEVAL, headed_family
from sensorium.vision_language.read_ahead import read_ahead

if TYPE_CHECKING:
    import torch

    from sensorium.media.image import ImageSource
    from sensorium.vision_language.dual_encoder import DualEncoder, Rows


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
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> torch.Tensor:
        """Encode texts; a text that was encoded before comes from memory.

        Args:
            text: A text or a list of texts.
            progress: Told how many texts are done.
            cancel: Stops after the batch at hand.

        Returns:
            float32 ``[n, d]`` on the CPU, each row of length 1.

        Raises:
            InputError: A text is empty, too long, or in a language that the checkpoint doesn't know.
        """
        _require_torch("encode_text", "text_rows")
        import torch

        return torch.from_numpy(self.text_rows(text, progress=progress, cancel=cancel))

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
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Rows:
        """Encode texts as `encode_text` does, and return a numpy array; the starter needs no torch for it."""
        with self.lease(progress=progress, cancel=cancel) as backend:
            return backend.encode_texts(read_texts(text), progress=progress, cancel=cancel)

    @checked
    def count_tokens(self, text: str | Sequence[str]) -> int:
        """Return how many tokens the text encoder reads for a text, or for several together."""
        with self.lease() as backend:
            return sum(map(backend.count_tokens, read_texts(text)))

    @checked
    def encode_images(
        self,
        sources: Iterable[ImageSource],
        *,
        batch_size: int | None = None,
        on_error: Callable[[int, SensoriumError], None] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Iterator[tuple[int, Rows]]:
        """Encode any number of images in constant memory; reading overlaps with computing.

        Args:
            sources: Images, read as they are needed.
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
            yield from self._encode_images(
                backend, sources, batch_size or backend.batch_size, on_error, progress, cancel
            )

    def _encode_images(
        self,
        backend: DualEncoder,
        sources: Iterable[ImageSource],
        size: int,
        on_error: Callable[[int, SensoriumError], None] | None,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Iterator[tuple[int, Rows]]:
        from sensorium.media.image import read_image

        total = len(sources) if isinstance(sources, Sequence) else None

        def read(source: ImageSource) -> Any:
            # Twice the side that the encoder sees: JPEG's own halving is coarser than a good resize.
            return backend.prepare(read_image(source, minimum_side=2 * backend.image_side, limits=self.limits))

        done = 0
        batch: list[tuple[int, Any]] = []
        for item in read_ahead(read, sources, ahead=2 * size, on_error=on_error, cancel=cancel):
            batch.append(item)
            if len(batch) == size:
                yield from _encode_batch(backend, batch)
                done += len(batch)
                batch = []
                report(progress, "encoding images", done, total, "images")
        if batch:
            yield from _encode_batch(backend, batch)
            report(progress, "encoding images", done + len(batch), total, "images")

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


@checked
def zero_shot_classification(
    image: ImageSource, candidate_labels: str | Sequence[str], *, model: str | os.PathLike[str] | None = None
) -> Classification:
    """Classify an image into labels that the checkpoint was never trained on.

    Args:
        image: An image.
        candidate_labels: The labels to choose from.
        model: Catalog name, hub id, local folder, or None for the profile's default.

    Returns:
        Labels with scores, best first; prints like ``[{'label': 'cat', 'score': 0.92}, …]``.

    Raises:
        InputError: The image can't be read, or a label can't be used.
    """
    result = _shared_clip(None if model is None else os.fspath(model), current_profile()).zero_shot_classification(
        image, candidate_labels
    )
    assert isinstance(result, Classification)
    return result


@lru_cache(maxsize=2)
def _shared_clip(model: str | None, profile: str) -> CLIP:
    return CLIP(model, profile=profile)


def as_list(image: ImageSource | Sequence[ImageSource]) -> list[ImageSource]:
    """Return a list of images, whether one or several were given."""
    return list(image) if isinstance(image, (list, tuple)) else [cast("ImageSource", image)]


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


def _encode_batch(backend: DualEncoder, batch: list[tuple[int, Any]]) -> Iterator[tuple[int, Rows]]:
    rows = backend.encode_prepared([prepared for _, prepared in batch])
    for (index, _), row in zip(batch, rows, strict=True):
        yield index, row
