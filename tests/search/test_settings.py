"""Settings: presets, JSON, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.agents import algorithm_of
from a2ls_dsl.rl.settings import EvaluationSettings
from a2ls_dsl.search.presets import CLEAR, PRESETS, introduction, is_at, paper, quick
from a2ls_dsl.search.settings import SearchSettings, default_operator
from a2ls_dsl.search.signal import SEPARATES, cheapest, read

UNMEASURED = "acrobot-swingup"


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("env", ["walker-walk", "cheetah-run"])
def test_settings_survive_json(preset: str, env: str) -> None:
    settings = PRESETS[preset](env)
    assert SearchSettings.from_json(settings.to_json()) == settings


def test_the_paper_preset_is_the_paper() -> None:
    settings = paper("cheetah-run")
    assert (settings.population, settings.generations, settings.frames) == (100, 7, 500_000)
    assert (settings.evaluation.every_frames, settings.evaluation.episodes) == (10_000, 10)
    agent = settings.agent
    assert (agent.batch_size, agent.learning_rate, agent.hidden) == (512, 2e-4, 1024)
    assert settings.evolution.keep == 0.25


def test_the_quick_preset_trains_a_dozen_candidates() -> None:
    settings = quick(UNMEASURED)
    assert settings.population * settings.generations >= 12


def test_presets_take_measured_scales_that_tell_losses_apart() -> None:
    """And say so before a search begins; elsewhere they say that scores are noise, and where they aren't."""
    rows = read()
    scale = cheapest(rows, "cheetah-run")
    assert scale is not None
    for preset, least in (("quick", SEPARATES), ("laptop", CLEAR)):
        settings = PRESETS[preset]("cheetah-run")
        (row,) = [row for row in rows if row.task == "cheetah-run" and is_at(row, settings)]
        assert row.separates
        assert row.icc >= least
        assert "one seed tells published losses apart on cheetah-run" in introduction(preset, settings)
    noisy = introduction("quick", quick("cartpole-swingup"))
    assert "on cartpole-swingup no measured scale tells losses apart: take scores for noise" in noisy
    assert "they aren't on cheetah-run" in noisy
    unknown = introduction("quick", quick(UNMEASURED), [scale])
    assert "no scale is measured" in unknown
    # Other frames are another scale.
    changed = replace(quick("cheetah-run"), frames=8_000)
    assert "take scores for noise" in introduction("quick", changed)
    assert "noise" not in introduction("paper", paper("cheetah-run"))


@pytest.mark.parametrize("preset", ["quick", "laptop"])
def test_where_a_run_takes_longer_fewer_losses_are_trained(preset: str) -> None:
    """The table says what a run takes; a search on walker-run takes about as long as one on cheetah-run."""
    cheap, dear = PRESETS[preset]("cheetah-run"), PRESETS[preset]("walker-run")
    seconds = {
        settings.env: next(row.seconds for row in read() if row.task == settings.env and is_at(row, settings))
        for settings in (cheap, dear)
    }
    assert seconds["walker-run"] > 1.2 * seconds["cheetah-run"]
    assert dear.candidates < cheap.candidates
    assert dear.candidates * seconds["walker-run"] < 1.1 * cheap.candidates * seconds["cheetah-run"]


def test_one_task_has_one_name() -> None:
    assert quick("Walker_Walk") == quick("walker-walk")


def test_differences_name_nested_settings() -> None:
    settings = quick("walker-walk")
    changed = replace(settings, agent=replace(settings.agent, hidden=7))
    assert settings.differences(changed) == {"agent.hidden": (settings.agent.hidden, 7)}


def test_settings_of_evaluation_are_called_as_users_give_them() -> None:
    with pytest.raises(A2lError, match=r"^eval_every is 0"):
        EvaluationSettings(0, 1)
    with pytest.raises(A2lError, match=r"^eval_episodes is 0"):
        EvaluationSettings(1, 0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"env": "walker-walk", "sac": {"hiden": 3}}'])
def test_settings_of_another_version_are_refused(text: str) -> None:
    with pytest.raises(A2lError, match="settings of a study"):
        SearchSettings.from_json(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategy": "papr"}, "there is no search strategy `papr`"),
        ({"operator": "msee"}, "there is no operator `msee`"),
        ({"population": 0}, "needs a population"),
        ({"seed": -1}, "a seed is at least 0"),
        ({"frames": 1_000}, "end before learning begins"),
        ({"frames": 5_001}, "not a whole number of agent steps"),
        ({"evaluation": EvaluationSettings(999, 1)}, "not a whole number of agent steps"),
        ({"env": "walker-wolk"}, "there is no task"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(A2lError, match=message):
        replace(quick("walker-walk"), **change)


@pytest.mark.parametrize(
    ("operator", "kinds"),
    [
        ("mse", [("mse", False)]),
        ("bilinear against batch", [("bilinear", True)]),
        ("any", None),
    ],
)
def test_the_operator_is_chosen_before_the_search(
    operator: str, kinds: list[tuple[str, bool]] | None
) -> None:
    operators = list(replace(quick("walker-walk"), operator=operator).space().kinds)
    assert operators == kinds if kinds else len(operators) == 10


def test_a_grammar_without_the_operator_says_what_it_has() -> None:
    settings = replace(quick("walker-walk"), grammar="smoke", operator="cosine")
    with pytest.raises(A2lError) as caught:
        settings.space()
    assert "it has mse" in caught.value.fix
    assert "--operator" in caught.value.fix


def test_only_the_papers_space_is_narrowed_by_default() -> None:
    assert default_operator("a2ls") == "mse"
    grammar = SearchSettings(
        "walker-walk", grammar="around_spr", operator=default_operator("around_spr")
    ).space()
    assert grammar.count() == 184
    assert SearchSettings("walker-walk", grammar="extended", operator="huber").space().kinds == (
        ("huber", False),
    )


@pytest.mark.parametrize(
    ("env", "rainbow", "ale", "name"),
    [
        ("walker-walk", None, "ale-py", "walker-walk"),
        ("Pong", {"hidden": 7}, "ale-py", "Pong"),
        ("Pong", {"hidden": 7}, "atari-py", "Pong?ale=atari-py"),
    ],
)
def test_settings_with_a_field_for_each_algorithm_are_still_read(
    env: str, rainbow: dict[str, int] | None, ale: str, name: str
) -> None:
    now = quick("walker-walk")
    stored = json.loads(now.to_json()) | {"env": env, "frames": 8_000}
    stored |= {"sac": {"hidden": 7}, "rainbow": rainbow, "ale": ale}
    del stored["agent"]
    read = SearchSettings.from_json(json.dumps(stored))
    assert (read.env, read.agent.hidden, read.population) == (name, 7, now.population)
    assert algorithm_of(read.agent).name == ("rainbow" if rainbow else "sac")
    assert SearchSettings.from_json(read.to_json()) == read
