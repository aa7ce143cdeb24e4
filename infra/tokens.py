"""The names of infra that persist in somebody's state: type tokens and outputs. Changing one is a migration."""

from typing import Final

PREFIX: Final = "cairn:platform:"

OBJECT_STORE: Final = PREFIX + "ObjectStore"
DATABASE: Final = PREFIX + "Database"
TRACKING: Final = PREFIX + "Tracking"
MODEL_REGISTRY: Final = PREFIX + "ModelRegistry"
API: Final = PREFIX + "Api"
JOB_RUNNER: Final = PREFIX + "JobRunner"
GATEWAY: Final = PREFIX + "Gateway"
ENDPOINT: Final = PREFIX + "Endpoint"

# Stack outputs, read by `cairn` and by the tests.
OUTPUT_STACK: Final = "stack"
OUTPUT_PROJECT: Final = "project"
OUTPUT_LOCATION: Final = "location"
OUTPUT_API_ENDPOINT: Final = "apiEndpoint"  # http://127.0.0.1:PORT of the gateway
OUTPUT_TRACKING_URI: Final = "trackingUri"
OUTPUT_OBJECT_STORE_ENDPOINT: Final = "objectStoreEndpoint"
OUTPUT_STAGING_BUCKET: Final = "stagingBucket"  # bucket name, no scheme
OUTPUT_TOKEN: Final = "token"  # secret: the admin's bearer token
OUTPUT_TOKENS: Final = "tokens"  # secret: those of the principals in the config, by name
OUTPUT_ACCESS_KEY: Final = "accessKey"  # secret: S3
OUTPUT_SECRET_KEY: Final = "secretKey"  # secret: S3
