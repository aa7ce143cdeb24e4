"""The names that persist in users' states."""

from infra import tokens


def test_names_are_the_released_ones() -> None:
    """A changed name replaces users' resources or breaks readers of outputs: change this test with a migration."""
    assert {key: value for key, value in vars(tokens).items() if key.isupper()} == {
        "PREFIX": "cairn:platform:",
        "OBJECT_STORE": "cairn:platform:ObjectStore",
        "DATABASE": "cairn:platform:Database",
        "TRACKING": "cairn:platform:Tracking",
        "MODEL_REGISTRY": "cairn:platform:ModelRegistry",
        "API": "cairn:platform:Api",
        "JOB_RUNNER": "cairn:platform:JobRunner",
        "GATEWAY": "cairn:platform:Gateway",
        "ENDPOINT": "cairn:platform:Endpoint",
        "OUTPUT_STACK": "stack",
        "OUTPUT_PROJECT": "project",
        "OUTPUT_LOCATION": "location",
        "OUTPUT_API_ENDPOINT": "apiEndpoint",
        "OUTPUT_TRACKING_URI": "trackingUri",
        "OUTPUT_OBJECT_STORE_ENDPOINT": "objectStoreEndpoint",
        "OUTPUT_STAGING_BUCKET": "stagingBucket",
        "OUTPUT_TOKEN": "token",
        "OUTPUT_TOKENS": "tokens",
        "OUTPUT_ACCESS_KEY": "accessKey",
        "OUTPUT_SECRET_KEY": "secretKey",
    }
