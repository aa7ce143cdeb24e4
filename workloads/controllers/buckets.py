"""Asks the stack's own Cloud Storage API which buckets there are, for an engine that must not make any by mounting."""

import http
import urllib.error
import urllib.request
from typing import Final

from workloads import tokens
from workloads.config import PlatformConfig
from workloads.controllers.engines.base import Unavailable
from workloads.controllers.platform import own_token

TIMEOUT_S: Final = 15.0


class Buckets:
    """The stack's buckets, as the gateway's clients see them."""

    def __init__(self, config: PlatformConfig, keys: tokens.Keys) -> None:
        self._config, self._keys = config, keys

    def has(self, bucket: str) -> bool:
        """Whether there is such a bucket.

        Raises:
            Unavailable: the API does not answer, or not to this question.
        """
        headers = {"Authorization": f"Bearer {own_token(self._config, self._keys)}"}
        url = f"{self._config.gateway_url}/storage/v1/b/{bucket}"
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  the URL is the stack's own setting
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.NOT_FOUND:
                return False
            raise Unavailable(f"the storage API answers {error.code} when asked for bucket {bucket}") from error
        except OSError as error:
            raise Unavailable(f"the storage API does not answer when asked for bucket {bucket}: {error}") from error
