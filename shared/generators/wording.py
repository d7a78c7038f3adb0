"""Words after the prompt that describe style and seed, for providers without fields for them."""

from shared.generators import failures
from shared.generators.port import Style

STYLES = {
    Style.PAINTING: "an oil painting",
    Style.WATERCOLOR: "a watercolor painting",
    Style.INK: "an ink drawing",
    Style.NEON: "glowing neon art",
    Style.MOSAIC: "a mosaic of small tiles",
    Style.POSTER: "a flat screen-printed poster",
}


def wording(
    prompt: str, style: Style, *, seed: int | None = None, max_characters: int | None = None
) -> str:
    """The prompt with its style and, where one is given, its seed.

    Raises:
        GenerationFailed: with these words, the prompt is too long for the provider.
    """
    suffix = f"\n\nStyle: {STYLES[style]}."
    if seed is not None:
        suffix += f" Variation {seed}."
    if max_characters is not None and len(prompt) + len(suffix) > max_characters:
        raise failures.prompt_too_long(max_characters - len(suffix))
    return prompt + suffix
