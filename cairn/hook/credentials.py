"""The stack's bearer token as Google's SDKs want credentials. Imported only once google.auth is there (see patches)."""

from google.auth import credentials, exceptions
from google.auth.transport import Request

from .settings import HookError, Settings


class StackCredentials(credentials.Credentials):
    """Bearer token of the stack that the environment names; a refresh reads it anew.

    google-auth refreshes when the server answers 401, which is when a token file may have been renewed.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = Settings.from_environment().token

    def refresh(self, request: Request) -> None:
        """Read the token again.

        Raises:
            RefreshError: the environment has no other token than the one that the stack has just refused.
        """
        refused = self.token
        try:
            self.token = Settings.from_environment().token
        except HookError as error:
            raise _refused(str(error)) from error
        if self.token == refused:
            raise _refused(
                "the stack refused CAIRN_TOKEN: it is of another stack or has expired; take a fresh one from `cairn env`"
            )


def _refused(text: str) -> exceptions.RefreshError:
    return exceptions.RefreshError(text)  # type: ignore[no-untyped-call]
