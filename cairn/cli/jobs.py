"""`cairn jobs` and `cairn logs`."""

from cairn.cli.tables import age, console, price, short_id, short_state, table
from cairn.client import Client
from cairn.stack import find


def show_jobs(name: str | None) -> None:
    """A line per job, newest first."""
    client = Client(find(name))
    usage = {row["name"]: row for row in client.usage()}
    result = table("Jobs", "ID", "NAME", "KIND", "STATE", ">AGE", ">COST")
    for job in client.jobs():
        kind = job["name"].split("/")[-2].removesuffix("s")
        state = short_state(job.get("state", ""))
        cost = price(usage.get(job["name"]))
        result.add_row(
            short_id(job["name"]), job.get("displayName", ""), kind, state, age(job.get("createTime", "")), cost
        )
    console.print(result if result.row_count else "No jobs yet.")


def show_logs(name: str | None, job: str, follow: bool) -> None:
    """The job's lines as they are; of several replicas each with its own in front."""
    client = Client(find(name))
    resource = client.find_job(job)
    several = _replicas(resource) > 1
    for line in client.logs(resource["name"], follow):
        print(f"[{line['replica']}] {line['text']}" if several else line["text"], flush=True)


def _replicas(job: dict[str, object]) -> int:
    """How many containers a custom job asked for; 1 for any other job."""
    spec = job.get("jobSpec")
    pools = spec.get("workerPoolSpecs", []) if isinstance(spec, dict) else []
    return sum(int(pool.get("replicaCount", 1)) for pool in pools) or 1
