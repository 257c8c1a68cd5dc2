"""Bad checkpoints: the error of each names the file, the rule and the value."""

import json
import os
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.errors import BadCheckpoint

WEIGHTS = "diffusion_pytorch_model.safetensors"


def change_config(folder, part, **values):
    path = folder / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_weights(folder, part, change):
    path = folder / part / WEIGHTS
    state = load_file(path)
    change(state)
    save_file(state, path)


def test_a_folder_that_is_not_there(tmp_path):
    """The error names the folder."""
    with pytest.raises(BadCheckpoint, match=r"there is no folder .*nowhere"):
        open_checkpoint(tmp_path / "nowhere")


def test_missing_parts(own_checkpoint):
    """One error names all missing folders."""
    shutil.rmtree(own_checkpoint / "unet")
    shutil.rmtree(own_checkpoint / "vae")
    with pytest.raises(BadCheckpoint, match=r"has no folder unet/, vae/$"):
        open_checkpoint(own_checkpoint)


def test_no_weights_in_a_folder(own_checkpoint):
    """The error lists the names that a weight file may have."""
    (own_checkpoint / "vae" / WEIGHTS).unlink()
    with pytest.raises(
        BadCheckpoint, match=r"vae/ has no weights: none of diffusion_pytorch_model\.safetensors"
    ):
        open_checkpoint(own_checkpoint).vae()


def test_no_config(own_checkpoint):
    """A network without its config is refused."""
    (own_checkpoint / "unet" / "config.json").unlink()
    with pytest.raises(BadCheckpoint, match=r"unet/config\.json is missing"):
        open_checkpoint(own_checkpoint)


def test_a_broken_config(own_checkpoint):
    """The error names the file that is no JSON."""
    (own_checkpoint / "unet" / "config.json").write_text("{")
    with pytest.raises(BadCheckpoint, match=r"unet/config\.json cannot be read as JSON"):
        open_checkpoint(own_checkpoint)


@pytest.mark.parametrize("kept", [4, 100, -1])
def test_truncated_safetensors(own_checkpoint, kept):
    """A file cut in its header or its data is reported as truncated, not as a wrong file."""
    path = own_checkpoint / "unet" / WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        BadCheckpoint, match=rf"unet/{WEIGHTS} is damaged or cut short \(\d+ bytes\); fetch it"
    ):
        open_checkpoint(own_checkpoint).tryon()


@pytest.mark.parametrize("share", [0.3, 0.99])
def test_a_truncated_bin(own_checkpoint, share):
    """A truncated .bin file is reported as truncated."""
    path = own_checkpoint / "unet" / WEIGHTS
    binary = path.with_name("diffusion_pytorch_model.bin")
    torch.save(load_file(path), binary)
    path.unlink()
    whole = binary.read_bytes()
    binary.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BadCheckpoint, match=r"unet/diffusion_pytorch_model\.bin .*cut short.*fetch it again"):
        open_checkpoint(own_checkpoint).tryon()


class Attack:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("run-by-a-pickle",)


