"""Works through a batch prediction job; workloads/plans/batch.py holds the fields of its task and result."""

import json
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from workloads.batch import inputs
from workloads.batch.inputs import Instance, NoInput
from workloads.batch.outputs import Shards
from workloads.batch.servers import Answer, NoServer, Servers
from workloads.gcs import Client, StorageError
from workloads.plans.batch import TASK_FILE, Result, Task

_PER_SERVER: Final = 2  # requests under way at each server: one computes while the next one travels
_HEALTH_TIMEOUT_S: Final = 1800.0
_PROGRESS_S: Final = 5.0
_MOST_ERRORS: Final = 20  # distinct texts in the result
_INVALID_ARGUMENT: Final = 3  # google.rpc.Code


def main() -> int:
    """0 when all input is worked through, 2 when the input can't be, 1 when trying again may help."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        raw: dict[str, Any] = json.loads(Path(TASK_FILE).read_text(encoding="utf-8"))
        result = run(Task(**raw), Client.from_environment())
    except (NoInput, ValueError, TypeError) as error:
        print(f"batch: {error}", file=sys.stderr)
        return 2
    except (NoServer, StorageError, OSError) as error:
        print(f"batch: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(result)), flush=True)
    return 0


def run(task: Task, client: Client) -> Result:
    """Predict every instance of the task's input.

    Raises:
        NoInput: the input or the format can't be used.
        NoServer: the model servers don't answer.
        StorageError: the storage doesn't.
    """
    if task.predictions_format != "jsonl":
        raise NoInput(f"predictionsFormat {task.predictions_format!r} can't be written; use jsonl")
    source = inputs.instances(client, task.input_uris, task.instances_format)
    first = list(islice(source, 1))  # before the wait: a wrong URI should show at once
    writer = _Writer(client, task.output_directory)
    with Servers(task.servers, task.predict_route, task.health_route, task.parameters) as servers:
        servers.wait(_HEALTH_TIMEOUT_S)
        for batch, answers in _answered(servers, _batches(chain(first, source), task.batch_size), len(task.servers)):
            writer.write(batch, answers)
    return writer.close()


def _batches(source: Iterator[Instance], size: int) -> Iterator[list[Instance]]:
    while batch := list(islice(source, size)):
        yield batch


def _answered(
    servers: Servers, batches: Iterator[list[Instance]], count: int
) -> Iterator[tuple[list[Instance], list[Answer]]]:
    """Each batch with its answers, in order, with a few requests under way at any time and never more in memory."""
    with ThreadPoolExecutor(count * _PER_SERVER) as pool:
        under_way: deque[tuple[list[Instance], Future[list[Answer]]]] = deque()
        for batch in batches:
            under_way.append((batch, pool.submit(_answers, servers, batch)))
            if len(under_way) > count * _PER_SERVER:
                done, future = under_way.popleft()
                yield done, future.result()
        for done, future in under_way:
            yield done, future.result()


def _answers(servers: Servers, batch: list[Instance]) -> list[Answer]:
    """Answers in the batch's order; lines that are no instances are not sent."""
    good = [instance.text for instance in batch if not instance.fault]
    predicted = iter(servers.predict(good) if good else [])
    return [
        Answer(code=_INVALID_ARGUMENT, message=instance.fault) if instance.fault else next(predicted)
        for instance in batch
    ]


class _Writer:
    """Predictions and errors to their objects, with counts and progress."""

    def __init__(self, client: Client, directory: str) -> None:
        self._predictions = Shards(client, directory, "predictions")
        self._errors = Shards(client, directory, "errors")
        self._successful = self._failed = 0
        self._texts: dict[str, None] = {}
        self._started = self._told = time.monotonic()

    def write(self, batch: list[Instance], answers: list[Answer]) -> None:
        """One line for each instance."""
        for instance, answer in zip(batch, answers, strict=True):
            if answer.code:
                self._fail(instance, answer)
            else:
                self._successful += 1
                self._predictions.write(f'{{"instance":{instance.text},"prediction":{json.dumps(answer.prediction)}}}')
        if time.monotonic() - self._told >= _PROGRESS_S:
            self._told = time.monotonic()
            self._tell()

    def close(self) -> Result:
        """Store the rest; the counts."""
        self._predictions.close()
        self._errors.close()
        self._tell()
        return Result(self._successful, self._failed, errors=tuple(self._texts))

    def _fail(self, instance: Instance, answer: Answer) -> None:
        self._failed += 1
        if len(self._texts) < _MOST_ERRORS:
            self._texts[answer.message] = None
        shown: Any = instance.text if instance.fault else json.loads(instance.text)
        self._errors.write(json.dumps({"instance": shown, "error": {"code": answer.code, "message": answer.message}}))

    def _tell(self) -> None:
        rate = (self._successful + self._failed) / max(time.monotonic() - self._started, 1e-9)
        print(f"batch: {self._successful} predicted, {self._failed} failed, {rate:.0f} instances/s", flush=True)
