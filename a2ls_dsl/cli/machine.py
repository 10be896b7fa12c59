"""What this machine has, as findings, each with the command that fixes it."""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

_PROBE_SECONDS = 60


_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "osmesa", "software")


_RENDERERS = {
    "egl": "apt-get install libegl1 libgl1 (on a GPU machine the driver brings its own)",
    "osmesa": "apt-get install libosmesa6",
    "glfw": "needs a display; without one use egl or osmesa",
}


class Status(StrEnum):
    """`FAIL` is for what is required; `warning` for what costs speed or an optional feature."""

    OK = "ok"
    WARNING = "warning"
    FAIL = "FAIL"


_COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.FAIL: "red"}


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was checked, the result, and what to do about it."""

    status: Status
    subject: str
    detail: str
    fix: str = ""

    def render(self) -> str:
        """The finding as text, one line, with a second one for the fix where there is one."""
        status = typer.style(f"{self.status:<8}", fg=_COLOURS[self.status])
        fix = f"\n{'':<8} {'':<12} fix: {self.fix}" if self.fix else ""
        return f"{status} {self.subject:<12} {self.detail}{fix}"


def findings() -> Iterator[Finding]:
    yield _python()
    required = [
        _package("numpy", (1, 26), "pip install 'numpy>=1.26'"),
        _package("torch", (2, 6), "pip install 'torch>=2.6'"),
    ]
    yield from required
    if any(finding.status is Status.FAIL for finding in required):
        return  # everything else needs them
    yield _device()
    environments = _environments()
    yield environments
    if environments.status is Status.OK:
        yield from _renderers()
    yield from _atari()
    yield _cores()
    yield _memory()
    yield _compiler()
    yield _tensorboard()


def _python() -> Finding:
    return Finding(Status.OK, "python", f"{platform.python_version()} at {sys.executable}")


def _package(name: str, minimum: tuple[int, int], fix: str) -> Finding:
    """Whether a required package can be imported and is new enough."""
    try:
        version = str(importlib.import_module(name).__version__)
    # Broken builds fail in many ways: a missing shared library (OSError), half an installation.
    except Exception as error:  # noqa: BLE001
        return Finding(Status.FAIL, name, f"{type(error).__name__}: {error}", fix)
    if tuple(int(part) for part in version.split(".")[:2]) < minimum:
        return Finding(Status.FAIL, name, f"{version} is too old", fix)
    return Finding(Status.OK, name, version)


def _device() -> Finding:
    """Where training would run: the CUDA devices, or the CPU."""
    import torch

    if torch.cuda.is_available():
        devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        return Finding(
            Status.OK,
            "device",
            ", ".join(f"{device.name} {device.total_memory / 2**30:.0f} GiB" for device in devices),
        )
    cpu = f"CPU, {torch.get_num_threads()} threads"
    if Path("/dev/nvidia0").exists():
        build = (
            f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is a CPU build"
        )
        fix = "install a torch build and a driver that fit each other: https://pytorch.org/get-started"
        return Finding(Status.WARNING, "device", f"{cpu}: there is an NVIDIA GPU, but {build}", fix)
    return Finding(Status.OK, "device", cpu)


def _environments() -> Finding:
    """Whether dm_control and mujoco, which are optional, work together: plays a task."""
    if find_spec("dm_control") is None:
        from a2ls_dsl.rl.envs.dmc import how_to_install

        fix = how_to_install(sys.version_info[:2])
        return Finding(Status.WARNING, "environments", "DeepMind Control is not installed", fix)
    answer = _probe("physics")
    if "error" in answer:
        from a2ls_dsl.rl.envs.dmc import REINSTALL

        return Finding(Status.FAIL, "environments", answer["error"], answer["fix"] or REINSTALL)
    versions = f"dm_control {answer['dm_control']} with mujoco {answer['mujoco']}"
    return Finding(
        Status.OK, "environments", f"{versions}: walker-walk, {answer['speed']:,.0f} frames/s a core"
    )


def _renderers() -> Iterator[Finding]:
    """One finding per way to render. One that works is enough: later ones may fail."""
    working = False
    for name, fix in _RENDERERS.items():
        answer = _probe("render", MUJOCO_GL=name)
        if "error" in answer:
            detail = f"can't render ({_short(answer['error'])})"
            if working:
                yield Finding(Status.OK, name, f"not needed, {detail}")
            else:
                yield Finding(Status.WARNING, name, detail, fix)
            continue
        working = True
        speed = f"{answer['vendor']}: 100x100 images, {answer['speed']:,.0f} frames/s"
        if any(word in answer["vendor"].lower() for word in _SOFTWARE):
            fix = "a GPU with its driver's EGL renders faster"
            if Path("/dev/nvidia0").exists():
                fix = (
                    "there is a GPU: install the EGL of its driver (Debian: libnvidia-egl1, or libnvidia-gl)"
                )
            yield Finding(Status.WARNING, name, f"{speed} in software, slow", fix)
        else:
            yield Finding(Status.OK, name, speed)
    if not working:
        yield Finding(Status.WARNING, "renderer", "none works: images can't be rendered; vectors need none")


def _atari() -> Iterator[Finding]:
    """Whether Atari games can be played, with the default package and with the older one."""
    for subject, package in (("atari", "ale-py"), ("atari-py", "atari-py")):
        if find_spec(package.replace("-", "_")) is None:
            if subject == "atari":
                fix = "pip install 'a2ls-dsl[atari]'; in a clone: pip install -e '.[atari]'"
                yield Finding(Status.OK, subject, "not installed; only Atari games need it", fix)
            continue
        answer = _probe(package)
        if "error" in answer:
            from a2ls_dsl.rl.envs.emulator import REINSTALL

            yield Finding(Status.WARNING, subject, answer["error"], answer["fix"] or REINSTALL)
            continue
        version = f"{package} {answer['version']}: {answer['games']} games"
        yield Finding(Status.OK, subject, f"{version}; Pong, {answer['speed']:,.0f} frames/s a core")


def _cores() -> Finding:
    from a2ls_dsl.rl.envs.pool import usable_cores

    count = usable_cores()
    if count == 1:
        return Finding(
            Status.WARNING, "cores", "1: physics and learning take turns", "use a machine with more"
        )
    return Finding(Status.OK, "cores", f"{count} usable of {os.cpu_count()}")


def _memory() -> Finding:
    """The machine's memory, or the limit of its container if that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):  # Another system, or `max`: no limit.
            continue
    size = f"{total / 2**30:.1f} GiB"
    if total < 4 * 2**30:
        return Finding(Status.WARNING, "memory", f"{size} is little", "use a smaller replay buffer and stack")
    return Finding(Status.OK, "memory", size)


