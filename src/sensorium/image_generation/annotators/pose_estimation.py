"""How people in a picture stand: ``PoseEstimator``, and the map for pose ControlNets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, Unpack

from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.annotators.object_detection import ObjectDetector
from sensorium.image_generation.annotators.openpose_drawing import Pose, draw_poses
from sensorium.models import catalog
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled
from sensorium.task import Task, TaskOptions

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource

_PERSON = "person"
_ON_CPU_ONLY = ("blazepose",)

Box = tuple[float, float, float, float]


class PoseNetwork(Protocol):
    """A loaded pose checkpoint.

    Attributes:
        needs_boxes: Whether it looks only where somebody else found a person.
    """

    needs_boxes: bool

    def estimate(self, image: PIL.Image.Image, people: Sequence[tuple[Box, float]], *, threshold: float) -> list[Pose]:
        """Return the pose of everybody in an upright RGB picture.

        Args:
            image: The picture.
            people: Boxes of people with their scores; empty for a network that finds them itself.
            threshold: Joints of lower scores are left out.
        """


class PoseEstimator(Task[PoseNetwork]):
    """Estimates how people stand, as OpenPose's 18 joints.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        detector: For networks that need the boxes of people, such as ViTPose: the `ObjectDetector` checkpoint that
            finds them; by default the profile's, or the standard profile's where that has none.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``. BlazePose runs on the CPU only.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Sources: Xu et al. 2022, ViTPose; Bazarevsky et al. 2020, BlazePose; Cao et al. 2019, OpenPose.
    """

    task = "pose-estimation"
    families: ClassVar[dict[str, str]] = {
        "blazepose": "sensorium.image_generation.annotators.blazepose_poses:BlazePosePoses",
        "vitpose": "sensorium.image_generation.annotators.vitpose:VitPose",
    }
    uses_torch = False

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        detector: str | os.PathLike[str] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(model, **options)
        self._detector_name = detector
        self._detector: ObjectDetector | None = None

    def load(self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Self:
        """Fetch and load the checkpoint, and the detector of people if it needs one; return self."""
        super().load(progress=progress, cancel=cancel)
        with self.lease() as network:
            if network.needs_boxes:
                self._people_detector(progress, cancel)
        return self

    def close(self) -> None:
        """Let go of the checkpoint and of the detector."""
        super().close()
        self._detector = None

    def estimate(
        self,
        image: ImageSource,
        *,
        threshold: float = 0.3,
        detection_threshold: float = 0.5,
        cancel: Cancellation | None = None,
    ) -> list[Pose]:
        """Estimate the pose of everybody in a picture.

        Args:
            image: An image.
            threshold: Joints of lower scores are left out, and so are joints outside of the picture.
            detection_threshold: The detector's score from which on something is a person; BlazePose has its own.
            cancel: Stops between detecting people and looking at each.

        Returns:
            The poses, most certain people first; empty if there is nobody.

        Raises:
            InputError: The image can't be read, or a threshold is not between 0 and 1.
        """
        from sensorium.media.image import read_image

        if not 0 <= threshold <= 1:
            raise InputError(f"The threshold {threshold} is not between 0 and 1", "Use 0.3")
        upright = read_image(image, limits=self.limits)
        with self.lease(cancel=cancel) as network:
            people: list[tuple[Box, float]] = []
            if network.needs_boxes:
                detector = self._people_detector(None, cancel)
                found = detector.detect(upright, threshold=detection_threshold, cancel=cancel)
                people = [(person.box, person.score) for person in found if person.label == _PERSON]
                if not people:
                    return []
            check_cancelled(cancel)
            poses = network.estimate(upright, people, threshold=threshold)
        return [pose for pose in poses if pose.joints]

    def _people_detector(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> ObjectDetector:
        if self._detector is None:
            name = os.fspath(self._detector_name or _default_detector(self.profile))
            detector = self.opening.part(ObjectDetector, name)
            detector.ensure_loaded(progress=progress, cancel=cancel)
            if _PERSON not in detector.classes:
                raise UnsupportedError(
                    f"The detector {detector.model!r} does not know what a person is", "Choose one trained on COCO"
                )
            self._detector = detector
        return self._detector

    def _resolve_device(self) -> str:
        if self.checkpoint.family not in _ON_CPU_ONLY:
            return super()._resolve_device()
        if self._device not in ("auto", "cpu"):
            raise InputError(
                f"Poses are not estimated on {self._device!r}: BlazePose runs on the CPU", "Use device='cpu'"
            )
        return "cpu"


def openpose_map(
    image: PIL.Image.Image,
    estimator: PoseEstimator,
    *,
    threshold: float = 0.3,
    detection_threshold: float = 0.5,
) -> PIL.Image.Image:
    """Draw the bodies of everybody in a picture, as OpenPose draws them.

    Args:
        image: An upright RGB picture.
        estimator: Finds the poses.
        threshold: Joints of lower scores are left out.
        detection_threshold: The score from which on somebody counts as a person.

    Returns:
        An RGB picture of the same size.

    Raises:
        InputError: Nobody was found: a black map would control nothing.
    """
    poses = estimator.estimate(image, threshold=threshold, detection_threshold=detection_threshold)
    if not poses:
        raise InputError(
            f"{estimator.model} finds nobody in this picture, so there is no pose to follow",
            "Give a picture in which people are larger and not covered, lower the thresholds, "
            "or use another control such as canny",
        )
    return draw_poses(image.size, poses)


def _default_detector(profile: str) -> str:
    known = catalog.entries("object-detection", profile)
    # The starter has no such detector; a ViTPose checkpoint in it was chosen by hand.
    return catalog.resolve(None, task="object-detection", profile=profile if known else "standard").name
