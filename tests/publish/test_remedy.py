"""What a refusal asks for, in Ayrshare's and Pinterest's words."""

import pytest

from collector.publish.remedy import ADVICE, RULES, Remedy, remedy_of
from tests.support.paths import ROOT

SEEN = [
    (156, "Pinterest is not linked. Please confirm the linkage on the Social Accounts page.", Remedy.MEND_LINK),
    (None, "Pinterest authorization error. Please relink.", Remedy.MEND_LINK),
    (None, "We could not fetch the image.", Remedy.WAIT),
    (None, "Sorry! Something went wrong on our end. Please try again.", Remedy.WAIT),
    (None, "Unable to download the media URL", Remedy.WAIT),
    (None, "Internal error.", Remedy.WAIT),
    (138, "The image is too small.", Remedy.MEND_PIN),
    (None, "Resize the image to a valid aspect ratio and try again.", Remedy.MEND_PIN),
    (None, "Board not found.", Remedy.MEND_PIN),
    (101, "Missing or incorrect parameters.", Remedy.MEND_PIN),
    (None, "Try again later.", Remedy.WAIT),
    (4711, "No.", Remedy.UNKNOWN),
    (None, None, Remedy.UNKNOWN),
]


@pytest.mark.parametrize(("code", "words", "remedy"), SEEN)
def test_words_and_codes_decide_what_helps(code: int | None, words: str | None, remedy: Remedy) -> None:
    assert remedy_of(code, words) is remedy


def test_the_documents_have_the_same_table() -> None:
    text = (ROOT / "docs/pins.md").read_text().partition("| reason | code | words")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    assert [row[0].strip("`") for row in rows] == [*(rule.remedy.value for rule in RULES), Remedy.UNKNOWN.value]
    for row, rule in zip(rows, RULES, strict=False):
        assert row[1] == ", ".join(map(str, sorted(rule.codes)))
        assert all(rule.words.search(words) for words in row[2].split(", ")), row[2]
    assert set(ADVICE) == set(Remedy)
