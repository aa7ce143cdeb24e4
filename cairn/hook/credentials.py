"""The stack's bearer token as Google's SDKs want credentials. Imported only once google.auth is there (see patches)."""

from google.auth import credentials, exceptions
from google.auth.transport import Request

from .settings import HookError, Settings


class StackCredentials(credentials.Credentials):
    """Bearer token of the stack that the environment names; a refresh reads it anew.

    Programs refresh to get at the token; google-auth does when the server answers 401, and then shows that answer.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = Settings.from_environment().token

    def refresh(self, request: Request) -> None:
        """Read the token again: its file may have been renewed.

        Raises:
            RefreshError: there is no token any more.
        """
        try:
            self.token = Settings.from_environment().token
        except HookError as error:
            raise exceptions.RefreshError(str(error)) from error  # type: ignore[no-untyped-call]
