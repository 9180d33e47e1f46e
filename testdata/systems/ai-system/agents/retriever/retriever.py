"""Finds the known word that is nearest to a request."""

import difflib

from ai_system import agent, config

WORDS = config.read()["words"]

agent.serve(lambda word: ", ".join(difflib.get_close_matches(word, WORDS, n=1)))
