"""The model zoo: effect sizes by hand, traits against their definitions, runs that go on, the page and the command."""

import json
import math
from pathlib import Path

import pytest
import torch

import pinnkit as pk
from benchmarks.zoo import runs as module
from benchmarks.zoo.__main__ import main
from benchmarks.zoo.effect import Outcome, effect, misplaced, outcomes
from benchmarks.zoo.page import LESSONS, lesson, means_table, page, plain
from benchmarks.zoo.picture import plot_traits
from benchmarks.zoo.runs import Job, fill, jobs, path, read, train, traits_path
from benchmarks.zoo.specimen import ZOO, Specimen, Variant
from benchmarks.zoo.trait import ERROR, NAMES, TRAITS, jackknife_spread, measure

TINY = Specimen(
    "diffusion", pk.MLP(2, 5, 1),
    {
        "good": Variant({"pde": 40, "initial": 10, "x": 10}, (pk.Adam(20), pk.SSBroyden(60))),
        "few": Variant({"pde": 6, "initial": 2, "x": 2}, (pk.Adam(20), pk.SSBroyden(60))),
    },
    lambda X: X[:, 1] < 0.1, {"x": 0.4, "t": 0.6},
)  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, module.Traits]:
    """Two seeds of two small models of one problem."""
    folder = tmp_path_factory.mktemp("zoo") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ZOO, "diffusion", TINY)
        return folder, fill(folder, jobs(["diffusion"], 2))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ZOO, "diffusion", TINY)


# ---------------------------------------------------------------------------------------------- effect sizes


def test_effect_sizes_are_those_of_the_definitions() -> None:
    found = effect([1.0, 2.0, 3.0], [3.0, 4.0, 8.0])
    assert found.delta == pytest.approx(8 / 9) and not found.separates  # eight pairs won, one drawn
    assert found.d == pytest.approx((5 - 2) / math.sqrt((2 + 14) / 4))
    turned = effect([3.0, 4.0, 8.0], [1.0, 2.0, 3.0])
    assert turned.delta == -found.delta and turned.d == -found.d
    assert effect([1.0, 2.0], [3.0, math.nan, 4.0]).separates


def test_decades_are_compared_by_their_logarithms_and_zero_is_no_crash() -> None:
    found = effect([1e-6, 1e-4], [1e-2, 1.0], decades=True)
    assert found.d == pytest.approx(4 / math.sqrt((2 + 2) / 2)) and found.delta == 1
    assert math.isfinite(effect([0.0, 1e-4], [1.0, 1.0], decades=True).d)


def test_where_nothing_varies_or_is_defined_it_is_said() -> None:
    assert effect([0.0, 0.0], [1.0, 1.0]).d == math.inf and effect([1.0, 1.0], [1.0, 1.0]).d == 0
    assert math.isnan(effect([0.0], [1.0]).d) and effect([0.0], [1.0]).delta == 1
    assert effect([math.nan], [1.0]) is None and effect([1.0], []) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_two_kinds_are_apart_if_their_gap_exceeds_what_either_spans(sign: int) -> None:
    def apart(good: list[float], bad: list[float]) -> bool:
        return effect([sign * v for v in good], [sign * v for v in bad]).apart

    assert apart([0.50, 0.52], [0.99, 1.00])  # a gap of .47, spans of .02 and .01
    assert not apart([0.0, 1.0], [1.9, 2.0]) and apart([0.0, 1.0], [2.1, 2.2])  # the good ones differ by 1
    assert not apart([0.0, 0.1], [1.0, 2.0])  # the bad ones do
    assert not apart([0.0, 1.0], [1.0, 2.0]) and not apart([0.0, 3.0], [1.0, 2.0])  # none between, or one within
    assert not apart([1.0, 1.0], [1.0, 1.0]) and apart([1.0], [2.0])


