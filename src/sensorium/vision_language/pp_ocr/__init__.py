"""PP-OCR: where writing is in a picture, and what it says."""
