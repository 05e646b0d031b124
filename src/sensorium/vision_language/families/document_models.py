"""Models that were trained to read pages: what they were asked in training, and how long a page is."""

from __future__ import annotations

import re

LONGEST_PAGE = 4096
"""In tokens. A dense page of print takes 1000 to 3000."""
READING_REQUESTS = {
    "deepseek_ocr2": "Free OCR.",
    "glm_ocr": "Text Recognition:",
    "granite_docling": "Convert this page to docling.",
    "lighton_ocr": "",
    "paddleocr_vl": "OCR:",
    "qianfan_ocr": "Parse this document to Markdown.",
}
"""The words with which each family was taught to read a whole page; LightOnOCR reads whatever it sees."""
_ASKS_TO_READ = re.compile(
    r"(?:please )?(?:ocr|read|transcribe|(?:extract|recogni[sz]e|write down) (?:all )?(?:the )?text)"
    r"(?: (?:it|this|the|all|whole|text|page|picture|image|document|scan|in|on|from|of))*[.:!]?",
    re.IGNORECASE,
)


def asks_to_read(question: str) -> bool:
    """Return whether a question asks for nothing but the text of the picture."""
    return _ASKS_TO_READ.fullmatch(question.strip()) is not None
