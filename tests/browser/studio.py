"""What people do in the studio, and what they see there."""

import io
from typing import Any

from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Locator, Page, expect

RECORD = """() => {
  window.seen = [];
  const note = () => {
    const card = document.querySelector("#cards .card[data-status]");
    if (!card) return;
    const progress = card.querySelector("progress")?.value;
    const last = window.seen.at(-1);
    if (last?.[0] !== card.dataset.status || last?.[1] !== progress)
      window.seen.push([card.dataset.status, progress]);
  };
  const all = { subtree: true, childList: true, attributes: true };
  new MutationObserver(note).observe(document.getElementById("cards"), all);
}"""

# A card asks for its picture again where the session had to be refreshed first.
DECODE = """async (image, milliseconds) => {
    const end = Date.now() + milliseconds;
    for (;;) {
        try { return await image.decode(); }
        catch (error) { if (Date.now() > end) throw error; }
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}"""
DECODED_WITHIN_MS = 20_000


def submit(page: Page, prompt: str, *, size: str = "768x512", style: str = "painting") -> Locator:
    """Fill in the form as a person does; the new card."""
    page.get_by_label("What should it show?").fill(prompt)
    page.locator(f'input[value="{size}"]').check()
    page.locator(f'input[value="{style}"]').check()
    page.get_by_role("button", name="Paint it").click()
    card = page.get_by_role("article", name=prompt).first
    expect(card).to_be_visible()
    return card


def expect_picture(card: Locator) -> Locator:
    """The card's picture, once the browser has decoded it."""
    picture = card.locator("img")
    expect(picture).to_be_visible()
    picture.evaluate(DECODE, DECODED_WITHIN_MS)
    return picture


def record(page: Page) -> None:
    """From now on, note what the newest card shows."""
    page.evaluate(RECORD)


def recorded(page: Page) -> list[list[Any]]:
    """Pairs of status and progress (0 to 1), each different from the one before."""
    seen: list[list[Any]] = page.evaluate("window.seen")
    return seen


def difference(one: bytes, other: bytes) -> float:
    """How much two pictures differ at a glance: 0 if they are equal, 255 for black and white."""
    small = [Image.open(io.BytesIO(each)).convert("RGB").resize((32, 32)) for each in (one, other)]
    return max(ImageStat.Stat(ImageChops.difference(*small)).mean)


def variety(picture: bytes) -> float:
    """How much a picture shows: 0 for a blank one."""
    return max(ImageStat.Stat(Image.open(io.BytesIO(picture)).convert("RGB")).stddev)
