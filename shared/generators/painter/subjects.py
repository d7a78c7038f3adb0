"""The things a prompt names, put where they belong in the landscape."""

from typing import NamedTuple

import numpy as np

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.colour import Colour, Field
from shared.generators.painter.noise import shifted
from shared.generators.painter.scene import Scene
from shared.generators.painter.shapes import Mask, Point, smooth
from shared.generators.painter.sketches import SKETCHES, Part
from shared.generators.painter.sky import light_place

COATS = {
    "fox": Colour(0.64, 0.17, 46),
    "cat": Colour(0.36, 0.03, 60),
    "rabbit": Colour(0.72, 0.045, 65),
    "deer": Colour(0.55, 0.09, 55),
    "owl": Colour(0.50, 0.06, 60),
    "bird": Colour(0.32, 0.03, 260),
    "whale": Colour(0.42, 0.07, 250),
    "fish": Colour(0.70, 0.18, 48),
    "jellyfish": Colour(0.74, 0.13, 330),
    "boat": Colour(0.42, 0.10, 35),
    "lighthouse": Colour(0.93, 0.01, 90),
    "house": Colour(0.56, 0.07, 55),
    "castle": Colour(0.62, 0.03, 70),
    "rocket": Colour(0.92, 0.01, 240),
    "robot": Colour(0.66, 0.05, 215),
    "pyramid": Colour(0.76, 0.10, 75),
    "cactus": Colour(0.52, 0.11, 145),
    "person": Colour(0.35, 0.06, 265),
}
AFLOAT = {"boat", "whale", "lighthouse"}
FLYING = {"bird", "balloon", "owl", "lamp"}
SWIMMING = {"fish", "jellyfish"}
SIZES = {
    "bird": 0.15, "fish": 0.2, "jellyfish": 0.34, "whale": 0.38, "person": 0.24, "lamp": 0.22,
    "balloon": 0.34, "castle": 0.42, "lighthouse": 0.46, "pyramid": 0.5, "boat": 0.34,
    "house": 0.26,
    "rocket": 0.42, "deer": 0.46, "owl": 0.42, "fox": 0.42, "cat": 0.42, "robot": 0.42,
}  # fmt: skip
FURRED = {"fox", "deer", "rabbit", "owl"}
FLOCKS = {"bird": 7, "fish": 8, "balloon": 3, "jellyfish": 4, "lamp": 9, "cactus": 3, "pyramid": 2}
LIT = {"lamp", "lighthouse", "house", "rocket"}
DAYLIGHT = {"dawn": 0.82, "day": 1.0, "sunset": 0.72, "night": 0.5}


class Pose(NamedTuple):
    """Where the unit square of a sketch lies: its foot, its side in units, and whether it faces
    left."""

    x: float
    foot: float
    size: float
    mirrored: bool

    def place(self, point: Point) -> Point:
        across = (0.5 - point[0]) if self.mirrored else (point[0] - 0.5)
        return self.x + across * self.size, self.foot - (1 - point[1]) * self.size


def on_land(kind: str) -> bool:
    return kind not in AFLOAT | FLYING | SWIMMING


def subject(canvas: Canvas, scene: Scene, kind: str) -> None:
    rng = scene.dice.stream(f"subject {kind}")
    for number, pose in enumerate(_poses(canvas, scene, kind, rng)):
        _shadow(canvas, scene, kind, pose)
        _draw(canvas, scene, kind, pose, number)
        if kind in AFLOAT and scene.place in ("sea", "lake"):
            _waterline(canvas, scene, pose)


def _poses(canvas: Canvas, scene: Scene, kind: str, rng: np.random.Generator) -> list[Pose]:
    poses = []
    for number in range(FLOCKS.get(kind, 1)):
        shrink = float(rng.uniform(0.4, 0.75)) if number else 1.0
        size = SIZES.get(kind, 0.36) * float(rng.uniform(0.85, 1.15)) * shrink
        reach = 0.85 if number else 0.55
        x = float(rng.uniform(-reach, reach)) * canvas.right
        foot = _foot(canvas, scene, kind, size, float(rng.random()))
        poses.append(Pose(x, foot, size, bool(rng.random() < 0.5)))
    return sorted(poses, key=lambda pose: pose.size)


def _foot(canvas: Canvas, scene: Scene, kind: str, size: float, chance: float) -> float:
    horizon = scene.horizon * canvas.bottom
    below = canvas.bottom - horizon
    if kind in SWIMMING or scene.place == "undersea":
        return canvas.bottom * (0.3 + 0.45 * chance) + size / 2
    if scene.place == "space":
        return canvas.bottom * (0.5 + 0.3 * chance) + size / 2
    if kind in FLYING:
        return horizon * (0.3 + 0.5 * chance) + size / 2
    if kind in AFLOAT or kind in ("castle", "pyramid"):
        return horizon + below * (0.12 + 0.35 * chance) + 0.05 * size
    return horizon + below * (0.58 + 0.32 * chance)


def _shadow(canvas: Canvas, scene: Scene, kind: str, pose: Pose) -> None:
    if kind in FLYING | SWIMMING | AFLOAT or scene.place in ("space", "undersea", "abstract"):
        return
    away = np.hypot(
        (canvas.x - pose.x) / (0.42 * pose.size), (canvas.y - pose.foot) / (0.06 * pose.size)
    )
    canvas.fill(scene.palette.dark.lighter(-0.08), 0.6 * np.exp(-(away**2)))


