"""What the picture will show: the words of the prompt decide it, and dice decide the rest."""

from dataclasses import dataclass

from shared.generators.painter.dice import Dice
from shared.generators.painter.palette import Palette, choose_palette
from shared.generators.painter.words import Meaning, understand

HOME_OF = {
    "fox": ("forest", "meadow", "snowfield", "mountains"),
    "cat": ("city", "meadow", "lake"),
    "rabbit": ("meadow", "forest", "snowfield"),
    "deer": ("forest", "mountains", "meadow", "snowfield"),
    "owl": ("forest",),
    "bird": ("sea", "mountains", "lake", "meadow"),
    "whale": ("sea",),
    "fish": ("undersea",),
    "jellyfish": ("undersea",),
    "boat": ("sea", "lake"),
    "lighthouse": ("sea",),
    "house": ("mountains", "lake", "meadow", "snowfield", "forest"),
    "castle": ("mountains", "lake", "forest"),
    "balloon": ("mountains", "meadow", "desert", "lake"),
    "rocket": ("space", "desert"),
    "robot": ("city", "desert", "meadow"),
    "pyramid": ("desert",),
    "cactus": ("desert",),
    "lamp": ("lake", "forest", "city"),
    "person": ("mountains", "meadow", "desert", "sea", "lake"),
}
HORIZONS = {
    "city": (0.66, 0.8),
    "sea": (0.42, 0.62),
    "meadow": (0.36, 0.56),
    "desert": (0.36, 0.56),
    "mountains": (0.52, 0.7),
}
LANDSCAPES = ("mountains", "lake", "sea", "forest", "meadow", "desert")


@dataclass(frozen=True)
class Scene:
    dice: Dice
    meaning: Meaning
    places: tuple[str, ...]
    time: str
    weather: str
    energy: float  # 0 calm … 1 wild
    horizon: float  # share of the height that is sky
    light_x: float  # where sun or moon stands, share of the width
    light_y: float  # share of the sky
    palette: Palette

    @property
    def place(self) -> str:
        return self.places[0]

    def shows(self, feature: str) -> bool:
        return feature in self.meaning.features


def imagine(prompt: str, seed: int | None) -> Scene:
    dice, meaning = Dice(prompt, seed), understand(prompt)
    rng = dice.stream("scene")
    named = [place for place in meaning.places if place != "abstract" or not meaning.subjects]
    places = tuple(named) or (_place(meaning, rng.random()),)
    time = meaning.times[0] if meaning.times else _time(meaning, rng.random())
    weather = meaning.weathers[0] if meaning.weathers else "clouds"
    if places[0] == "snowfield" and not meaning.weathers and rng.random() < 0.4:
        weather = "snow"
    return Scene(
        dice=dice,
        meaning=meaning,
        places=places,
        time=time,
        weather=weather,
        energy=_energy(meaning, weather, rng.random()),
        horizon=rng.uniform(*HORIZONS.get(places[0], (0.46, 0.66))),
        light_x=rng.uniform(0.14, 0.86),
        light_y=_light_height(time, rng.random()),
        palette=choose_palette(meaning, places[0], time, weather, dice.stream("palette")),
    )


def _place(meaning: Meaning, chance: float) -> str:
    homes: tuple[str, ...] = ("abstract",)
    if meaning.subjects:
        homes = HOME_OF[meaning.subjects[0]]
        if "snow" in meaning.weathers and meaning.subjects[0] not in ("boat", "whale", "fish"):
            homes = ("snowfield",)
    elif meaning.times or meaning.weathers or meaning.features:
        homes = LANDSCAPES
    return homes[int(chance * len(homes))]


def _time(meaning: Meaning, chance: float) -> str:
    if "gloomy" in meaning.moods or "lamp" in meaning.subjects or "owl" in meaning.subjects:
        return "night"
    times = ("day", "day", "dawn", "sunset", "sunset", "night")
    return times[int(chance * len(times))]


def _light_height(time: str, chance: float) -> float:
    low, high = (0.18, 0.5) if time in ("day", "night") else (0.62, 0.93)
    return low + (high - low) * chance


def _energy(meaning: Meaning, weather: str, chance: float) -> float:
    energy = 0.25 + 0.4 * chance
    energy += 0.35 * ("wild" in meaning.moods) - 0.3 * ("calm" in meaning.moods)
    energy += 0.3 * (weather == "storm")
    return min(max(energy, 0.0), 1.0)
