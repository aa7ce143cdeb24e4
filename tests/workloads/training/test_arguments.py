"""The command line of the training image."""

import pytest

from workloads.training.arguments import Arguments, parse


def test_it_is_what_the_plans_write() -> None:
    """Package URIs in order, the module, and everything after the first -- as the module's own."""
    argv = ["--package-uri", "gs://b/a.tar.gz", "--package-uri", "gs://b/c.whl", "--module", "m.task"]
    found = parse([*argv, "--", "--module=x", "--", "-h", ""])
    assert found == Arguments(("gs://b/a.tar.gz", "gs://b/c.whl"), "m.task", ("--module=x", "--", "-h", ""))
    assert parse(["--module", "m"]) == Arguments((), "m", ())
    assert parse(["--offline", "--module", "m"]) == Arguments((), "m", (), offline=True)


def test_a_missing_module_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the option's name."""
    with pytest.raises(SystemExit):
        parse(["--package-uri", "gs://b/a.tar.gz"])
    assert "--module" in capsys.readouterr().err
