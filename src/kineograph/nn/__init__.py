"""Parts that autoencoders, denoisers and text encoders share; for one device."""
