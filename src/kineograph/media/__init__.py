"""Videos and pictures: reading, writing, resizing."""
