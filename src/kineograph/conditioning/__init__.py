"""What is given: tasks make it of pixels, injections bring it into the latents."""
