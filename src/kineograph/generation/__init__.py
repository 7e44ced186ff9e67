"""From a sentence or a picture to a video: load, plan, denoise, decode, save."""
