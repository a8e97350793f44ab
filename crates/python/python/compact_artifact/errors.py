"""What goes wrong: an exception for each kind, all of them `Error`.

Where Python has a natural class for a kind, the exception is one of that class too: `KeyError`, `ValueError`, `OSError` and so on. Messages may change from one
release to the next, classes and `kind` do not.

>>> import compact_artifact
>>> try:
...     compact_artifact.CompactArtifact.open("no/such/artifact")
... except FileNotFoundError as error:
...     error.kind, isinstance(error, compact_artifact.Error)
('NotFound', True)
"""

from __future__ import annotations

__all__ = [
    "AlreadyExistsError",
    "ClosedError",
    "DamagedError",
    "DiskFullError",
    "EmbedderError",
    "Error",
    "ForeignError",
    "InUseError",
    "InvalidArgumentError",
    "InvalidFilterError",
    "InvalidJsonError",
    "InvalidQueryError",
    "IoError",
    "LockedError",
    "ModelMismatchError",
    "NewerFormatError",
    "NoModelError",
    "NoSuchFieldError",
    "NoSuchRecordError",
    "NoSuchSpaceError",
    "NotAnArtifactError",
    "NotFiniteError",
    "NotFoundError",
    "NotTextError",
    "OtherProcessError",
    "OutOfMemoryError",
    "PoisonedError",
    "ReadOnlyError",
    "ReentrantError",
    "SchemaViolationError",
    "SettingsMismatchError",
    "SpaceMismatchError",
    "TooLargeError",
    "TypeMismatchError",
    "UnsupportedError",
    "WouldLoseEmbeddingError",
    "WrongDimensionError",
    "ZeroVectorError",
]


class Error(Exception):
    """An error of this package."""

    kind: str = ""
    """The sort of failure, by which a program may decide: the name of the class without `Error`."""

    def __str__(self) -> str:
        # `KeyError` would put it in quotes.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), self.args, {"kind": self.kind})


class NotFoundError(Error, FileNotFoundError):
    """There is no artifact at this path."""


class AlreadyExistsError(Error, FileExistsError):
    """There is an artifact, or something else, where one was to be created; or a record with this key."""


class NotAnArtifactError(Error, ValueError):
    """The bytes are not those of an artifact."""


class NewerFormatError(Error, ValueError):
    """The artifact was written by a newer version of the format than this library reads."""


class ForeignError(Error, ValueError):
    """A file belongs to another artifact, or to another place in this one."""


class LockedError(Error, BlockingIOError):
    """Another writer, in this process or another one, has the artifact open."""


class ReadOnlyError(Error, PermissionError):
    """The artifact was opened, or lies on a medium, that cannot be written to."""


class DamagedError(Error, OSError):
    """Stored bytes are not the bytes that were written."""


class DiskFullError(Error, OSError):
    """The disk, or a quota, is full."""


class PoisonedError(Error, OSError):
    """An earlier write or sync failed: this writer takes no more. Open the artifact anew to go on."""


class WouldLoseEmbeddingError(Error, ValueError):
    """An upsert of other content, or a move to another model, would lose an embedding that a record has."""


class NoSuchRecordError(Error, KeyError):
    """A record that does not exist, or was deleted."""


class NoSuchSpaceError(Error, KeyError):
    """A vector space that the artifact does not have."""


class NoSuchFieldError(Error, KeyError):
    """A record has a text in a field that the artifact does not have; or one of the metadata that no record has is in a filter with `$strict`, or anywhere in a query with
    `strict_fields`."""


class SchemaViolationError(Error, ValueError):
    """Metadata that break the schema of the artifact."""


class SpaceMismatchError(Error, ValueError):
    """A vector space that was set up otherwise."""


class SettingsMismatchError(Error, ValueError):
    """An option of the texts or the identity of an artifact that was created with another."""


class WrongDimensionError(Error, ValueError):
    """A vector whose number of dimensions is not that of its space."""


class NotFiniteError(Error, ValueError):
    """A vector with a NaN or an infinite value, or with values that are too large or too small to be kept."""


class ZeroVectorError(Error, ValueError):
    """A vector of zeros under the cosine metric, where it has no direction."""


class NoModelError(Error, ValueError):
    """Texts are to be embedded or searched by meaning, and there is no model for it."""


class ModelMismatchError(Error, ValueError):
    """The model that was given is not the one that the texts of the artifact are embedded by."""


class EmbedderError(Error, RuntimeError):
    """An embedder failed, or gave what is no embedding; what it raised is the `__cause__`. Or a model cannot be opened. What is no `Exception`, such as
    `KeyboardInterrupt`, comes out as it is."""


class NotTextError(Error, TypeError):
    """Content that is not what was asked for: a blob as text."""


class TooLargeError(Error, ValueError):
    """Something larger than its limit: a key, metadata, a query."""


class InvalidJsonError(Error, ValueError):
    """Text that is not JSON as the library reads it."""


class InvalidFilterError(Error, ValueError):
    """A filter that cannot be: an unknown operator, or one that its value does not allow."""


class TypeMismatchError(Error, ValueError):
    """A filter that compares a field with a type that none of its values has."""


class InvalidQueryError(Error, ValueError):
    """A text query that cannot be read. The message says at which character of it."""


class InvalidArgumentError(Error, ValueError):
    """An argument or option outside its limits, or one that would have no effect."""


class UnsupportedError(Error, NotImplementedError):
    """The artifact uses what this build leaves out."""


class OtherProcessError(Error, RuntimeError):
    """The call comes from a process that was forked from the one that opened the artifact. Open it anew there."""


class ReentrantError(Error, RuntimeError):
    """The call comes from inside of another one that it would wait for."""


class InUseError(Error, RuntimeError):
    """Something still uses what was to be closed: a batch writer."""


class OutOfMemoryError(Error, MemoryError):
    """There is not enough memory for what was asked for as a whole."""


class IoError(Error, OSError):
    """Any other failure of the operating system."""


class ClosedError(Error, ValueError):
    """The artifact, or the batch writer, was closed."""
