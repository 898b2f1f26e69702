"""The colours, the type and the spacing of the page, in light and dark. CSS files use its variables."""

from typing import Any

import gradio as gr
from gradio.themes.utils.colors import Color

FONTS: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}

# Text on the page has a contrast of at least 4.5 : 1 in both modes.
PINE = Color(
    name="pine",
    c50="#eef7f5",
    c100="#d5ebe7",
    c200="#aed8d0",
    c300="#7cbfb4",
    c400="#5cc5b5",
    c500="#1f8a7c",
    c600="#13695f",
    c700="#0f564e",
    c800="#0d4640",
    c900="#0b3935",
    c950="#062220",
)
STONE = Color(
    name="stone",
    c50="#f8f7f4",
    c100="#f1efeb",
    c200="#e3e0da",
    c300="#cfcbc3",
    c400="#a8a59e",
    c500="#666a6f",
    c600="#4b4f54",
    c700="#33373c",
    c800="#24282c",
    c900="#1b1f22",
    c950="#131618",
)


def page_theme() -> gr.themes.Base:
    """The theme of the page, for `gr.Blocks.launch`."""
    theme = gr.themes.Base(primary_hue=PINE, secondary_hue=PINE, neutral_hue=STONE, radius_size="lg", **FONTS)
    return theme.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="#1d2124",
        body_text_color_dark="#e9ebed",
        body_text_color_subdued="#5b6065",
        body_text_color_subdued_dark="#a9afb5",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_100",
        background_fill_secondary_dark="*neutral_800",
        block_background_fill="#ffffff",
        block_background_fill_dark="*neutral_900",
        block_label_text_color="#4b4f54",
        block_label_text_color_dark="#c3c8cc",
        block_title_text_color="#33373c",
        block_title_text_color_dark="#d5d9dc",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        color_accent="*primary_600",
        color_accent_soft="*primary_50",
        color_accent_soft_dark="#12332f",
        link_text_color="*primary_600",
        link_text_color_dark="*primary_400",
        link_text_color_hover="*primary_700",
        link_text_color_hover_dark="*primary_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        checkbox_background_color_selected="*primary_600",
        checkbox_background_color_selected_dark="*primary_600",
        checkbox_label_background_fill_selected="*primary_50",
        checkbox_label_background_fill_selected_dark="#12332f",
        checkbox_label_text_color_selected="*primary_700",
        checkbox_label_text_color_selected_dark="*primary_300",
        input_border_color_focus="*primary_600",
        input_border_color_focus_dark="*primary_400",
        loader_color="*primary_600",
        loader_color_dark="*primary_400",
        block_shadow="none",
        button_large_text_size="*text_md",
    )
