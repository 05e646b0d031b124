"""Tests of the local server that the server on Ray Serve passes as well: the same functions, not copies of them.

All tests of OpenAI's client: ``pytest tests/server/openai --serve-options="--cluster --ingress-replicas 2"``.
"""

from __future__ import annotations

from tests.server.openai.test_batches import test_a_cancelled_batch_keeps_what_is_answered, test_pictures_in_a_batch
from tests.server.openai.test_chat import (
    test_a_client_that_goes_away_frees_the_model,
    test_the_async_client_reads_and_streams,
    test_what_is_not_there_is_not_found,
)
from tests.server.openai.test_embeddings import test_base64_holds_the_same_numbers
from tests.server.openai.test_files import (
    test_a_file_can_be_named_where_a_picture_is_taken,
    test_files_are_listed_page_by_page,
    test_what_goes_with_one_request_is_no_file,
)
from tests.server.openai.test_images import (
    test_pictures_are_shown_while_they_are_painted,
    test_pictures_that_were_sent_are_not_kept,
    test_what_fails_in_a_stream_is_told_in_it,
)
from tests.server.openai.test_speech import test_sound_comes_while_it_is_spoken
from tests.server.openai.test_transcriptions import (
    test_a_stream_tells_sentences_and_then_the_whole,
    test_what_was_sent_is_deleted_with_the_answer,
)
from tests.server.test_serving import (
    cat,
    test_a_client_that_goes_cancels_its_job_also_while_it_waits_in_the_queue,
    test_a_job_in_the_background_can_be_listened_to_from_anywhere_in_it,
    test_media_come_as_data_too_but_never_from_this_machine,
    test_models_are_loaded_pinned_and_unloaded,
    test_the_pieces_of_a_text_come_as_they_are_written,
    test_what_happened_is_counted,
)

__all__ = [
    "cat",
    "test_a_cancelled_batch_keeps_what_is_answered",
    "test_a_client_that_goes_away_frees_the_model",
    "test_a_client_that_goes_cancels_its_job_also_while_it_waits_in_the_queue",
    "test_a_file_can_be_named_where_a_picture_is_taken",
    "test_a_job_in_the_background_can_be_listened_to_from_anywhere_in_it",
    "test_a_stream_tells_sentences_and_then_the_whole",
    "test_base64_holds_the_same_numbers",
    "test_files_are_listed_page_by_page",
    "test_media_come_as_data_too_but_never_from_this_machine",
    "test_models_are_loaded_pinned_and_unloaded",
    "test_pictures_are_shown_while_they_are_painted",
    "test_pictures_in_a_batch",
    "test_pictures_that_were_sent_are_not_kept",
    "test_sound_comes_while_it_is_spoken",
    "test_the_async_client_reads_and_streams",
    "test_the_pieces_of_a_text_come_as_they_are_written",
    "test_what_fails_in_a_stream_is_told_in_it",
    "test_what_goes_with_one_request_is_no_file",
    "test_what_happened_is_counted",
    "test_what_is_not_there_is_not_found",
    "test_what_was_sent_is_deleted_with_the_answer",
]
