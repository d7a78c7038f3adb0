import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.landscape import compose
from shared.generators.painter.scene import Scene, imagine
from shared.generators.painter.styles.finish import finish
from shared.generators.port import GenerationParameters


def paint(prompt: str, parameters: GenerationParameters, report: Callable[[float], None]) -> bytes:
    """A PNG, the same bytes for the same prompt and parameters.

    `report` is called after each layer with a rising fraction; what it raises ends the painting.
    """
    scene = imagine(prompt, parameters.seed)
    canvas = Canvas(parameters.width, parameters.height)
    layers = [*compose(canvas, scene), *finish(parameters.style, scene)]
    for done, layer in enumerate(layers, start=1):
        layer(canvas)
        report(done / (len(layers) + 1))
    data = _png(canvas, scene)
    report(1.0)
    return data


def _png(canvas: Canvas, scene: Scene) -> bytes:
    """Rounded with noise, so that slow gradients show no bands."""
    noise = scene.dice.stream("dither").random(canvas.rgb.shape[:2], np.float32)
    canvas.rgb *= 255
    canvas.rgb += noise[..., None]
    np.clip(canvas.rgb, 0, 255, out=canvas.rgb)
    file = io.BytesIO()
    Image.fromarray(canvas.rgb.astype(np.uint8)).save(file, "PNG", compress_level=4)
    return file.getvalue()
