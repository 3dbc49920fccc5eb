"""Measuring in processes: one for each tool and problem, in the environment of the tool."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

ROOT = Path(__file__).parents[3]
ONE_THREAD = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")},
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}

# Where others use the machine too, a second of a processor takes longer.
PATIENCE = 4


@dataclass
class Result:
    """What one tool took for one problem, in seconds, and why something is missing."""

    seconds: dict[str, float] = field(default_factory=dict)  # by "compile", "value", "step"
    version: str = ""
    yardsticks: list[float] = field(default_factory=list)
    note: str = ""


def measured(python: str, tool: str, problem: str, budget: float, limit: float) -> Result:
    """Run the child with this Python.

    It is stopped in a stage that takes `limit` seconds of a processor, or many times as long.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        environment = {
            **os.environ,
            **ONE_THREAD,
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": directory,  # our C is compiled afresh
        }
        command = [python, "-m", "tests.benchmarks.others.child", tool, problem]
        command += [str(budget), str(limit)]
        with (
            open(Path(directory) / "stderr", "w+", encoding="utf-8") as errors,
            subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            result = _read(process, PATIENCE * limit)
            process.wait()
            if process.returncode and not result.note:
                errors.seek(0)
                lines = errors.read().strip().splitlines()
                result.note = f"failed: {lines[-1] if lines else process.returncode}"
            if process.returncode in (-signal.SIGKILL, -signal.SIGXCPU):
                result.note = f"over {limit:g} s"
    return result


def _read(process: subprocess.Popen[str], patience: float) -> Result:
    lines: Queue[str] = Queue()

    def feed() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    Thread(target=feed, daemon=True).start()
    result = Result()
    while True:
        try:
            line = lines.get(timeout=patience)
        except Empty:
            _stop(process)
            return result
        if not line:
            return result
        for name, measurement in json.loads(line).items():
            if name == "version":
                result.version = measurement
            elif name == "yardstick":
                result.yardsticks.append(measurement)
            else:
                result.seconds[name] = measurement


def _stop(process: subprocess.Popen[str]) -> None:
    """End the process, and the C compiler that it may have started."""
    os.killpg(process.pid, signal.SIGKILL)
