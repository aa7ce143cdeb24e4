"""What the registry answers instead of a model. The API maps each to Google's error of the same name.

RegistryError
├── NotFound             no such model, version or alias (a LookupError too)
├── AlreadyExists        the model id is taken
├── FailedPrecondition   not now: the version is deployed, is the default, …
├── Invalid              MLflow or Vertex refuses a value
└── Unavailable          MLflow did not answer; try again
"""


class RegistryError(Exception):
    """Any answer that is not a model."""


class NotFound(RegistryError, LookupError):
    """No such model, version or alias."""


class AlreadyExists(RegistryError):
    """The model id is taken."""


class FailedPrecondition(RegistryError):
    """The request is right, but not in the present state."""


class Invalid(RegistryError):
    """A value that MLflow or Vertex refuses."""


class Unavailable(RegistryError):
    """MLflow did not answer."""
