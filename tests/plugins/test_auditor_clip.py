"""The CLIP estimator: a tiny model, written and fitted here, that knows red from blue."""

import hashlib
import json

import numpy as np
import pytest

from sdk import AttributeEstimator, PluginError, Registry
from sdk.audits.estimating import estimators_of
from sdk.audits.plans import parse_plan
from sdk.contract import check_auditor

open_clip = pytest.importorskip("open_clip", reason="needs the extra generate")

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
RED, BLUE = (220, 20, 20), (20, 20, 220)
CONFUSION = {
    "perceived_gender": {
        "labels": ["woman", "man"],
        "counts": [[90, 10], [5, 95]],
        "measured_on": "200 squares",
    }
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    import torch
    from PIL import Image

    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-estimator.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / "tiny-estimator.json")
    net, _, look = open_clip.create_model_and_transforms("tiny-estimator")
    seen = torch.stack([look(Image.fromarray(plain(c))) for c in (RED, BLUE)])
    texts = open_clip.get_tokenizer("tiny-estimator")(["a red picture", "a blue picture"])
    steps = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(40):
        pictures = net.encode_image(seen, normalize=True)
        words = net.encode_text(texts, normalize=True)
        loss = torch.nn.functional.cross_entropy(10 * pictures @ words.T, torch.arange(2))
        steps.zero_grad()
        loss.backward()
        steps.step()
    torch.save(net.state_dict(), folder / "tiny.pt")
    return folder / "tiny.pt"


def plain(colour):
    return np.full((64, 64, 3), colour, np.uint8)


def settings(weights, /, **more):
    words = {"woman": ["a red picture"], "man": ["a blue picture"]}
    return {
        "weights": str(weights),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "model": "tiny-estimator",
        "licence": "CC0-1.0",
        "domain": "plain squares",
        "attributes": {"perceived_gender": words},
        **more,
    }


def made(weights, /, **more):
    return Registry().make("auditor", "clip", settings(weights, **more))


def test_the_estimator_keeps_the_contract(weights):
    check_auditor("clip", settings(weights))
    assert isinstance(made(weights), AttributeEstimator)


def test_a_picture_gets_the_value_whose_texts_fit(weights):
    part = made(weights)
    red, blue = (part.estimate(plain(colour))[0] for colour in (RED, BLUE))
    assert (red.value, blue.value) == ("woman", "man")
    assert sum(red.probabilities.values()) == pytest.approx(1)
    assert part.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_it_abstains_where_two_values_are_too_close(weights):
    twins = {"woman": ["a red picture"], "man": ["a red picture"]}
    (found,) = made(weights, attributes={"perceived_gender": twins}).estimate(plain(RED))
    assert found.abstained == "the best value leads by 0.00, below 0.2"
    assert found.value == ""
    careless = made(weights, attributes={"perceived_gender": twins}, margin=0)
    assert careless.estimate(plain(RED))[0].value


def test_a_plan_uses_the_matrix_that_was_given_and_else_takes_answers_at_their_word(weights):
    def answerer(**more):
        given = settings(weights, **more)
        text = (
            'name = "x"\ntemplate = "a {o}"\naxes = { o = ["nurse"] }\npictures = 1\nseed = 1\n'
            'estimators = [{ plugin = "clip" }]\n'
            '[[attributes]]\nname = "perceived_gender"\namong = ["woman", "man"]\n'
        )
        plan = parse_plan(text)
        plan.estimators[0].settings.update(given)
        return estimators_of(plan, Registry())["perceived_gender"]

    told, untold = answerer(confusion=CONFUSION), answerer()
    assert told.confusion == ((90, 10), (5, 95))
    assert told.source["validated_on"] == "200 squares"
    assert told.source["domain"] == "plain squares"
    assert untold.confusion == ()
    assert untold.source["validation_pictures"] == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"weights": "ghost.pt"}, "found no file"),
        ({"sha256": "00" * 32}, "names the very weights"),
        ({"sha256": ""}, "names the very weights"),
        ({"licence": ""}, "licence or domain"),
        ({"domain": " "}, "licence or domain"),
        ({"margin": 1.0}, "from 0 to below 1"),
        ({"attributes": {}}, "no attributes"),
        ({"attributes": {"perceived_race": {"a": ["x"], "b": ["y"]}}}, "race, faith"),
        ({"attributes": {"gender": {"a": ["x"], "b": ["y"]}}}, "perceived presentation"),
        ({"attributes": {"perceived_gender": {"a": ["x"]}}}, "fewer than two"),
        ({"attributes": {"perceived_gender": {"a": ["x"], "b": "y"}}}, "list of texts"),
        ({"confusion": {"perceived_gender": {"labels": ["woman"]}}}, "give labels, counts"),
        ({"confusion": {"perceived_age": CONFUSION["perceived_gender"]}}, "other values"),
        (
            {"confusion": {"perceived_gender": {**CONFUSION["perceived_gender"], "counts": [[1]]}}},
            "one row and one column",
        ),
        ({"model": "ghost-clip"}, "ghost-clip"),
    ],
)
def test_what_is_wrong_is_said(weights, more, says):
    with pytest.raises(PluginError, match=says):
        made(weights, **more)
