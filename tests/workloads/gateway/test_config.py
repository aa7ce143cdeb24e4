"""HAProxy's configuration from the table, as text."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import PurePath

import pytest

from tests.workloads.gateway.test_routes import model, text
from workloads.gateway import config
from workloads.gateway.config import Places
from workloads.gateway.haproxy import Processes, parse_processes
from workloads.gateway.routes import Log, Table, parse

PLACES = Places(PurePath("/run/gw"), PurePath("/app/prediction.lua"))


def rendered(table: Table) -> str:
    """The configuration's text."""
    return config.files(table, "teststack", PLACES)[PLACES.config]


def test_it_is_stable_and_holds_no_secret() -> None:
    """Equal tables give equal files; the signing keys and the people are in files of their own."""
    table = parse(text(model()))
    assert config.files(table, "s", PLACES) == config.files(table, "s", PLACES)
    for file in (PLACES.keys, PLACES.people):
        assert file not in config.files(table, "s", PLACES)
        assert f"map_str({file})" in rendered(table)


def test_every_place_holder_is_filled() -> None:
    """No @NAME@ is left, with and without endpoints."""
    for table in (Table(), parse(text(model()))):
        assert not re.search("@[A-Z_]+@", rendered(table))


def test_a_deployed_model_has_a_backend_with_its_servers_and_route() -> None:
    """Backend, route and servers of the table are there, the client's token is not passed on."""
    section = rendered(parse(text(model()))).split("backend model.9.1\n")[1]
    assert "http-request set-pathq /v1/endpoints/9/deployedModels/1:predict if" in section
    assert "http-request del-header Authorization" in section
    assert "server a-8080 a:8080 check" in section
    assert "server b.c-d-80 b.c-d:80 check" in section


def test_every_model_has_the_holder_behind_its_servers() -> None:
    """Without a server too, and a server that does not accept is left out at once."""
    section = rendered(parse(text(model()))).split("backend model.9.1\n")[1]
    assert "server hold unix@/run/gw/hold.sock backup" in section
    assert "http-request set-header X-Cairn-Holds model.9.1" in section
    assert section.count("on-error mark-down") == 2
    assert "server hold" in rendered(parse(text(model(servers=[]))))


@pytest.mark.parametrize("name", ["it's", 'with "quotes"', "a\nb", "%[src] $HOME \\", "ünï"])
def test_any_display_name_comes_back_from_the_quotes(name: str) -> None:
    """What HAProxy reads as the filter's one word is the JSON members with exactly this name, whatever is in it."""
    table = parse(text(model(displayName=name)))
    (line,) = [line for line in rendered(table).splitlines() if "filter lua.prediction" in line]
    _, _, members, _ = shlex.split(line)
    assert json.loads("{" + members[:-1] + "}")["modelDisplayName"] == name


@pytest.mark.parametrize("name", ["it's", 'with "quotes"', "%[src] 100% \\"])
def test_servers_that_complete_their_answers_need_no_filter(name: str) -> None:
    """They get the members as a header, in which no format is left; of a logged endpoint too."""
    wish = model(displayName=name, completes=True)
    (line,) = [each for each in rendered(parse(text(wish))).splitlines() if "set-header X-Cairn-Answer" in each]
    members = shlex.split(line)[3]
    assert json.loads("{" + members[:-1] + "}")["modelDisplayName"] == name
    assert "%" not in members
    assert "lua.prediction" not in rendered(parse(text(wish)))
    endpoint = parse(text(wish)).endpoints[0]
    logged = rendered(Table((replace(endpoint, log=Log(1.0, "gs://b/f")),)))
    assert "lua.prediction" not in logged
    assert "set-header X-Cairn-Answer" in logged
    assert "http-response set-var(txn.answered) res.body if" in logged


def test_endpoints_are_found_under_each_api_version_and_only_with_traffic() -> None:
    """v1, v1beta1 and ui; an endpoint without traffic is left to the API."""
    files = config.files(parse(text(model())), "s", PLACES)
    assert files[PLACES.endpoints].splitlines() == [
        f"/{version}/projects/p/locations/l/endpoints/9 9" for version in ("v1", "v1beta1", "ui")
    ]
    files = config.files(parse(text(model(weight=0))), "s", PLACES)
    assert (files[PLACES.endpoints], files[PLACES.splits]) == ("", "")


def test_the_masters_process_list_is_understood() -> None:
    """Current and old workers are told apart; the master is neither."""
    answer = """#<PID>          <type>          <reloads>       <uptime>        <version>
8               master          1 [failed: 0]   0d00h00m10s     2.6.12
# workers
30              worker          0               0d00h00m02s     2.6.12
# old workers
9               worker          1               0d00h00m10s     2.6.12
# programs
"""
    assert parse_processes(answer) == Processes(frozenset({30}), frozenset({9}))


def test_short_names_are_completed_in_a_pod() -> None:
    """The API's and the model servers', under the names that they had."""
    table = parse(text(model()))
    made = config.files(table, "stack", replace(PLACES, domain="x.svc"))[PLACES.config]
    servers = {line.split()[1]: line.split()[2] for line in made.splitlines() if line.strip().startswith("server ")}
    assert servers.pop("new_worker") == "127.0.0.1:8080"
    assert servers.pop("hold").startswith("unix@")
    assert servers == {"api": "api.x.svc:8080", "a-8080": "a.x.svc:8080", "b.c-d-80": "b.c-d:80"}


def test_only_an_endpoint_that_is_logged_samples() -> None:
    """Its share of requests, as a number of a million; without logging HAProxy does nothing for it."""
    table = json.loads(text(model()))
    assert "txn.asked) req.body" not in rendered(parse(json.dumps(table)))
    table["endpoints"][0]["log"] = {"rate": 0.25, "folder": "gs://b/f"}
    section = rendered(parse(json.dumps(table))).split("backend model.9.1\n")[1]
    assert "{ rand(1000000) lt 250000 }" in section


def sections(*models: dict[str, object], log: bool = False) -> dict[str, str]:
    """The backends of an endpoint's models, by their names."""
    raw = json.loads(text(*models))
    if log:
        raw["endpoints"][0]["log"] = {"rate": 0.5, "folder": "gs://b/f"}
    parts = rendered(parse(json.dumps(raw))).split("backend model.")[1:]
    return {f"model.{name}": body for name, _, body in (part.partition("\n") for part in parts)}


def test_only_endpoints_with_a_shadow_have_rules_for_it() -> None:
    """The live model draws copies; the shadow has no holder, and logs what was logged; others have nothing of it."""
    plain = sections(model())["model.9.1"]
    assert "shadow" not in plain.lower()
    assert "set-log-level" not in plain
    both = sections(model(), model(id="2", weight=0, shadow=30), model(id="3", weight=0, shadow=5), log=True)
    assert 'set-var-fmt(txn.shadows) "%[var(txn.shadows)],2" if' in both["model.9.1"]
    assert "{ rand(100) lt 30 }" in both["model.9.1"]
    assert "{ rand(100) lt 5 }" in both["model.9.1"]
    assert "server hold" in both["model.9.1"]
    for name in ("model.9.2", "model.9.3"):
        assert "server hold" not in both[name]
        assert "X-Cairn-Holds" not in both[name]
        assert "rand(" not in both[name]
        assert '.%[req.hdr(X-Cairn-Request-Id)]" if { req.hdr(X-Cairn-Request-Id) -m found }' in both[name]
