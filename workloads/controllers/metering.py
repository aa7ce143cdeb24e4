"""What a job has used so far, and when its container began, from what its row and its engine tell. Used by jobs.py."""

from datetime import datetime

from workloads.controllers.engines.base import Container
from workloads.controllers.platform import Json, timestamp
from workloads.plans import usage
from workloads.plans.machines import Demand
from workloads.store import Resource


def used(row: Resource, now: datetime, currency: str) -> Json:
    """Of all attempts: what is reserved counts from the start of an attempt's containers."""
    since = row.status.get("running_since")
    seconds = (now - datetime.fromisoformat(since)).total_seconds() if since else 0.0
    reserved, price = row.status.get("reserved"), float(row.status.get("price_per_hour", 0.0))
    demand = Demand.from_json(reserved) if reserved else Demand()
    return usage.add(row.status.get("earlier_usage"), usage.usage(seconds, demand, price, currency))


def began(container: Container | None) -> Json:
    """When the container was created and started."""
    known = {"created": container.created, "started": container.started} if container else {}
    return {key: timestamp(time) for key, time in known.items() if time}
