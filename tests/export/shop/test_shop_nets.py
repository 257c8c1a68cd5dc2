"""The shop's networks have the shapes that are promised, learn from the drawn world, and travel in files."""

import numpy as np
import onnxruntime
import pytest
import torch
from vitrine_export.errors import BadCheckpoint
from vitrine_export.shop_nets import HEADS, Checker, U2Net
from vitrine_export.shop_nets.u2net import RELEASED, RELEASED_SMALL, SHOP, Dilating, Pooling, parameters
from vitrine_export.training.shop import checkers, cut_out, recipe, save
from vitrine_export.training.shop.pictures import LIGHTS, picture_set, signed, style_of
from vitrine_world import shop


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the small set is kept."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def data(folder):
    """Twelve drawings."""
    return picture_set(folder, 12)


@pytest.mark.parametrize(("widths", "count"), [(RELEASED, 44_009_869), (RELEASED_SMALL, 1_131_181)])
def test_u2net_at_released_widths_has_the_released_count(widths, count):
    """The released files of 176.3 MB and 4.7 MB hold that many float32 weights."""
    with torch.device("meta"):
        assert parameters(U2Net(widths)) == count


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (65, 33)])
def test_u2net_answers_at_every_level_in_the_pictures_size(size):
    """Seven alphas between 0 and 1, the fused one first, for even and odd sizes."""
    torch.manual_seed(0)
    answers = U2Net().eval()(torch.randn(2, 3, *size))
    assert len(answers) == 7
    assert all(answer.shape == (2, 1, *size) for answer in answers)
    assert all(answer.min() >= 0.0 and answer.max() <= 1.0 for answer in answers)


@pytest.mark.parametrize(
    "block", [Pooling(4, 3, 5, 7), Dilating(3, 5, 7)], ids=lambda one: type(one).__name__
)
def test_a_small_u_adds_its_own_first_layer(block):
    """With every later layer silent, what is left is the first layer: the residual of the paper."""
    block = block.eval()
    for layer in (*block.down, *block.up):
        torch.nn.init.zeros_(layer.norm.weight)
    seen = torch.randn(1, 3, 32, 32)
    assert torch.equal(block(seen), block.first(seen))


def test_every_weight_of_u2net_learns():
    """One step reaches every layer through the seven answers."""
    torch.manual_seed(0)
    net = U2Net()
    sum(answer.mean() for answer in net.logits(torch.randn(2, 3, 64, 64))).backward()
    assert not [name for name, weight in net.named_parameters() if weight.grad is None]


def test_a_checker_reads_a_name_at_every_head():
    """Any size of picture gives one of the world's names for each head."""
    torch.manual_seed(0)
    for side in (128, 96, 256):
        (read,) = Checker().eval().read(torch.rand(1, 3, side, side) * 2 - 1)
        assert read.keys() == HEADS.keys()
        assert all(read[name] in names for name, names in HEADS.items())


def test_the_set_is_drawn_once(data, folder, monkeypatch):
    """A second call reads the file, and rows are the samples in their styles."""
    monkeypatch.setattr(shop, "draw", None)
    again = picture_set(folder, 12)
    assert np.array_equal(again.pictures, data.pictures)
    monkeypatch.undo()
    made = shop.sample(recipe.SEED, 7)
    drawn = shop.draw(made, style=style_of(7))
    assert np.array_equal(data.pictures[7], drawn.picture)
    assert np.array_equal(data.alphas[7], drawn.alpha)
    assert HEADS["kind"][data.labels["kind"][7]] == made.facts.kind
    assert HEADS["style"][data.labels["style"][7]] == style_of(7)


def test_a_batch_is_the_same_for_the_same_step(data):
    """A resumed run sees what an undisturbed one would have seen."""
    first, again = data.batch(5, 8), data.batch(5, 8)
    assert torch.equal(first.pictures, again.pictures)
    assert not torch.equal(first.pictures, data.batch(6, 8).pictures)
    assert torch.equal(checkers.worn(first.pictures, 5), checkers.worn(again.pictures, 5))