def _compiler() -> Finding:
    """What --compile needs."""
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.compute.compiling import cache_folder, require_tools

    try:
        require_tools()
    except A2lError as error:
        return Finding(Status.OK, "compiler", f"{error.message}; only torch.compile needs it", error.fix)
    return Finding(
        Status.OK, "compiler", f"there is one for torch.compile, with its cache in {cache_folder()}"
    )


def _tensorboard() -> Finding:
    from importlib import metadata  # here, since it is slow to import

    try:
        return Finding(Status.OK, "tensorboard", metadata.version("tensorboard"))
    except metadata.PackageNotFoundError:
        fix = "pip install 'a2ls-dsl[track]'"
        return Finding(Status.OK, "tensorboard", f"not installed; only logging to it needs it ({fix})")


def _probe(subject: str, **settings: str) -> dict[str, Any]:
    """The answer of the probe of environments, or `error` and `fix`, whatever happens to its process."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "a2ls_dsl.rl.envs.probe", subject],
        env=os.environ | {"PYTHONPATH": path} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    outputs = _outputs(process, _PROBE_SECONDS)
    if outputs is None:
        return {"error": f"gave no answer in {_PROBE_SECONDS} s", "fix": ""}
    output, errors = outputs
    try:
        answer: dict[str, Any] = json.loads(output.strip().rsplit("\n", 1)[-1])
    except ValueError:
        last = errors.strip().rsplit("\n", 1)[-1]
        return {"error": f"died with exit code {process.returncode}: {last}", "fix": ""}
    return answer


def _outputs(process: subprocess.Popen[str], seconds: int) -> tuple[str, str] | None:
    """What a process prints until it ends; None if it takes longer than `seconds`, when it is killed.

    Each second is waited for by itself and counts as one however long it took: while this process is stopped
    (Ctrl-Z, a suspended machine), time passes in which nothing runs.
    """
    try:
        for _ in range(seconds):
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=1)
    finally:
        process.kill()
    process.communicate()
    return None


def _short(text: str, width: int = 80) -> str:
    line = text.split("\n", 1)[0].strip()
    return line if len(line) <= width else line[: width - 3] + "..."
