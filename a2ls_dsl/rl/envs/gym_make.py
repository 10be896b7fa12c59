"""Makes environments with Gymnasium's interface in the worker process."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from a2ls_dsl.diagnostics import A2lError, near
from a2ls_dsl.rl.envs.gym_task import GymTask
from a2ls_dsl.rl.envs.packages import missing
from a2ls_dsl.rl.envs.rendering import Rendering, use_renderer

try:
    import gymnasium
except ImportError as error:
    raise missing("environments of Gymnasium, and of your own,", "gymnasium", "gymnasium") from error

from a2ls_dsl.rl.envs.gym_env import GymEnv, explained

_RENDER = {"render_mode": "rgb_array"}


def of_registry(task: GymTask, rendering: Rendering | None, screen: bool) -> GymEnv:
    """The environment of an id of Gymnasium. Raises `A2lError` with a near id if there is none."""
    shown = _shown(rendering, screen)
    given = task.given | (_RENDER if shown else {})
    limit = {"max_episode_steps": task.episode_frames} if task.episode_frames else {}
    with explained(task.name, "making it"):
        try:
            env: Any = gymnasium.make(task.task, disable_env_checker=True, **limit, **given)
        except gymnasium.error.DependencyNotInstalled as error:
            raise A2lError(
                f"it needs a package that is not installed: {error}", _extra(str(error))
            ) from error
        except gymnasium.error.UnregisteredEnv as error:
            raise A2lError(f"Gymnasium has no environment `{task.task}`", _near_id(task.task)) from error
        except ModuleNotFoundError as error:
            module = error.name or task.task.partition(":")[0]  # Gymnasium doesn't name the module of an id
            what = f"it needs the module `{module}`, which is not installed"
            raise A2lError(what, f"install the package that has it, e.g. pip install {module}") from error
    return GymEnv(task, _wrapped(task, env), rendering)


def of_callable(task: GymTask, rendering: Rendering | None, screen: bool) -> GymEnv:
    """The environment that a user's callable returns: a `gymnasium.Env` or a `dm_env.Environment`."""
    make, given = _named(task.name, task.task), task.given
    if _shown(rendering, screen) and _takes(make, "render_mode"):
        given |= _RENDER
    with explained(task.name, "making it"):
        _check_arguments(make, given)
        env = make(**given)
    if hasattr(env, "observation_spec") and hasattr(env, "action_spec"):
        from a2ls_dsl.rl.envs.dm_adapter import DmAsGym

        with explained(task.name, "reading its specs"):
            env = DmAsGym(env)
    return GymEnv(task, _wrapped(task, env), rendering)


def _shown(rendering: Rendering | None, screen: bool) -> bool:
    """Whether anything will be rendered; if observations are, also choose a renderer before imports."""
    if rendering is not None and "mujoco" not in sys.modules and "MUJOCO_GL" not in os.environ:
        try:
            use_renderer()
        except A2lError:  # the environment may not need one
            os.environ.pop("MUJOCO_GL", None)
    return rendering is not None or screen


def _wrapped(task: GymTask, env: Any) -> Any:
    for name in task.wrappers:
        wrapper = _named(task.name, name if ":" in name else f"gymnasium.wrappers:{name}")
        with explained(task.name, f"the wrapper {name}"):
            env = wrapper(env)
    return env


def _named(task: str, text: str) -> Any:
    """The object that MODULE:NAME names; Python searches the working folder first."""
    module, _, path = text.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with explained(task, f"importing {module}"):
        try:
            value: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise A2lError(
                f"there is no module `{error.name}`",
                f"run the command in the folder that contains {module.split('.')[0]}, or install its package",
            ) from error
    for name in path.split("."):
        if not hasattr(value, name):
            guess = near(name, (attribute for attribute in dir(value) if not attribute.startswith("_")))
            fix = f"did you mean `{module}:{guess}`?" if guess else f"define a function `{name}` there"
            raise A2lError(f"there is no `{name}` in the module {module}", fix)
        value = getattr(value, name)
    if not callable(value):
        raise A2lError(
            f"`{path}` in the module {module} can't be called: it is a {type(value).__name__}",
            "name a function or a class that returns an environment",
        )
    return value


def _check_arguments(make: Any, given: Mapping[str, Any]) -> None:
    """Raise `A2lError` if a callable has a signature that doesn't take these arguments."""
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**given)
    except TypeError as error:
        name = getattr(make, "__name__", "a callable")
        raise A2lError(
            f"{name}{signature} can't be called with the given arguments: {error}",
            "give it the arguments it takes: `a2l train --env-arg NAME=VALUE`",
        ) from None


def _takes(make: Any, name: str) -> bool:
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        parameter.name == name or parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters
    )


def _near_id(name: str) -> str:
    guess = near(name, gymnasium.registry)
    if guess:
        return f"did you mean `gymnasium:{guess}`?"
    if "/" in name or ":" not in name:
        return "for another package write gymnasium:MODULE:ID, e.g. gymnasium:minigrid:MiniGrid-Empty-5x5-v0"
    return f"see `import {name.split(':')[0]}; gymnasium.pprint_registry()` for a list"


def _extra(text: str) -> str:
    """The command that installs what Gymnasium's message says is missing."""
    extra = re.search(r"gymnasium\[[\w-]+\]", text)
    swig = "swig " if "swig" in text else ""
    return f"pip install {swig}'{extra[0]}'" if extra else "install it"
