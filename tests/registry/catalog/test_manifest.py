"""The manifest: what is valid, how it is spelled, and what the version digest covers."""

import hashlib
import json
import math

import pytest

from registry.catalog.manifest import (
    ManifestError,
    canonical_json,
    schema,
    validate,
    version_digest,
)

WEIGHTS = "a" * 64


def a_classifier(**changes):
    return {
        "schema": 1,
        "format": "onnx",
        "task": "classification",
        "input": {"name": "input", "dtype": "float32", "shape": [1, 28, 28]},
        "output": {"name": "logits", "kind": "logits", "classes": ["cat", "dog"]},
    } | changes


def an_encoder(**output):
    return a_classifier(
        task="embedding",
        output={
            "name": "vector",
            "kind": "embedding",
            "dimension": 8,
            "normalisation": "l2",
            "distance": "cosine",
        }
        | output,
    )


def an_image_classifier(shape=(3, 24, 24), **steps):
    preprocessing = {"do_resize": True, "size": {"height": 24, "width": 24}, "resample": 2}
    manifest = a_classifier(preprocessing=preprocessing | steps)
    manifest["input"]["shape"] = list(shape)
    return manifest


def recorded():
    manifest = a_classifier(format="recorded")
    del manifest["input"]
    return manifest


@pytest.mark.parametrize("make", [a_classifier, an_encoder, an_image_classifier, recorded])
def test_a_complete_manifest_is_returned_as_it_came(make):
    assert validate(make()) == make()


def test_the_example_in_the_documentation_is_valid():
    text = (schema_folder() / "docs" / "formats.md").read_text(encoding="utf-8")
    example = text.split("```json\n", 1)[1].split("```", 1)[0]

    validate(json.loads(example))


def schema_folder():
    from registry.catalog import manifest

    return manifest.SCHEMA_PATH.parents[2]


@pytest.mark.parametrize("key", ["schema", "format", "task", "output", "input"])
def test_a_missing_key_is_named(key):
    manifest = a_classifier()
    del manifest[key]

    with pytest.raises(ManifestError, match=f"'{key}' is a required property"):
        validate(manifest)


def changed(manifest, path, value):
    *parents, last = path
    place = manifest
    for part in parents:
        place = place[part]
    place[last] = value
    return manifest


WRONG = [
    (a_classifier, ("schema",), 2, "schema"),
    (a_classifier, ("format",), "torchscript", "format"),
    (a_classifier, ("task",), "detection", "task"),
    (a_classifier, ("task",), "embedding", "output.kind"),
    (a_classifier, ("author",), "me", ""),
    (a_classifier, ("input", "dtype"), "float64", "input.dtype"),
    (a_classifier, ("input", "shape"), [0], "input.shape[0]"),
    (a_classifier, ("input", "shape"), [True], "input.shape[0]"),
    (a_classifier, ("input", "shape"), [2**14, 2**14], "input.shape"),
    (a_classifier, ("input", "name"), "", "input.name"),
    (a_classifier, ("output", "classes"), ["cat"], "output.classes"),
    (a_classifier, ("output", "classes"), ["cat", "dog", "cat"], "output.classes[2]"),
    (a_classifier, ("output", "classes"), ["cat", 7], "output.classes[1]"),
    (a_classifier, ("output", "classes"), ["cat", "dog\n"], "output.classes[1]"),
    (a_classifier, ("output", "classes"), ["cat", "\ud800"], "output.classes[1]"),
    (a_classifier, ("output", "dimension"), 3, "output"),
    (an_encoder, ("output", "dimension"), 0, "output.dimension"),
    (an_encoder, ("output", "normalisation"), "max", "output.normalisation"),
    (an_encoder, ("output", "distance"), "hamming", "output.distance"),
    (recorded, ("input",), {"name": "x", "dtype": "uint8", "shape": [1]}, ""),
    (recorded, ("preprocessing",), {}, ""),
    (an_image_classifier, ("preprocessing", "do_pad"), True, "preprocessing"),
    (an_image_classifier, ("preprocessing", "resample"), 1, "preprocessing.resample"),
    (an_image_classifier, ("preprocessing", "size"), {"height": 2}, "preprocessing.size"),
    (an_image_classifier, ("preprocessing", "do_center_crop"), True, "preprocessing"),
    (an_image_classifier, ("preprocessing", "do_rescale"), True, "preprocessing"),
    (an_image_classifier, ("preprocessing", "do_normalize"), True, "preprocessing"),
    (
        an_image_classifier,
        ("preprocessing", "image_std"),
        [0.0],
        "preprocessing.image_std[0]",
    ),
    (
        an_image_classifier,
        ("preprocessing", "image_std"),
        [math.nan],
        "preprocessing.image_std[0]",
    ),
    (an_image_classifier, ("input", "shape"), [3, 24, 25], "input.shape"),
    (an_image_classifier, ("input", "shape"), [4, 24, 24], "input.shape"),
    (an_image_classifier, ("input", "shape"), [576], "input.shape"),
]


