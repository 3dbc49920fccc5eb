"""The README tells the truth: every code block in it is run here or by .ci/run."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^(<!-- [^\n]* -->\n)?```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_python_blocks_give_what_they_show() -> None:
    text = "".join(code for _, language, code in BLOCKS if language == "python")
    test = doctest.DocTestParser().get_doctest(text, {}, "README.md", "README.md", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    assert test.examples
    assert runner.run(test).failed == 0


def test_demo_output_is_what_the_demo_prints() -> None:
    shown = {marker.split()[2]: code for marker, language, code in BLOCKS if "output:" in marker}
    assert set(shown) == {"demos.moons"}
    for module, text in shown.items():
        done = subprocess.run(
            [sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True, check=True
        )
        printed = "\n".join(line.rstrip() for line in done.stdout.splitlines())
        assert printed == "\n".join(line.rstrip() for line in text.splitlines())


def test_every_block_is_of_a_kind_that_is_run() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for marker, language, _ in BLOCKS:
        if language == "sh":
            name = marker.split()[2]
            assert marker.startswith("<!-- ci: ")
            assert f"readme_block {name}" in script
        else:
            assert language == "python" or "output:" in marker


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
