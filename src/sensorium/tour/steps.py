"""The steps of the tour, in order: each step is a command that anyone can type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One command of the tour.

    Attributes:
        sense: The heading above the step.
        title: What the step shows, in a few words.
        arguments: The command's arguments, after ``sensorium``.
        tasks: The tasks that the command uses; the page names their checkpoints.
        typed: Lines typed into the command.
        pictures: Pictures to show beside the step.
        painted: Those of ``pictures`` that the command paints; they are shown with the settings that their files name.
        audio: A recording to play beside the step.
        film: A film to play beside the step.
        subtitles: WebVTT subtitles of the film.
        shows_matches: Whether to show the photographs that the output names, in the output's order.
    """

    sense: str
    title: str
    arguments: tuple[str, ...]
    tasks: tuple[str, ...]
    typed: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    painted: tuple[str, ...] = ()
    audio: str = ""
    film: str = ""
    subtitles: str = ""
    shows_matches: bool = False


_SIMILARITY = ("image-text-similarity",)
_VISION = "Pictures"
_PAINTING = "Image generation"
_SPEECH = "Speech"
_VIDEO = "Video"

_CARS = tuple(f"car-{number}.png" for number in range(1, 5))

STEPS = (
    Step(
        _VISION,
        "Name what is in a picture, with labels of your own",
        ("classify", "photos/cat.png", "--labels", "cat,dog,bird,car"),
        _SIMILARITY,
        pictures=("photos/cat.png",),
    ),
    Step(_VISION, "Make a folder searchable", ("index", "photos", "--to", "index"), _SIMILARITY),
    Step(
        _VISION,
        "Find pictures by words",
        ("search", "a cup of coffee", "--index", "index", "--limit", "3"),
        _SIMILARITY,
        shows_matches=True,
    ),
    Step(
        _VISION,
        "Find pictures like this one",
        ("search", "--image", "photos/temple.jpg", "--index", "index", "--limit", "3"),
        _SIMILARITY,
        shows_matches=True,
    ),
    Step(
        _VISION,
        "Say what a picture shows",
        ("caption", "photos/coffee.png", "photos/rocket.jpg"),
        ("image-question-answering",),
        pictures=("photos/coffee.png", "photos/rocket.jpg"),
    ),
    Step(
        _VISION,
        "Ask about a picture",
        ("ask", "photos/astronaut.png", "How many people are there?"),
        ("image-question-answering",),
        pictures=("photos/astronaut.png",),
    ),
    Step(
        _VISION,
        "Ask in Chinese",
        ("ask", "photos/temple.jpg", "这是什么？"),
        ("image-question-answering",),
        pictures=("photos/temple.jpg",),
    ),
    Step(
        _VISION,
        "Read what is written",
        ("read", "receipt.png"),
        ("text-recognition",),
        pictures=("receipt.png",),
    ),
    Step(
        _VISION,
        "Ask about what is written",
        ("ask", "receipt.png", "What is the total?"),
        ("image-question-answering",),
        pictures=("receipt.png",),
    ),
    Step(
        _VISION,
        "Talk about a picture",
        ("chat", "photos/flower.jpg"),
        ("image-chat",),
        typed=("What is in this picture?", "What color is it?"),
        pictures=("photos/flower.jpg",),
    ),
    Step(
        _PAINTING,
        "Write a good prompt for a painting model",
        (
            "prompt",
            "a cat sitting on a window sill",
            "--style",
            "realistic",
            "--detail",
            "fluffy fur",
            "--detail",
            "green eyes",
            "--lighting",
            "golden hour lighting, warm tones",
        ),
        (),
    ),
    Step(
        _PAINTING,
        "Paint pictures from words",
        ("imagine", "a cartoon of a red car", "--num-images", "4", "--seed", "7", "-o", "car.png"),
        (),
        pictures=_CARS,
        painted=_CARS,
    ),
    Step(
        _PAINTING,
        "Paint one of them again, from what its file says",
        ("imagine", "--again", "car-2.png", "-o", "car-again.png"),
        (),
        pictures=("car-again.png",),
        painted=("car-again.png",),
    ),
    Step(
        _PAINTING,
        "Repaint a photograph",
        (
            "edit",
            "photos/flower.jpg",
            "a cartoon of a sunflower",
            "--strength",
            "0.7",
            "--seed",
            "7",
            "-o",
            "sunflower.png",
        ),
        (),
        pictures=("photos/flower.jpg", "sunflower.png"),
        painted=("sunflower.png",),
    ),
    Step(
        _PAINTING,
        "Paint what follows the edges of a photograph",
        (
            "control",
            "photos/coffee.png",
            "a flat drawing of a cup of coffee",
            "--control",
            "canny",
            "--seed",
            "7",
            "--save-map",
            "edges-of-coffee.png",
            "-o",
            "drawn-coffee.png",
        ),
        (),
        pictures=("photos/coffee.png", "edges-of-coffee.png", "drawn-coffee.png"),
        painted=("drawn-coffee.png",),
    ),
    Step(
        _PAINTING,
        "Draw the pose that a ControlNet shall follow",
        ("control", "photos/astronaut.png", "--control", "openpose", "--map-only", "-o", "pose.png"),
        ("pose-estimation",),
        pictures=("photos/astronaut.png", "pose.png"),
    ),
    Step(
        _PAINTING,
        "Draw the edges that a ControlNet shall follow",
        ("control", "photos/temple.jpg", "--control", "canny", "--map-only", "-o", "edges.png"),
        (),
        pictures=("photos/temple.jpg", "edges.png"),
    ),
    Step(
        _SPEECH,
        "Read a text aloud",
        ("speak", "--file", "narration.txt", "-o", "narration.mp3"),
        ("text-to-speech",),
        audio="narration.mp3",
    ),
    Step(_SPEECH, "Write down what is said", ("transcribe", "narration.mp3"), ("speech-to-text",)),
    Step(
        _VIDEO,
        "Subtitle a film",
        ("transcribe", "film.mp4", "--format", "vtt", "-o", "film.vtt"),
        ("speech-to-text",),
        film="film.mp4",
        subtitles="film.vtt",
    ),
    Step(_VIDEO, "Describe a film", ("watch", "film.mp4"), ("video-question-answering",)),
    Step(
        _VIDEO,
        "Ask about a film",
        ("watch", "film.mp4", "When does the rocket appear?"),
        ("video-question-answering",),
    ),
    Step(_VIDEO, "Check what a film shows against a policy", ("moderate", "film.mp4"), _SIMILARITY),
    Step(_VIDEO, "Make a film searchable", ("index", "film.mp4", "--to", "index"), _SIMILARITY),
    Step(_VIDEO, "Find the moment", ("search", "a flower", "--index", "index", "--limit", "2"), _SIMILARITY),
)

WITHOUT_STARTER = (
    ("Stable Diffusion", "photographs, people, scenes, and things that the starter never saw"),
    ("ControlNet", "pictures that follow a pose, depth, normals or segments (edges are followed offline)"),
    ("DALL·E", "text-to-image by the unCLIP design"),
    ("VALL·E", "voice cloning from a recording"),
)
"""Systems without a starter, which the tour can't show, each with what it is for; the page lists them."""
