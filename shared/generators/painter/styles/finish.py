"""The hand that a scene is painted in: passes over the finished layers."""

from collections.abc import Callable
from functools import partial

from shared.generators.painter.layers import Layer
from shared.generators.painter.scene import Scene
from shared.generators.painter.styles import ink, mosaic, neon, painting, poster, watercolor
from shared.generators.port import Style

Pass = Callable[..., None]

PASSES: dict[Style, list[Pass]] = {
    Style.PAINTING: [painting.strokes, painting.relief, painting.varnish],
    Style.WATERCOLOR: [watercolor.bleed, watercolor.pigment, watercolor.paper],
    Style.INK: [ink.wash, ink.lines, ink.paper],
    Style.NEON: [neon.darken, neon.tubes, neon.bloom],
    Style.MOSAIC: [mosaic.tiles, mosaic.glaze, mosaic.light],
    Style.POSTER: [poster.flatten, poster.halftone, poster.frame],
}


def finish(style: Style, scene: Scene) -> list[Layer]:
    return [partial(step, scene=scene) for step in PASSES[style]]
