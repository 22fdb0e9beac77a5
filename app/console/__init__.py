"""The command line: the paper launcher, status, doctor, and what they print."""
