"""How weights move: optimisers as data, and what happens to gradients that are too large."""
