"""The strategy `model`: its Gaussian process, and searches that it leads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from a2ls_dsl.lang.grammar import Grammar, load_grammar
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.rehearsal import rehearse
from a2ls_dsl.search.settings import EvolutionSettings, SearchSettings
from a2ls_dsl.search.strategies.calls import strategy_of
from a2ls_dsl.search.strategies.evolution import first_population
from a2ls_dsl.search.strategies.features import Features, features_of, parts
from a2ls_dsl.search.strategies.gaussian import (
    MIXES,
    Fit,
    Kernels,
    Scores,
    condition,
    fit,
    log_likelihood,
    posterior,
)
from a2ls_dsl.search.strategies.model import ModelSearch
from a2ls_dsl.search.strategies.registry import Scored
from a2ls_dsl.search.study.study import Study

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import synthetic

SETTINGS = SearchSettings(
    "cartpole-swingup",
    race=0.0,
    strategy="model",
    population=10,
    generations=4,
    frames=1_000,
    stack=5,
    agent=SacSettings(random_steps=10),
    evaluation=EvaluationSettings(1_000, 1),
)


def drawn_from(grammar: Grammar, n: int) -> list[Loss]:
    rng = np.random.default_rng(7)
    return [proposal.loss for proposal in first_population(grammar, n, EvolutionSettings(), rng)]


def made(numbers: int, scored: int) -> tuple[Features, Scores]:
    """Features and scores of no losses in particular, some scored with several seeds."""
    rng = np.random.default_rng(0)
    bag = rng.integers(0, 2, (numbers, 9)).astype(float)
    features = Features(rng.normal(size=(numbers, 4)), bag)
    values = 50 + 10 * (bag[:scored, 0] - bag[:scored, 1]) + rng.normal(size=scored)
    return features, Scores(values.tolist(), [1 + place % 3 for place in range(scored)])


def test_the_posterior_is_that_of_the_formula() -> None:
    """Rasmussen and Williams 2006, (2.25) and (2.26), with a dense inverse."""
    features, scores = made(12, 8)
    covariance = Kernels(features, 8).covariance(MIXES[4])
    noise = scores.noise(0.3)
    inverse = np.linalg.inv(covariance[:8, :8] + np.diag(noise))
    mean, rest, variance = condition(covariance, scores.standard, noise)
    np.testing.assert_allclose(mean, covariance[:, :8] @ inverse @ scores.standard, atol=1e-10)
    np.testing.assert_allclose(rest, covariance - covariance[:, :8] @ inverse @ covariance[:8], atol=1e-10)
    assert variance == pytest.approx(scores.standard @ inverse @ scores.standard / 8)
    whole = posterior(features, scores, Fit(MIXES[4], 0.3))
    expected = 0.7 * covariance[:, :8] @ np.linalg.inv(0.7 * covariance[:8, :8] + np.diag(noise))
    np.testing.assert_allclose(whole.mean, scores.centre + scores.scale * expected @ scores.standard)


def test_the_likelihood_is_that_of_the_most_probable_scale() -> None:
    features, scores = made(8, 8)
    covariance = Kernels(features, 8).covariance(MIXES[0]) + 0.4 * np.eye(8)
    scales = np.exp(np.linspace(-4, 4, 4001))
    likelihoods = [multivariate_normal.logpdf(scores.standard, cov=scale * covariance) for scale in scales]
    constant = 4 * (np.log(8) - np.log(2 * np.pi) - 1)
    assert max(likelihoods) == pytest.approx(log_likelihood(covariance, scores.standard) + constant, abs=1e-4)


def test_kernels_are_covariances_and_samples_have_them() -> None:
    features, scores = made(30, 20)
    for mix in MIXES:
        covariance = Kernels(features, 20).covariance(mix)
        assert np.linalg.eigvalsh(covariance).min() > -1e-9
        assert np.diag(covariance)[:20].mean() == pytest.approx(1.0)
    believed = posterior(features, scores, fit(features, scores)).after(20)
    drawn = believed.samples(20_000, np.random.default_rng(1))
    spread = float(np.trace(believed.covariance)) / 10
    np.testing.assert_allclose(drawn.mean(axis=0), believed.mean, atol=0.05 * spread**0.5)
    np.testing.assert_allclose(np.cov(drawn.T), believed.covariance, atol=0.08 * spread)


def test_a_mean_of_more_runs_weighs_more() -> None:
    features, scores = made(10, 10)
    fitted = Fit(MIXES[0], 0.7)
    apart = [
        abs(posterior(features, Scores(scores.scores, [runs] * 10), fitted).mean - scores.scores).sum()
        for runs in (1, 4, 400)
    ]
    assert apart[0] > apart[1] > apart[2]


def test_parts_tell_apart_what_losses_are_made_of() -> None:
    """In the a2ls space the distance of two bags is the Hamming distance of the sets."""
    first, other = (
        loads(f"loss x = mse({{ {source} }} -> {{ s[t+1] }})")["x"]
        for source in ("s[t], a[t..t+2]", "s[t], a[t], r[t+1]")
    )
    bag = features_of([first, other]).bag
    assert abs(bag[0] - bag[1]).sum() == 3
    names = set(parts(load_one("spr_rollout")[1]))
    assert {"source rollout", "source s[0]"} <= names
    assert any(name.startswith("operator ") for name in names)
    grammar = load_grammar("extended")
    losses = [
        proposal.loss
        for proposal in first_population(grammar, 20, EvolutionSettings(), np.random.default_rng(0))
    ]
    bag = features_of(losses).bag
    for place, loss in enumerate(losses):
        same = [other for other in range(20) if abs(bag[place] - bag[other]).sum() == 0]
        assert loss in [losses[other] for other in same]
        assert len(same) <= 2


def height(loss: Loss | None, seed: int) -> Sequence[float]:
    """An easy truth: states ahead are good to predict, with a little noise of the seed."""
    if loss is None:
        return [0.0]
    blame = parts(loss)
    good = sum(number for name, number in blame.items() if name.startswith("target s"))
    bad = sum(number for name, number in blame.items() if name.startswith(("target a", "source r")))
    return [good - bad + 0.1 * float(np.random.default_rng([seed % 97, good, bad]).normal())]


def searched(settings: SearchSettings, folder: Path, ticks: int | None = None) -> list[Scored]:
    grammar = settings.space()
    with Study(folder, settings, grammar) as study:
        conductor = Conductor(settings, grammar, study)
        rehearse(conductor, settings, settings.stack, height, ticks=ticks)
        return list(conductor.known.latest(settings.candidates))


def rows(folder: Path) -> list[object]:
    with Study(folder, SETTINGS, SETTINGS.space()) as study:
        return [study.candidates(), study.runs(), study.rng_state(), study.clock]


def test_a_model_finds_better_losses_than_random_draws(tmp_path: Path) -> None:
    """The best, and what is trained in the second half, by clear margins in both searches."""
    for seed in range(2):
        scores = {}
        for strategy in ("model", "random"):
            settings = replace(SETTINGS, strategy=strategy, seed=seed, generations=6)
            scores[strategy] = [
                candidate.score for candidate in searched(settings, tmp_path / f"{strategy}{seed}")
            ]
        assert max(scores["model"]) > max(scores["random"]) + 2.5
        assert np.mean(scores["model"][30:]) > np.mean(scores["random"][30:]) + 3


def test_a_model_leaves_no_slot_idle(tmp_path: Path) -> None:
    """In a stack wider than its first population, too: it used to wait for half of that to be scored."""
    settings = replace(SETTINGS, stack=30)
    grammar = settings.space()
    with Study(tmp_path, settings, grammar) as study:
        assert len(Conductor(settings, grammar, study).fill(0, range(30))) == 30


def test_a_model_is_deterministic_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    searched(SETTINGS, tmp_path / "whole")
    expected = rows(tmp_path / "whole")
    for ticks in (3, 6):
        folder = tmp_path / f"{ticks}"
        searched(SETTINGS, folder, ticks)
        searched(SETTINGS, folder, 2)
        searched(SETTINGS, folder)
        assert rows(folder) == expected, ticks


def test_the_model_names_what_is_confirmed(tmp_path: Path) -> None:
    settings = replace(SETTINGS, generations=2, confirm=2, confirm_seeds=1)
    grammar = settings.space()
    searched(settings, tmp_path)
    with Study(tmp_path, settings, grammar) as study:
        candidates = [
            candidate for candidate in study.candidates(status=Status.SCORED) if not candidate.is_reference
        ]
        scores = [
            Scored(candidate.loss, candidate.score or 0.0) for candidate in candidates if candidate.loss
        ]
        ranked = strategy_of(settings, grammar).ranked(scores)
        assert {candidate.loss for candidate in candidates if candidate.fresh_runs} == set(ranked[:2])


def test_a_model_searches_any_grammar(tmp_path: Path) -> None:
    grammar = load_grammar("extended")
    search = ModelSearch(grammar, replace(SETTINGS, generations=1))
    search.fresh = search.children = 6

    class Known:
        """Ten scored losses."""

        proposed, newest, waiting, free = 10, 1, False, 3
        losses = first_population(grammar, 10, EvolutionSettings(), np.random.default_rng(0))
        taken = frozenset(loss.key for loss in losses)

        def generation(self, number: int) -> Sequence[Scored]:
            return self.latest(number)

        def latest(self, number: int) -> Sequence[Scored]:
            return [Scored(loss.loss, float(len(loss.key))) for loss in self.losses]

    proposals = search.propose(Known(), np.random.default_rng(1))
    assert len({proposal.key for proposal in proposals} - Known.taken) == 3
    assert proposals == search.propose(Known(), np.random.default_rng(1))


def test_a_small_space_is_searched_to_its_end(tmp_path: Path) -> None:
    grammar = tmp_path / "small.a2g"
    grammar.write_text(
        "grammar small\nloss = mse(source -> { s[t+1] })\nsource = some of { s[t], a[t], r[t], a[t+1] }\n"
        "require a state in source\n"
    )
    settings = replace(SETTINGS, grammar=str(grammar))
    assert len(searched(settings, tmp_path / "study")) == 8


def test_the_benchmark_prints_its_table_and_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "synthetic.csv"
    asked = ["--searches", "1", "--evaluations", "12", "--icc", "0.8", "--to", str(table)]
    synthetic.main(asked)
    printed = capsys.readouterr().out
    for name in (*synthetic.STRATEGIES, "model, race", "model, its own pick", synthetic.KNOWN):
        assert f"| {name} | " in printed
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-3]))  # as if it had been stopped
    synthetic.main(asked)
    assert capsys.readouterr().out == printed
    assert sorted(table.read_text().splitlines(keepends=True)) == sorted(lines)


def test_synthetic_scores_have_the_correlation_named() -> None:
    grammar = synthetic.SETTINGS.space()
    losses = [
        proposal.loss
        for proposal in first_population(grammar, 300, EvolutionSettings(), np.random.default_rng(7))
    ]
    for world in synthetic.WORLDS:
        truth = synthetic.truth_of(world, 0.5, 3, grammar)
        values = np.array([truth(loss) for loss in losses])
        assert abs(values.mean()) < 0.25
        assert values.std() == pytest.approx(1.0, abs=0.25)
        first, other = (np.array([truth.score(loss, seed) for loss in losses]) for seed in (0, 1))
        assert np.corrcoef(first, other)[0, 1] == pytest.approx(0.5, abs=0.12)
