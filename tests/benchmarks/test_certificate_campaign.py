"""A few problems of the campaign: bounds hold, results are kept and not made again."""

import json

import pytest

from benchmarks.certificate import campaign


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_bounds_of_the_campaign_hold_and_are_kept(count, tmp_path):
    file = tmp_path / "campaign.jsonl"
    found, seeds = list(campaign.results(count, file)), list(range(count))
    assert [r["seed"] for r in found] == seeds == [json.loads(s)["seed"] for s in file.read_text().splitlines()]
    pairs = [(bound, true) for r in found for _, _, bound, true in r.get("rows", ())]
    assert len(pairs) >= 4 and all(true <= bound * (1 + 1e-3) for bound, true in pairs)
    kept = json.loads(file.read_text().splitlines()[0])
    file.write_text(json.dumps(kept | {"kind": "marked"}) + "\n")
    assert next(campaign.results(1, file))["kind"] == "marked"
    text = campaign.table([*found, {"kind": "heat", "walls": "ring", "miss": "initial", "seed": 9,
                                    "rows": [["sup", "a theorem", 1.0, 2.0]]}])  # fmt: skip
    assert "1 violated: heat initial sup of problem 9: 0.5000" in text and "| a theorem | ring | 1 | 1 |" in text
