"""The few pictures of the documentation, made small: ``python -m tests.studio.small_pictures``.

It takes them from ``screenshots/``, which ``python -m tests.studio.screenshots`` writes, and puts them in
``docs/studio/``.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

_FROM, _TO = Path("screenshots"), Path("docs/studio")
_PICTURES = {
    "paint": "paint-en-wide-light.png",
    "hear": "hear-en-wide-light.png",
    "watch": "watch-en-wide-dark.png",
    "paint-zh": "paint-zh-wide-light.png",
    "narrow": "paint-zh-narrow-dark.png",
}
_WIDTH, _LONGEST = 900, 1.15
"""Pixels, and how many times as high as wide a picture may be; what is below is cut off."""
_NARROW_WIDTH, _NARROW_LONGEST = 390, 2.2
_LARGEST = 150_000
"""Bytes."""


def main() -> None:
    """Write the pictures."""
    _TO.mkdir(exist_ok=True)
    for name, source in _PICTURES.items():
        width, longest = (_NARROW_WIDTH, _NARROW_LONGEST) if "narrow" in source else (_WIDTH, _LONGEST)
        target = _TO / f"{name}.webp"
        with Image.open(_FROM / source) as image:
            small = image.convert("RGB").resize(
                (width, round(image.height * width / image.width)), Image.Resampling.LANCZOS
            )
            small.crop((0, 0, width, min(small.height, round(width * longest)))).save(target, quality=80, method=6)
        size = target.stat().st_size
        assert size <= _LARGEST, f"{target} has {size} bytes"
        print(target, size)


if __name__ == "__main__":
    main()
