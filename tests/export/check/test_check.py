"""The command `vitrine-export check` reports whole, broken and foreign folders, and sets its exit code."""

import json

import pytest
from safetensors.torch import save_file
from vitrine_export.check.needs import free_memory, needs
from vitrine_export.command import main
from vitrine_export.nets.fashn import FashnConfig, FashnNet

STEM = "diffusion_pytorch_model"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n"


@pytest.fixture
def checked(capsys):
    """Run the command; returns its exit code and the JSON that it prints."""

    def run(folder, *options):
        code = main(["check", "--checkpoint", str(folder), "--json", *options])
        return code, json.loads(capsys.readouterr().out)

    return run


def write_config(path, **values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def test_a_whole_checkpoint_can_be_exported(checked, tiny_checkpoint):
    """The report has parts with their precision, what they need, and the export as the next command."""
    code, report = checked(tiny_checkpoint)
    assert (code, report["ok"], report["problems"]) == (0, True, [])
    assert {part["name"]: part["precision"] for part in report["parts"]}["unet"] == "fp32"
    assert {need["what"] for need in report["needs"]} >= {"memory to export", "GPU memory to serve"}
    assert report["next"].startswith(f"vitrine-export onnx --checkpoint {tiny_checkpoint}")


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        (
            "vitrine.json",
            {"picture": {"width": 72, "height": 96}},
            "picture.width must be a multiple of 32",
        ),
        (
            "vitrine.json",
            {"picture": {"width": 64, "height": 1568}},
            "picture.height must be a multiple of 32",
        ),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 2}, "steps must be 1 to 2"),
        (
            "scheduler/scheduler_config.json",
            {"beta_end": 1.5},
            "beta_end must be more than 0 and less",
        ),
        ("scheduler/scheduler_config.json", {"steps_offset": 5000}, "past the last training timestep"),
        (
            "vae/config.json",
            {"scaling_factor": -1.0},
            "scaling_factor must be a finite number",
        ),
    ],
)
def test_a_setting_with_which_nothing_can_be_served_is_a_problem(checked, own_checkpoint, file, values, said):
    """By the rules that the server has, so no request is the first to find it."""
    path = own_checkpoint / file
    given = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(given | values))
    code, report = checked(own_checkpoint)
    assert code == 1
    assert any(said in problem for problem in report["problems"]), report["problems"]


def test_every_problem_is_listed_at_once(checked, own_checkpoint):
    """One run finds a pointer, a missing folder, a missing file and a wrong shape."""
    (own_checkpoint / "vae" / f"{STEM}.safetensors").write_text(POINTER)
    (own_checkpoint / "tokenizer" / "merges.txt").unlink()
    (own_checkpoint / "humanparsing" / "parsing_atr.onnx").write_text("<html>")
    (own_checkpoint / "text_encoder").rename(own_checkpoint / "text_encoder_3")
    code, report = checked(own_checkpoint)
    told = "\n".join(report["problems"])
    assert code == 1
    assert len(report["problems"]) == 4
    for words in ("text_encoder/ is missing", "git-lfs pointer", "merges.txt is missing", "is a web page"):
        assert words in told
    assert "vitrine-export check" in report["next"]


def test_unused_weights_are_named(checked, own_checkpoint):
    """Weights that nothing reads are named; a readme is not counted as one."""
    (own_checkpoint / "vae" / "diffusion_flax_model.msgpack").write_bytes(b"x")
    (own_checkpoint / "vae" / "README.md").write_text("x")
    code, report = checked(own_checkpoint)
    assert code == 0
    assert [name.split(" ")[0] for name in report["unused"]] == ["vae/diffusion_flax_model.msgpack"]


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"unet": {"in_channels": 9, "cross_attention_dim": 2048}}, "an SDXL inpainting pipeline"),
        ({"unet": {"in_channels": 4, "cross_attention_dim": 2048}}, "an SDXL pipeline"),
        ({"unet": {"in_channels": 4, "cross_attention_dim": 768}}, "a Stable Diffusion 1.x pipeline"),
        ({"transformer": {"_class_name": "SD3Transformer2DModel"}}, "a Stable Diffusion 3 pipeline"),
        ({"unet": {"in_channels": 13, "cross_attention_dim": 2048}}, "the UNet of IDM-VTON alone"),
    ],
)
def test_another_pipeline_is_named(checked, tmp_path, files, kind):
    """A folder of another model gives one problem, with the reason."""
    for part, config in files.items():
        write_config(tmp_path / part / "config.json", **config)
    if kind != "the UNet of IDM-VTON alone":
        write_config(tmp_path / "vae" / "config.json")
    code, report = checked(tmp_path)
    assert code == 1
    assert len(report["problems"]) == 1
    assert f"this is {kind}" in report["problems"][0]


