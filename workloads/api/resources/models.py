"""models: Vertex' ModelService over the registry, which keeps them in MLflow (workloads/registry)."""

from collections.abc import Callable, Mapping
from typing import Final

from workloads.api import checks, filters, operations, ordering, paging, paths
from workloads.api.errors import ApiError, invalid
from workloads.api.handlers import Call, Context, Handlers, Json
from workloads.api.vertex import messages
from workloads.plans import environment, images, secrets
from workloads.registry.registry import MUTABLE

MODEL: Final = f"{messages.PACKAGE}v1beta1.Model"
REFUSED: Final = {
    "explanationSpec": "explanations are not served",
    "encryptionSpec": "customer-managed encryption keys are not available",
    "baseModelSource": "models of Model Garden are not served; upload the artefacts and a container",
}
REFUSED_OF_CONTAINER: Final = {
    "grpcPorts": "the gateway speaks HTTP; serve predictions on containerSpec.ports",
    "invokeRoutePrefix": "only the predict route is served",
    "startupProbe": "the health route is the only probe",
    "healthProbe": "set healthRoute instead",
    "livenessProbe": "the health route is the only probe",
    "deploymentTimeout": "leave it out; a deployment waits as long as the controllers' own limit",
    "sharedMemorySizeMb": "leave it out; a server has the engine's default",
}


def check(context: Context, model: Json) -> None:
    """What can be said of a model before it is uploaded.

    Raises:
        ApiError, InvalidWish: naming the field.
    """
    checks.display_name(model)
    checks.labels(model)
    checks.refuse(model, REFUSED, "model")
    container = model.get("containerSpec", {})
    if not container.get("imageUri"):
        raise invalid(
            "Required field model.containerSpec.imageUri is not set; name a prebuilt prediction image or your own."
        )
    checks.refuse(container, REFUSED_OF_CONTAINER, "model.containerSpec")
    images.resolve(container["imageUri"], context.config.images)
    secrets.refuse(
        environment.user_variables(container.get("env", ()), "model.containerSpec"), "model.containerSpec.env"
    )
    if model.get("artifactUri"):
        checks.gcs_uri(model["artifactUri"], "model.artifactUri")


def upload(context: Context, call: Call) -> Json:
    """A new model, or a new version of parentModel; done at once."""
    request = call.request
    model = request["model"]
    check(context, model)
    made = context.models.upload(
        model, model_id=request.get("modelId", ""), parent_model=request.get("parentModel", "")
    )
    response = {"model": made["name"], "modelVersionId": made["versionId"]}
    return operations.done(context, call, "UploadModelOperationMetadata", response, "UploadModelResponse")


def get(context: Context, call: Call) -> Json:
    """The default version, or the one that the name means."""
    return context.models.get(call.request["name"])


def list_models(context: Context, call: Call) -> Json:
    """The default version of each model."""
    return _page(context.models.list_models(), call.request, call.request["parent"])


def list_versions(context: Context, call: Call) -> Json:
    """All versions of a model."""
    return _page(context.models.list_versions(call.request["name"]), call.request, call.request["name"])


def update(context: Context, call: Call) -> Json:
    """Change displayName, description, versionDescription or labels."""
    wanted = call.request["model"]
    mask = _mask(call.request.get("updateMask", ""))
    name = str(wanted.get("name", ""))
    if "displayName" in mask:
        checks.display_name(wanted)
    checks.labels(wanted)
    if wanted.get("etag") and wanted["etag"] != (current := context.models.get(name))["etag"]:
        raise ApiError("ABORTED", f"{name} has etag {current['etag']!r}, not {wanted['etag']!r}: read it again first.")
    return context.models.update(name, wanted, mask)


def merge_version_aliases(context: Context, call: Call) -> Json:
    """Add aliases to a version, remove those with a '-' before them."""
    return context.models.merge_version_aliases(call.request["name"], call.request["versionAliases"])


def delete(context: Context, call: Call) -> Json:
    """Delete a model with all its versions."""
    context.models.delete(call.request["name"])
    return operations.done(context, call, "DeleteOperationMetadata")


def delete_version(context: Context, call: Call) -> Json:
    """Delete one version."""
    context.models.delete_version(call.request["name"])
    return operations.done(context, call, "DeleteOperationMetadata")


def _page(models: list[Json], request: Json, scope: str) -> Json:
    """One page of the models, filtered and ordered as the request says."""
    about = messages.descriptor(MODEL)
    accept = filters.parse(request.get("filter", ""), about)
    order = request.get("orderBy", "")
    found = [model for model in models if accept(model)]
    found = ordering.parse(order, about)(found) if order else found
    query = ("models", scope, request.get("filter", ""), order)
    start = int(paging.decode(query, request["pageToken"])) if request.get("pageToken") else 0
    end = start + paging.size(request)
    keep = _reader(request.get("readMask", ""))
    token = {"nextPageToken": paging.encode(query, end)} if end < len(found) else {}
    return {"models": [keep(model) for model in found[start:end]], **token}


def _reader(mask: str) -> Callable[[Json], Json]:
    """Keeps only what the read mask names, and the name."""
    wanted = set(_resolved(mask, "readMask")) | {"name"}
    return (
        (lambda model: {k: v for k, v in model.items() if k in wanted})
        if mask and mask != "*"
        else (lambda model: model)
    )


def _mask(mask: str) -> list[str]:
    """The fields that an update names.

    Raises:
        ApiError: none, or an unknown one.
    """
    if not mask:
        raise invalid(f"updateMask is empty; name the fields to change, of {', '.join(MUTABLE)}.")
    return list(MUTABLE) if mask == "*" else _resolved(mask, "updateMask")


def _resolved(mask: str, field: str) -> list[str]:
    try:
        return [
            paths.resolve(messages.descriptor(MODEL), path).keys[0] for path in mask.split(",") if path not in ("", "*")
        ]
    except paths.UnknownPath as error:
        raise invalid(f"{field} is wrong: {error}.") from error


HANDLERS: Handlers = {
    "ModelService.UploadModel": upload,
    "ModelService.GetModel": get,
    "ModelService.ListModels": list_models,
    "ModelService.ListModelVersions": list_versions,
    "ModelService.UpdateModel": update,
    "ModelService.MergeVersionAliases": merge_version_aliases,
    "ModelService.DeleteModel": delete,
    "ModelService.DeleteModelVersion": delete_version,
}
# What to do instead of methods that are not served.
INSTEAD: Mapping[str, str] = {
    "ModelService.CopyModel": "upload the artifactUri to the other stack: a stack is one project in one location",
    "ModelService.ExportModel": "copy the artefacts: they are files under the model's artifactUri",
}
