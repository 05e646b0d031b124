"""Speech: recognition with `speech_to_text`, synthesis with `text_to_speech`."""