def test_an_outcome_counts_pairs_on_the_side_that_prevails() -> None:
    trait = TRAITS[NAMES.index("jackknife spread")]
    o = Outcome(trait, {
        ("a", "few"): effect([1e-3, 2e-3], [0.1, 0.2]), ("a", "short"): effect([1e-3, 2e-3], [1.0, 2.0]),
        ("b", "few"): effect([1e-4, 4e-4], [0.5, 0.9]),
    })  # fmt: skip
    assert o.sign == 1 and o.separated() == (3, 3) and o.separated("short") == (1, 1) and o.always
    assert o.auc == 1 and o.threshold == pytest.approx(math.sqrt(2e-3 * 0.1))
    mixed = Outcome(trait, {**o.effects, ("c", "few"): effect([1.0, 2.0], [0.1, 0.2])})
    assert mixed.sign == 1 and mixed.separated() == (3, 4) and not mixed.always and mixed.threshold is None
    assert mixed.separated("few") == (2, 3) and mixed.against == 1
    apart = Outcome(trait, {**o.effects, ("a", "broken"): effect([1e-3, 2e-3], [1e-5, 1e-6])})
    assert apart.separated() == (3, 3) and apart.threshold == o.threshold and apart.broken.delta == -1
    single = Outcome(trait, {**o.effects, ("c", "few"): effect([1e-3], [1e-5])})
    assert single.separated() == (3, 3) and single.threshold == o.threshold  # one against one is not counted
    falling = Outcome(trait, {("a", "few"): effect([2.0, 3.0], [0.5, 1.0])})
    assert falling.sign == -1 and falling.auc == 1 and falling.threshold == pytest.approx(math.sqrt(2))


def test_a_lesson_is_taught_only_where_the_numbers_bear_it() -> None:
    pairs = [(p, v) for p in "ab" for v in ("few", "short")]
    praised = {"estimated error", "alarm of the error map", "jackknife spread", "fresh loss", "tension between terms"}
    for name, (_, bears) in LESSONS.items():
        trait = TRAITS[NAMES.index(name)]
        nothing = Outcome(trait, dict.fromkeys(pairs, effect([1.0, 2.0], [1.0, 2.0])))
        perfect = Outcome(trait, dict.fromkeys(pairs, effect([1e-4, 2e-4], [1.0, 2.0])))
        wrong = nothing if name in praised else perfect  # praise for what tells nothing, doubts of what tells all
        assert not bears(wrong) and lesson(wrong) == ""


# ---------------------------------------------------------------------------------------------------- traits


def test_the_jackknife_spread_is_the_root_of_the_squared_removals(zoo: tuple[Path, module.Traits]) -> None:
    solution = train(zoo[0], Job("diffusion", "good", 0))
    influence = pk.Influence(solution, "gauss-newton")
    X = solution.problem.domain.sample(7)
    one_by_one = torch.stack([
        influence.remove(pk.Field("u", X), [{key: torch.tensor([j])}])[:, 0]
        for key in solution.points for j in range(len(solution.points[key]))
    ])  # fmt: skip
    expected = one_by_one.square().sum(0).mean().sqrt() / solution(X)[:, 0].square().mean().sqrt()
    assert jackknife_spread(influence, "u", X) == pytest.approx(float(expected), rel=1e-6)


