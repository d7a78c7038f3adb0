"""What the words of a prompt mean to the painter."""

import re
import unicodedata
from dataclasses import dataclass, field

from shared.generators.painter.colour import Colour

NAMED_COLOURS = {
    "red": Colour(0.58, 0.21, 27),
    "crimson scarlet ruby": Colour(0.50, 0.20, 20),
    "orange amber copper rust": Colour(0.70, 0.17, 52),
    "yellow lemon": Colour(0.88, 0.17, 98),
    "gold golden honey": Colour(0.80, 0.15, 82),
    "green": Colour(0.60, 0.16, 145),
    "emerald jade mint": Colour(0.68, 0.14, 163),
    "teal turquoise aqua": Colour(0.68, 0.11, 195),
    "cyan": Colour(0.80, 0.13, 205),
    "blue": Colour(0.53, 0.16, 258),
    "navy indigo": Colour(0.38, 0.14, 272),
    "purple violet": Colour(0.52, 0.19, 303),
    "lavender lilac": Colour(0.76, 0.11, 300),
    "magenta fuchsia": Colour(0.60, 0.25, 335),
    "pink rose salmon peach": Colour(0.76, 0.13, 5),
    "brown chocolate coffee bronze": Colour(0.45, 0.08, 55),
    "white ivory pale": Colour(0.96, 0.01, 90),
    "silver grey gray": Colour(0.70, 0.01, 250),
    "black dark obsidian": Colour(0.22, 0.01, 270),
}

PLACES = {
    "sea": "sea ocean coast beach shore bay harbor harbour island wave surf sail lagoon tide pier",
    "lake": "lake pond river reflection fjord loch water reservoir swan",
    "mountains": "mountain peak alps summit mount valley cliff volcano canyon"
    " himalaya ridge range fuji",
    "forest": "forest wood jungle grove tree pine spruce woodland birch oak bamboo",
    "city": "city town skyline street skyscraper downtown metropolis tokyo paris london york urban"
    " cyberpunk building rooftop cityscape",
    "desert": "desert dune sahara sand oasis camel pyramid cactus",
    "space": "space galaxy nebula planet cosmos universe saturn orbit comet supernova cosmic alien"
    " interstellar asteroid astronaut jupiter mars stargate",
    "meadow": "meadow hill field flower garden grass poppy tulip daisy sunflower lavender rose"
    " prairie blossom wildflower farm bee butterfly savanna blooming",
    "undersea": "underwater undersea reef fish jellyfish coral seabed shark octopus mermaid turtle"
    " aquarium submarine seahorse",
    "snowfield": "arctic tundra glacier iceberg polar antarctica penguin winter ice frozen",
    "abstract": "abstract pattern geometry geometric fractal shape dream mandala texture chaos"
    " music symphony emotion thought idea mathematics infinity",
}

TIMES = {
    "dawn": "dawn sunrise morning daybreak",
    "day": "day noon midday sunny afternoon summer daylight bright",
    "sunset": "sunset dusk evening twilight sundown",
    "night": "night midnight moonlit moon starry star nocturnal aurora borealis northern"
    " moonlight firefly",
}

WEATHERS = {
    "clear": "clear cloudless",
    "clouds": "cloud cloudy overcast",
    "rain": "rain rainy drizzle monsoon",
    "storm": "storm stormy thunder lightning tempest thunderstorm hurricane",
    "snow": "snow snowy blizzard snowfall snowing christmas",
    "fog": "fog mist foggy misty haze hazy smoke",
}

MOODS = {
    "calm": "calm quiet peaceful serene gentle soft tranquil still silent zen cozy lazy sleepy",
    "wild": "wild fierce raging violent rough chaotic angry epic dramatic furious mighty explosion",
    "gloomy": "gloomy sad lonely haunted ghost dark melancholy bleak abandoned creepy spooky",
    "joyful": "happy joyful cheerful vibrant colorful colourful rainbow festive bright magical",
}

FEATURES = {
    "moon": "moon moonlit moonlight crescent",
    "sun": "sun sunny sunrise sunset sunlight",
    "stars": "star starry constellation milky cosmos",
    "aurora": "aurora borealis northern",
    "rainbow": "rainbow",
    "planet": "planet saturn jupiter mars",
    "galaxy": "galaxy spiral andromeda",
    "autumn": "autumn fall october maple",
    "spring": "spring cherry sakura blossom april blooming",
    "snowcaps": "alps himalaya fuji summit glacier snow winter",
    "volcano": "volcano lava eruption volcanic",
    "cone": "fuji kilimanjaro",
    "lightning": "lightning thunder thunderstorm",
}

