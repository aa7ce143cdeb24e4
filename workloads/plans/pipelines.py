"""A training pipeline's message → the custom job that it runs and the model that it uploads. For its controller."""

import re
from collections.abc import Mapping
from typing import Any, Final

from workloads.plans.errors import InvalidWish

_SNAKE: Final = re.compile(r"_([a-z0-9])")
Json = dict[str, Any]


def camel(value: Any) -> Any:
    """A Struct's content as a message: snake_case keys in camelCase, whole floats as integers, nulls dropped."""
    if isinstance(value, Mapping):
        return {_SNAKE.sub(lambda m: m[1].upper(), key): camel(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [camel(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def job_spec(inputs: Any) -> Json:
    """The custom job's specification in a custom task's trainingTaskInputs.

    Raises:
        InvalidWish: there is none.
    """
    if not isinstance(inputs, Mapping) or not inputs:
        raise InvalidWish("trainingTaskInputs is empty: it must hold a custom job's specification")
    spec: Json = camel(inputs)
    pools = spec.get("workerPoolSpecs")
    for pool in pools if isinstance(pools, list) else ():
        for program in (pool.get("containerSpec"), pool.get("pythonPackageSpec")) if isinstance(pool, dict) else ():
            if isinstance(program, dict) and isinstance(program.get("args"), list):
                program["args"] = [_text(argument) for argument in program["args"]]
    return spec


def _text(argument: Any) -> Any:
    """A number among the arguments, which the SDK sends as it was given, as the text that a process gets."""
    return str(argument) if isinstance(argument, (int, float)) else argument


def custom_job(pipeline: Mapping[str, Any]) -> Json:
    """The message of the custom job that a pipeline with a custom task runs, ready to be queued.

    Raises:
        InvalidWish: there are no inputs to make one of.
    """
    job = {
        "displayName": f"{pipeline.get('displayName', 'training-pipeline')}-custom-job",
        "jobSpec": job_spec(pipeline.get("trainingTaskInputs")),
        "state": "JOB_STATE_QUEUED",
    }
    return {**job, "labels": dict(pipeline["labels"])} if pipeline.get("labels") else job


def model_to_upload(pipeline: Mapping[str, Any], job: Mapping[str, Any]) -> Json:
    """The Model message to upload once the job has succeeded: what the pipeline gives, from the job's model/ folder."""
    model: Json = {key: value for key, value in pipeline["modelToUpload"].items() if key not in ("name", "versionId")}
    base = str(job["jobSpec"].get("baseOutputDirectory", {}).get("outputUriPrefix", "")).rstrip("/")
    return {**model, "artifactUri": f"{base}/model"} if base else model
