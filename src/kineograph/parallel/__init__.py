"""What is done to a model from outside, so that it fits the machine."""
