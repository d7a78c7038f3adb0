"""Which layers make up which place, back to front."""

from functools import partial

from shared.generators.painter import (
    abstract,
    city,
    ground,
    mountains,
    sky,
    space,
    trees,
    undersea,
    water,
    weather,
)
from shared.generators.painter.canvas import Canvas
from shared.generators.painter.layers import Layer
from shared.generators.painter.scene import Scene
from shared.generators.painter.subjects import on_land, subject


def compose(canvas: Canvas, scene: Scene) -> list[Layer]:
    """The layers of a scene for a canvas of this shape."""
    places = {
        "abstract": _abstract,
        "space": _space,
        "undersea": _undersea,
    }
    layers = places.get(scene.place, _landscape)(canvas, scene)
    return [*layers, *_weather(scene), partial(weather.vignette, scene=scene)]


def _abstract(canvas: Canvas, scene: Scene) -> list[Layer]:
    return [*abstract.layers(scene), *_subjects(scene)]


def _space(canvas: Canvas, scene: Scene) -> list[Layer]:
    rng = scene.dice.stream("space")
    bodies: list[Layer] = [partial(space.galaxy, scene=scene), partial(space.planets, scene=scene)]
    wanted = [scene.shows("galaxy"), scene.shows("planet")]
    if any(wanted):
        bodies = [body for body, wish in zip(bodies, wanted, strict=True) if wish]
    elif rng.random() < 0.6:
        bodies = [bodies[int(rng.integers(2))]]
    layers: list[Layer] = [partial(space.void, scene=scene), partial(space.starfield, scene=scene)]
    return [*layers, *bodies, *_subjects(scene)]


def _undersea(canvas: Canvas, scene: Scene) -> list[Layer]:
    return [
        partial(undersea.depths, scene=scene),
        partial(undersea.rays, scene=scene),
        partial(undersea.reef, scene=scene, depth=0.2),
        partial(undersea.reef, scene=scene, depth=0.6),
        *_subjects(scene),
        partial(undersea.reef, scene=scene, depth=1.0),
        partial(undersea.bubbles, scene=scene),
    ]


def _landscape(canvas: Canvas, scene: Scene) -> list[Layer]:
    grounds = {
        "sea": _sea,
        "lake": _lake,
        "mountains": _mountains,
        "forest": _forest,
        "city": _city,
        "desert": _desert,
        "meadow": _meadow,
        "snowfield": _snowfield,
    }
    return [*_sky(scene), *grounds[scene.place](canvas, scene)]


def _sky(scene: Scene) -> list[Layer]:
    night = scene.time == "night"
    layers: list[Layer] = [partial(sky.gradient, scene=scene)]
    if night and scene.weather not in ("rain", "storm", "fog"):
        layers.append(partial(sky.stars, scene=scene))
    if scene.shows("planet"):
        layers.append(partial(sky.distant_planet, scene=scene))
    if scene.shows("aurora"):
        layers.append(partial(sky.aurora, scene=scene))
    else:
        layers.append(partial(sky.moon if night or scene.shows("moon") else sky.sun, scene=scene))
    layers.append(partial(sky.clouds, scene=scene))
    if scene.shows("rainbow"):
        layers.append(partial(sky.rainbow, scene=scene))
    if scene.shows("lightning") or scene.weather == "storm":
        layers.append(partial(sky.lightning, scene=scene))
    return layers


def _scale(canvas: Canvas) -> float:
    """How high things may rise: less in a flat picture, a little more in a tall one."""
    return min(max(canvas.bottom, 0.6), 1.35)


def _ranges(canvas: Canvas, scene: Scene, count: int, height: float) -> list[Layer]:
    base, scale = scene.horizon * canvas.bottom, _scale(canvas)
    layers: list[Layer] = []
    for step in range(count):
        depth = step / max(count - 1, 1) * 0.85
        foot = base + (0.02 + 0.05 * depth) * scale
        rise = height * (1 - 0.45 * depth) * scale
        layers.append(partial(mountains.range_, scene=scene, depth=depth, base=foot, height=rise))
    if scene.shows("volcano") or scene.shows("cone"):
        cone = partial(mountains.cone, scene=scene, base=base + 0.05, height=0.36 * scale)
        layers[1:] = [cone, *layers[2:]]
    return layers


def _firs(
    canvas: Canvas, scene: Scene, depth: float, drop: float, height: float, gaps: float
) -> Layer:
    base = scene.horizon * canvas.bottom + drop * (1 - scene.horizon) * canvas.bottom
    rise = height * _scale(canvas)
    return partial(trees.conifers, scene=scene, depth=depth, base=base, height=rise, gaps=gaps)