@pytest.mark.parametrize(
    "write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))]
)
def test_pickled_code_in_a_bin(own_checkpoint, monkeypatch, tmp_path, write):
    """Code in a weight file is named and never run."""
    monkeypatch.chdir(tmp_path)
    (own_checkpoint / "unet" / WEIGHTS).unlink()
    write({"weight": Attack()}, own_checkpoint / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(
        BadCheckpoint, match=r"unet/diffusion_pytorch_model\.bin holds pickled code \(\S*mkdir"
    ):
        open_checkpoint(own_checkpoint).tryon()
    assert not (tmp_path / "run-by-a-pickle").exists()


def test_a_bin_of_something_else(own_checkpoint):
    """A pickle of plain values instead of tensors is refused."""
    (own_checkpoint / "unet" / WEIGHTS).unlink()
    torch.save({"step": 3}, own_checkpoint / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(BadCheckpoint, match="must hold a dict of tensors by name"):
        open_checkpoint(own_checkpoint).tryon()


def test_a_missing_shard(own_checkpoint):
    """The error names the index and the missing shard."""
    path = own_checkpoint / "vae" / WEIGHTS
    path.rename(path.with_name("part-1.safetensors"))
    index = {"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}}
    path.with_name(f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    with pytest.raises(
        BadCheckpoint, match=rf"vae/{WEIGHTS}\.index\.json names part-2\.safetensors, which is not"
    ):
        open_checkpoint(own_checkpoint).vae()


@pytest.mark.parametrize(
    ("part", "channels", "message"),
    [
        ("unet", 9, r"unet/config\.json: in_channels must be 13, got 9"),
        ("unet_encoder", 13, r"unet_encoder/config\.json: in_channels must be 4, got 13"),
    ],
)
def test_a_config_with_the_wrong_channels(own_checkpoint, part, channels, message):
    """An inpainting UNet of 9 channels is no TryonNet."""
    change_config(own_checkpoint, part, in_channels=channels)
    with pytest.raises(BadCheckpoint, match=message):
        open_checkpoint(own_checkpoint).verify([part])


def test_weights_with_the_wrong_channels(own_checkpoint):
    """The error has both shapes."""
    change_weights(
        own_checkpoint, "unet", lambda state: state.update({"conv_in.weight": torch.zeros(8, 9, 3, 3)})
    )
    with pytest.raises(
        BadCheckpoint,
        match=rf"unet/{WEIGHTS} does not fit .*conv_in\.weight \(8, 9, 3, 3\) instead of \(8, 13, 3, 3\)",
    ):
        open_checkpoint(own_checkpoint).tryon()


def test_missing_and_unknown_keys(own_checkpoint):
    """The error counts missing and unknown keys and names the first of each."""

    def change(state):
        del state["conv_out.weight"]
        state["lora.down"] = torch.zeros(1)

    change_weights(own_checkpoint, "unet", change)
    with pytest.raises(
        BadCheckpoint, match=r"1 keys missing \(conv_out\.weight\); 1 keys unknown \(lora\.down\)"
    ):
        open_checkpoint(own_checkpoint).tryon()


def test_an_unet_without_image_tokens(own_checkpoint):
    """A plain SDXL inpainting UNet is refused by the keys of its missing image projection."""

    def change(state):
        for name in [name for name in state if "encoder_hid_proj" in name or "_ip." in name]:
            del state[name]

    change_weights(own_checkpoint, "unet", change)
    with pytest.raises(BadCheckpoint, match=r"keys missing \(.*processor\.to_k_ip"):
        open_checkpoint(own_checkpoint).tryon()


def test_another_architecture(own_checkpoint):
    """A config that the nets cannot compute is refused by its key and value."""
    change_config(own_checkpoint, "unet", class_embed_type="timestep")
    with pytest.raises(BadCheckpoint, match=r"unet: .*class_embed_type must be one of .* got 'timestep'"):
        open_checkpoint(own_checkpoint).verify(["unet"])


def test_parts_that_do_not_belong_together(own_checkpoint):
    """Text encoders of another width are refused before anything is loaded."""
    change_config(own_checkpoint, "text_encoder", hidden_size=768)
    with pytest.raises(BadCheckpoint, match=r"cross_attention_dim must be 768 \+ 8, .*, got 16"):
        open_checkpoint(own_checkpoint)


def test_densepose_in_detectron2s_form(own_checkpoint):
    """The error says what the released file is and what is needed instead."""
    (own_checkpoint / "densepose" / "densepose.onnx").rename(own_checkpoint / "densepose" / "model.pkl")
    with pytest.raises(BadCheckpoint, match=r"needs an ONNX or TorchScript file .* has model\.pkl"):
        open_checkpoint(own_checkpoint).densepose()


@pytest.mark.parametrize("width", [100, "768", 0])
def test_a_picture_size_that_cannot_be(own_checkpoint, width):
    """A picture's sides must be multiples of 8."""
    (own_checkpoint / "vitrine.json").write_text(json.dumps({"picture": {"width": width}}))
    with pytest.raises(
        BadCheckpoint, match=rf"picture\.width must be a multiple of 8 from 64 to 4096, got {width!r}"
    ):
        _ = open_checkpoint(own_checkpoint).settings
