"""What an experiment says, of results made up by hand: verdicts, remarks, the table, results.json, the picture, the page, wrong usage."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx import Source, __version__, load_spec
from augx.experiment.data import Data, Part
from augx.experiment.intervals import between, interval, points, shown, verdict
from augx.experiment.outcome import HEADS, QUICK, Results, as_json, as_text, cells, summed_up
from augx.experiment.settings import HONEST, LEAK, Run, Settings
from tests.conftest import ROOT
from tests.conftest import Run as Command
from tests.test_readme import block

if any(find_spec(name) is None for name in ("matplotlib", "scipy", "sklearn")):
    pytest.skip("needs augx-cli[train]", allow_module_level=True)

FLIPS = load_spec({"augx": 1, "warp": {"flip_h": 0.5}})
ODD = "cost$x^$\udcff{"  # a formula that is none, and a byte that is not UTF-8


def data(groups: Sequence[str] = ("a", "b", "c", "d"), *, apart: bool = False, siblings: bool = False) -> Data:
    """Four pictures of two classes, of these sources."""
    sources = tuple(Source(f"{i}", f"{i}.png", "cats", "cats") for i in range(4))
    part = Part(sources, np.zeros((4, 1, 1, 3), np.uint8), np.array([0, 0, 1, 1]))
    return Data(("cats", "dogs"), part, tuple(groups), part if apart else None, siblings, "", ("a note on the data",))


def outcome(right: int, tests: int = 10, *, val: float = 0.5, vals: int = 5, one: bool = False, epochs: int = 3) -> dict[str, Any]:
    """Of ``tests`` pictures as many are right, the first half are cats; ``one``: all are called cats."""
    cats = tests // 2
    wrong = tests - right
    dogs = tests - cats
    counts = [[cats - wrong // 2, wrong // 2], [wrong - wrong // 2, dogs - wrong + wrong // 2]]
    if one:
        counts = [[cats, 0], [dogs, 0]]
    history = {name: [0.5 + 0.1 * i for i in range(epochs)] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    accuracy = cats / tests if one else right / tests
    pictures = {"train": 20, "val": vals, "test": tests}
    return {"accuracy": accuracy, "train": 0.75, "val": val, "history": history, "confusion": counts, "pictures": pictures, "seconds": 1.0}


def found(
    arms: dict[tuple[str, str], Sequence[dict[str, Any]]], of: Data | None = None, dataset: str = "photos", **changes: Any
) -> Results:
    """The results of these outcomes, a seed each; changes are of the settings."""
    repeats = len(next(iter(arms.values())))
    names = dict.fromkeys(spec for _, spec in arms if spec)
    settings = Settings(dataset, tuple((name, FLIPS) for name in names), **{"repeats": repeats, **changes})
    records = {Run(arm, spec, seed): one for (arm, spec), outcomes in arms.items() for seed, one in enumerate(outcomes)}
    return summed_up(settings, "torch", of or data(apart=settings.test is not None), records)


def three(**changes: Any) -> Results:
    """None and two arms, three seeds."""
    arms = {
        ("none", ""): [outcome(5), outcome(6), outcome(5)],
        ("expand", "a"): [outcome(9, val=0.6), outcome(10, val=0.6), outcome(9, val=0.6)],
        ("in-place", "a"): [outcome(5, val=0.4), outcome(6, val=0.4), outcome(6, val=0.4)],
    }
    return found(arms, **changes)


def leak(honest: Sequence[int], leaky: Sequence[int], of: Data | None = None, **changes: Any) -> Results:
    arms = {(HONEST, ""): [outcome(n) for n in honest], (LEAK, ""): [outcome(n) for n in leaky]}
    return found(arms, of or data(siblings=True, apart="test" in changes), leak=True, **changes)


# Figures


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param([0.0004, 0.0005, 0.0006], "+0.05 (+0.03 to +0.07)", id="small, and there"),
        pytest.param([-0.0004, -0.0005, -0.0006], "-0.05 (-0.07 to -0.03)", id="small, and there, below"),
        pytest.param([0.0002, -0.0003], "0.0 (-0.3 to +0.3)", id="no sign where it is none"),
        pytest.param([1.0, -0.5], "+25.0 (-100.0 to +100.0)", id="not beyond 100"),
        pytest.param([-0.0001], "0.0 (one seed)", id="one seed"),
    ],
)
def test_differences(values: list[float], text: str) -> None:
    assert shown(interval(values), sign=True) == text


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_difference_that_there_is_is_not_called_zero(size: float, sign: int) -> None:
    seen = interval([sign * size * share for share in (0.6, 1.0, 1.4)])
    text = verdict("a", seen)
    assert ("better" if sign > 0 else "worse") in text
    assert all(float(figure) for figure in re.findall(r"[+-]?\d+\.\d+", text)) and "-100" not in between(seen)


def test_zero_has_no_sign() -> None:
    assert [points(value, sign=True) for value in (-0.0, 0.0, -1e-9, 0.01)] == ["0.0", "0.0", "0.0", "+1.0"]


def test_validation_figures_are_as_coarse_as_the_validation_part() -> None:
    row = found({("none", ""): [outcome(5, 1000, vals=2)] * 2}).rows[0]
    assert shown(row.accuracy) == "0.5 (0.2 to 0.8)" and shown(row.val) == "50.0 (0.0 to 100.0)"
    assert row.gap.half == row.val.half == interval([0.0, 0.0], 1 / 2).half


# Verdicts


def test_a_model_that_says_one_thing_has_learnt_nothing() -> None:
    dull, good = [outcome(5, one=True)] * 2, [outcome(9)] * 2
    results = found({("none", ""): dull, ("in-place", "a"): good, ("both", "a"): dull})
    assert results.verdicts[0] == "none: calls every test picture cats; it has learnt nothing, so take more --epochs."
    assert results.verdicts[1].startswith("in-place (a): ") and results.verdicts[2].startswith("both (a): calls every test picture cats")
    assert results.verdicts[3].startswith("both (a): no difference to training without augmentation can be shown")
    assert not any("learnt nothing" in text for text in three().verdicts)


def test_the_highest_on_the_validation_part() -> None:
    assert three().verdicts[-1] == "Highest on the validation part: expand (a) (60.0 %)."
    assert "is not flattered by the choice" in three(test="held").verdicts[-1]
    arms = {("none", ""): [outcome(5)] * 2, ("expand", "a"): [outcome(6, val=0.50004)] * 2, ("both", "a"): [outcome(6, val=0.4)] * 2}
    assert found(arms).verdicts[-1] == "Highest on the validation part: tied at 50.0 %: none, expand (a)."


@pytest.mark.parametrize(
    ("honest", "leaky", "words"),
    [
        pytest.param([5, 5, 5], [10, 10, 9], "The leak flatters by +46.7", id="above"),
        pytest.param([5, 6, 7], [5, 5, 7], "Here nothing was flattered (-3.3 points, 95 % interval", id="below"),
        pytest.param([1, 1], [9, 9], "The leak flatters by +80.0", id="two seeds"),
        pytest.param([5, 6], [9, 6], "can't be shown from so few seeds (+20.0 points", id="two that differ"),
        pytest.param([5], [6], "can't be shown from so few seeds (+10.0 points, one seed); take more --repeats", id="one seed"),
        pytest.param([5], [5], "Here nothing was flattered (0.0 points, one seed); it is a leak all the same.", id="one seed, no more"),
    ],
)
def test_what_a_leak_is_said_to_do(honest: list[int], leaky: list[int], words: str) -> None:
    first, second = leak(honest, leaky).verdicts
    assert "that is a leak" in first and first.endswith(" % where no source is on both sides. Only this figure means anything.")
    assert words in second


def test_a_leak_beside_pictures_held_apart() -> None:
    results = leak([5, 5], [9, 9], test="held")
    assert "is right on 50.0 % of the pictures held apart." in results.verdicts[0]
    assert not any("one source alone" in note for note in results.notes)
    alone = leak([5, 5], [9, 9], data("aabb", apart=True, siblings=True), test="held")
    assert alone.remarks[-1].startswith(f"A class has one source alone, so that {HONEST} too is split by picture")


# Remarks


@pytest.mark.parametrize(
    ("results", "said", "unsaid"),
    [
        pytest.param(three(), ["3 seeds", "of 10 pictures each, overlap each other", "2 comparisons, each at 95 %"], ["Two"], id="split"),
        pytest.param(three(test="held"), ["the validation part,", "on these 10 test pictures; others"], ["overlap"], id="held apart"),
        pytest.param(
            found({("none", ""): [outcome(5), outcome(6, 12)], ("both", "a"): [outcome(5), outcome(6, 12)]}),
            ["Two seeds can show next to nothing; take --repeats 5.", "of 10 to 12 pictures each"],
            ["comparisons"],
            id="two seeds",
        ),
        pytest.param(
            found({("none", ""): [outcome(5)], ("both", "a"): [outcome(5)], ("both", "b"): [outcome(5)]}),
            ["One seed has no interval", "All this is on 10 test pictures"],
            ["comparisons", "overlap", "Student"],
            id="one seed",
        ),
        pytest.param(leak([5, 5], [9, 9]), ["two arms have test parts of their own", "overlap"], ["comparisons"], id="leak"),
        pytest.param(leak([5, 5], [9, 9], test="held"), ["the split,", "split by source is tested on the 10 pictures of --test"],
                     ["overlap", "on these"], id="leak, held apart"),
    ],
)  # fmt: skip
def test_what_intervals_mean_is_said_on_the_terminal(results: Results, said: list[str], unsaid: list[str]) -> None:
    text = "\n".join(as_text(results))
    assert all(part in text for part in said) and not any(part in text for part in unsaid)
    assert "a note on the data" not in text and results.notes[0] == "a note on the data"
    assert all(remark in text for remark in results.remarks)


def test_the_table_has_the_validation_figure() -> None:
    assert [row[HEADS.index("validation %")] for row in cells(three())] == ["50.0", "60.0", "40.0"]
    lines = [*as_text(three(quick=True))]
    assert lines[0].startswith("arm ") and "validation %" in lines[0] and lines[5] == QUICK


def test_a_quick_look_comes_to_no_verdict() -> None:
    arms = {("none", ""): [outcome(0), outcome(1)], ("expand", "a"): [outcome(8), outcome(9)]}
    assert re.search(r"^expand \(a\): better than", "\n".join(found(arms).verdicts), re.M)
    assert [*found(arms, quick=True).verdicts] == [
        "expand (a): no verdict from --quick (+80.0 points, 95 % interval +54.1 to +100.0, 2 seeds)."
    ]
    assert not any("Highest" in said for said in three(quick=True).verdicts)


# results.json


def test_results_json_says_what_was_done() -> None:
    results = three(test="held", model="resnet", seed=0)
    read = json.loads(as_json(results), parse_constant=pytest.fail)
    asked = read["settings"]
    assert asked["dataset"] == "photos" and asked["test"] == "held" and asked["arms"] == ["none", "expand", "in-place"]
    assert asked["learning_rate"] == 0.05 and read["versions"]["augx"] == __version__ and "keras" in read["versions"]
    assert read["rows"][0]["pictures"]["2"] == {"train": 20, "val": 5, "test": 10, "copies": 0}
    assert json.loads(as_json(three()))["settings"]["learning_rate"] == 0.001
    assert json.loads(as_json(three(learning_rate=0.2)))["settings"]["learning_rate"] == 0.2


def test_its_intervals_end_where_shares_do() -> None:
    arms = {("none", ""): [outcome(0), outcome(10)], ("both", "a"): [outcome(10), outcome(0)]}
    for row in json.loads(as_json(found(arms)))["rows"]:
        assert (row["accuracy"]["low"], row["accuracy"]["high"]) == (0, 1)
        assert row["difference"] is None or (row["difference"]["low"], row["difference"]["high"]) == (-1, 1)
        assert -1 <= row["gap"]["low"] <= row["gap"]["high"] <= 1
    one = json.loads(as_json(found({("none", ""): [outcome(5)]})))["rows"][0]["accuracy"]
    assert one == {"mean": 0.5, "low": None, "high": None, "seeds": 1}


def test_it_is_json_whatever_is_in_a_history_or_a_name() -> None:
    strange = outcome(5)
    strange["history"]["val_loss"][1] = float("nan")
    results = found({("none", ""): [strange], ("both", ODD): [outcome(5)]}, dataset=f"/tmp/{ODD}")
    read = json.loads(as_json(results), parse_constant=pytest.fail)
    assert read["rows"][0]["history"]["val_loss"][0][1] is None and read["rows"][1]["spec"] == ODD


# The picture


def png(results: Results) -> bytes:
    from augx.experiment.curves import curves

    drawn = curves(results)
    assert drawn.startswith(b"\x89PNG")
    return drawn


@pytest.mark.parametrize("name", [ODD, "$", "\N{CJK UNIFIED IDEOGRAPH-732B}", "_hidden", r"\frac{"])
def test_any_name_can_be_drawn(name: str) -> None:
    png(found({("none", ""): [outcome(5)] * 2, ("both", name): [outcome(6)] * 2}))


def test_the_users_matplotlibrc_does_not_matter() -> None:
    import matplotlib

    plain = png(three())
    theirs = {"text.usetex": True, "figure.facecolor": "red", "lines.linewidth": 9, "axes.grid": False}
    with matplotlib.rc_context(theirs):
        assert png(three()) == plain
        assert all(matplotlib.rcParams[name] == value for name, value in theirs.items())


def test_bands_of_few_arms_whole_epochs_and_no_line_cut_off() -> None:
    from augx.experiment.curves import _drawn, explained, plain_drawing

    few = three()
    names = [("none", ""), *itertools.product(("expand", "both"), "ab")]
    many = found({name: [outcome(5)] * 2 for name in names})
    assert "bands from the lowest to the highest" in explained(few) and "bands" not in explained(many)
    spike = outcome(5)
    spike["history"]["loss"] = [90.0, 0.1, 0.1]
    single = found({("none", ""): [outcome(5, epochs=1)]})
    for results, bands in ((few, 3), (many, 0), (found({("none", ""): [spike]}), 0), (single, 0)):
        with plain_drawing():
            drawn = _drawn(results)
        for axes in drawn.axes:
            assert len(axes.collections) == bands and axes.get_xlabel() == "epochs of the unaugmented set"
            assert all(tick == int(tick) for tick in axes.get_xticks()) and any(1 <= tick <= 3 for tick in axes.get_xticks())
            assert all(np.max(line.get_ydata()) <= axes.get_ylim()[1] for line in axes.lines)


# The page


def html(results: Results) -> str:
    from augx.experiment.webpage import webpage

    return webpage(results, b"").decode("utf-8")


def test_the_page_says_what_accuracy_is_of() -> None:
    assert "which no arm augments" in html(three())
    assert "test pictures are copies as well" in html(three(of=data(siblings=True)))
    assert "test pictures are copies as well" not in html(three(of=data(siblings=True, apart=True), test="held"))
    for results in (leak([5], [6]), leak([5], [6], test="held")):
        assert "no arm augments" not in html(results) and "for split by picture copies, siblings of training pictures" in html(results)


def test_the_page_in_detail() -> None:
    results = found({("none", ""): [outcome(5, 8), outcome(5, 12)], ("both", ODD): [outcome(9, 12), outcome(5, 8)]}, quick=True)
    text = html(results)
    assert "pictures: 20 train, 5 val, 8 to 12 test" in text and "less that of the validation part" in text
    assert re.search(r'<p style="[^"]*border[^"]*"[^>]*>Warning: --quick proves nothing: few pictures, few epochs, few seeds', text)
    assert QUICK not in results.verdicts and re.search(r"<li [^>]*>both \(cost", text) and "<h3>both" not in text
    assert '<table style="width: auto">' in text and r"cost$x^$\udcff{" in text and "<script" not in text
    assert "bands from the lowest to the highest" in text


# The commands


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param(["--arms", ""], "--arms is empty; name some of none, expand, in-place, both", id="no arms"),
        pytest.param(["--arms", " , "], "--arms is empty", id="only a comma"),
        pytest.param(["--arms", "none,,both"], "--arms none,,both: nothing stands before or after a comma", id="an empty arm"),
        pytest.param(["--arms", "nine"], "--arms nine: no such arm", id="another arm"),
        pytest.param(["--dataset-is-expanded", "--spec", "tutorial"], "--spec and --dataset-is-expanded don't go together", id="spec"),
        pytest.param(["--dataset-is-expanded", "--arms", "both"], "--arms and --dataset-is-expanded don't go together", id="arms"),
    ],
)
def test_wrong_usage_is_one_line(args: list[str], words: str, augx: Command) -> None:
    done = augx("experiment", "--dataset", "nowhere", *args)
    text = done.stderr.decode()
    assert done.returncode == 2 and words in text and text.count("\n") == 1 and not done.stdout


def test_progress_that_nobody_reads_is_dropped() -> None:
    """``2>&1 | head -1`` does not stop hours of work."""
    code = (
        "from augx import words; words.capture()\n"
        "from augx.commands.experiment import _Shown, _say\n"
        "from augx.experiment.running import Progress\n"
        "from augx.experiment.settings import Run\n"
        "for number in range(3):\n"
        "    _Shown(False)(Progress(Run('none', '', 0), 1, 3, 2, 2, 0.0, 0.5)); _say('augx: a note')\n"
        "print('done')"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=write, cwd=ROOT, check=False)
    os.close(write)
    assert done.returncode == 0 and done.stdout == b"done\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param(["--plot", ""], "--plot is empty; name a file, such as plot.png", id="no plot"),
        pytest.param(["--plot", "{}"], "a folder; name a file in it, such as", id="a folder"),
        pytest.param(["--plot", "{}/none/plot.png"], "there is no such folder; make it first", id="a folder that is not there"),
        pytest.param(["--epochs", "0"], "--epochs 0: expected at least 1", id="no epochs"),
        pytest.param(["--dataset", ""], "--dataset is empty", id="no dataset"),
    ],
)
def test_the_tutorials_own_entry_refuses(args: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from augx.experiment.__main__ import main

    assert main(["--dataset", "nowhere", *(arg.format(tmp_path) for arg in args)]) == 2
    said = capsys.readouterr()
    assert words in said.err and said.err.startswith("augx: --") and said.err.count("\n") == 1 and not said.out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param([], "the following arguments are required: -d/--dataset", id="nothing"),
        pytest.param(["--dataset", "x", "--augment", "y"], "-a/--augment: invalid int value: 'y'", id="no number"),
        pytest.param(["--dataset", "x", "--agument", "1"], "unrecognized arguments: --agument 1", id="no such option"),
    ],
)
def test_wrong_usage_of_the_tutorials_own_entry_is_one_line(args: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    from augx.experiment.__main__ import main

    with pytest.raises(SystemExit, match="2"):
        main(args)
    said = capsys.readouterr()
    assert said.err.startswith("augx: ") and words in said.err and said.err.endswith("--help`\n") and said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        pytest.param(RuntimeError("it\nbroke"), 1, "augx: unexpected error: RuntimeError: it broke (a bug: please report it;", id="bug"),
        pytest.param(OSError(28, "No space left", "plot.png"), 1, "augx: the system says: No space left 'plot.png'\n", id="full"),
        pytest.param(KeyboardInterrupt(), 130, "augx: stopped; nothing was written\n", id="Ctrl-C"),
    ],
)
def test_the_tutorials_own_entry_ends_in_one_line(
    error: BaseException, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from augx.experiment.__main__ import _guarded

    def work() -> None:
        raise error

    assert _guarded(work) == status
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and not said.out


def test_the_tutorials_own_entry_goes_on_when_nobody_reads() -> None:
    code = "from augx.experiment.__main__ import _say, _warn\nfor i in range(3): _say('line')\n_warn('done')"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(write)
    assert done.returncode == 0 and done.stderr == b"augx: done\n"


def test_the_plot_of_the_tutorial(tmp_path: Path) -> None:
    import matplotlib

    from augx.experiment.__main__ import _plot

    history = {name: [0.5] for name in ("train_loss", "val_loss", "train_acc", "val_acc")}
    with matplotlib.rc_context({"text.usetex": True}):
        _plot(history, str(tmp_path / "plot.png"))
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("default::DeprecationWarning", "default::UserWarning")
def test_the_readmes_own_model_is_one(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    from augx.experiment.models import build_model

    (tmp_path / "model.py").write_text(block("python", "def build"))
    assert build_model(f"{tmp_path}/model.py:build", 16, 3, 10).output_shape == (None, 3)
