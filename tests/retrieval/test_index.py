"""The search index on real photos and films, with the starter's real encoder."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sensorium.errors import CancelledError, InputError
from sensorium.media.video_writer import write_video
from sensorium.progress import Progress
from sensorium.retrieval import ingest
from sensorium.retrieval.index import IndexReport, SearchIndex
from sensorium.retrieval.probe import make_probe
from sensorium.retrieval.rows import Encoder
from sensorium.retrieval.table import create_table
from sensorium.vision_language.clip import CLIP
from tests.processes import running
from tests.real_media import photo
from tests.refusals import refused
from tests.retrieval.album import SHOWN, number_of, save_photo


def counts(report: IndexReport) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.removed, len(report.skipped)


def make_film(path: Path, names: list[str], seconds_each: float = 3.0) -> Path:
    """Write a film that shows one photo after the other."""
    pictures = []
    for name in names:
        with Image.open(photo(name)) as image:
            pictures.append(image.convert("RGB").resize((320, 240)))
    rate = 10
    return write_video(path, [p for p in pictures for _ in range(int(rate * seconds_each))], rate)


def test_text_picture_or_both_find_the_photo(album: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    assert counts(index.add(album)) == (8, 0, 0, 0, 0)
    first = {name: index.search(text)[0] for name, text in SHOWN.items()}
    right = [name for name, match in first.items() if match.path.stem == str(number_of(name))]
    print(f"text to photo, first of 8: {len(right)} of 8; wrong: {sorted(set(SHOWN) - set(right))}")
    assert len(right) >= 7
    for name in SHOWN:
        assert index.search(image=photo(name), limit=1)[0].path.stem == str(number_of(name))
    assert index.search(image=album / "0.jpg", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)
    both = {"text": "a flower", "image": photo("coffee")}
    assert index.search(**both, limit=1, image_weight=0.0)[0].path.stem == str(number_of("flower"))
    assert index.search(**both, limit=1, image_weight=1.0)[0].path.stem == str(number_of("coffee"))
    halves = {match.path.stem for match in index.search(**both, limit=2)}
    assert halves == {str(number_of("flower")), str(number_of("coffee"))}


def test_scores_are_the_cosines_of_the_encoders_own_vectors(album: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    matches = index.search("a cat", limit=8)
    with CLIP() as clip:
        expected = (clip.encode_image([match.path for match in matches]) @ clip.encode_text("a cat").T).flatten()
    assert [match.score for match in matches] == pytest.approx(expected.tolist(), abs=1e-5)
    assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)
    assert (matches.model, matches[0].kind, matches[0].time) == ("conse-starter", "image", None)


def test_only_what_changed_is_read_again(album: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    assert counts(index.add(album)) == (0, 0, 8, 0, 0)

    save_photo("aloe", album / "new.jpg")
    save_photo("butterfly", album / "0.jpg")
    (album / "2.jpg").unlink()
    report = SearchIndex(tmp_path / "index").add(album)
    assert counts(report) == (1, 1, 6, 1, 0)
    assert report.reused == 0
    assert index.search("a butterfly", limit=1)[0].path == album / "0.jpg"
    assert album / "2.jpg" not in {match.path for match in index.search("a dog", limit=99)}
    assert len(index) == len(index.files()) == 8


def test_moved_copied_and_touched_files_are_not_encoded_again(album: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    (album / "0.jpg").rename(album / "more" / "cat.jpg")
    (album / "copy of 2.jpg").write_bytes((album / "2.jpg").read_bytes())
    os.utime(album / "4.jpg", (1e9, 1e9))
    report = index.add(album)
    assert counts(report) == (1, 0, 7, 0, 0)
    assert (report.moved, report.reused) == (1, 2)
    matches = index.search("a cat", limit=1)
    assert matches[0].path == album / "more" / "cat.jpg"
    assert counts(index.add(album)) == (0, 0, 9, 0, 0)


def test_two_files_that_swap_their_names(album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_ROWS_PER_WRITE", 1)
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    (album / "0.jpg").rename(album / "x.jpg")
    (album / "2.jpg").rename(album / "0.jpg")
    (album / "x.jpg").rename(album / "2.jpg")
    assert counts(index.add(album)) == (0, 2, 6, 0, 0)
    assert index.search("a cat", limit=1)[0].path.name == "2.jpg"
    assert index.search("a dog", limit=1)[0].path.name == "0.jpg"
    assert counts(index.add(album)) == (0, 0, 8, 0, 0)


def test_broken_files_are_listed_and_read_again_once_they_change(album: Path, tmp_path: Path) -> None:
    (album / "text.jpg").write_text("not a picture")
    (album / "empty.png").touch()
    (album / "cut.png").write_bytes(photo("chelsea").read_bytes()[:5000])
    (album / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    index = SearchIndex(tmp_path / "index")
    first = index.add(album)
    assert counts(first) == (8, 0, 0, 0, 4)
    reasons = {skipped.path.name: skipped.reason for skipped in first.skipped}
    assert sorted(reasons) == ["cut.png", "empty.png", "film.mp4", "text.jpg"]
    assert all("Error" not in reason and "Traceback" not in reason for reason in reasons.values())
    assert "is text" in reasons["text.jpg"]
    assert "is empty" in reasons["empty.png"]

    again = SearchIndex(tmp_path / "index").add(album)
    assert counts(again) == (0, 0, 8, 0, 4)
    assert {skipped.path.name: skipped.reason for skipped in again.skipped} == reasons
    assert len(index) == 8

    save_photo("butterfly", album / "text.jpg")
    (album / "empty.png").unlink()
    assert counts(index.add(album)) == (0, 1, 8, 1, 2)
    assert index.search("a butterfly", limit=1)[0].path.name == "text.jpg"


def test_copies_of_a_broken_file_are_told_apart(album: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (album / name).write_text("not a picture")
    index = SearchIndex(tmp_path / "index")
    report = index.add(album)
    assert counts(report) == (8, 0, 0, 0, 3)
    assert [(skipped.path.name, skipped.path.name in skipped.reason) for skipped in report.skipped] == [
        ("a.jpg", True),
        ("b.jpg", True),
        ("c.jpg", True),
    ]
    os.mkfifo(album / "pipe.jpg")
    assert counts(index.add(album / "pipe.jpg")) == (0, 0, 0, 0, 1)


def test_names_with_newlines_emoji_and_quotes_and_a_loop_of_links(album: Path, tmp_path: Path) -> None:
    strange = album / "it's a\ncat 🐱 \"%_\\.jpg"
    save_photo("chelsea", strange)
    (album / "0.jpg").unlink()
    (album / "loop").symlink_to(album)
    (album / "more" / "up").symlink_to("..")
    index = SearchIndex(tmp_path / "index")
    assert counts(index.add(album)) == (8, 0, 0, 0, 0)
    assert index.search("a cat", limit=1)[0].path == strange
    assert index.remove(strange) == 1
    assert counts(index.add(album)) == (1, 0, 7, 0, 0)


def test_a_moment_of_a_film_is_found_at_its_time(tmp_path: Path) -> None:
    names = ["rocket", "coffee", "chelsea", "flower"]
    film = make_film(tmp_path / "film.mp4", names)
    index = SearchIndex(tmp_path / "index")
    assert counts(index.add(film, every=1.0)) == (1, 0, 0, 0, 0)
    assert [(file.kind, file.moments) for file in index.files()] == [("video", 12)]
    for number, name in enumerate(names):
        match = index.search(SHOWN[name])[0]
        assert (match.path, match.kind) == (film, "moment")
        assert 3 * number <= match.time < 3 * number + 3, name
        every_moment = index.search(SHOWN[name], limit=3, all_moments=True)
        assert {int(match.time) // 3 for match in every_moment} == {number}, name

    assert len(index.search("a cat", limit=10)) == 1
    assert len(index.search("a cat", limit=10, all_moments=True)) == 10


def test_a_film_with_many_good_moments_hides_nothing_else(album: Path, tmp_path: Path) -> None:
    make_film(album / "cats.mp4", ["chelsea"], seconds_each=30)
    index = SearchIndex(tmp_path / "index")
    index.add(album, every=0.5)
    assert len(index.search("a cat", limit=9)) == 9
    assert {match.kind for match in index.search("a cat", kind="image")} == {"image"}
    assert {match.kind for match in index.search("a cat", kind="moment")} == {"moment"}


def test_films_are_sampled_again_at_another_interval(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", ["rocket", "coffee"])
    index = SearchIndex(tmp_path / "index")
    index.add(film, every=1.0)
    assert counts(index.add(film, every=1.0)) == (0, 0, 1, 0, 0)
    assert counts(index.add(film, every=2.0)) == (0, 1, 0, 0, 0)
    assert [file.moments for file in index.files()] == [3]
    assert len(index.search("coffee", all_moments=True)) == 3


def test_search_in_a_folder_only(album: Path, tmp_path: Path) -> None:
    save_photo("chelsea", tmp_path / "album.jpg")
    sibling = tmp_path / "album more"
    sibling.mkdir()
    save_photo("dog", sibling / "dog.jpg")
    index = SearchIndex(tmp_path / "index")
    index.add([album, sibling, tmp_path / "album.jpg"])
    assert len(index) == 10
    assert {match.path.parent for match in index.search("a cat", under=album / "more")} == {album / "more"}
    assert len(index.search("a cat", under=album, limit=99)) == 8
    assert len(index.search("a cat", under=tmp_path, limit=99)) == 10
    with refused(InputError, "alb"):
        index.search("a cat", under=tmp_path / "alb")


def test_patterns_and_single_files(album: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    assert counts(index.add(str(album / "*.jpg"))) == (4, 0, 0, 0, 0)
    assert counts(index.add([album / "0.jpg", str(album / "more" / "[13].jpg")])) == (2, 0, 1, 0, 0)
    assert counts(index.add(album)) == (2, 0, 6, 0, 0)
    (album / "0.jpg").unlink()
    assert counts(index.add(album / "more")) == (0, 0, 4, 0, 0)
    with pytest.raises(InputError, match="No image or video file fits"):
        index.add(str(album / "*.gif"))


def test_a_folder_that_lost_everything_is_an_error_not_an_empty_index(album: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    album.rename(tmp_path / "elsewhere")
    command = f"sensorium index --remove {album} --to {tmp_path / 'index'}"
    with refused(InputError, str(album), "8 of its files", command):
        index.add(album)
    album.mkdir()
    with refused(InputError, str(album), "8 are in the index", command):
        index.add(album)
    assert len(index) == 8
    assert index.remove(album) == 8
    assert len(index) == 0
    assert counts(index.add(album)) == (0, 0, 0, 0, 0)
    with pytest.raises(InputError, match="is empty"):
        index.search("a cat")


def test_a_link_to_an_absent_drive_drops_nothing(album: Path, tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    save_photo("aloe", drive / "aloe.jpg")
    (album / "linked").symlink_to(drive)
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    drive.rename(tmp_path / "unmounted")
    report = index.add(album)
    assert counts(report) == (0, 0, 8, 0, 1)
    assert report.skipped[0].path == album / "linked"
    assert len(index) == 9


def test_cancelling_keeps_what_is_finished_and_the_next_call_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    with Image.open(photo("china")) as china:
        for number in range(100):
            left = 4 * number
            china.crop((left, 0, left + 160, 160)).save(folder / f"{number:03d}.jpg")
    index = SearchIndex(tmp_path / "index")
    cancel = threading.Event()
    done: list[float] = []

    def watch(progress: Progress) -> None:
        if progress.stage == "indexing":
            done.append(progress.done)
            assert progress.total == 100
            cancel.set()

    with pytest.raises(CancelledError):
        index.add(folder, progress=watch, cancel=cancel)
    kept = len(index)
    assert 0 < kept == max(done) < 100
    assert counts(index.add(folder)) == (100 - kept, 0, kept, 0, 0)
    assert len(index) == len(index.files()) == 100
    assert not [thread for thread in threading.enumerate() if thread.name == "sensorium-look"]


def run_python(code: str, *arguments: object) -> AbstractContextManager[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_crash_keeps_what_was_written(album: Path, tmp_path: Path) -> None:
    for number in range(40):
        save_photo("china", album / f"china {number:02d}.jpg", side=200 + number)
    code = """
        import os, sys
        from sensorium.retrieval import ingest
        from sensorium.retrieval.index import SearchIndex
        ingest._ROWS_PER_WRITE = 8
        SearchIndex(sys.argv[1]).add(sys.argv[2], progress=lambda p: p.done >= 40 and os._exit(9))
    """
    with run_python(code, tmp_path / "index", album) as process:
        assert process.wait(60) == 9
    index = SearchIndex(tmp_path / "index")
    kept = len(index)
    assert 24 <= kept < 48
    assert counts(index.add(album)) == (48 - kept, 0, kept, 0, 0)
    assert len(index.files()) == 48


def test_one_writer_and_readers_beside_it(album: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    save_photo("aloe", album / "new.jpg")
    code = """
        import sys
        from sensorium.retrieval.index import SearchIndex
        def wait(progress):
            if progress.stage == "indexing":
                print("writing", flush=True)
                sys.stdin.readline()
        SearchIndex(sys.argv[1]).add(sys.argv[2], progress=wait)
    """
    with run_python(code, tmp_path / "index", album) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "writing\n"
        with pytest.raises(InputError, match="being written by another process"):
            index.add(album)
        with pytest.raises(InputError, match="being written by another process"):
            index.remove(album / "0.jpg")
        assert index.search("a cat", limit=1)[0].path.name == "0.jpg"
        process.stdin.close()
        assert process.wait(60) == 0
    assert len(index) == 9
    assert index.search(image=photo("aloe"), limit=1)[0].path.name == "new.jpg"


def test_vectors_of_two_checkpoints_never_mix(album: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    other = SearchIndex(tmp_path / "index", model="openai/clip-vit-base-patch32")
    for use in (lambda: other.add(album), lambda: other.search("a cat")):
        with pytest.raises(InputError, match="was made with 'conse-starter', whose vectors don't go with"):
            use()
    assert SearchIndex(tmp_path / "index", model="conse-starter").search("a cat", limit=1)[0].path.name == "0.jpg"

    with CLIP() as clip:
        size = clip.embedding_size
    stranger = Encoder("conse-starter", "conse-starter", "", size, tuple([1.0] + (size - 1) * [0.0]) * 2)
    create_table(str(tmp_path / "other weights"), stranger)
    with pytest.raises(InputError, match="was made with other weights"):
        SearchIndex(tmp_path / "other weights").add(album)


def test_a_query_is_compared_with_the_index_in_what_it_uses_of_the_encoder(tmp_path: Path) -> None:
    with CLIP() as clip:
        words, picture = np.split(np.array(make_probe(clip)), 2)
        size = clip.embedding_size
    for name, probe in (("other eyes", [*words, *words]), ("other words", [*picture, *picture])):
        create_table(str(tmp_path / name), Encoder("conse-starter", "conse-starter", "", size, tuple(probe)))
        refusals = {}
        for query in ({"text": "a cat"}, {"image": photo("dog")}, {"text": "a cat", "image": photo("dog")}):
            with pytest.raises(InputError) as raised:
                SearchIndex(tmp_path / name).search(**query)
            refusals[tuple(query)] = "is empty" if "is empty" in str(raised.value) else "other weights"
        unharmed = ("text",) if name == "other eyes" else ("image",)
        assert [query for query, refusal in refusals.items() if refusal == "is empty"] == [unharmed]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "nothing to search for"),
        ({"text": " \n"}, "is empty"),
        ({"text": "a cat", "limit": 0}, "can't return 0 matches"),
        ({"text": "a cat", "limit": -3}, "can't return -3 matches"),
        ({"text": "a cat", "kind": "song"}, "no kind 'song'"),
        ({"text": "a cat", "image_weight": 1.5}, "image_weight"),
        ({"image": b"not a picture"}, "not a picture"),
        ({"image": "absent.jpg"}, "absent.jpg"),
    ],
)
def test_queries_that_cannot_be_used(album: Path, tmp_path: Path, options: dict[str, object], reason: str) -> None:
    index = SearchIndex(tmp_path / "index")
    index.add(album / "0.jpg")
    with pytest.raises(InputError, match=reason) as raised:
        index.search(**options)
    assert "\n" not in str(raised.value)


def test_places_and_paths_that_cannot_be_used(album: Path, tmp_path: Path) -> None:
    missing = SearchIndex(tmp_path / "index")
    for use in (lambda: missing.search("a cat"), missing.files, lambda: missing.remove(album)):
        with pytest.raises(InputError, match="There is no index at"):
            use()
    assert len(missing) == 0
    assert not (tmp_path / "index").exists()
    with pytest.raises(InputError, match="There is no file"):
        missing.add(album / "absent")
    with pytest.raises(InputError, match="No files or folders"):
        missing.add([])
    with pytest.raises(InputError, match="0 seconds apart"):
        missing.add(album, every=0)
    with pytest.raises(InputError, match="is a file, not an index"):
        SearchIndex(album / "0.jpg")
    with pytest.raises(InputError, match="can't lie at"):
        SearchIndex("http://example.org/index")
    with pytest.raises(InputError, match="has no name"):
        SearchIndex("")
    missing.add(album / "0.jpg")
    with pytest.raises(InputError, match="is not in the index"):
        missing.remove(album / "1.jpg")


def test_a_damaged_index_is_one_sentence(album: Path, tmp_path: Path) -> None:
    SearchIndex(tmp_path / "index").add(album / "0.jpg")
    for file in (tmp_path / "index" / "media.lance").rglob("*.lance"):
        file.write_bytes(b"damaged")
    with pytest.raises(InputError, match="can't be read") as raised:
        SearchIndex(tmp_path / "index").search("a cat")
    assert "\n" not in str(raised.value)


def test_a_name_that_is_too_long_for_a_file(album: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        SearchIndex(tmp_path / ("long" * 100)).search("a cat")
    with pytest.raises(InputError):
        SearchIndex(tmp_path / "index").add(str(album / ("long" * 100)))


def test_closing_breaks_no_search_that_is_under_way(tmp_path: Path, album: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    index.add(album)
    failures: list[BaseException] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            try:
                assert index.search("a cat", limit=1)
            except BaseException as error:
                failures.append(error)
                return

    searches = [threading.Thread(target=search) for _ in range(3)]
    for thread in searches:
        thread.start()
    for _ in range(40):
        index.close()
        time.sleep(0.02)
    stop.set()
    for thread in searches:
        thread.join(10)
    assert failures == []