def _draw(canvas: Canvas, scene: Scene, kind: str, pose: Pose, number: int) -> None:
    tones = _tones(scene, kind, number)
    top, end = pose.foot - 1.08 * pose.size, pose.foot + 0.08 * pose.size
    whole: Field | None = None
    for part in SKETCHES[kind]:
        mask = _mask(canvas, part, pose, top, end)
        cover = mask.field()
        whole = cover if whole is None else np.maximum(whole, cover)
        canvas.fill(tones[part.tone], cover, top=mask.top)
        if part.tone in ("body", "accent", "light"):
            turn = np.clip((canvas.y[mask.top : mask.top + len(cover)] - top) / (end - top), 0, 1)
            shade = tones[part.tone].toward(scene.palette.dark, 0.6)
            canvas.fill(shade, 0.5 * cover * turn, top=mask.top)
        if part.tone == "glow":
            _shine(canvas, part, pose, tones["glow"], 0.42 if kind in LIT else 0.1)
    if whole is not None and scene.place != "undersea":
        _rim(canvas, scene, whole, pose)


def _rim(canvas: Canvas, scene: Scene, whole: Field, pose: Pose) -> None:
    """The edge that faces sun or moon lights up, which lifts a dark thing off a dark ground."""
    side = 1 if light_place(canvas, scene)[0] > pose.x else -1
    reach = max(0.022 * pose.size * canvas.unit, 1.0)
    edge = np.clip(whole - shifted(whole, side * reach, -0.7 * reach), 0, 1)
    canvas.glow(scene.palette.light.rgb(), 0.5 * edge, top=canvas.row(pose.foot - 1.08 * pose.size))


def _mask(canvas: Canvas, part: Part, pose: Pose, top: float, end: float) -> Mask:
    mask = Mask(canvas, top, end)
    points = [pose.place(point) for point in part.outline]
    mask.polygon(smooth(points) if part.round else points)
    return mask


def _tones(scene: Scene, kind: str, number: int) -> dict[str, Colour]:
    accents = scene.palette.accents
    bound = scene.meaning.bound.get(kind)
    body = COATS.get(kind, accents[number % 3])
    if bound:  # fur keeps natural tones: a red fox is not bright red
        body = body.toward(bound, 0.22 if kind in FURRED and bound.chroma > 0.05 else 0.95)
    body = body._replace(lightness=max(body.lightness, 0.27))
    if kind in ("balloon", "fish", "jellyfish") and not bound:
        body = accents[number % 3].turned(20.0 * number)
    share = 1 - DAYLIGHT[scene.time]

    def lit(colour: Colour) -> Colour:
        ambient = scene.palette.zenith._replace(lightness=colour.lightness * 0.55)
        return colour.toward(ambient, share)

    return {
        "body": lit(body),
        "light": lit(Colour(0.95, 0.025, 80)),
        "dark": lit(body.lighter(-0.13)),
        "deep": Colour(0.2, 0.03, 40).toward(scene.palette.dark, 0.4),
        "earth": lit(scene.palette.rock.toward(scene.palette.dark, 0.45)),
        "accent": lit(_accent(kind, body, accents, number)),
        "glow": Colour(0.91, 0.14, 85) if kind != "robot" else Colour(0.9, 0.14, 195),
    }


def _accent(kind: str, body: Colour, accents: tuple[Colour, ...], number: int) -> Colour:
    if kind == "deer":
        return Colour(0.72, 0.05, 75)
    if kind in ("cat", "rabbit"):
        return Colour(0.75, 0.09, 15)
    if kind == "lighthouse":
        return Colour(0.55, 0.19, 27) if body == COATS["lighthouse"] else body
    return accents[(number + 1) % 3]


def _shine(canvas: Canvas, part: Part, pose: Pose, colour: Colour, strength: float) -> None:
    points = np.array([pose.place(point) for point in part.outline])
    x, y = points.mean(axis=0).tolist()
    reach = max(0.12 * pose.size, float(np.ptp(points[:, 1])))
    canvas.glow(colour.rgb(), strength * np.exp(-canvas.distance(x, y) / reach))


def _waterline(canvas: Canvas, scene: Scene, pose: Pose) -> None:
    """A blurred, broken likeness below and a line of foam where the thing meets the water."""
    foot, size = pose.foot, pose.size
    top, deep = canvas.row(foot), canvas.row(foot + 0.6 * size)
    rows = min(deep - top, top)
    if rows < 2:
        return
    wobble = np.sin(np.arange(rows) * (90 / canvas.unit)) * 0.012 * size * canvas.unit
    near = np.exp(-(((canvas.x - pose.x) / (0.36 * size)) ** 4))
    mirrored = canvas.rgb[top - rows : top][::-1]
    columns = np.clip(np.arange(canvas.width)[None, :] + wobble[:, None], 0, canvas.width - 1)
    likeness = mirrored[np.arange(rows)[:, None], columns.astype(np.int32)]
    fade = np.linspace(0.55, 0.0, rows, dtype=np.float32)[:, None] * near
    canvas.blend(likeness * 0.8, fade, top=top)
    foam = np.exp(-(((canvas.y - foot) / (0.012 * size)) ** 2)) * near
    canvas.fill(scene.palette.cloud.lighter(0.1), 0.55 * foam)
