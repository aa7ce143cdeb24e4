"""Our own paths under /cairn/v1: status, usage and logs, for `cairn` and for people with curl."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from workloads import contract, tokens
from workloads.api import auth, health, shadows
from workloads.api.audit import reported
from workloads.api.errors import ApiError, invalid
from workloads.api.handlers import Context, Json
from workloads.api.resources.custom_jobs import RUNNING as HOLDING
from workloads.api.vertex.messages import timestamp
from workloads.plans import rollouts
from workloads.plans.machines import Demand
from workloads.store import LogLine, NotFound, Resource
from workloads.tokens import Principal

JOBS: Final = ("customJobs", "batchPredictionJobs")
FINAL: Final = frozenset(
    f"{kind}_STATE_{state}"
    for kind in ("JOB", "PIPELINE")
    for state in ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED")
)
NOT_YET: Final = "not yet looked at by the controllers"
BEHIND: Final = "earlier jobs wait for room"  # the controllers look at no more of the queue than they have to
FOLLOW_S: Final = 0.3
LINES: Final = 1000
USAGE: Final = {"cpu_seconds": 0.0, "memory_gib_seconds": 0.0, "gpu_seconds": 0.0, "price": 0.0}


@dataclass(frozen=True)
class Extensions:
    """The endpoints; `principal` authenticates a request, `body` reads it, `keys` sign the API's own to the gateway."""

    context: Context
    keys: tokens.Keys
    principal: Callable[[Request], Principal]
    body: Callable[[Request], Awaitable[bytes]]

    async def status(self, request: Request) -> Response:
        """Services, capacity in use, the queue, rollouts, and shadows."""
        auth.require_person(self.principal(request), "read the stack's status")
        services = await health.services(self.context)
        endpoints = await run_in_threadpool(lambda: self.context.store.list("endpoints"))
        capacity, queue = await run_in_threadpool(lambda: (self._capacity(endpoints), self._queue()))
        beside = await shadows.shown(self.context, self.keys, endpoints)
        parts = {"capacity": capacity, "queue": queue, "rollouts": _rollouts(endpoints), "shadows": beside}
        return JSONResponse({"services": services, **parts})

    def _capacity(self, endpoints: Sequence[Resource]) -> Json:
        config = self.context.config
        jobs = [row for kind in JOBS for row in self.context.store.list(kind, states=[*HOLDING])]
        used = sum((_reserved(row) for row in (*jobs, *endpoints)), Demand())
        gpus = {
            kind: {"used": used.gpus.get(kind, 0), "total": each.count} for kind, each in config.accelerators.items()
        }
        memory = {"used": used.memory_mib, "total": config.capacity.memory_mib}
        return {"cpu": {"used": used.cpu, "total": config.capacity.cpu}, "memory_mib": memory, **gpus}

    def _queue(self) -> list[Json]:
        """Waiting jobs, oldest first, with the reason that the controllers noted: of the queue, or of the engine."""
        states = ["JOB_STATE_QUEUED", "JOB_STATE_PENDING"]
        rows = [row for kind in JOBS for row in self.context.store.list(kind, states=states)]
        waiting = [row for row in rows if row.state == "JOB_STATE_QUEUED" or "reason" in row.status]
        waiting.sort(key=lambda row: row.create_time)
        return [
            {
                "position": position,
                "name": row.name,
                "display_name": row.message.get("displayName", ""),
                "reason": row.status.get("reason", BEHIND if position > 1 else NOT_YET),
                "since": timestamp(row.create_time),
            }
            for position, row in enumerate(waiting, 1)
        ]

    async def usage(self, request: Request) -> Response:
        """What each job has used so far, newest first."""
        auth.require_person(self.principal(request), "read the stack's usage")
        rows = await run_in_threadpool(lambda: [row for kind in JOBS for row in self.context.store.list(kind)])
        rows.sort(key=lambda row: row.create_time, reverse=True)
        return JSONResponse({"jobs": [self._used(row) for row in rows]})

    def _used(self, row: Resource) -> Json:
        used = {**USAGE, "currency": self.context.config.currency, **row.status.get("usage", {})}
        name, start = row.message.get("displayName", ""), _start(row)
        return {"name": row.name, "display_name": name, "state": row.state, **used, "start": start}

    async def logs(self, request: Request) -> Response:
        """A resource's log lines, as text or (alt=json) JSON lines; follow=1 streams until the job has ended."""
        principal, name = self.principal(request), request.path_params["name"]
        if principal.subject != name:
            auth.require_person(principal, f"read the logs of {name}")
        query = request.query_params
        try:
            since = int(query.get("since", "0"))
        except ValueError:
            raise invalid(f"since is {query['since']!r}; give the seq of the last line that you have.") from None
        follow = query.get("follow", "0").lower() in ("1", "true")
        source = await run_in_threadpool(self._source, name)
        form, kind = (_json_line, "application/x-ndjson") if query.get("alt") == "json" else (_text_line, "text/plain")
        lines = self._stream(source, since, form, (lambda: self._is_good(request)) if follow else None)
        return StreamingResponse(lines, media_type=f"{kind}; charset=utf-8")

    async def audit(self, request: Request) -> Response:
        """Who changed what, newest first; the query chooses: principal, method, resource (a prefix), since, pages."""
        auth.require_admin(self.principal(request), "read the audit log")
        wanted, size = _audit_query(request.query_params)
        entries = await run_in_threadpool(self.context.store.audit.read, wanted, size)
        page = {"entries": [{"seq": each.seq, "time": timestamp(each.time), **asdict(each.deed)} for each in entries]}
        return JSONResponse({**page, "nextPageToken": str(entries[-1].seq)} if len(entries) == size else page)

    async def report(self, request: Request) -> Response:
        """An entry of the audit log from tracking, which answers its own changes; durable before this is answered."""
        principal = self.principal(request)
        if (principal.subject, principal.role) != (contract.TRACKING_HOST, tokens.ROLE_ADMIN):
            raise ApiError("PERMISSION_DENIED", f"{principal.subject} keeps no log of its own; tracking tells of its.")
        request.state.deed = reported(await self.body(request))
        return JSONResponse({})

    def _source(self, name: str) -> str:
        """Whose lines to read: a training pipeline's are its custom job's."""
        row = self.context.store.get(name)
        return str((row.message.get("trainingTaskMetadata") or {}).get("backingCustomJob") or row.name)

    def _is_good(self, request: Request) -> bool:
        """Whether the token still is that the request came with: one may be revoked while its holder follows a log."""
        try:
            self.principal(request)
        except ApiError:
            return False
        return True

    async def _stream(
        self, name: str, since: int, form: Callable[[LogLine], str], follow: Callable[[], bool] | None
    ) -> AsyncIterator[str]:
        """Args: follow: whether to go on, asked at every turn."""
        while True:
            ended = follow is None or await run_in_threadpool(self._ended, name)  # before reading: no line is missed
            while lines := await run_in_threadpool(self.context.store.read_logs, name, since, LINES):
                since = lines[-1].seq
                yield "".join(map(form, lines))
            if ended or not (follow and follow()):
                return
            await asyncio.sleep(FOLLOW_S)

    def _ended(self, name: str) -> bool:
        try:
            return self.context.store.get(name).state in FINAL
        except NotFound:  # deleted while somebody followed
            return True


