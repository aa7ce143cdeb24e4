"""Works through a batch prediction job; workloads/plans/batch.py holds the fields of its task and result."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from workloads import contract
from workloads.batch import objects as storage
from workloads.batch import outputs, parts
from workloads.batch.objects import Objects
from workloads.batch.prebuilt import Workers
from workloads.batch.record import Record
from workloads.batch.servers import Servers
from workloads.batch.tries import NoServer
from workloads.batch.wish import Counts, NoInput, Part, Wish
from workloads.batch.work import work
from workloads.gcs import StorageError
from workloads.plans.batch import TASK_FILE, Result, Task

_PER_SERVER: Final = 2  # parts under way for each server: one is computed while the next one travels
_HEALTH_TIMEOUT_S: Final = 1800.0
_PROGRESS_S: Final = 2.0
_MOST_ERRORS: Final = 20  # distinct texts in the result
Tell = Callable[[Counts], None]
Work = Callable[[Part, Tell], Counts]  # one part's counts, its outputs in place


def main() -> int:
    """0 when all input is worked through, 2 when the input can't be, 1 when trying again may help."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))  # drafts that stay are swept by the next attempt
    try:
        raw: dict[str, Any] = json.loads(Path(TASK_FILE).read_text(encoding="utf-8"))
        task = Task(**raw)
        run(task, storage.reached(task.output_directory))
    except (NoInput, ValueError, TypeError) as error:
        print(f"batch: {error}", file=sys.stderr)
        return 2
    except (NoServer, StorageError, OSError) as error:
        print(f"batch: {error}", file=sys.stderr)
        return 1
    return 0


def run(task: Task, objects: Objects, token_file: Path = Path(contract.SECRETS_DIR) / contract.SECRET_TOKEN) -> Result:
    """Predict every instance of the task's input that no earlier attempt has; prints progress and the result.

    Raises:
        NoInput: the input or the format can't be used.
        NoServer: the model servers don't answer.
        StorageError, OSError: the storage doesn't.
    """
    wish = _wish(task)
    record = Record(objects, wish.output_directory)
    if found := record.result():
        record.tidy()
        return _say(Result(**{**found, "errors": tuple(found["errors"])}))
    objects.sweep(wish.output_directory)
    plan = record.plan()
    if plan is None:
        plan = parts.cut(objects, task.input_uris, wish.instances_format, len(task.servers) * _PER_SERVER)
        record.keep_plan(plan)
    progress = Progress(plan, record)
    if progress.open_parts:
        with ExitStack() as end:
            work_on = _worker(task, wish, objects, token_file, end)
            started = time.monotonic()
            _work_all(progress, work_on, len(task.servers) * _PER_SERVER)
            print(f"batch: worked for {time.monotonic() - started:.3f} s", flush=True)
    result = progress.result()
    record.close(asdict(result))
    return _say(result)


def _wish(task: Task) -> Wish:
    if task.predictions_format not in outputs.FORMATS:
        known = ", ".join(outputs.FORMATS)
        raise NoInput(f"predictionsFormat {task.predictions_format!r} can't be written; use one of: {known}")
    return Wish(
        task.instances_format,
        task.predictions_format,
        task.output_directory,
        task.batch_size,
        task.instance_type,
        task.key_field,
        tuple(task.included_fields),
        tuple(task.excluded_fields),
        task.parameters,
    )


def _worker(task: Task, wish: Wish, objects: Objects, token_file: Path, end: ExitStack) -> Work:
    """What works through a part: the servers themselves, or this process, which then asks them."""
    servers = end.enter_context(
        Servers(task.servers, task.predict_route, task.health_route, task.parameters, task.batch_size)
    )
    servers.wait(_HEALTH_TIMEOUT_S)
    if task.prebuilt:
        workers = Workers(task.servers, token_file)
        return lambda part, tell: workers.work(wish, part)
    return lambda part, tell: work(objects, wish, part, servers, tell)


def _work_all(progress: "Progress", work_on: Work, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        try:
            for future in as_completed([pool.submit(progress.follow, part, work_on) for part in progress.open_parts]):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Progress:
    """What is done, kept in the record and told as it changes. Used by several threads."""

    def __init__(self, plan: Sequence[Part], record: Record) -> None:
        self._plan, self._record = plan, record
        self._counts = record.finished()
        self._finished = len(self._counts)
        self._lock = threading.Lock()
        self._told = 0.0
        self.open_parts = [part for part in plan if part.number not in self._counts]
        if self._counts:
            print(f"batch: {len(self._counts)} of {len(plan)} parts were done before", flush=True)

    def follow(self, part: Part, work_on: Work) -> None:
        """Work through the part, and keep that it is done."""
        counts = work_on(part, lambda so_far: self._note(part, so_far))
        self._record.finish(part, counts)
        self._note(part, counts, finished=1)

    def result(self) -> Result:
        """Of what is done so far."""
        counts = list(self._counts.values())
        successful, failed = sum(each.successful for each in counts), sum(each.failed for each in counts)
        rows = sum(part.rows for part in self._plan) if all(part.rows >= 0 for part in self._plan) else -1
        over = self._finished == len(self._plan)
        left = 0 if over else -1 if rows < 0 else max(rows - successful - failed, 0)
        errors = dict.fromkeys(text for each in counts for text in each.errors)
        return Result(successful, failed, left, tuple(errors)[:_MOST_ERRORS])

    def _note(self, part: Part, counts: Counts, finished: int = 0) -> None:
        with self._lock:
            self._finished += finished
            self._counts[part.number] = counts
            if time.monotonic() - self._told >= _PROGRESS_S:
                self._told = time.monotonic()
                _say(self.result())


def _say(result: Result) -> Result:
    """As a line of the log, which the controllers read too."""
    print(json.dumps(asdict(result)), flush=True)
    return result
