"""Reads and checks the folder of files with which an operator configures an installation."""