def _hill(canvas: Canvas, scene: Scene, depth: float, drop: float, height: float) -> Layer:
    base = scene.horizon * canvas.bottom + drop * (1 - scene.horizon) * canvas.bottom
    return partial(mountains.hills, scene=scene, depth=depth, base=base, height=height)


def _far(canvas: Canvas, scene: Scene) -> list[Layer]:
    """What stands behind the main place: other places the prompt names."""
    layers: list[Layer] = []
    base = scene.horizon * canvas.bottom
    if "mountains" in scene.places and scene.place != "mountains":
        layers += _ranges(canvas, scene, 3, 0.36)
    if "city" in scene.places and scene.place != "city":
        layers += [
            partial(city.skyline, scene=scene, depth=d, base=base + 0.01, height=0.2)
            for d in (0.3, 0.7)
        ]
    if "forest" in scene.places and scene.place != "forest":
        layers += [_firs(canvas, scene, 0.45, 0.02, 0.11, 0.1)]
    return layers


def _sea(canvas: Canvas, scene: Scene) -> list[Layer]:
    rng = scene.dice.stream("sea")
    layers = _far(canvas, scene)
    if not layers and rng.random() < 0.4:
        layers = _ranges(canvas, scene, 1, 0.12)
    layers.append(partial(water.surface, scene=scene, mirror=0.25))
    if rng.random() < 0.5 and not scene.meaning.subjects:
        layers.append(partial(water.shore, scene=scene))
    return [*layers, *_bank(canvas, scene), *_subjects(scene)]


def _bank(canvas: Canvas, scene: Scene) -> list[Layer]:
    """Near ground for what cannot float."""
    stands = any(on_land(kind) for kind in scene.meaning.subjects)
    return [_hill(canvas, scene, 0.9, 0.5, 0.05)] if stands else []


def _lake(canvas: Canvas, scene: Scene) -> list[Layer]:
    layers = _far(canvas, scene) or _ranges(canvas, scene, 3, 0.34)
    layers.append(_firs(canvas, scene, 0.6, 0.03, 0.12, 0.3))
    layers.append(partial(water.surface, scene=scene, mirror=0.95))
    layers += _bank(canvas, scene)
    layers.append(_firs(canvas, scene, 1.0, 1.0, 0.34, 0.85))
    return [*layers, *_subjects(scene)]


def _mountains(canvas: Canvas, scene: Scene) -> list[Layer]:
    if "lake" in scene.places or "sea" in scene.places:
        return _lake(canvas, scene)
    layers = _ranges(canvas, scene, 4, 0.42)
    if "forest" in scene.places or scene.dice.stream("foothills").random() < 0.6:
        layers += [
            _firs(canvas, scene, 0.45, 0.2, 0.12, 0.2),
            _firs(canvas, scene, 0.75, 0.5, 0.2, 0.35),
        ]
    layers.append(_hill(canvas, scene, 0.8, 0.45, 0.06))
    if scene.shows("spring") or scene.shows("autumn"):
        layers.append(_tree(canvas, scene))
    layers.append(_firs(canvas, scene, 1.0, 1.05, 0.4, 0.8))
    return [*layers, *_subjects(scene)]


def _forest(canvas: Canvas, scene: Scene) -> list[Layer]:
    if "mountains" in scene.places:
        return _mountains(canvas, scene)
    inside = scene.dice.stream("forest").random() < 0.45
    layers: list[Layer] = []
    if inside:
        layers.append(_hill(canvas, scene, 0.3, 0.05, 0.04))
        layers += [partial(trees.trunks, scene=scene, depth=depth) for depth in (0.15, 0.4, 0.7)]
        layers += [partial(trees.sunbeams, scene=scene), _hill(canvas, scene, 0.8, 0.5, 0.05)]
        return [*layers, partial(trees.trunks, scene=scene, depth=1.0), *_subjects(scene)]
    for depth, drop, height in ((0.1, -0.15, 0.24), (0.35, 0.05, 0.28), (0.6, 0.25, 0.3)):
        layers.append(_firs(canvas, scene, depth, drop, height, 0.12))
    layers.append(_hill(canvas, scene, 0.85, 0.42, 0.05))
    if scene.shows("spring") or scene.shows("autumn"):
        layers.append(_tree(canvas, scene))
    return [*layers, _firs(canvas, scene, 1.0, 1.1, 0.62, 0.7), *_subjects(scene)]


