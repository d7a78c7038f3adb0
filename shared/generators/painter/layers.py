from collections.abc import Callable

from shared.generators.painter.canvas import Canvas

# One step of a picture: it paints over what the layers before it left.
Layer = Callable[[Canvas], None]
