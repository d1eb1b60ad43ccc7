"""What a federation leaves: a model that the train stage takes, keys that are kept, a limit that the gate holds."""

import json
import ssl

import pytest
from cryptography import x509

from tasks import federated, storage
from tasks.errors import PromiseError, TidemillError
from tasks.federate.card import card
from tasks.federate.certificates import Certificates, ensure, public_key
from tasks.federate.content import distance
from tasks.federate.run import manifest, require_enough
from tasks.federate.state import Round
from tasks.fingerprint.run import fingerprint
from tasks.paths import Paths
from tasks.recipe import Federate, Gate, load
from tasks.release.federation import federated_words, privacy_checks
from tasks.train.federated_model import taken

FACTS = {"records": 70, "validation_rows": 10, "validation_right": 7, "test_rows": 20, "test_right": 15}
FACTS |= {"data_sha256": "ab" * 32, "label.negative": 10, "label.neutral": 20, "label.positive": 40}


@pytest.fixture
def recipe(request):
    return load(request.config.rootpath / "recipes/feedback.yaml")


@pytest.fixture
def paths(tmp_path, request):
    """A project with a federated model, its suites copied."""
    root = tmp_path / "project"
    (root / "expectations").mkdir(parents=True)
    for file in (request.config.rootpath / "expectations").glob("*.json"):
        storage.write_bytes(root / "expectations" / file.name, file.read_bytes())
    made = Paths(root, "feedback")
    for name in federated.MODEL:
        storage.write_text(made.federated / name, f"the content of {name}")
    storage.write_json(made.federated / federated.ROUNDS, [])
    leave(made)
    return made


def leave(paths, **changes):
    told = {
        "classes": ["negative", "neutral", "positive"],
        "strategy": "fedavg",
        "partial": "head",
        "rounds": 5,
        "silos": {"acme": {**FACTS, "rounds": 5}},
        "epsilon": None,
        "delta": None,
        "files": {name: storage.sha256_file(paths.federated / name) for name in federated.MODEL},
    }
    storage.write_json(paths.federated / federated.MANIFEST, {**told, **changes})


def test_the_train_stage_takes_a_federated_model_and_trains_where_there_is_none(recipe, paths, tmp_path):
    assert taken(recipe, paths)
    for name in federated.MODEL:
        assert (paths.stage("train") / name).read_text() == f"the content of {name}"
    assert "fedavg of head, 1 silos, 5 rounds" in (paths.stage("train") / "card.md").read_text()
    assert not taken(recipe, Paths(tmp_path / "elsewhere", "feedback"))


def test_a_model_that_was_changed_or_answers_to_other_classes_is_not_taken(recipe, paths):
    (paths.federated / "model.safetensors").write_text("something else")
    with pytest.raises(PromiseError, match="is not what the federation left; run: tidemill federate feedback"):
        taken(recipe, paths)
    leave(paths, classes=["bad", "good"])
    with pytest.raises(PromiseError, match=r"was federated for the classes \['bad', 'good'\]"):
        taken(recipe, paths)


def test_the_fingerprint_of_train_follows_the_federated_model(recipe, paths):
    key = "data/feedback/federated/federation.json"
    before = fingerprint(recipe, paths.root, "train")["files"]
    leave(paths, rounds=6)
    after = fingerprint(recipe, paths.root, "train")["files"]
    assert before[key] != after[key]
    assert key not in fingerprint(recipe, paths.root, "compress")["files"]
    (paths.federated / federated.MANIFEST).unlink()
    assert key not in fingerprint(recipe, paths.root, "train")["files"]


@pytest.mark.parametrize(("epsilon", "passed"), [(7.9, True), (8.1, False), (None, False)])
def test_the_gate_holds_a_federated_model_to_its_epsilon(paths, epsilon, passed):
    leave(paths, epsilon=epsilon, delta=1e-5)
    (check,) = privacy_checks(Gate(max_epsilon=8.0), paths)
    assert (check.name, check.passed) == ("privacy", passed)
    assert "gate.max_epsilon is 8" in check.reason
    assert privacy_checks(Gate(), paths) == []
    assert ("epsilon" in federated_words(paths)) == (epsilon is not None)


