"""What `pulumi up` runs: settings → backend and host check → blueprint → outputs."""

import pulumi

from infra import blueprint, host, settings, tokens
from infra.backends.base import UnmetWish
from infra.reading import SettingsError


def main() -> None:
    """Declare the current stack."""
    stack, wanted = pulumi.get_stack(), settings.read()
    backend, problems = host.choose(stack, wanted)
    host.check(problems)
    platform = blueprint.build(stack, wanted, backend)
    outputs = {
        tokens.OUTPUT_STACK: stack,
        tokens.OUTPUT_PROJECT: wanted.project,
        tokens.OUTPUT_LOCATION: wanted.location,
        tokens.OUTPUT_STAGING_BUCKET: wanted.staging_bucket,
        tokens.OUTPUT_API_ENDPOINT: platform.api_endpoint,
        tokens.OUTPUT_TRACKING_URI: platform.tracking_uri,
        tokens.OUTPUT_OBJECT_STORE_ENDPOINT: platform.object_store_endpoint,
        tokens.OUTPUT_TOKEN: platform.token,
        tokens.OUTPUT_TOKENS: platform.tokens,
        tokens.OUTPUT_ACCESS_KEY: platform.access_key,
        tokens.OUTPUT_SECRET_KEY: platform.secret_key,
    }
    for name, value in outputs.items():
        pulumi.export(name, value)


try:
    main()
except (SettingsError, UnmetWish) as problem:
    raise pulumi.RunError(str(problem)) from None  # shown without a traceback