def _start(row: Resource) -> Json:
    """Where the time of its last start went: when it was accepted and given capacity, its container made and run."""
    claimed = {"claimed": row.status["claimed_at"]} if "claimed_at" in row.status else {}
    return {"accepted": timestamp(row.create_time), **claimed, **row.status.get("container_at", {})}


def _audit_query(query: Mapping[str, str]) -> tuple[dict[str, Any], int]:
    """What to read, and how many entries."""
    allowed = ("principal", "method", "resource", "since", "pageSize", "pageToken")
    for name in query:
        if name not in allowed:
            raise invalid(f"{name!r} is not a query parameter here; there are {', '.join(allowed)}.")
    wanted: dict[str, Any] = {name: query[name] for name in ("principal", "method", "resource") if name in query}
    try:
        size = min(max(int(query.get("pageSize", "100")), 1), LINES)
        if query.get("pageToken"):
            wanted["before"] = int(query["pageToken"])
        if "since" in query:
            wanted["since"] = datetime.fromisoformat(query["since"])
    except ValueError as error:
        raise invalid(f"{error}: pageSize and pageToken are whole numbers, since is a time of RFC 3339.") from None
    return wanted, size


def _reserved(row: Resource) -> Demand:
    """What the row's containers hold now, as the controllers noted it."""
    noted: dict[str, Any] | None = row.status.get("reserved")
    return Demand.from_json(noted) if noted else Demand()


def _text_line(line: LogLine) -> str:
    return f"{line.text}\n"


def _json_line(line: LogLine) -> str:
    return (
        json.dumps({"seq": line.seq, "time": timestamp(line.time), "replica": line.replica, "text": line.text}) + "\n"
    )


def _rollouts(endpoints: Sequence[Resource]) -> list[Json]:
    """New versions of declared endpoints on the way to their traffic, or where that has ended, and why."""
    return [
        {
            "endpoint": row.name,
            "deployed_model": model_id,
            "state": entry["rollout"]["state"],
            "traffic": rollouts.share(entry["rollout"]),
            "reason": entry["rollout"]["reason"],
        }
        for row in endpoints
        for model_id, entry in row.status.get("deployed", {}).items()
        if entry.get("rollout")
    ]
