"""What is meant to run for ever is asked whether it does: an engine that does not ask can't mend."""

from collections.abc import Iterator
from typing import Final

from policies.reading.workloads import Workload
from policies.rules.making import Config, texts, workload_rule

PROBES: Final = {
    "readinessProbe": "gets requests before it can answer them",
    "livenessProbe": "is not restarted when it hangs",
}


def healthcheck(workload: Workload, config: Config) -> Iterator[str]:
    """Docker asks the container."""
    asked = (workload.spec.get("healthcheck") or {}).get("tests") or ["NONE"]
    if workload.lasting and workload.kind not in config["exemptKinds"] and asked[0] == "NONE":
        yield 'is not asked whether it works; set healthcheck, such as {tests: ["CMD", …], interval: "5s"}'


def probes(pod: Workload, _: Config) -> Iterator[str]:
    """Kubernetes asks every container that stays, both for requests and for restarts."""
    for container in pod.containers:
        for probe, otherwise in PROBES.items():
            if pod.lasting and not container.starts_only and not container.props.get(probe):
                yield f"{container.place}{otherwise}; set {probe}, such as {{httpGet: {{path: …, port: …}}}}"


RULES: Final = (
    workload_rule(
        "container-probes",
        "What is meant to run for ever is probed.",
        docker=healthcheck,
        kubernetes=probes,
        config={"exemptKinds": texts(["deployed_model"], "kinds that on Docker the controllers ask instead")},
    ),
)
