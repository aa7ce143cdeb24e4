"""The protocol's servicer over a resource type that keeps its objects in memory."""

from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, status_pb2

from toolchain.plugins.common.resource import Call, Created, Found, PartlyDoneError, ProviderError, Resource
from toolchain.plugins.common.servicer import Plugin, Provider
from toolchain.plugins.common.table import Kind, Property
from toolchain.plugins.common.values import UNKNOWN, Properties, Secret, from_struct, to_struct

URN = "urn:pulumi:test::project::parent:of:It$test:index/thing:Thing::thing"
TABLE = {
    "name": Property(Kind.STRING),
    "size": Property(Kind.INTEGER, replaces=False),
    "password": Property(Kind.STRING),
}


class Thing(Resource):
    """A thing in memory; sizes above 9 fail halfway, below 0 at once."""

    token = "test:index/thing:Thing"
    table = TABLE
    computed = ("address", "token")
    secret_outputs = frozenset({"token"})
    autonamed = "name"

    def __init__(self) -> None:
        self.made: dict[str, Properties] = {}

    def create(self, call: Call, inputs: Properties) -> Created:
        """Make it, or fail."""
        if inputs.get("size", 0) < 0:
            raise ProviderError(f"no room for {inputs}")
        self.made["id"] = inputs
        if inputs.get("size", 0) > 9:
            raise PartlyDoneError("id", {"address": "half"}, f"too big, says {inputs.get('password')}")
        return Created("id", {"address": "there", "token": "t"})

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """Find it."""
        found = self.made.get(identifier)
        return Found(identifier, found, {"address": "there"}) if found is not None else None

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Take the new inputs."""
        self.made[identifier] = new
        return {"address": "moved"}

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """Forget it."""
        self.made.pop(identifier, None)


class AbortedError(Exception):
    """What gRPC's abort raises."""


class Context:
    """The part of gRPC's context that the servicer uses."""

    def __init__(self) -> None:
        self.metadata: tuple[tuple[str, bytes], ...] = ()

    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...]) -> None:
        """Keep it for the test."""
        self.metadata = metadata

    def abort(self, code: grpc.StatusCode, text: str) -> None:
        """End the call."""
        raise AbortedError(f"{code.name}: {text}")


@pytest.fixture
def thing() -> Thing:
    """The type under the servicer."""
    return Thing()


@pytest.fixture
def provider(thing: Thing) -> Provider:
    """A servicer without an engine."""
    return Provider(Plugin("test", "1.0.0", {thing.token: thing}, {}, lambda settings: None), engine="")


@pytest.fixture
def context() -> Any:
    """A stand-in for gRPC's context."""
    return Context()


def check(provider: Provider, context: Any, news: Properties, **more: Any) -> Properties:
    """What Check makes of inputs."""
    request = provider_pb2.CheckRequest(urn=URN, news=to_struct(news), randomSeed=bytes.fromhex("abcdef0123"), **more)
    return from_struct(provider.Check(request, context).inputs)


def test_names_are_made_up_and_kept(provider: Provider, context: Any) -> None:
    """A thing without a name gets one from its own and the seed, keeps it, and loses it when the program names it."""
    first = check(provider, context, {})
    assert first["name"] == "thing-abcdef0"
    assert check(provider, context, {"size": 1}, olds=to_struct({**first, "name": "thing-old"}))["name"] == "thing-old"
    assert check(provider, context, {"name": "n"}, olds=to_struct(first)) == {"name": "n"}


def test_configured_names(provider: Provider, context: Any) -> None:
    """The project's own pattern of names is used, and switching them off is an error."""
    options = provider_pb2.CheckRequest.AutonamingOptions
    assert check(provider, context, {}, autonaming=options(proposed_name="mine"))["name"] == "mine"
    with pytest.raises(AbortedError, match="'name' is required"):
        check(provider, context, {}, autonaming=options(mode=options.DISABLE))


def test_wrong_inputs_are_failures(provider: Provider, context: Any) -> None:
    """What the table refuses comes back as a failure of that property."""
    request = provider_pb2.CheckRequest(urn=URN, news=to_struct({"size": "big"}))
    (failure,) = provider.Check(request, context).failures
    assert failure.property == "size"


@pytest.mark.parametrize(
    ("old", "new", "replaces", "delete_first"),
    [
        ({"name": "n", "size": 1}, {"name": "n", "size": 2}, [], False),
        ({"name": "n", "password": "a"}, {"name": "n", "password": Secret("b")}, ["password"], True),
        ({"name": "n"}, {"name": "m"}, ["name"], False),
        (
            {"name": "n", "password": "a"},
            {"name": "n", "__defaults": ["name"], "password": UNKNOWN},
            ["password"],
            False,
        ),
    ],
)
def test_differences(
    provider: Provider, context: Any, old: Properties, new: Properties, replaces: list[str], delete_first: bool
) -> None:
    """What replaces is told, and the old thing goes first where the program fixed its name."""
    request = provider_pb2.DiffRequest(urn=URN, old_inputs=to_struct(old), news=to_struct(new))
    answer = provider.Diff(request, context)
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(answer.replaces) == replaces
    assert answer.deleteBeforeReplace == delete_first


