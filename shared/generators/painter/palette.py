from dataclasses import dataclass, replace

import numpy as np

from shared.generators.painter.colour import Colour
from shared.generators.painter.words import Meaning


@dataclass(frozen=True)
class Palette:
    zenith: Colour
    middle: Colour
    horizon: Colour
    light: Colour  # of sun or moon
    cloud: Colour
    shade: Colour  # of clouds, away from the light
    haze: Colour  # what distance fades into
    land: Colour
    rock: Colour
    water: Colour
    leaf: Colour
    dark: Colour  # silhouettes near the eye
    accents: tuple[Colour, ...]  # three, in harmony, for flowers, sails and abstract pictures


SKIES = {
    "dawn": (
        (0.58, 0.09, 268), (0.80, 0.08, 355), (0.92, 0.09, 75), (0.98, 0.06, 85),
        (0.95, 0.05, 50), (0.68, 0.08, 310), (0.85, 0.06, 30),
    ),
    "day": (
        (0.58, 0.13, 250), (0.76, 0.09, 232), (0.93, 0.04, 205), (0.99, 0.04, 98),
        (0.99, 0.01, 90), (0.76, 0.04, 250), (0.86, 0.04, 225),
    ),
    "sunset": (
        (0.36, 0.12, 290), (0.62, 0.18, 12), (0.87, 0.15, 72), (0.97, 0.10, 88),
        (0.82, 0.14, 45), (0.45, 0.12, 325), (0.76, 0.13, 45),
    ),
    "night": (
        (0.21, 0.08, 275), (0.36, 0.11, 268), (0.60, 0.11, 238), (0.96, 0.03, 95),
        (0.50, 0.05, 260), (0.25, 0.06, 275), (0.45, 0.08, 248),
    ),
}  # fmt: skip
GREY_WEATHERS = {"rain": 0.55, "storm": 0.7, "fog": 0.5, "snow": 0.4}
LAND = {
    "desert": Colour(0.72, 0.12, 65),
    "snowfield": Colour(0.94, 0.02, 240),
    "mountains": Colour(0.56, 0.09, 130),
    "meadow": Colour(0.64, 0.13, 128),
    "sea": Colour(0.60, 0.08, 95),
}
DAYLIGHT = {"dawn": 0.75, "day": 1.0, "sunset": 0.6, "night": 0.3}
HARMONIES = ((0, 35, 190), (0, 25, 55), (0, -35, 150), (0, 20, 165), (0, 45, 75), (0, -25, 205))


def choose_palette(
    meaning: Meaning, place: str, time: str, weather: str, rng: np.random.Generator
) -> Palette:
    zenith, middle, horizon, light, cloud, shade, haze = (Colour(*c) for c in SKIES[time])
    drift = rng.normal(0, 14)
    depth = rng.uniform(-0.05, 0.07)
    sky = [
        c.turned(drift * w).lighter(depth) for c, w in ((zenith, 1), (middle, 1), (horizon, 0.6))
    ]
    tint = meaning.bound.get("sky") or (meaning.colours[0] if meaning.colours else None)
    if tint:
        sky = [_tinted(c, tint, share) for c, share in zip(sky, (0.55, 0.6, 0.4), strict=True)]
        haze, cloud = _tinted(haze, tint, 0.35), _tinted(cloud, tint, 0.25)
    daylight = DAYLIGHT[time] + rng.uniform(-0.05, 0.08)
    palette = Palette(
        zenith=sky[0],
        middle=sky[1],
        horizon=sky[2],
        light=light,
        cloud=cloud,
        shade=shade.turned(drift),
        haze=haze.turned(drift * 0.5),
        land=_lit(_land(meaning, place, rng), daylight + 0.15 * (place == "snowfield"), haze),
        rock=_lit(Colour(0.52, 0.035, rng.uniform(20, 300)), daylight, haze),
        water=_lit(
            meaning.bound.get(place, Colour(0.50, 0.09, rng.uniform(195, 250))), daylight, haze
        ),
        leaf=_lit(_leaf(meaning, rng), daylight, haze),
        dark=Colour(0.20 + 0.06 * daylight, 0.045, (zenith.hue + rng.uniform(-40, 40)) % 360),
        accents=_accents(meaning, rng),
    )
    return _greyed(palette, GREY_WEATHERS.get(weather, 0.0))


def _tinted(colour: Colour, tint: Colour, share: float) -> Colour:
    """Toward a hue, keeping most of the lightness that tells the time of day."""
    goal = tint._replace(lightness=colour.lightness * 0.75 + tint.lightness * 0.25)
    return colour.toward(goal, share)


def _lit(colour: Colour, daylight: float, ambient: Colour) -> Colour:
    dimmed = colour._replace(lightness=colour.lightness * (0.35 + 0.65 * daylight))
    return dimmed.toward(ambient._replace(lightness=dimmed.lightness), 0.55 * (1 - daylight))


def _land(meaning: Meaning, place: str, rng: np.random.Generator) -> Colour:
    land = meaning.bound.get(place) or LAND.get(place, LAND["meadow"])
    if "autumn" in meaning.features and place != "snowfield":
        land = Colour(0.60, 0.11, 75)
    return land.turned(rng.uniform(-12, 12)).lighter(rng.uniform(-0.05, 0.05))


def _leaf(meaning: Meaning, rng: np.random.Generator) -> Colour:
    leaf = Colour(0.48, 0.10, 145)
    if "autumn" in meaning.features:
        leaf = Colour(0.62, 0.16, 55)
    if "spring" in meaning.features:
        leaf = Colour(0.82, 0.10, 0)
    return meaning.bound.get("forest", leaf).turned(rng.uniform(-22, 22))


def _accents(meaning: Meaning, rng: np.random.Generator) -> tuple[Colour, ...]:
    base = Colour(rng.uniform(0.6, 0.74), rng.uniform(0.1, 0.16), rng.uniform(0, 360))
    named = [*meaning.colours, *meaning.bound.values()]
    if named:
        base = named[0]
    turns = HARMONIES[int(rng.integers(len(HARMONIES)))]
    lifts, chromas = (0.0, 0.1, 0.05), (1.0, 0.85, 0.75)  # one colour leads, the others follow
    harmony = [
        base.turned(turn).lighter(lift).vivid(chroma)
        for turn, lift, chroma in zip(turns, lifts, chromas, strict=True)
    ]
    return tuple([*named, *harmony][:3]) if len(named) > 1 else tuple(harmony)


def _greyed(palette: Palette, share: float) -> Palette:
    def grey(colour: Colour) -> Colour:
        return colour.toward(Colour(colour.lightness * 0.85 + 0.05, 0.02, 250), share)

    return replace(
        palette,
        zenith=grey(palette.zenith),
        middle=grey(palette.middle),
        horizon=grey(palette.horizon),
        cloud=grey(palette.cloud),
        shade=grey(palette.shade),
        haze=grey(palette.haze),
        land=palette.land.vivid(1 - share * 0.4),
    )