SUBJECTS = {
    "fox": "fox vixen wolf dog coyote puppy",
    "cat": "cat kitten kitty tiger panther lynx",
    "rabbit": "rabbit hare bunny",
    "deer": "deer stag elk moose reindeer",
    "owl": "owl",
    "bird": "bird seagull gull crow eagle raven swallow crane hawk flock dragon",
    "whale": "whale orca dolphin",
    "fish": "fish goldfish koi shark trout salmon",
    "jellyfish": "jellyfish medusa",
    "boat": "boat ship sail sailboat sailing yacht pirate vessel",
    "lighthouse": "lighthouse beacon",
    "house": "house cabin cottage hut home farm barn village",
    "castle": "castle fortress palace kingdom knight king queen princess",
    "balloon": "balloon airship zeppelin",
    "rocket": "rocket spaceship spacecraft starship shuttle",
    "robot": "robot android mech",
    "pyramid": "pyramid",
    "cactus": "cactus",
    "lamp": "lamp lantern candle lamplight",
    "person": "astronaut man woman girl boy person child wanderer wizard traveler traveller monk",
}

BLOOMS = {
    "sunflower": Colour(0.85, 0.17, 88),
    "poppy poppie": Colour(0.60, 0.22, 29),
    "tulip": Colour(0.66, 0.2, 12),
    "daisy daisie": Colour(0.96, 0.02, 100),
    "lavender": Colour(0.60, 0.16, 300),
    "rose": Colour(0.60, 0.2, 10),
    "sakura cherry": Colour(0.84, 0.09, 0),
    "cornflower": Colour(0.56, 0.18, 265),
}
BINDING_REACH = 2  # words between a colour and the noun it belongs to


@dataclass
class Meaning:
    """What was understood of a prompt; all fields are empty if nothing was."""

    places: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    weathers: list[str] = field(default_factory=list)
    moods: list[str] = field(default_factory=list)
    features: set[str] = field(default_factory=set)
    subjects: list[str] = field(default_factory=list)
    colours: list[Colour] = field(default_factory=list)
    bound: dict[str, Colour] = field(default_factory=dict)
    blooms: list[Colour] = field(default_factory=list)


def _index(table: dict[str, str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for meaning, words in table.items():
        for word in words.split():
            index.setdefault(word, []).append(meaning)
    return index


BLOOM_OF = {word: colour for words, colour in BLOOMS.items() for word in words.split()}
COLOUR_OF = {word: colour for words, colour in NAMED_COLOURS.items() for word in words.split()}
PLACE_OF, TIME_OF, WEATHER_OF = _index(PLACES), _index(TIMES), _index(WEATHERS)
MOOD_OF, FEATURE_OF, SUBJECT_OF = _index(MOODS), _index(FEATURES), _index(SUBJECTS)


def understand(prompt: str) -> Meaning:
    """Pick the known words out of any text; an emoji counts as the words of its Unicode name."""
    meaning = Meaning()
    words = list(_words(prompt))
    for place, word in enumerate(words):
        _extend(meaning.places, PLACE_OF, word)
        _extend(meaning.times, TIME_OF, word)
        _extend(meaning.weathers, WEATHER_OF, word)
        _extend(meaning.moods, MOOD_OF, word)
        _extend(meaning.subjects, SUBJECT_OF, word)
        meaning.features.update(_meanings(FEATURE_OF, word))
        bloom = BLOOM_OF.get(word) or BLOOM_OF.get(word.removesuffix("s"))
        if bloom:
            meaning.blooms.append(bloom)
        colour = COLOUR_OF.get(word)
        if colour:
            _colour(meaning, colour, words[place + 1 :])
    return meaning


def _words(prompt: str) -> list[str]:
    spelled = "".join(_spelled(char) for char in unicodedata.normalize("NFKD", prompt[:4000]))
    return re.findall(r"[^\W\d_]+", spelled.casefold())


def _spelled(char: str) -> str:
    category = unicodedata.category(char)
    if category == "So":
        return f" {unicodedata.name(char, '')} "
    return "" if category == "Mn" else char


def _meanings(index: dict[str, list[str]], word: str) -> list[str]:
    for form in (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("y")):
        if form in index:
            return index[form]
    return []


def _extend(found: list[str], index: dict[str, list[str]], word: str) -> None:
    found += [meaning for meaning in _meanings(index, word) if meaning not in found]


def _colour(meaning: Meaning, colour: Colour, following: list[str]) -> None:
    """Give a colour to the noun it stands before, else to the whole picture."""
    for word in following[:BINDING_REACH]:
        nouns = _meanings(SUBJECT_OF, word) or _meanings(PLACE_OF, word)
        if word == "sky":
            nouns = ["sky"]
        if nouns:
            meaning.bound.setdefault(nouns[0], colour)
            return
    meaning.colours.append(colour)