def test_a_pipeline_of_unknown_kind_is_named_by_its_class(checked, tmp_path):
    """The report names the class in model_index.json where no row knows it."""
    write_config(tmp_path / "model_index.json", _class_name="KolorsPipeline")
    assert "a KolorsPipeline" in checked(tmp_path)[1]["problems"][0]


def test_people_read_lines(capsys, tiny_checkpoint):
    """Without --json there is a line for each part and need, the verdict and the next command."""
    assert main(["check", "--checkpoint", str(tiny_checkpoint)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("IDM-VTON layout")
    assert "can be exported" in printed
    assert printed[-1].startswith("next: vitrine-export onnx")


def test_needs_of_the_released_size(tmp_path):
    """The released networks in fp16 need 14.2 GB of files and the measured 12 GiB of memory to export."""
    released = {"unet": 2_991_200_000, "unet_encoder": 2_567_500_000, "others": 1_533_700_000}
    found = {(need.what, need.precision): need for need in needs(released, 768 * 1024, tmp_path)}
    assert found["disk for the exported networks", "fp16"].needed == pytest.approx(14.2e9, rel=0.01)
    assert found["memory to export", "fp16"].needed == pytest.approx(13.9 * 2**30, rel=0.05)


def test_a_containers_limit_counts(tmp_path):
    """A container's limit counts where it is less than the machine's free memory."""
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable: 2000 kB\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    assert free_memory(tmp_path, tmp_path) == 600_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path, tmp_path) == 2000 * 1024


def test_a_missing_shard_is_one_problem(checked, own_checkpoint):
    """The index and the shard are named; the shards that are there are not called unused."""
    path = own_checkpoint / "unet_encoder" / f"{STEM}.safetensors"
    shards = [f"{STEM}-0000{number}-of-00002.safetensors" for number in (1, 2)]
    path.rename(path.with_name(shards[0]))
    index = {"weight_map": {"a": shards[0], "b": shards[1]}}
    path.with_name(f"{STEM}.safetensors.index.json").write_text(json.dumps(index))
    code, report = checked(own_checkpoint)
    assert (code, report["unused"], report["needs"]) == (1, [], [])
    assert [f"names {shards[1]}, which is not next to it" in told for told in report["problems"]] == [True]


@pytest.mark.parametrize(("inside", "message"), [("", "is a hub's cache"), ("nowhere", "there is no folder")])
def test_a_folder_that_is_none_is_a_problem(checked, tmp_path, inside, message):
    """A path that is no folder is a problem, as JSON too with --json."""
    (tmp_path / "snapshots" / "0123abcd").mkdir(parents=True)
    code, report = checked(tmp_path / inside)
    assert code == 1
    assert message in report["problems"][0]


def test_a_fashn_checkpoint_is_recognised_and_told_what_it_lacks(checked, tmp_path):
    """The network's header is compared, and the files of the networks that find people are asked for."""
    net = FashnNet(FashnConfig(36, 24, 32, 2, 1, 2, 1, axes=(4, 6, 6)))
    save_file(
        {name: tensor.contiguous() for name, tensor in net.state_dict().items()},
        tmp_path / "model.safetensors",
    )
    write_config(tmp_path / "vitrine.json", picture={"width": 24, "height": 36}, heads=2, axes=[4, 6, 6])
    code, report = checked(tmp_path)
    assert code == 1
    assert report["kind"]["name"] == "FASHN VTON"
    assert [part["precision"] for part in report["parts"]] == ["fp32"]
    assert len(report["problems"]) == 2
    assert all("dwpose/" in problem for problem in report["problems"])
