"""The flights example without a platform: data joined and split honestly, models that learn and serve."""

import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from workloads.examples.flights import data, task


def flights(**columns: object) -> pd.DataFrame:
    """Two flights of one hour; `columns` replaces some of theirs."""
    base = {
        "year": 2013,
        "month": 1, "day": 5, "hour": 17, "minute": [30, 45], "sched_dep_time": [1730, 1745], "flight": [1, 2],
        "sched_arr_time": [2000, 15], "arr_delay": [16.0, 15.0], "carrier": "UA", "origin": "EWR", "dest": "IAH",
        "distance": 1400, "dep_delay": [99, 99],
    }  # fmt: skip
    return pd.DataFrame({**base, **columns})


def weather(**columns: object) -> pd.DataFrame:
    """Reports of the hours 16 and 17."""
    values = {name: [1.0, 2.0] for name in data.WEATHER}
    return pd.DataFrame({"origin": "EWR", "month": 1, "day": 5, "hour": [16, 17], **values, **columns})


def test_weather_of_the_hour() -> None:
    """Each flight has the report of its own airport and scheduled hour."""
    assert data.prepare(flights(), weather())["temp"].tolist() == [2.0, 2.0]


def test_late_is_more_than_15_minutes() -> None:
    """Sixteen minutes are late, fifteen are not; a flight that never arrived is left out."""
    assert data.prepare(flights(), weather())[data.LABEL].tolist() == [1, 0]
    assert len(data.prepare(flights(arr_delay=[np.nan, 3.0]), weather())) == 1


def test_missing_report_comes_from_before() -> None:
    """An hour without a report takes the last one before it, never a later one."""
    frame = data.prepare(flights(hour=[17, 18]), weather(hour=[17, 19]))
    assert frame["temp"].tolist() == [1.0, 1.0]


def test_nothing_from_after_the_schedule() -> None:
    """No feature is known only once the flight is under way."""
    assert not {"dep_delay", "dep_time", "arr_delay", "arr_time", "air_time"} & set(data.FEATURES)


def test_scheduled_minutes_over_midnight() -> None:
    """A flight that is due after midnight has a positive scheduled duration."""
    assert data.prepare(flights(), weather())["scheduled_minutes"].tolist() == [150, 390]


def test_splits_follow_time() -> None:
    """The months that judge are later than those that tune, and those later than those that teach."""
    assert max(data.SPLITS["train"]) < min(data.SPLITS["validation"])
    assert max(data.SPLITS["validation"]) < min(data.SPLITS["test"])


PARAMETERS: dict[str, dict[str, float | int]] = {"logistic": {}, "boosting": {"max_iter": 20}}


def rows(count: int, seed: int) -> pd.DataFrame:
    """Flights that are mostly late in the evening and in bad weather."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({name: random.normal(size=count) for name in data.FEATURES})
    for name, texts in (("carrier", ["UA", "B6"]), ("origin", ["EWR", "JFK"]), ("dest", ["IAH", "LAX"])):
        frame[name] = random.choice(texts, size=count)
    frame[data.LABEL] = (frame["hour"] + frame["visib"] + random.normal(size=count) > 1).astype(int)
    return frame


@pytest.mark.parametrize("name", sorted(task.BUILDERS))
def test_model_learns_and_serves(name: str, tmp_path: Path) -> None:
    """Each model beats the naive forecast on new rows, and its file answers JSON rows as a server reads them."""
    train, test = rows(2000, 1), rows(1000, 2)
    columns = [column for column in train.columns if column != data.LABEL]
    model = task.fit(task.build(name, columns, PARAMETERS[name]), train, rows(500, 3))
    assert task.evaluate(model, test)["auc"] > 0.65
    assert task.naive_metrics(train, test)["naive_auc"] == 0.5
    task.save(model, tmp_path / "model")
    served = joblib.load(tmp_path / "model" / "model.joblib")
    instances = json.loads(json.dumps(task.instances(test).tolist()))
    expected = model.predict(task.instances(test))
    for dtype in (object, str):
        assert (served.predict(np.array(instances, dtype=dtype)) == expected).all()


def test_an_unknown_airport_is_no_error() -> None:
    """A destination that training never saw still gets a prediction."""
    train = rows(500, 1)
    columns = [column for column in train.columns if column != data.LABEL]
    for name in task.BUILDERS:
        model = task.fit(task.build(name, columns, PARAMETERS[name]), train, train)
        new = train.head(1).assign(dest="XXX", carrier="ZZ")
        assert model.predict(task.instances(new))[0] in (0, 1)


def test_buckets_are_folders() -> None:
    """A gs:// URI is read where jobs see buckets."""
    assert task.local("gs://bucket/data") == Path("/gcs/bucket/data")
