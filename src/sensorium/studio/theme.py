"""How the page looks: colours, type and spacing of its own, light and dark."""

from __future__ import annotations

import importlib.resources

import gradio as gr

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "Noto Sans SC", "PingFang SC", "sans-serif")
_FIXED = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Return the theme. Its fonts are the machine's own: nothing is fetched from elsewhere."""
    made = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.amber,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        font=_FONTS,
        font_mono=_FIXED,
    )
    made.set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_700",
        body_background_fill="*neutral_50",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
    )
    return made


def style() -> str:
    """Return the page's style sheet."""
    return importlib.resources.files(__package__).joinpath("style.css").read_text("utf-8")


def script(language: str) -> str:
    """Return what the page does once it is there: it tells readers of screens its language, and what empty fields are.

    Args:
        language: Of the page.
    """
    file = importlib.resources.files(__package__).joinpath("page.js")
    return file.read_text("utf-8").replace("LANGUAGE", language)