def _city(canvas: Canvas, scene: Scene) -> list[Layer]:
    base = scene.horizon * canvas.bottom
    layers = _ranges(canvas, scene, 2, 0.3) if "mountains" in scene.places else []
    for depth, drop, height in ((0.1, 0.0, 0.42), (0.4, 0.01, 0.38), (0.8, 0.02, 0.28)):
        layers.append(
            partial(
                city.skyline,
                scene=scene,
                depth=depth,
                base=base + drop,
                height=height * _scale(canvas),
            )
        )
    layers.append(partial(water.surface, scene=scene, mirror=0.8))
    if not {"sea", "lake"} & set(scene.places):
        layers.append(partial(city.street, scene=scene))
    return [*layers, *_subjects(scene)]


def _desert(canvas: Canvas, scene: Scene) -> list[Layer]:
    base, below = scene.horizon * canvas.bottom, (1 - scene.horizon) * canvas.bottom
    layers = _ranges(canvas, scene, 1, 0.1)
    big = [kind for kind in scene.meaning.subjects if kind == "pyramid"]
    layers += [partial(subject, scene=scene, kind=kind) for kind in big]
    for depth, drop, height in (
        (0.15, 0.03, 0.03),
        (0.4, 0.18, 0.06),
        (0.7, 0.4, 0.09),
        (1.0, 0.75, 0.1),
    ):
        layers.append(
            partial(ground.dune, scene=scene, depth=depth, base=base + drop * below, height=height)
        )
    return [*layers, *_subjects(scene, without=big)]


def _meadow(canvas: Canvas, scene: Scene) -> list[Layer]:
    base, below = scene.horizon * canvas.bottom, (1 - scene.horizon) * canvas.bottom
    layers = _far(canvas, scene)
    layers += [_hill(canvas, scene, 0.2, 0.0, 0.06), _hill(canvas, scene, 0.5, 0.12, 0.05)]
    if scene.shows("spring") or scene.shows("autumn") or scene.dice.stream("meadow").random() < 0.5:
        layers.append(_tree(canvas, scene))
    layers.append(_hill(canvas, scene, 0.7, 0.22, 0.03))
    blooms = partial(ground.flowers, scene=scene, base=base + 0.28 * below)
    split = 11 if scene.meaning.subjects else ground.FLOWER_ROWS
    layers.append(partial(blooms, rows=range(split)))
    layers += _subjects(scene)
    layers.append(partial(blooms, rows=range(split, ground.FLOWER_ROWS)))
    return layers


def _snowfield(canvas: Canvas, scene: Scene) -> list[Layer]:
    base, below = scene.horizon * canvas.bottom, (1 - scene.horizon) * canvas.bottom
    layers = _ranges(canvas, scene, 3, 0.3)
    layers += [
        _firs(canvas, scene, 0.35, 0.05, 0.1, 0.3),
        _firs(canvas, scene, 0.65, 0.14, 0.16, 0.5),
    ]
    layers.append(partial(ground.snow, scene=scene, base=base + 0.12 * below))
    return [*layers, _firs(canvas, scene, 1.0, 1.0, 0.42, 0.9), *_subjects(scene)]


def _tree(canvas: Canvas, scene: Scene) -> Layer:
    rng = scene.dice.stream("tree place")
    side = -1 if scene.light_x > 0.5 else 1
    x = side * canvas.right * float(rng.uniform(0.3, 0.75))
    foot = canvas.bottom * (scene.horizon + (1 - scene.horizon) * float(rng.uniform(0.3, 0.5)))
    return partial(trees.broadleaf, scene=scene, x=x, foot=foot, height=0.36 * _scale(canvas))


def _subjects(scene: Scene, *, without: list[str] | None = None) -> list[Layer]:
    kinds = [kind for kind in scene.meaning.subjects if kind not in (without or [])]
    return [partial(subject, scene=scene, kind=kind) for kind in kinds[:4]]


def _weather(scene: Scene) -> list[Layer]:
    if scene.place in ("space", "undersea", "abstract"):
        return []
    falling = {
        "rain": [weather.rain],
        "storm": [weather.rain],
        "snow": [weather.snow],
        "fog": [weather.fog],
    }
    layers: list[Layer] = [partial(layer, scene=scene) for layer in falling.get(scene.weather, [])]
    if scene.time == "night" and scene.place in ("meadow", "forest") and scene.weather != "snow":
        layers.append(partial(weather.fireflies, scene=scene))
    return layers
