"""The procedural world: toys on a floor, rendered with exact captions, masks, depth and views."""
