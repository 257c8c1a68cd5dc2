"""The command `vitrine-export plan` without a GPU: shape ranges, names, messages, calls to TensorRT."""

from types import SimpleNamespace

import onnx
import pytest
from onnx import TensorProto, helper
from vitrine.errors import Unavailable
from vitrine_export.command import main
from vitrine_export.errors import ExportFailed
from vitrine_export.exporting import plan, plan_command
from vitrine_export.exporting.families import recipe
from vitrine_export.exporting.plan import Range


class FakeTensorRT:
    """A stand-in for TensorRT: it records the profile's shapes and returns engines of one byte."""

    __version__ = "11.4.0"
    Logger = SimpleNamespace(WARNING=2)

    def __init__(self, readable: bool = True, buildable: bool = True) -> None:
        self.readable, self.buildable, self.shapes = readable, buildable, {}
        self.Logger = lambda level: level
        self.Logger.WARNING = 2

    def Builder(self, logger):
        return SimpleNamespace(
            create_network=lambda: "network",
            create_builder_config=lambda: SimpleNamespace(add_optimization_profile=lambda profile: None),
            create_optimization_profile=lambda: SimpleNamespace(set_shape=self.set_shape),
            build_serialized_network=lambda network, config: b"e" if self.buildable else None,
        )

    def set_shape(self, name, min, opt, max):
        self.shapes[name] = (min, opt, max)

    def OnnxParser(self, network, logger):
        return SimpleNamespace(
            parse_from_file=lambda path: self.readable,
            num_errors=1,
            get_error=lambda index: SimpleNamespace(desc=lambda: "no such operator"),
        )


def write_graph(path, **inputs):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in inputs.items()]
    graph = helper.make_graph([], "g", values, [])
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.fixture
def repository(tmp_path):
    """Two graphs: the VAE's decoder and a denoising step."""
    sides = ["latent_height", "latent_width"]
    write_graph(tmp_path / "vae_decoder/1/model.onnx", latents=["batch", 4, *sides])
    write_graph(
        tmp_path / "denoise/1/unet.onnx",
        latents=["batch", 4, *sides],
        garment_kv_0=["batch", "tokens_of_4", 8],
    )
    return tmp_path


@pytest.fixture
def gpu(monkeypatch):
    """A machine with an H200 and TensorRT."""
    fake = FakeTensorRT()
    monkeypatch.setattr(plan, "tensorrt", lambda: fake)
    monkeypatch.setattr(plan, "gpu_name", lambda: "NVIDIA_H200")
    return fake


def graph(stage, path):
    """An exported file of IDM-VTON."""
    return plan.Graph("idm_vton", recipe("idm_vton", stage), path)


def test_ranges_come_from_the_stage_table(repository):
    """Batches go from 1 to the stage's most, sizes from least to most with the released size as optimum."""
    found = plan.ranges(graph("vae_decoder", repository / "vae_decoder/1/model.onnx"))
    assert found == {"latents": Range((1, 4, 8, 8), (1, 4, 128, 96), (4, 4, 192, 192))}


def test_garment_tokens_go_with_the_latents(repository):
    """The axis tokens_of_4 has a quarter of the latents' area."""
    found = plan.ranges(graph("denoise", repository / "denoise/1/unet.onnx"))
    assert found["garment_kv_0"] == Range(
        (1, 16, 8), (1, 3072, 8), (recipe("idm_vton", "denoise").engine_rows, 9216, 8)
    )


def test_an_axis_without_a_range_is_reported(tmp_path):
    """An axis that the table does not know is reported by name."""
    path = write_graph(tmp_path / "model.onnx", latents=["batch", 4, "s77", 8])
    with pytest.raises(ExportFailed, match="axis s77 has no range in the stage table"):
        plan.ranges(graph("vae_decoder", path))


def test_engines_carry_gpu_and_version_in_their_names(repository, gpu, tmp_path):
    """Engines are next to their graphs, and TensorRT got the profile's shapes."""
    assert main(["plan", "--repository", str(repository)]) == 0
    engines = sorted(path.relative_to(repository).as_posix() for path in repository.rglob("*.plan"))
    assert engines == [
        "denoise/1/unet.NVIDIA_H200.trt11.4.0.plan",
        "vae_decoder/1/model.NVIDIA_H200.trt11.4.0.plan",
    ]
    assert gpu.shapes["garment_kv_0"][1] == (1, 3072, 8)


def test_engines_can_go_elsewhere_and_are_not_built_twice(repository, gpu, tmp_path):
    """With `--out` the folders are the same; an engine newer than its graph is kept."""
    words = [
        "plan",
        "--repository",
        str(repository),
        "--out",
        str(tmp_path / "engines"),
        "--stages",
        "vae_decoder",
    ]
    assert main(words) == 0
    (engine,) = (tmp_path / "engines").rglob("*.plan")
    engine.write_bytes(b"kept")
    assert main(words) == 0
    assert engine.read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("trt", "message"),
    [
        (FakeTensorRT(readable=False), "model.onnx: TensorRT cannot read it: no such operator"),
        (FakeTensorRT(buildable=False), "model.onnx: TensorRT built no engine"),
    ],
)
def test_a_graph_that_tensorrt_refuses_leaves_no_engine(repository, trt, message):
    """The error has TensorRT's own words."""
    source, target = repository / "vae_decoder/1/model.onnx", repository / "x.plan"
    with pytest.raises(ExportFailed, match=message):
        plan.build(trt, source, plan.ranges(graph("vae_decoder", source)), target)
    assert not target.exists()


def test_without_tensorrt_the_command_says_what_to_do(repository, monkeypatch, capsys):
    """The command prints one sentence and ends with exit code 1."""
    monkeypatch.setitem(plan.importlib.sys.modules, "tensorrt", None)
    assert main(["plan", "--repository", str(repository)]) == 1
    said = capsys.readouterr().err
    assert said == (
        "vitrine-export plan: unavailable: TensorRT is not installed: run this where the GPU is, after "
        "pip install 'vitrine[gpu]'\n"
    )


def test_an_older_tensorrt_is_refused(monkeypatch):
    """TensorRT 10 is refused, since it would build weakly typed networks."""
    monkeypatch.setitem(plan.importlib.sys.modules, "tensorrt", SimpleNamespace(__version__="10.13.2"))
    with pytest.raises(Unavailable, match=r"TensorRT must be 11 or newer, got 10\.13\.2"):
        plan.tensorrt()


def test_without_a_gpu_the_command_says_so(monkeypatch):
    """Without a GPU the command fails, since engines are built on the GPU that runs them."""
    monkeypatch.setattr(plan.shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match="no NVIDIA GPU answers nvidia-smi"):
        plan.gpu_name()


def test_a_repository_without_graphs(tmp_path, gpu):
    """The error names the command to run first."""
    assert plan_command.run is not None
    with pytest.raises(ExportFailed, match="has no ONNX file of these stages"):
        plan_command.run(SimpleNamespace(repository=tmp_path, out=None, stages=["vae_decoder"]))
