"""Modules whose code runs when something of them is asked for."""

import subprocess
import sys
from pathlib import Path

from toolchain import later

NOTED = "import sys\nsys.stderr.write('ran ')\nimport package.slow as itself\nvalue = 7\n"


def test_its_code_runs_once_and_only_when_something_is_asked_for(tmp_path: Path) -> None:
    """Importing it, and asking for its name and place, runs nothing; `from … import` does; it may import itself."""
    _package(tmp_path, NOTED)
    said = _python(tmp_path, "import package.slow\nprint(package.slow.__name__, package.slow.__file__ is not None)")
    assert (said.stdout, said.stderr) == ("package.slow True\n", "")
    said = _python(tmp_path, "from package.slow import value\nimport package.slow\nprint(value, package.slow.value)")
    assert (said.stdout, said.stderr) == ("7 7\n", "ran ")
    said = _python(tmp_path, "import package.slow\nprint(hasattr(package.slow, 'other'), type(package.slow))")
    assert said.stdout == "False <class 'module'>\n"


def test_its_error_comes_where_it_is_used(tmp_path: Path) -> None:
    """With its own traceback, and again when it is asked again: it never looks whole."""
    _package(tmp_path, "raise ValueError('broken')\n")
    ask = "try:\n    package.slow.value\nexcept ValueError as problem:\n    print(problem)\n"
    assert _python(tmp_path, f"import package.slow\n{ask}{ask}").stdout == "broken\nbroken\n"


def test_a_started_program_finds_what_python_would_give_it(tmp_path: Path) -> None:
    """Arguments, its folder's modules, and the SDK's rarely used modules when it asks for them."""
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "program.py").write_text(
        "import sys, beside, pulumi\nprint(__name__, sys.argv[1:], type(pulumi.automation).__name__)\n"
        "print(pulumi.automation.LocalWorkspace.__name__, pulumi.dynamic.ResourceProvider.__name__)\n"
    )
    command = [sys.executable, later.__file__, str(tmp_path / "program.py"), "--flag"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout == "__main__ ['--flag'] Later\nLocalWorkspace ResourceProvider\n"


def _package(folder: Path, slow: str) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "slow.py").write_text(slow)


def _python(folder: Path, program: str) -> "subprocess.CompletedProcess[str]":
    beginning = f"import sys\nsys.path.insert(0, {str(folder)!r})\nfrom toolchain import later\n"
    command = [sys.executable, "-c", f"{beginning}later.install('package.slow')\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True)
