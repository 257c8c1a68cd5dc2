"""A FASHN checkpoint exported beside another family's, and served by `denoise` as torch computes it."""

import json
from concurrent.futures import Future

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from vitrine_export.command import main
from vitrine_export.exporting.families import open_any
from vitrine_export.nets.fashn import FashnConfig, FashnNet
from vitrine_orchestrator.adapters.denoise import open_front
from vitrine_orchestrator.fashn.canvas import as_tensor
from vitrine_orchestrator.fashn.facts import FAMILY
from vitrine_orchestrator.fashn.schedule import times
from vitrine_orchestrator.manifest import manifest_text, read_manifest, read_releases
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages import stages_of

HEIGHT, WIDTH = 36, 24
SIZES = FashnConfig(
    height=HEIGHT, width=WIDTH, hidden=32, heads=2, axes=(4, 6, 6), mixers=1, double_blocks=1, single_blocks=2
)
OTHER = {"facts": {}, "digest": "0", "exporter": "0", "files": {"denoise/1/unet.onnx": "0"}}
WAIT_S = 60


@pytest.fixture(scope="module")
def net():
    """A small network whose weights are all random."""
    torch.manual_seed(0)
    made = FashnNet(SIZES).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


@pytest.fixture(scope="module")
def checkpoint(net, tmp_path_factory):
    """A checkpoint folder with this network, without pose networks."""
    folder = tmp_path_factory.mktemp("fashn")
    save_file(
        {name: tensor.contiguous() for name, tensor in net.state_dict().items()}, folder / "model.safetensors"
    )
    said = {"picture": {"width": WIDTH, "height": HEIGHT}, "heads": 2, "axes": [4, 6, 6], "default_steps": 3}
    (folder / "vitrine.json").write_text(json.dumps(said))
    return folder


@pytest.fixture(scope="module")
def repository(checkpoint, tmp_path_factory):
    """A repository with another family's manifests, into which the denoiser's graphs were exported."""
    out = tmp_path_factory.mktemp("repository")
    for row in stages_of("idm_vton"):
        if row.needs_manifest:
            folder = out / row.name / "1"
            folder.mkdir(parents=True)
            (folder / "manifest.json").write_text(manifest_text({"idm_vton": OTHER}))
    words = ["onnx", "--checkpoint", str(checkpoint), "--out", str(out), "--stages", "denoise", "--jobs", "1"]
    assert main(words) == 0
    return out


@pytest.fixture(scope="module")
def front(repository):
    """The denoise model of the exported folder."""
    folder = repository / "denoise" / "1"
    manifest = read_manifest(folder, FAMILY)
    made = open_front(folder, {FAMILY: manifest}, Settings(denoise_threads=2))
    yield made
    made.close()


def job(seed, steps=3, guidance=1.5, category=b"upper_body"):
    """The arrays of a job whose pictures depend on the seed."""
    draw = np.random.default_rng(seed)
    shapes = {"person": (HEIGHT, WIDTH, 3), "garment": (HEIGHT, WIDTH, 3)}
    shapes |= {"person_pose": (HEIGHT, WIDTH), "garment_pose": (HEIGHT, WIDTH)}
    pictures = {
        f"{name}_picture": draw.integers(0, 256, shape, dtype=np.uint8) for name, shape in shapes.items()
    }
    return pictures | {
        "category": np.array([category], object),
        "seed": np.array([seed], np.uint64),
        "steps": np.array([steps], np.int32),
        "guidance": np.array([guidance], np.float32),
    }


@torch.no_grad()
def by_torch(net, given):
    """The state of a job by the published sampler: the whole network for both branches in every step."""
    steps, guidance = int(given["steps"][0]), float(given["guidance"][0])
    names = ("person", "person_pose", "garment", "garment_pose")
    pictures = [torch.from_numpy(as_tensor(given[f"{name}_picture"]))[None] for name in names]
    category = 1 + (b"upper_body", b"lower_body", b"dresses").index(given["category"][0])
    state = torch.from_numpy(initial_noise(int(given["seed"][0]), (3, HEIGHT, WIDTH)))[None]
    at = times(steps)
    for step in range(steps):
        now = torch.tensor([at[step]], dtype=torch.float32)
        with_all = net(state, now, *pictures, torch.tensor([category]))
        none = net(state, now, *(torch.zeros_like(one) for one in pictures), torch.tensor([0]))
        amount = guidance if step < steps - 1 else 1.0
        state = state + float(at[step + 1] - at[step]) * (none + amount * (with_all - none))
    return state[0].numpy()


def ask(front, given):
    """Send one job; its answer is a future."""
    answer = Future()
    front.handle(given, answer.set_result)
    return answer


def test_an_export_leaves_the_other_familys_entry(repository):
    """One manifest has both; models that do not serve the family have no entry of it."""
    for row in stages_of(FAMILY):
        if row.needs_manifest:
            assert read_releases(repository / row.name / "1").keys() == {"idm_vton", FAMILY}
            assert read_releases(repository / row.name / "1")["idm_vton"] == OTHER
    files = read_manifest(repository / "denoise" / "1", FAMILY).files
    assert {path.split("/")[-1] for path in files} == {
        "fashn_fixed_tokens.onnx",
        "fashn_modulations.onnx",
        "fashn_step.onnx",
    }
    assert not list((repository / "vae_decoder").glob("*"))


def test_a_second_export_does_nothing(repository, checkpoint, capsys):
    """The family's own part is compared, whatever else the repository holds."""
    words = ["onnx", "--checkpoint", str(checkpoint), "--out", str(repository), "--stages", "denoise"]
    assert main(words) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_the_family_is_recognised_by_the_folder(checkpoint):
    """Sizes come from the weights and from vitrine.json; the digest from both."""
    found = open_any(checkpoint)
    assert found.family == FAMILY
    assert [name for name, _ in found.files()] == ["model.safetensors", "vitrine.json"]


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_a_served_job_equals_the_published_sampler(front, net, guidance):
    """All exact savings together: tokens once, modulations in a table, a trimmed block, fewer rows."""
    given = job(1, steps=4, guidance=guidance)
    np.testing.assert_allclose(ask(front, given).result(WAIT_S)["latents"], by_torch(net, given), atol=1e-4)


def test_served_jobs_in_flight_equal_jobs_alone(front, net):
    """Jobs of other lengths, categories and guidance share the calls of the real engine."""
    words = (b"upper_body", b"lower_body", b"dresses")
    asked = [job(10 + i, 2 + i % 3, 1 + i % 2, words[i % 3]) for i in range(6)]
    answers = [ask(front, given) for given in asked]
    for given, answer in zip(asked, answers, strict=True):
        np.testing.assert_allclose(answer.result(WAIT_S)["latents"], by_torch(net, given), atol=1e-4)
