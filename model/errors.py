"""What can go wrong in model/, in words that a person can act on.

Every exception's str() is one plain sentence; the faces (CLI, console, Discord) print it as it
stands.
"""


class ModelError(Exception):
    """Base of everything that model/ raises on purpose."""


class CorpusError(ModelError):
    """A text to learn from is missing, empty, not UTF-8 or malformed, or cannot be written."""


class WeightsError(ModelError):
    """A folder of weights is missing, incomplete, damaged, or of another shape than it says."""


class RequestError(ModelError):
    """A wish for a lyric cannot be met: a seed too long, an unknown genre, lines out of range."""


class TrainingError(ModelError):
    """A training cannot start or go on: too little text, settings that clash, a loss not finite."""
