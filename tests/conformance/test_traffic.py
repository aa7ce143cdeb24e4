"""Traffic while everything changes: versions come and go, shares change, replicas die."""

from google.cloud import aiplatform

from tests.conformance.serving import Versions, deploy
from tests.conformance.traffic import ALLOWED, Traffic, upheaval
from tests.support.stack import Stack

# For each split: half a point is 7.5 of them, more than the four that are on their way as a split begins and ends.
REQUESTS = 1_500


def test_no_request_is_lost(stack: Stack, versions: Versions) -> None:
    """Under load a version is deployed, re-weighted and undeployed and a replica killed: none of 6,000 requests fails.

    Each split is met within half a point, and a version answers only once it is healthy.
    """
    endpoint = aiplatform.Endpoint.create(display_name="traffic")
    try:
        deploy(endpoint, versions[0], "one", 100, min_replica_count=2)
        with Traffic(stack, endpoint) as traffic:
            missed = upheaval(traffic, versions, REQUESTS, min)
        assert traffic.failed == []
        assert traffic.answers.total() >= 4 * REQUESTS
        assert max(missed.values()) <= ALLOWED, missed
    finally:
        endpoint.delete(force=True)