def test_a_model_that_was_trained_here_has_no_privacy_check_and_no_words(tmp_path):
    here = Paths(tmp_path, "feedback")
    assert privacy_checks(Gate(max_epsilon=1.0), here) == []
    assert federated_words(here) == {}


def test_the_manifest_and_the_card_tell_who_took_part(recipe, paths):
    from tasks.federate.plan import Plan

    described = Plan(
        recipe="feedback", seed=1, classes=recipe.labels.classes, max_tokens=8, base_model="0" * 64, federate=Federate()
    )
    other = {**FACTS, "label.neutral": 0}
    rounds = [
        Round(1, {"acme": FACTS, "globex": other}, {}, 100, 200, 1.0),
        Round(2, {"acme": FACTS}, {"globex": "went away"}, 100, 100, 2.0),
        Round(2, {"acme": FACTS, "globex": other}, {}, 100, 0, 1.0),
    ]
    told = manifest(described, rounds, "from")
    assert {name: silo["rounds"] for name, silo in told["silos"].items()} == {"acme": 2, "globex": 1}
    assert (told["rounds"], told["bytes_up"], told["epsilon"]) == (2, 300, None)
    page = card(told, rounds)
    assert "| 2 | 1 | 0.7000 | 0.1 | 0.1 | 2.0 | globex went away |" in page
    assert "| acme | 14.3% | 28.6% | 57.1% | 0.119 |" in page
    assert json.loads(json.dumps(told)) == told


def test_the_distance_of_label_shares_is_none_for_equals_and_one_for_strangers():
    assert distance([1, 2, 3], [2, 4, 6]) == 0
    assert distance([5, 0], [0, 9]) == 1


def test_a_promise_against_liars_needs_enough_silos_and_a_federation_needs_keys():
    with pytest.raises(PromiseError, match="krum against 1 poisoned, and min_silos, need 5 silos, and there are 4"):
        require_enough(Federate(aggregation="krum"), ["a", "b", "c", "d"])
    with pytest.raises(PromiseError, match="make keys: tidemill federate certs --silo NAME"):
        require_enough(Federate(), [])


def test_keys_are_made_once_for_the_owner_alone_and_a_new_host_gets_a_certificate(tmp_path):
    files = Certificates(tmp_path)
    made = ensure(files, [], ["acme"])
    assert {path.name for path in made} == {"ca.crt", "ca.key", "server.pem", "server.key", "acme.key", "acme.pub"}
    for private in (files.authority_key, files.server_key, files.silo_key("acme")):
        assert private.stat().st_mode & 0o077 == 0
    assert ensure(files, ["127.0.0.1"], ["acme"]) == []
    again = ensure(files, ["fed.example.org"], ["acme", "globex"])
    assert {path.name for path in again} == {"server.pem", "server.key", "globex.key", "globex.pub"}
    names = x509.load_pem_x509_certificate(files.server.read_bytes()).extensions
    alternatives = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternatives.get_values_for_type(x509.DNSName) == ["localhost", "fed.example.org"]
    ssl.create_default_context(cafile=str(files.authority)).load_cert_chain(files.server, files.server_key)
    assert files.silos() == ["acme", "globex"]


def test_what_is_no_public_key_on_a_nist_curve_is_refused_by_name(tmp_path):
    (tmp_path / "acme.pub").write_text("ssh-dss what")
    with pytest.raises(TidemillError, match="is no OpenSSH public key"):
        public_key(tmp_path / "acme.pub")
    ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN9WaeGfxDZTJRMaJYtwuhPLxx2MqHkj7Pz5n5dc8Zx1"
    (tmp_path / "acme.pub").write_text(ed25519)
    with pytest.raises(TidemillError, match="make one: tidemill federate certs --silo acme"):
        public_key(tmp_path / "acme.pub")