def test_a_mirrored_picture_has_its_light_on_the_other_side(data):
    """Each row of a batch is a row of the set, as drawn or mirrored with alpha and light."""
    whole = signed(np.asarray(data.pictures))
    batch = data.batch(1, 16)
    mirrored = 0
    for row, picture in enumerate(batch.pictures):
        straight = (whole - picture).abs().amax(dim=(1, 2, 3))
        flipped = (whole - picture.flip(-1)).abs().amax(dim=(1, 2, 3))
        turned = bool(flipped.min() < straight.min())
        index = int((flipped if turned else straight).argmin())
        mirrored += turned
        light = int(data.labels["light"][index])
        assert int(batch.labels["light"][row]) == (len(LIGHTS) - 1 - light if turned else light)
        alpha = torch.from_numpy(data.alphas[index].copy()) / 255.0
        assert torch.equal(batch.alphas[row, 0], alpha.flip(-1) if turned else alpha)
    assert 0 < mirrored < 16


@pytest.mark.parametrize(
    ("train", "phase"),
    [(checkers.train_checker, "shop_checkers"), (cut_out.train_cut_out, "shop_cut_out")],
)
def test_a_phase_learns_and_keeps_its_state(train, phase, data, tmp_path, monkeypatch):
    """A few steps change the network and leave a state file to resume from."""
    module = {"shop_checkers": checkers, "shop_cut_out": cut_out}[phase]
    plan = recipe.Plan(steps=2, batch=4, lr=1e-3)
    monkeypatch.setattr(module, "picture_set", lambda folder: data)
    monkeypatch.setattr(module, "PLANS", dict.fromkeys(recipe.PLANS, plan))
    net = train(tmp_path)
    assert (tmp_path / f"{phase}.state").exists()
    torch.manual_seed(0)
    fresh = type(net)()
    assert any(
        not torch.equal(one, two) for one, two in zip(net.parameters(), fresh.parameters(), strict=True)
    )


def test_a_checker_is_read_back_as_it_was_written(tmp_path):
    """Weights go through float16 and come back to the same answers, nearly."""
    torch.manual_seed(0)
    net, picture = Checker().eval(), torch.rand(1, 3, 128, 128)
    save.save_checker(net, tmp_path)
    again = save.open_checker(tmp_path)(picture)
    for name, logits in net(picture).items():
        assert torch.allclose(again[name], logits, atol=2e-2)


def test_a_folder_without_a_checker_is_refused(tmp_path):
    """The error names the file and the command that makes it."""
    with pytest.raises(BadCheckpoint, match="must hold the checker; vitrine-export train --stages shop_chec"):
        save.open_checker(tmp_path)


def test_the_shops_widths_are_small():
    """Both networks stay below a megabyte in their files."""
    assert 4 * parameters(U2Net(SHOP)) < 900_000
    assert 2 * parameters(Checker()) < 900_000


class Short(torch.nn.Module):
    """Answers like U²-Net, by one convolution: the export of the whole net takes half a minute."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, picture):
        """Two alphas, of which the first counts."""
        answers = torch.sigmoid(self.conv(picture))
        return answers[:, :1], answers[:, 1:]


def test_the_cut_outs_file_computes_what_torch_does(tmp_path):
    """The ONNX file takes any batch and answers with the first alpha alone."""
    torch.manual_seed(0)
    net = Short().eval()
    save.save_cut_out(net, tmp_path)
    path = save.cut_out_file(tmp_path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for rows in (1, 3):
        seen = torch.randn(rows, 3, 128, 128)
        (found,) = session.run(None, {"input.1": seen.numpy()})
        with torch.no_grad():
            assert np.abs(found - net(seen)[0].numpy()).max() < 1e-5
