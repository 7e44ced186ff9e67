"""The words of the toybox: phrases for every attribute, the plain one first.

The grammar draws from these tables and the parser reads by them, so that what is said can be read.
"""

Phrases = tuple[str, ...]

SHAPES: dict[str, Phrases] = {
    "ball": ("ball", "sphere", "orb"),
    "cube": ("cube", "box", "block"),
    "cylinder": ("cylinder", "drum", "can"),
    "cone": ("cone", "pointed cone", "party hat"),
    "ring": ("ring", "torus", "donut"),
}
COLOURS: dict[str, Phrases] = {
    "red": ("red", "scarlet", "crimson"),
    "orange": ("orange", "tangerine"),
    "yellow": ("yellow", "golden"),
    "green": ("green", "emerald"),
    "cyan": ("cyan", "turquoise", "aqua"),
    "blue": ("blue", "cobalt"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rosy"),
    "white": ("white", "ivory"),
    "black": ("black", "ebony"),
}
SIZES: dict[str, Phrases] = {
    "small": ("small", "little", "tiny"),
    "medium": (),
    "large": ("large", "big", "huge"),
}
MATERIALS: dict[str, Phrases] = {
    "matte": ("matte", "dull", "rubber"),
    "shiny": ("shiny", "glossy", "polished"),
}
SPEEDS: dict[str, Phrases] = {
    "slow": ("slowly", "gently", "unhurriedly"),
    "normal": (),
    "quick": ("quickly", "fast", "rapidly"),
}
FLOORS: dict[str, Phrases] = {
    "grey": ("on a grey floor", "on a gray floor", "on a plain grey floor", "on grey ground"),
    "wooden": ("on a wooden floor", "on a wood floor", "on wooden boards", "on a parquet floor"),
    "checkered": (
        "on a checkered floor",
        "on a chequered floor",
        "on a checkerboard floor",
        "on a tiled floor",
    ),
    "grass": ("on grass", "on a lawn", "on a green meadow", "on the grass"),
    "sand": ("on sand", "on a sandy beach", "on sandy ground", "on the sand"),
}
BACKDROPS: dict[str, Phrases] = {
    "day": ("by day", "in daylight", "in the daytime", "under a bright sky"),
    "dusk": ("at dusk", "at sunset", "in the evening", "under a dusky sky"),
    "night": ("at night", "in the dark", "by night", "under a night sky"),
}
SIDES: dict[str, Phrases] = {
    "front": (),
    "left": ("lit from the left", "with light from the left", "with the sun on the left"),
    "right": ("lit from the right", "with light from the right", "with the sun on the right"),
}
MOVES: dict[str, Phrases] = {
    "static": ("the camera is static", "static camera", "the camera rests"),
    "pan left": ("the camera pans left", "the camera pans to the left", "camera panning left"),
    "pan right": ("the camera pans right", "the camera pans to the right", "camera panning right"),
    "tilt up": ("the camera tilts up", "the camera tilts upwards", "camera tilting up"),
    "tilt down": ("the camera tilts down", "the camera tilts downwards", "camera tilting down"),
    "zoom in": ("the camera zooms in", "the view zooms in", "camera zooming in"),
    "zoom out": ("the camera zooms out", "the view zooms out", "camera zooming out"),
    "circle": ("the camera circles around", "the camera orbits", "camera circling around"),
}
RELATIONS: dict[str, Phrases] = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "in front of": ("in front of", "before", "nearer than"),
    "behind": ("behind", "at the back of", "farther than"),
    "collides with": ("collides with", "hits", "bumps into"),
    "passes behind": ("passes behind", "goes behind", "disappears behind"),
}
RELATIONS_ING: dict[str, Phrases] = {
    "collides with": ("colliding with", "hitting", "bumping into"),
    "passes behind": ("passing behind", "going behind", "disappearing behind"),
}

VERBS: dict[str, tuple[tuple[str, str], ...]] = {
    "roll": (("rolls", "rolling"), ("moves", "moving"), ("travels", "travelling")),
    "slide": (("slides", "sliding"), ("moves", "moving"), ("glides", "gliding")),
}
"""How a ball and how the others travel: finite form and participle."""

WAYS: dict[str, Phrases] = {
    "left": ("to the left", "left", "leftwards"),
    "right": ("to the right", "right", "rightwards"),
    "towards": ("towards the camera", "towards us", "closer"),
    "away": ("away from the camera", "away", "into the distance"),
}
"""Where a travelling toy goes."""

ACTS: dict[str, tuple[tuple[str, str], ...]] = {
    "still": (
        ("stays still", "staying still"),
        ("stands still", "standing still"),
        ("does not move", "not moving"),
        ("rests", "resting"),
    ),
    "bounce": (
        ("bounces", "bouncing"),
        ("hops up and down", "hopping up and down"),
        ("bounces up and down", "bouncing up and down"),
    ),
    "spin": (("spins", "spinning"), ("rotates", "rotating"), ("twirls", "twirling")),
    "rise": (
        ("rises", "rising"),
        ("floats up", "floating up"),
        ("lifts off", "lifting off"),
    ),
    "fall": (("falls", "falling"), ("drops", "dropping"), ("falls down", "falling down")),
    "circle": (
        ("swings round in a circle", "swinging round in a circle"),
        ("moves in a circle", "moving in a circle"),
        ("goes round and round", "going round and round"),
    ),
    "grow": (
        ("grows", "growing"),
        ("gets bigger", "getting bigger"),
        ("becomes larger", "becoming larger"),
    ),
    "shrink": (
        ("shrinks", "shrinking"),
        ("gets smaller", "getting smaller"),
        ("becomes smaller", "becoming smaller"),
    ),
    "recolour": (
        ("changes colour", "changing colour"),
        ("turns", "turning"),
        ("changes", "changing"),
    ),
}
"""What a toy does in its place: finite form and participle."""

GLUE = (
    "a", "an", "the", "and", "is", "there", "that", "which", "we", "see", "of", "to", "from",
    "with", "next", "beside", "by", "in", "on", "video", "clip", "shows", "motion", "score",
    "camera", "static", "pan", "left", "right", "tilt", "up", "down", "zoom", "out", "circle",
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
)  # fmt: skip
"""Words of the sentence patterns and of the control suffixes."""