def test_every_trait_is_measured_and_means_what_it_says(zoo: tuple[Path, module.Traits]) -> None:
    job = Job("diffusion", "few", 1)
    solution, found = train(zoo[0], job), zoo[1][job]
    assert set(found) == {*NAMES, ERROR, "cpu_s", "training cpu_s"}
    again = measure(solution, TINY)
    assert {n: again[n] for n in NAMES if n != "cancellation"} == pytest.approx(
        {n: found[n] for n in NAMES if n != "cancellation"}, rel=1e-6, nan_ok=True
    )
    assert math.isnan(found["cancellation"])  # no point has several terms
    assert found[ERROR] == pytest.approx(solution.errors()["u"]["relative_l2"], rel=1e-9)
    assert found["loss"] == pytest.approx(float(solution.stack.losses(solution.theta).sum()), rel=1e-9)
    for name in (
        "directionality",
        "share of the conditions",
        "participation",
        "tension between terms",
        "mean leverage",
    ):
        assert 0 <= found[name] <= 1
    influence = pk.Influence(solution, "gauss-newton")
    X = solution.problem.sample("pde", 500, seed=12345).X
    E = influence.attribute(pk.Field("u", X), correct=False).joint
    Z = torch.cat([solution.points[key].X for key in E])
    E = torch.cat(list(E.values()), 1).abs()
    late = Z[None, :, 1] > X[:, None, 1]
    ratio = ((E * late).sum(1) / E.sum(1)).mean() / late.double().mean()
    assert found["outside the domain of dependence"] == pytest.approx(float(ratio), rel=1e-6)
    early = Z[:, 1] < 0.1
    ratio = (E[:, early].sum(1) / E.sum(1)).mean() / early.double().mean()
    assert found["region fraction"] == pytest.approx(float(ratio), rel=1e-6)


def test_the_waves_domain_of_dependence_is_their_cone() -> None:
    cause = ZOO["standing_wave"].cause
    test, train_ = (
        torch.tensor([[0.5, 0.5]]),
        torch.tensor([[0.5, 0.4], [0.9, 0.4], [0.6, 0.4], [0.5, 0.6], [0.0, 0.0]]),
    )
    assert cause(test, train_).tolist() == [[True, False, True, False, True]]


def test_all_specimens_state_sound_problems_and_have_points_for_them() -> None:
    for name, specimen in ZOO.items():
        assert next(iter(specimen.variants)) == "good" and len(specimen.variants) >= 2
        for variant, settings in specimen.variants.items():
            problem = specimen.state(variant)
            model = pk.Model(problem, specimen.network, False)
            assert set(settings.points) == set(model.keys), (name, variant)
            assert set(specimen.weights) <= {r.name for r in problem.residuals}
            assert set(specimen.where) == set(problem.domain.names) and len(specimen.digest(variant)) == 8
        assert specimen.source(problem.domain.sample(64)).dtype == torch.bool


# ------------------------------------------------------------------------------------------------------ runs


def test_jobs_come_seed_by_seed_and_wrong_ones_are_refused() -> None:
    found = jobs(["diffusion"], 2)
    assert [(j.variant, j.seed) for j in found] == [("good", 0), ("few", 0), ("good", 1), ("few", 1)]
    assert {j.problem for j in jobs()} == set(ZOO)
    with pytest.raises(ValueError, match="'heat' is not in the zoo: its problems are allen_cahn"):
        jobs(["heat"])
    with pytest.raises(ValueError, match="seeds=0"):
        jobs(seeds=0)
    with pytest.raises(ValueError, match="processes=0"):
        fill(Path("no"), [], 0)


