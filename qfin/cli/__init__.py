"""Command line: words and files of a user -> the packages' functions -> tables, files and exit codes."""
