"""What is changed in each library, and why there. `PATCHES` goes to imports.after_import.

Every patch reads the settings when it is used, so applying one twice is the same as once.
"""

import copy
import functools
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from .settings import HookError, Settings

_MARK: Final = "_cairn_original"


def _wrap(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace `owner.name` by what `make` makes of the original, once."""
    original = getattr(owner, name)
    if not hasattr(original, _MARK):
        wrapper = functools.wraps(original)(make(original))
        setattr(wrapper, _MARK, original)
        setattr(owner, name, wrapper)


def application_default_credentials(module: ModuleType) -> None:
    """google.auth.default(): the stack's token and project, whatever Google credentials this machine has besides.

    google.auth takes the function from google.auth._default by name, hence both modules.
    """

    def make(_original: Callable[..., Any]) -> Callable[..., Any]:
        def default(*_args: Any, **_kwargs: Any) -> tuple[Any, str | None]:
            from .credentials import StackCredentials

            return StackCredentials(), Settings.from_environment().project

        return default

    _wrap(module, "default", make)


def aiplatform_config(module: ModuleType) -> None:
    """The SDK's global configuration, as aiplatform.init(...) would set it; later init() calls keep the endpoint."""
    from .credentials import StackCredentials

    settings = Settings.from_environment()
    module.global_config.init(
        project=settings.project,
        location=settings.location,
        staging_bucket=settings.staging_bucket,
        credentials=StackCredentials(),
        api_endpoint=settings.api_endpoint,
        api_transport="rest",
    )


def aiplatform_client(module: ModuleType) -> None:
    """Generated clients (aiplatform_v1, aiplatform.gapic), made without that configuration: REST to the stack."""
    for name, client in vars(module).items():
        if name.endswith("Client") and isinstance(client, type) and client.__module__ == module.__name__:
            _wrap(client, "__init__", _client_init)


def _client_init(original: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(self: Any, **kwargs: Any) -> None:  # noqa: N807 (it takes that place)
        transport, options = kwargs.get("transport"), _options(kwargs.get("client_options"))
        named = transport is None or isinstance(transport, str)
        if named and (options.api_endpoint is None or _is_google_api(options.api_endpoint)):
            if transport is not None and "asyncio" in transport:
                raise HookError(
                    f"{type(self).__name__} with transport {transport!r} can't reach a Cairn stack, which serves REST: "
                    "use the synchronous client"
                )
            options.api_endpoint = Settings.from_environment().api_endpoint
            kwargs |= {"transport": "rest", "client_options": options}
        original(self, **kwargs)

    return __init__


def _options(options: Any) -> Any:
    """A ClientOptions of our own from what a client accepts: nothing, a dict or a ClientOptions."""
    from google.api_core.client_options import ClientOptions, from_dict

    if options is None:
        return ClientOptions()
    return from_dict(options) if isinstance(options, dict) else copy.copy(options)


def requests_session(module: ModuleType) -> None:
    """URLs of Google's that are written out in code, such as in the SDK's own Endpoint.raw_predict, go to the stack."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def request(self: Any, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
            return original(self, method, stack_url(url), *args, **kwargs)

        return request

    _wrap(module.Session, "request", make)


def stack_url(url: Any) -> Any:
    """The URL with the stack's address, if it was one of an API that the stack serves; any other unchanged."""
    if not isinstance(url, str) or not _is_google_api(url):
        return url
    parts, endpoint = urlsplit(url), urlsplit(Settings.from_environment().api_endpoint)
    return urlunsplit(parts._replace(scheme=endpoint.scheme, netloc=endpoint.netloc))


def _is_google_api(address: str) -> bool:
    """Whether a URL or host is Vertex AI's (us-central1-aiplatform.googleapis.com, …) or Cloud Storage's."""
    host = (urlsplit(address if "://" in address else f"//{address}").hostname or "").lower()
    return host == "storage.googleapis.com" or host.endswith(
        ("aiplatform.googleapis.com", ".prediction.vertexai.goog", "aiplatform.rep.googleapis.com")
    )


def mlflow_token(module: ModuleType) -> None:
    """MLflow reads its token from the environment at each request; it is put there only where mlflow is used."""
    os.environ.setdefault("MLFLOW_TRACKING_TOKEN", Settings.from_environment().token)


PATCHES: Final[dict[str, Callable[[ModuleType], None]]] = {
    r"google\.auth(\._default)?": application_default_credentials,
    r"google\.cloud\.aiplatform\.initializer": aiplatform_config,
    r"google\.cloud\.aiplatform_v1(beta1)?\.services\.\w+\.client": aiplatform_client,
    r"requests\.sessions": requests_session,
    r"mlflow": mlflow_token,
}
