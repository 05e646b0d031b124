"""English for captions: articles, plurals, colours, sizes and places."""

from __future__ import annotations

HUES = {"red": 0, "orange": 28, "yellow": 50, "green": 115, "blue": 212, "purple": 272, "pink": 328}
"""The middle of each colour, in degrees of hue."""

NATURAL = {
    "red": (-16, 16),
    "orange": (18, 40),
    "yellow": (42, 58),
    "green": (62, 166),
    "blue": (186, 236),
    "purple": (254, 292),
    "pink": (312, 344),
}
"""The hues, in degrees, that are called so when a thing has them by nature."""

BACKGROUNDS = {
    "white": (255, 255, 255),
    "black": (24, 24, 28),
    "grey": (168, 170, 174),
    "red": (226, 84, 80),
    "orange": (247, 168, 84),
    "yellow": (250, 226, 120),
    "green": (132, 204, 134),
    "blue": (116, 174, 238),
    "purple": (174, 132, 222),
    "pink": (248, 176, 206),
}
"""What a caption's background colour looks like; white goes unsaid."""

SIZES = {"small": 0.48, "": 0.86, "big": 0.98}
"""The part of the picture's side that a thing takes."""

PLACES = {
    "on the left": (0.27, 0.5),
    "on the right": (0.73, 0.5),
    "at the top": (0.5, 0.27),
    "at the bottom": (0.5, 0.73),
    "in the top left corner": (0.27, 0.27),
    "in the top right corner": (0.73, 0.27),
    "in the bottom left corner": (0.27, 0.73),
    "in the bottom right corner": (0.73, 0.73),
}
"""Where the middle of a small thing is, in parts of the picture's sides."""

COUNTS = {2: "two", 3: "three", 4: "four"}

ALREADY_PLURAL = {
    *("cherries", "grapes", "glasses", "scissors", "jeans", "shorts", "socks", "gloves", "goggles", "sunglasses"),
    *("peanuts", "beans", "french fries", "pancakes", "blueberries", "briefs", "chains", "books", "houses"),
    *("ballet shoes", "paw prints", "chopsticks", "headphones", "skis", "bubbles", "shopping bags"),
}
WITHOUT_ARTICLE = {
    *("bread", "cheese", "corn", "lightning", "fire", "ice", "butter", "salt", "bacon", "garlic", "popcorn", "sushi"),
    *("spaghetti", "honey", "soap", "coral", "wood", "yarn", "thread", "broccoli", "cooked rice", "curry rice"),
}
_IRREGULAR = {"mouse": "mice", "sheep": "sheep", "fish": "fish", "wolf": "wolves", "leaf": "leaves", "goose": "geese"}
_VOWELS = "aeiou"
_SOUNDED_AS_CONSONANT = ("unicorn", "euro", "uni", "one-")


def with_article(words: str) -> str:
    """Return a thing's name with ``a``, ``an`` or nothing in front, decided by its first and last words."""
    noun = words.split(" ")[-1]
    if any(words.endswith(name) for name in ALREADY_PLURAL) or noun in WITHOUT_ARTICLE or words in WITHOUT_ARTICLE:
        return words
    vowel = words[0].lower() in _VOWELS and not words.lower().startswith(_SOUNDED_AS_CONSONANT)
    return f"{'an' if vowel else 'a'} {words}"


def countable(name: str) -> bool:
    """Return whether one can say "two of them"."""
    return name not in ALREADY_PLURAL and name not in WITHOUT_ARTICLE


def plural(name: str) -> str:
    """Return the plural of a thing's name: "cups of coffee", "mice", "cherries"."""
    head, of, rest = name.partition(" of ")
    if of:
        return f"{plural(head)} of {rest}"
    before, space, noun = name.rpartition(" ")
    if noun in _IRREGULAR:
        ending = _IRREGULAR[noun]
    elif noun.endswith(("s", "x", "z", "ch", "sh")) or noun in ("tomato", "potato"):
        ending = f"{noun}es"
    elif noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        ending = f"{noun[:-1]}ies"
    else:
        ending = f"{noun}s"
    return f"{before}{space}{ending}"