def test_no_difference(provider: Provider, context: Any) -> None:
    """Equal inputs, and those whose changes the user ignores, are no difference."""
    old, new = {"name": "n", "size": 1}, {"name": "n", "size": 2}
    request = provider_pb2.DiffRequest(urn=URN, old_inputs=to_struct(old), news=to_struct(new), ignoreChanges=["size"])
    assert provider.Diff(request, context).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_a_preview_makes_nothing(provider: Provider, thing: Thing, context: Any) -> None:
    """Inputs are known, computed outputs are not, secrets stay marked, and nothing is made."""
    inputs = {"name": "n", "password": Secret(UNKNOWN)}
    request = provider_pb2.CreateRequest(urn=URN, properties=to_struct(inputs), preview=True)
    answer = from_struct(provider.Create(request, context).properties)
    assert answer == {**inputs, "address": UNKNOWN, "token": UNKNOWN}
    assert thing.made == {}


def test_secrets_through_a_life(provider: Provider, thing: Thing, context: Any) -> None:
    """The type sees plain values; what comes back is marked where the input was, in create, read and update."""
    inputs = {"name": "n", "password": Secret("hidden")}
    created = provider.Create(provider_pb2.CreateRequest(urn=URN, properties=to_struct(inputs)), context)
    assert thing.made["id"] == {"name": "n", "password": "hidden"}
    state = from_struct(created.properties)
    assert state == {**inputs, "address": "there", "token": Secret("t")}

    request = provider_pb2.ReadRequest(urn=URN, id="id", inputs=to_struct(inputs), properties=to_struct(state))
    read = provider.Read(request, context)
    assert from_struct(read.inputs) == inputs
    assert from_struct(read.properties) == state

    news = to_struct({**inputs, "size": 1})
    update = provider_pb2.UpdateRequest(
        urn=URN, id="id", olds=to_struct(state), old_inputs=to_struct(inputs), news=news
    )
    updated = from_struct(provider.Update(update, context).properties)
    assert updated == {**state, "size": 1, "address": "moved"}


def test_a_changed_secret_stays_one(provider: Provider, thing: Thing, context: Any) -> None:
    """When the world has another value for a secret input, that one is secret too."""
    thing.made["id"] = {"name": "n", "password": "changed by hand"}
    inputs = to_struct({"name": "n", "password": Secret("hidden")})
    read = provider.Read(provider_pb2.ReadRequest(urn=URN, id="id", inputs=inputs), context)
    assert from_struct(read.inputs)["password"] == Secret("changed by hand")


def test_what_is_gone_has_no_id(provider: Provider, context: Any) -> None:
    """Reading a thing that is not there answers an empty id, which means gone."""
    assert provider.Read(provider_pb2.ReadRequest(urn=URN, id="other"), context).id == ""


def test_errors_hold_no_secrets(provider: Provider, context: Any) -> None:
    """An error that quotes the inputs comes without their secrets."""
    inputs = {"name": "n", "size": -1, "password": Secret("first line\nsecond line")}
    with pytest.raises(AbortedError) as caught:
        provider.Create(provider_pb2.CreateRequest(urn=URN, properties=to_struct(inputs)), context)
    assert "no room for" in str(caught.value)
    assert "line" not in str(caught.value)


def test_what_was_partly_made_is_kept(provider: Provider, context: Any) -> None:
    """The error's details carry id, inputs, outputs and the reason without its secret, as the engine expects them."""
    inputs = {"name": "n", "size": 10, "password": Secret("hidden")}
    with pytest.raises(AbortedError, match=r"too big, says \[secret\]"):
        provider.Create(provider_pb2.CreateRequest(urn=URN, properties=to_struct(inputs)), context)
    ((key, details),) = context.metadata
    assert key == "grpc-status-details-bin"
    status = status_pb2.Status.FromString(details)
    failed = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(failed)
    assert failed.id == "id"
    assert list(failed.reasons) == ["too big, says [secret]"]
    assert from_struct(failed.inputs) == inputs
    assert from_struct(failed.properties)["address"] == "half"


def test_a_bug_is_told_as_one(provider: Provider, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody foresaw ends the call with its name, not the plugin."""
    monkeypatch.setattr(Thing, "create", lambda *_: 1 // 0)
    with pytest.raises(AbortedError, match="INTERNAL: the plugin failed: ZeroDivisionError"):
        provider.Create(provider_pb2.CreateRequest(urn=URN, properties=to_struct({})), context)


def test_unknown_types_and_functions(provider: Provider, context: Any) -> None:
    """What the plugin does not have is named along with what it has."""
    other = URN.replace("Thing::", "Other::")
    with pytest.raises(AbortedError, match=r"no resource type .*Other; it has test:index/thing:Thing"):
        provider.Create(provider_pb2.CreateRequest(urn=other), context)
    with pytest.raises(AbortedError, match="no function f"):
        provider.Invoke(provider_pb2.InvokeRequest(tok="f"), context)
