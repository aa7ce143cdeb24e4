"""A batch job of many small parts, asked of a slow model, and whether its output is what it has to be: for chaos.

What proves that no finished part is done again are times of the object store's file system. The driver renames a part's
outputs into place and then writes the part's note; whoever did the part again would have to rename an output later than
that. So a look takes only the notes (a note that is seen is final), outputs are looked at when the job is over, and
how stale or torn a look is doesn't matter: all times come from one kernel's clock.
"""

import json
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from google.cloud import aiplatform, storage

from tests.conformance.serving import IMAGE, MACHINE
from tests.support.stack import Stack
from workloads import contract

ROWS, EVERY = 20_000, 1_000  # rows, and how far apart the bad ones are: some fifteen parts of a few seconds each
SERVERS: Final = 2
_PREDICT: Final = (  # 2 ms a row asleep, not at work: the machine's cores are for what is killed
    "lambda self, rows: (__import__('time').sleep(len(rows) * 0.002), __import__('numpy').asarray(rows)[:, 0])[1]"
)
_FIND: Final = ("-ignore_readdir_race", "-type", "f", "-printf", "%P %i %T@ %C@\\n")


class Slow:
    """Predicts a row's first value. Made anew where it is loaded, as the tests are not there."""

    def __reduce__(self) -> tuple[Any, ...]:
        """See pickle."""
        return eval, (f"type('Slow', (), {{'predict': {_PREDICT}}})()",)


def models(bucket: storage.Bucket) -> dict[str, str]:
    """How its servers are asked → name of a model: prebuilt ones take whole parts, any other one requests."""
    bucket.blob("models/slow/model.joblib").upload_from_string(pickle.dumps(Slow()))

    def upload(name: str, **more: Any) -> str:
        uri = f"gs://{bucket.name}/models/slow"
        model = aiplatform.Model.upload(display_name=name, artifact_uri=uri, serving_container_image_uri=IMAGE, **more)
        return str(model.resource_name)

    return {
        "parts": upload("slow-parts"),
        "requests": upload(
            "slow-requests",
            serving_container_command=["python3", "-m", "workloads.prediction"],
            serving_container_environment_variables={"CAIRN_RUNTIME": "plain"},
        ),
    }


@dataclass(frozen=True)
class File:
    """One of the object store's: when its content was written, when it came to its name."""

    inode: str
    written: float
    placed: float


@dataclass
class BatchJob:
    """One job.

    Attributes:
        label: the folder in the staging bucket that is its own.
        notes: part → its note, each as often as it was seen to be another one.
    """

    stack: Stack
    label: str
    name: str = ""
    notes: dict[int, set[File]] = field(default_factory=dict)

    def submit(self, bucket: storage.Bucket, model: str) -> None:
        """Put its input there and ask for it."""
        rows = [f"{{broken {n}" if n % EVERY == 0 else f"[{n}, 0]" for n in range(ROWS)]
        bucket.blob(f"{self.label}/in.jsonl").upload_from_string("\n".join(rows))
        folder = f"gs://{bucket.name}/{self.label}"
        body = {
            "displayName": self.label,
            "model": model,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [f"{folder}/in.jsonl"]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": f"{folder}/out"}},
            "dedicatedResources": {"machineSpec": {"machineType": MACHINE}, "startingReplicaCount": SERVERS},
        }
        url = f"{self.stack.vertex_url}/batchPredictionJobs"
        answer = httpx.post(url, json=body, headers=self.stack.headers, timeout=30)
        assert answer.is_success, answer.text
        self.name = answer.json()["name"]

    def message(self) -> dict[str, Any]:
        """As the API tells it; {} while that doesn't answer."""
        try:
            answer = httpx.get(f"{self.stack.api_endpoint}/v1/{self.name}", headers=self.stack.headers, timeout=10)
        except httpx.TransportError:
            return {}
        assert answer.is_success or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR, answer.text
        return dict(answer.json()) if answer.is_success else {}

    def look(self) -> None:
        """Remember the notes that are there now.

        Raises:
            Exception: the object store has just been killed.
        """
        for path, file in self._files().items():
            stem = path.rpartition("/")[2].removesuffix(".json")
            if path.startswith("out/_parts/") and stem.isdigit():
                self.notes.setdefault(int(stem), set()).add(file)

    def wrong(self, bucket: storage.Bucket) -> list[str]:
        """What is not as it has to be, now that it has ended."""
        files, message = self._files(), self.message()
        bad = range(0, ROWS, EVERY)
        good = [n for n in range(ROWS) if n % EVERY]
        stats = {"successfulCount": str(len(good)), "failedCount": str(len(bad))}  # a zero is left out
        failed = [str(row["instance"]) for row in self._rows(bucket, files, "errors")]
        predicted = [(row["instance"][0], row["prediction"]) for row in self._rows(bucket, files, "predictions")]
        checks = {
            f"it ended as {message.get('state')}: {message.get('error')}": message["state"] == "JOB_STATE_SUCCEEDED",
            f"it counts {message.get('completionStats')}": message.get("completionStats") == stats,
            f"{len(predicted)} predictions, not each row once": predicted == [(n, float(n)) for n in good],
            f"its errors are {failed}": failed == [f"{{broken {n}" for n in bad],
            f"left over: {_rest(files)}": _rest(files) == [],
        }
        return [*(f"{self.label}: {text}" for text, holds in checks.items() if not holds), *self._done_twice(files)]

    def _done_twice(self, files: dict[str, File]) -> Iterator[str]:
        for part, seen in sorted(self.notes.items()):
            if len(seen) > 1:
                yield f"{self.label}: part {part} was noted {len(seen)} times: {seen}"
            noted = min(note.written for note in seen)
            for path, file in files.items():
                if path.endswith(f"_{part:04}.jsonl") and file.placed > noted:
                    yield f"{self.label}: {path} came {file.placed - noted:.3f} s after the note of its part: {file}"

    def _files(self) -> dict[str, File]:
        """What the object store has on its disk of the job's folder, by path below that."""
        folder = f"/data/{self.stack.staging_bucket}/{self.label}"
        printed = self.stack.site.execute(self.stack.name, contract.OBJECT_STORE_HOST, "find", folder, *_FIND)
        lines = (line.rsplit(" ", 3) for line in printed.splitlines())
        return {path: File(inode, float(written), float(placed)) for path, inode, written, placed in lines}

    def _rows(self, bucket: storage.Bucket, files: Iterable[str], stem: str) -> list[Any]:
        """The lines of all outputs of this kind, in order."""
        names = sorted(path for path in files if path.rpartition("/")[2].startswith(f"{stem}_"))
        texts = [bucket.blob(f"{self.label}/{name}").download_as_text() for name in names]
        return [json.loads(line) for text in texts for line in text.splitlines()]


def _rest(files: Iterable[str]) -> list[str]:
    """Notes and drafts that nobody took away."""
    kept = ("predictions_", "errors_", "result.json", "in.jsonl")
    return [path for path in files if not path.rpartition("/")[2].startswith(kept)]