def test_what_is_there_is_not_trained_again(zoo: tuple[Path, module.Traits], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, traits = zoo
    monkeypatch.setattr(module, "solve", None)
    monkeypatch.setattr(module, "measure", None)
    assert {j: r[ERROR] for j, r in fill(folder, jobs(["diffusion"], 2)).items()} == {
        j: r[ERROR] for j, r in traits.items()
    }
    assert list(read(folder, jobs(["diffusion"], 3))) == list(traits)


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    zoo: tuple[Path, module.Traits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, whole = Job("diffusion", "good", 1), None
    whole = train(zoo[0], job)

    def stopped(*arguments: object, **settings: object) -> pk.Solution:
        def stop(solution: pk.Solution) -> None:
            if solution.progress.total >= 20:
                raise KeyboardInterrupt

        return pk.solve(*arguments, **settings, observe=stop, log_every=10)

    monkeypatch.setattr(module, "solve", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, job)
    assert path(tmp_path, job).exists() and not traits_path(tmp_path, job).exists()
    monkeypatch.setattr(module, "solve", None)
    assert torch.equal(train(tmp_path, job).theta, whole.theta)


def test_a_model_that_fails_keeps_no_other_from_being_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, work = Job("diffusion", "few", 0), module.work
    said: list[str] = []

    def sometimes(folder: Path, job: Job) -> dict[str, float]:
        if job.seed == 1:
            raise ValueError("it broke")
        return work(folder, job)

    monkeypatch.setattr(module, "work", sometimes)
    found = fill(tmp_path, [Job("diffusion", "few", 1), good], 1, said.append)
    assert list(found) == [good] and said[0] == "diffusion, few, seed 1: failed, it broke"
    assert said[1].startswith("diffusion, few, seed 0: error ")


# -------------------------------------------------------------------------------------------- page and command


def test_the_page_holds_models_counts_effects_and_sentences(zoo: tuple[Path, module.Traits]) -> None:
    honest = {job: {**row, ERROR: 1e-3 if job.variant == "good" else 0.1} for job, row in zoo[1].items()}
    text = page(honest, [("A picture", "zoo.png")])
    assert "4 models of 1 problem, 2 seeds at most" in text and "![A picture](zoo.png)" in text
    found = outcomes(honest)
    assert text.count("\n- **jackknife spread**") == 1 and "| cancellation |" in text
    assert found["jackknife spread"].trait.formula in text and lesson(found["jackknife spread"]) in text
    e = found["loss"].effects["diffusion", "few"]
    assert e.good == tuple(zoo[1][Job("diffusion", "good", s)]["loss"] for s in (0, 1))
    assert f"{e.delta:+.2g} (" in text
    belied = honest | {Job("diffusion", "good", 1): {**honest[Job("diffusion", "good", 1)], ERROR: 0.5}}
    assert misplaced(belied) == [Job("diffusion", "good", 1)] and "diffusion, good, seed 1 (5.0e-01)" in page(belied)
    assert outcomes(belied)["loss"].effects["diffusion", "few"].good == e.good[:1]
    assert json.loads(json.dumps(plain(zoo[1]), allow_nan=False))[0]["traits"]["cancellation"] is None
    blank = {j: {**row, "loss": math.nan if j.variant == "few" else 2.0} for j, row in honest.items()}
    assert "| loss |  |" in means_table(outcomes(blank))  # without a pair there is no cell
    few = [(job.seed, row) for job, row in blank.items() if job.variant == "few"]
    short = blank | {Job("diffusion", "short", seed): {**row, "loss": 3.0} for seed, row in few}
    assert "| loss | 2 / - / 3 |" in means_table(outcomes(short))
    nameless = {j: {**row, ERROR: math.nan} for j, row in honest.items()}
    assert misplaced(nameless) == []  # without a reference no name is belied
    figure = plot_traits(zoo[1], ["loss", "mean leverage"])
    assert [ax.get_title() for ax in figure.axes] == ["loss", "mean leverage"]
    with pytest.raises(ValueError, match="'beauty' is no trait"):
        plot_traits(zoo[1], ["beauty"])


def test_the_command_writes_the_page_and_its_pictures(
    zoo: tuple[Path, module.Traits], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ["diffusion", "--seeds", "2", "--runs", str(zoo[0]), "--page", str(tmp_path / "page")]
    main(words)
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(tmp_path / "page" / "ZOO.md")
    found = {f.name for f in (tmp_path / "page").iterdir()}
    assert found == {"ZOO.md", "zoo.json", "zoo.png", "zoo-diffusion.png"}
    main([*words, "--only-read"])
    assert len(json.loads((tmp_path / "page" / "zoo.json").read_text())["models"]) == 4
    with pytest.raises(SystemExit) as left:
        main(["--only-read", "--runs", str(tmp_path / "none")])
    assert left.value.code == 2 and "there are no models of the zoo in" in capsys.readouterr().err
