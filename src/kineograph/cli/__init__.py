"""The command line: one file and one frozen dataclass per verb."""
