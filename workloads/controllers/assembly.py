"""Puts the controllers together. Used by the main program and by the tests, which bring an engine of their own."""

from workloads.controllers.audit import AuditRetention
from workloads.controllers.autoscaler import Autoscaler
from workloads.controllers.batch_prediction_jobs import BatchPredictionJobs
from workloads.controllers.custom_jobs import CustomJobs
from workloads.controllers.declared import Declared
from workloads.controllers.deploy import Deploy, Mutate
from workloads.controllers.endpoint_rows import EndpointRows
from workloads.controllers.endpoints import Endpoints
from workloads.controllers.gateway import Routes
from workloads.controllers.jobs import JobController, JobKind
from workloads.controllers.logs import LogPump
from workloads.controllers.loop import SWEEP_S, Loop
from workloads.controllers.operations import Method, Operations
from workloads.controllers.orphans import Orphans
from workloads.controllers.platform import Platform
from workloads.controllers.queue import Queue
from workloads.controllers.rollouts import Rollouts
from workloads.controllers.servers import Servers
from workloads.controllers.training_pipelines import TrainingPipelines
from workloads.controllers.undeploy import Undeploy


class Assembly:
    """All controllers of a stack, around one loop."""

    def __init__(self, platform: Platform, sweep_s: float = SWEEP_S) -> None:
        self.logs = LogPump(platform.store, platform.engine, on_end=self._wake)
        kinds: list[JobKind] = [CustomJobs(platform), BatchPredictionJobs(platform)]
        self.queue = Queue(platform, kinds)
        servers = Servers(platform, self.logs)
        rows, routes = EndpointRows(platform, self.queue), Routes(platform, servers.down)
        scaler = Autoscaler(platform, rows, servers)
        methods: dict[str, Method] = {
            "deployModel": Deploy(platform, rows, servers, routes),
            "mutateDeployedModel": Mutate(platform, rows, servers, routes),
            "undeployModel": Undeploy(rows, servers, routes),
        }
        self.loop = Loop(
            platform.store,
            [
                *(JobController(platform, kind, self.logs) for kind in kinds),
                TrainingPipelines(platform),
                Endpoints(rows, servers, routes, Rollouts(platform, rows, servers, routes), scaler),
                Operations(platform, methods),
            ],
            turn_chores=[self.queue.admit],
            sweep_chores=[
                platform.engine.prepare,
                self.queue.expire,
                platform.engine.tidy,
                Orphans(platform).sweep,
                Declared(platform, rows).sync,
                routes.sync,
                AuditRetention(platform).prune,
            ],
            sweep_s=sweep_s,
        )
        platform.engine.watch(self._wake)

    def _wake(self, name: str) -> None:
        self.loop.wake(name)

    def close(self) -> None:
        """Stop copying logs."""
        self.logs.close()
