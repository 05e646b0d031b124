"""Questions about the real photos with their answers, written by somebody who looked at the photos.

`right` lists texts of which a right answer contains at least one; `wrong` lists texts that make it wrong all the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PhotoQuestion:
    """A question about a photo, and how to tell a right answer."""

    photo: str
    question: str
    right: tuple[str, ...]
    wrong: tuple[str, ...] = ()

    def is_answered_by(self, answer: str) -> bool:
        """Return whether an answer is right."""
        said = answer.lower()
        return any(text in said for text in self.right) and not any(text in said for text in self.wrong)


ANSWERABLE = (
    PhotoQuestion("chelsea", "What animal is this?", ("cat",)),
    PhotoQuestion("chelsea", "Is there a dog?", ("no,",)),
    PhotoQuestion("chelsea", "What color is the cat?", ("brown", "orange")),
    PhotoQuestion("chelsea", "How many people are there?", ("nobody", "no people")),
    PhotoQuestion("coffee", "Is there a cup?", ("yes",)),
    PhotoQuestion("coffee", "What color is the cup?", ("red", "orange"), ("can't",)),
    PhotoQuestion("coffee", "Is there a spoon?", ("yes",)),
    PhotoQuestion("astronaut", "How many people are there?", ("one",)),
    PhotoQuestion("astronaut", "Is there a helmet?", ("yes",)),
    PhotoQuestion("astronaut", "Where is the helmet?", ("bottom",)),
    PhotoQuestion("rocket", "What is in the image?", ("rocket",)),
    PhotoQuestion("rocket", "Is it dark?", ("is dark",)),
    PhotoQuestion("hubble", "Is there an animal?", ("no,", "not sure")),
    PhotoQuestion("hubble", "What is the dominant colour?", ("black",)),
    PhotoQuestion("coins", "What is in the image?", ("coin",)),
    PhotoQuestion("cameraman", "How many people are there?", ("one",)),
    PhotoQuestion("cameraman", "Is there a tripod?", ("yes",)),
    PhotoQuestion("cameraman", "Is the picture black and white?", ("yes",)),
    PhotoQuestion("china", "Is there a building?", ("yes",)),
    PhotoQuestion("china", "What color is the sky?", ("white", "blue", "grey")),
    PhotoQuestion("flower", "Is there a flower?", ("yes",)),
    PhotoQuestion("flower", "What color is the flower?", ("orange", "pink")),
    PhotoQuestion("aloe", "Is there a plant?", ("yes",)),
    PhotoQuestion("apple", "What fruit is this?", ("apple",), ("pineapple",)),
    PhotoQuestion("apple", "What color is the apple?", ("red", "orange")),
    PhotoQuestion("baboon", "What animal is this?", ("baboon", "mandrill", "monkey")),
    PhotoQuestion("board", "What is in the image?", ("electronic", "circuit")),
    PhotoQuestion("building", "What color is the building?", ("white",)),
    PhotoQuestion("butterfly", "What animal is this?", ("butterfly",)),
    PhotoQuestion("butterfly", "What color is the butterfly?", ("black",)),
    PhotoQuestion("dog", "Is it a cat or a dog?", ("dog",), ("neither",)),
    PhotoQuestion("dog", "How many people are there?", ("nobody", "no people")),
    PhotoQuestion("fruits", "What kind of fruit is it?", ("orange", "lemon", "lime", "kiwi")),
    PhotoQuestion("home", "What color is the building?", ("yellow", "beige")),
    PhotoQuestion("home", "What color is the sky?", ("blue",)),
    PhotoQuestion("street", "Is there a building?", ("yes",)),
    PhotoQuestion("street", "Is there an animal?", ("no,",)),
    PhotoQuestion("messi", "Is there a ball?", ("yes",)),
    PhotoQuestion("messi", "What sport is being played?", ("football", "soccer")),
    PhotoQuestion("orange", "What fruit is this?", ("orange",)),
    PhotoQuestion("squirrel", "What animal is this?", ("squirrel",)),
    PhotoQuestion("sudoku", "What is in the image?", ("page", "puzzle", "crossword", "sudoku")),
    PhotoQuestion("sudoku", "What does the paper say?", ("sudoku hard",)),
    PhotoQuestion("car", "What color is the car?", ("grey", "silver", "light blue")),
    PhotoQuestion("car", "Is the picture blurry?", ("is blurred",)),
    PhotoQuestion("basketball", "How many people are there?", ("two",)),
    PhotoQuestion("basketball", "What color is the ball?", ("black and white",)),
)

# No picture tells these, or no system of this kind can; a right answer says so.
_REFUSES = ("can't tell", "can't read", "i can see no", "not sure")
UNANSWERABLE = (
    PhotoQuestion("chelsea", "How old is the cat?", _REFUSES),
    PhotoQuestion("chelsea", "What is the cat's name?", _REFUSES),
    PhotoQuestion("coffee", "How much did the coffee cost?", _REFUSES),
    PhotoQuestion("coffee", "What color is the car?", _REFUSES),
    PhotoQuestion("street", "What is the weather like?", _REFUSES),
    PhotoQuestion("street", "In which year was the photo taken?", _REFUSES),
    PhotoQuestion("messi", "Who is this?", _REFUSES),
    PhotoQuestion("messi", "What is the score?", _REFUSES),
    PhotoQuestion("astronaut", "What is the person doing?", _REFUSES),
    PhotoQuestion("astronaut", "Is the person happy?", _REFUSES),
    PhotoQuestion("home", "Is the car parked?", _REFUSES),
    PhotoQuestion("squirrel", "What sport is being played?", _REFUSES),
    PhotoQuestion("rocket", "Why is the sky blue?", _REFUSES),
)
