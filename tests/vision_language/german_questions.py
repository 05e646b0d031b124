"""Questions in German about the real photos with their answers, written before any answer was seen."""

from __future__ import annotations

from tests.vision_language.photo_questions import PhotoQuestion

ANSWERABLE = (
    PhotoQuestion("chelsea", "Was ist das für ein Tier?", ("katze",)),
    PhotoQuestion("chelsea", "Was ist auf dem Bild zu sehen?", ("katze",)),
    PhotoQuestion("chelsea", "Gibt es einen Hund?", ("nein",)),
    PhotoQuestion("chelsea", "Welche Farbe hat die Katze?", ("braun", "orange")),
    PhotoQuestion("chelsea", "Wie viele Menschen sind auf dem Foto?", ("keine menschen",)),
    PhotoQuestion("chelsea", "Ist die Katze grün?", ("nein",)),
    PhotoQuestion("coffee", "Ist eine Tasse zu sehen?", ("ja",)),
    PhotoQuestion("coffee", "Welche Farbe hat die Tasse?", ("rot", "orange"), ("kann ich nicht",)),
    PhotoQuestion("coffee", "Siehst du einen Löffel?", ("ja",)),
    PhotoQuestion("astronaut", "wie viele leute sieht man?", ("eine person",)),
    PhotoQuestion("astronaut", "Ist da jemand?", ("ja",)),
    PhotoQuestion("astronaut", "Gibt es auf dem Bild einen Helm?", ("ja",)),
    PhotoQuestion("astronaut", "Wo ist der Helm?", ("unten",)),
    PhotoQuestion("rocket", "Was siehst du?", ("rakete",)),
    PhotoQuestion("rocket", "Ist das Bild dunkel?", ("ist dunkel",)),
    PhotoQuestion("hubble", "Sind Tiere auf dem Bild?", ("nein", "nicht sicher")),
    PhotoQuestion("hubble", "Was ist die Hauptfarbe?", ("schwarz",)),
    PhotoQuestion("cameraman", "Wie viele Personen sind zu sehen?", ("eine person",)),
    PhotoQuestion("cameraman", "Ist das Bild schwarzweiß?", ("ja",)),
    PhotoQuestion("china", "Gibt es Gebäude?", ("ja",)),
    PhotoQuestion("china", "Welche Farbe hat der Himmel?", ("weiß", "blau", "grau")),
    PhotoQuestion("flower", "Sind Blumen zu sehen?", ("ja",)),
    PhotoQuestion("flower", "Welche Farbe hat die Blüte?", ("rosa", "orange")),
    PhotoQuestion("aloe", "Ist das eine Pflanze?", ("ja",)),
    PhotoQuestion("apple", "Was für Obst ist das?", ("apfel",)),
    PhotoQuestion("apple", "Ist der Apfel rot?", ("ja", "zum teil")),
    PhotoQuestion("baboon", "Welches Tier ist das?", ("pavian", "affe", "mandrill")),
    PhotoQuestion("building", "Welche Farbe hat das Gebäude?", ("weiß",)),
    PhotoQuestion("butterfly", "Was für ein Insekt ist das?", ("schmetterling", "falter")),
    PhotoQuestion("dog", "Ist das eine Katze oder ein Hund?", ("hund",), ("keins",)),
    PhotoQuestion("dog", "Welche Rasse hat der Hund?", ("pekinese", "hund")),
    PhotoQuestion(
        "dog", "Wo befindet sich der Hund?", ("mitte", "links", "rechts", "unten", "oben"), ("kann ich nicht",)
    ),
    PhotoQuestion("fruits", "Welche Früchte sind das?", ("orange", "zitrone", "zitrusfr")),
    PhotoQuestion("home", "Welche Farbe hat das Haus?", ("gelb", "beige")),
    PhotoQuestion("home", "Von welcher Farbe ist der Himmel?", ("blau",)),
    PhotoQuestion("street", "Gibt es Häuser?", ("ja",)),
    PhotoQuestion("messi", "Ist ein Ball zu sehen?", ("ja",)),
    PhotoQuestion("messi", "Beschreibe das Bild.", ("eine person",)),
    PhotoQuestion("orange", "Welche Frucht siehst du?", ("orange",)),
    PhotoQuestion("squirrel", "Beschreib mir bitte das Foto ausführlich!", ("eichhörnchen", "fuchshörnchen")),
    PhotoQuestion("sudoku", "Was steht auf dem Papier?", ("sudoku hard",)),
    PhotoQuestion("car", "Welche Farbe hat das Auto?", ("grau", "silber", "hellblau")),
    PhotoQuestion("car", "Ist das Foto unscharf?", ("ist unscharf",)),
    PhotoQuestion("basketball", "Wie groß ist das Bild?", ("pixel",)),
    PhotoQuestion("basketball", "WIE VIELE MENSCHEN GIBT ES?", ("zwei",)),
)

UNANSWERABLE = (
    PhotoQuestion("astronaut", "Wer ist das?", ("wer jemand ist",)),
    PhotoQuestion("astronaut", "Was macht die Frau?", ("was jemand tut",)),
    PhotoQuestion("astronaut", "Wie alt ist sie?", ("kann ich aus diesem bild nicht",)),
    PhotoQuestion("messi", "Wie heißt der Spieler?", ("wer jemand ist",)),
    PhotoQuestion("chelsea", "Wie schwer ist die Katze?", ("kann ich aus diesem bild nicht",)),
    PhotoQuestion("chelsea", "Gibt es ein Einhorn?", ("„einhorn“ gehört nicht",)),
    PhotoQuestion("chelsea", "Siehst du ein Seepferdchen?", ("„seepferdchen“ gehört nicht",)),
    PhotoQuestion("chelsea", "Warum ist der Himmel blau?", ("kann ich aus diesem bild nicht",)),
    PhotoQuestion(
        "chelsea",
        "Welche Stadt ist die Hauptstadt von Frankreich?",
        ("verstehe ich nicht", "gehört nicht", "nicht sagen"),
    ),
    PhotoQuestion("rocket", "Wohin fliegt die Rakete?", ("verstehe ich nicht",)),
    PhotoQuestion("dog", "Wie viele Hunde sind da?", ("nur menschen",)),
    PhotoQuestion("dog", "Sitzt der Hund gern dort?", ("verstehe ich nicht",)),
)
