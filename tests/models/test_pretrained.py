"""What opening checkpoints of transformers does to the rest of the process: nothing that stays."""

from __future__ import annotations

from transformers.utils import logging

from sensorium.models.pretrained import quiet_transformers


def test_quiet_calls_that_overlap_leave_the_settings_as_they_were() -> None:
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_info()
    logging.enable_progress_bar()
    try:
        first, second = quiet_transformers(), quiet_transformers()
        first.__enter__()
        second.__enter__()
        assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (logging.ERROR, False)
        # As threads do: the one that came first goes first.
        first.__exit__(None, None, None)
        assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (logging.ERROR, False)
        second.__exit__(None, None, None)
        assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (logging.INFO, True)
    finally:
        logging.set_verbosity(before[0])
        if not before[1]:
            logging.disable_progress_bar()