@pytest.mark.parametrize(("make", "at", "value", "path"), WRONG)
def test_what_is_wrong_is_refused_with_its_place(make, at, value, path):
    with pytest.raises(ManifestError) as refusal:
        validate(changed(make(), at, value))

    assert refusal.value.path == path
    assert refusal.value.detail


@pytest.mark.parametrize("document", [None, [], "manifest", 7, [[[[[[[[[[1]]]]]]]]]]])
def test_only_an_object_is_a_manifest(document):
    with pytest.raises(ManifestError):
        validate(document)


def test_a_document_nested_a_hundred_thousand_levels_is_refused():
    nested = []
    for _ in range(100_000):
        nested = [nested]

    with pytest.raises(ManifestError, match="nested deeper"):
        validate(a_classifier(input=nested))


def test_the_crop_and_not_the_resize_decides_the_size_of_the_input():
    crop = {"do_center_crop": True, "crop_size": {"height": 20, "width": 22}}

    validate(an_image_classifier(shape=(3, 20, 22), **crop))
    with pytest.raises(ManifestError, match="crop_size"):
        validate(an_image_classifier(shape=(3, 24, 24), **crop))


@pytest.mark.parametrize(("count", "valid"), [(1, True), (2, False), (3, True)])
def test_a_mean_has_one_number_or_one_for_each_channel(count, valid):
    manifest = an_image_classifier(
        do_normalize=True, image_mean=[0.5] * count, image_std=[0.5] * count
    )

    if valid:
        validate(manifest)
    else:
        with pytest.raises(ManifestError) as refusal:
            validate(manifest)
        assert refusal.value.path == "preprocessing.image_mean"


def test_converting_to_colour_makes_three_channels():
    with pytest.raises(ManifestError) as refusal:
        validate(an_image_classifier(shape=(1, 24, 24), do_convert_rgb=True))

    assert refusal.value.path == "input.shape[0]"


def test_the_order_of_keys_and_the_spelling_of_numbers_do_not_change_the_canonical_form():
    first = a_classifier()
    second = dict(reversed(a_classifier().items()))
    second["schema"] = 1.0

    assert canonical_json(first) == canonical_json(second)
    assert json.loads(canonical_json(first)) == first


def test_the_canonical_form_survives_json():
    manifest = an_image_classifier(do_rescale=True, rescale_factor=1 / 255)

    assert canonical_json(json.loads(json.dumps(manifest))) == canonical_json(manifest)


def test_the_canonical_form_is_spelled_as_documented():
    assert canonical_json({"b": [1.0, 0.5, "é"], "a": None}) == '{"a":null,"b":[1,0.5,"é"]}'


def test_a_whole_number_written_as_a_fraction_is_returned_as_a_whole_number():
    manifest = a_classifier()
    manifest["input"]["shape"] = [1.0, 28.0, 28]

    shape = validate(manifest)["input"]["shape"]

    assert [type(size) for size in shape] == [int, int, int]


def test_the_version_digest_is_sha256_of_artifact_and_manifest():
    text = WEIGHTS + "\n" + canonical_json(a_classifier())

    assert version_digest(WEIGHTS, a_classifier()) == hashlib.sha256(text.encode()).hexdigest()


def test_the_same_graph_with_another_manifest_is_another_version():
    digests = {
        version_digest(WEIGHTS, a_classifier()),
        version_digest(WEIGHTS, a_classifier(task="embedding")),
        version_digest("b" * 64, a_classifier()),
        version_digest("", a_classifier()),
    }

    assert len(digests) == 4


def test_the_schema_is_itself_valid():
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
