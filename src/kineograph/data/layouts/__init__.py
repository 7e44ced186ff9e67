"""Layouts of datasets: how others write lists of clips, one file each; `table` lists them."""
