"""Good requests with as many fields as the platform reads, which fuzz.py bends."""

from typing import Any, Final

MACHINE: Final = {"machineType": "n1-standard-2", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1}
TRAINING: Final = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
SERVING: Final = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
PARENT: Final = "projects/test-project/locations/us-central1"
POOL: Final[dict[str, Any]] = {
    "machineSpec": MACHINE,
    "replicaCount": "1",
    "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100},
    "containerSpec": {
        "imageUri": TRAINING,
        "command": ["python3", "-c", "print($(A))"],
        "args": ["--x", "1"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}],
    },
}
PACKAGE_POOL: Final[dict[str, Any]] = {
    "machineSpec": {"machineType": "n1-standard-2"},
    "replicaCount": "1",
    "pythonPackageSpec": {
        "executorImageUri": TRAINING,
        "packageUris": ["gs://bucket/p-1.tar.gz"],
        "pythonModule": "p.task",
        "args": ["x"],
        "env": [{"name": "A", "value": "1"}],
    },
}
JOB: Final[dict[str, Any]] = {
    "displayName": "j",
    "labels": {"a": "b"},
    "jobSpec": {
        "workerPoolSpecs": [POOL, PACKAGE_POOL],
        "scheduling": {
            "timeout": "3600s",
            "restartJobOnWorkerRestart": True,
            "strategy": "FLEX_START",
            "maxWaitDuration": "60s",
            "disableRetries": True,
        },
        "baseOutputDirectory": {"outputUriPrefix": "gs://bucket/out"},
        "serviceAccount": "",
    },
}
MODEL: Final[dict[str, Any]] = {
    "displayName": "m",
    "description": "d",
    "artifactUri": "gs://bucket/model",
    "versionAliases": ["v", "default"],
    "labels": {"a": "b"},
    "containerSpec": {
        "imageUri": SERVING,
        "command": ["serve"],
        "args": ["$(AIP_HTTP_PORT)"],
        "env": [{"name": "A", "value": "1"}],
        "ports": [{"containerPort": 8080}],
        "predictRoute": "/predict",
        "healthRoute": "/health",
    },
}
DEDICATED: Final[dict[str, Any]] = {
    "machineSpec": MACHINE,
    "minReplicaCount": 1,
    "maxReplicaCount": 2,
    "autoscalingMetricSpecs": [
        {"metricName": "aiplatform.googleapis.com/prediction/online/cpu/utilization", "target": 60}
    ],
}
DEPLOY: Final[dict[str, Any]] = {
    "deployedModel": {
        "id": "7",
        "model": f"{PARENT}/models/m",
        "displayName": "d",
        "dedicatedResources": DEDICATED,
        "serviceAccount": "",
    },
    "trafficSplit": {"0": 100},
}
ENDPOINT: Final[dict[str, Any]] = {
    "displayName": "e",
    "description": "d",
    "labels": {"a": "b"},
    "trafficSplit": {},
    "predictRequestResponseLoggingConfig": {
        "enabled": True,
        "samplingRate": 0.5,
        "bigqueryDestination": {"outputUri": "gs://bucket/log"},
    },
}
BATCH: Final[dict[str, Any]] = {
    "displayName": "b",
    "model": f"{PARENT}/models/m",
    "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://bucket/in.jsonl", "gs://bucket/*.jsonl"]}},
    "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://bucket/out"}},
    "modelParameters": {"a": 1},
    "manualBatchTuningParameters": {"batchSize": 8},
    "dedicatedResources": {
        "machineSpec": {"machineType": "n1-standard-2"},
        "startingReplicaCount": 1,
        "maxReplicaCount": 2,
    },
}
PIPELINE: Final[dict[str, Any]] = {
    "displayName": "p",
    "trainingTaskDefinition": "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml",
    "trainingTaskInputs": {
        "worker_pool_specs": [
            {
                "machine_spec": {"machine_type": "n1-standard-2"},
                "replica_count": 1.0,
                "container_spec": {"image_uri": TRAINING, "args": ["x"]},
            }
        ],
        "base_output_directory": {"output_uri_prefix": "gs://bucket/out"},
    },
    "modelToUpload": MODEL,
}
# By method; the body's part of the request.
SEEDS: Final[dict[str, Any]] = {
    "JobService.CreateCustomJob": JOB,
    "JobService.CreateBatchPredictionJob": BATCH,
    "PipelineService.CreateTrainingPipeline": PIPELINE,
    "ModelService.UploadModel": {"modelId": "m", "parentModel": "", "model": MODEL},
    "ModelService.UpdateModel": MODEL,
    "ModelService.MergeVersionAliases": {"versionAliases": ["a", "-b"]},
    "EndpointService.CreateEndpoint": ENDPOINT,
    "EndpointService.UpdateEndpoint": ENDPOINT,
    "EndpointService.DeployModel": DEPLOY,
    "EndpointService.UndeployModel": {"deployedModelId": "7", "trafficSplit": {}},
    "EndpointService.MutateDeployedModel": {
        "deployedModel": {"id": "7", "dedicatedResources": DEDICATED},
        "updateMask": "dedicatedResources",
    },
    "PredictionService.Predict": {"instances": [[1.0]], "parameters": {}},
}
