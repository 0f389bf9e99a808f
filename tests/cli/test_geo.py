"""`qfin geo`: tables, files and JSON of one search, and wrong options."""

import json
from pathlib import Path

import pytest

from qfin.cli.geo import geo
from qfin.exceptions import InputError


def test_geo_prints_stores_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "geo"
    geo(instance="port1", cardinality="3-4", bounds="5%,60%", budget=40, points=2, out=out, json=str(tmp_path / "j"))
    shown = capsys.readouterr()
    content = json.loads((tmp_path / "j").read_text())
    assert content["run"] == str(out)
    assert 3 <= len(content["portfolio"]["rows"]) <= 4
    assert all(0.05 - 1e-9 <= row["weight"] <= 0.6 + 1e-9 for row in content["portfolio"]["rows"])
    assert content["portfolio"]["rows"][0]["asset"] in shown.out
    assert "Gap to the bound" in shown.out
    page = (out / "report.html").read_text()
    assert content["title"] in page
    assert "https://" not in page.split("</script>")[-1]
    assert content["portfolio"]["rows"][0]["asset"] in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cardinality": "few"}, "--cardinality"),
        ({"bounds": "5"}, "--bounds"),
        ({"objective": "es"}, "variance for an instance"),
        ({"prices": "fx-usd"}, "both"),
        ({"instance": "port9"}, "port9"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        geo(**({"instance": "port1", "budget": 40, "out": tmp_path / "geo"} | options))
    assert "\n" not in str(caught.value)
