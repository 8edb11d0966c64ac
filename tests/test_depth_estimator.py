"""The estimator with tiny networks on the real ONNX Runtime; with fakes only where a GPU would be needed."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_networks import FakeSession, save_network
from numpy.typing import NDArray
from onnx import TensorProto

from depthflow.depth import estimator, providers
from depthflow.depth.estimator import Estimator, close_estimators, estimate, get_estimator
from depthflow.depth.registry import InputRule, ModelInfo, OutputRule, find_model
from depthflow.errors import DepthError, RuntimeMissingError, UnknownNameError, UsageError

PLAIN = InputRule(mean=(0, 0, 0), std=(1, 1, 1), size=64, min_size=32, max_size=128)
RAMP = np.repeat(np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))[:, :, None], 3, axis=2)
"""48x64: red rises from left to right; green and blue too."""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("DEPTHFLOW_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path / "cache"))
    yield
    close_estimators()


def model(file: Path, **parts: Any) -> ModelInfo:
    return ModelInfo(name="tiny", file=str(file), verified=True, **({"input": PLAIN} | parts))


class TestNumbers:
    def test_disparity(self, tmp_path: Path) -> None:
        result = Estimator(model(save_network(tmp_path / "m.onnx", gain=3, shift=-7)), "cpu").estimate(RAMP)
        assert result.depth.shape == (64, 64)  # 48 rows are one and a half times 32
        assert (result.depth.dtype, result.model, result.provider, result.notes) == (np.float32, "tiny", "cpu", ())
        want = np.clip((np.arange(64) - 0.0) / 63, 0, 1)
        np.testing.assert_allclose(result.depth[5], want, atol=0.02)
        assert result.seconds > 0

    @pytest.mark.parametrize(("meaning", "unit"), [("metres", 1.0), ("centimetres", 100.0), ("depth", 1.0)])
    def test_distances(self, tmp_path: Path, meaning: str, unit: float) -> None:
        # Red of 0..252 becomes a distance of 4..1 units, so depth is linear in 1 / (4 - 3 red).
        file = save_network(tmp_path / "m.onnx", gain=-3 * unit, shift=4 * unit)
        got = Estimator(model(file, output=OutputRule(meaning=meaning)), "cpu").estimate(RAMP).depth[3]
        inverse = 1 / (4 - 3.0 * RAMP[3, :, 0] / 255)
        low, high = np.percentile(np.tile(inverse, 64), (0.5, 99.5))
        np.testing.assert_allclose(got, np.clip((inverse - low) / (high - low), 0, 1), atol=0.01)

    def test_channels_and_layout(self, tmp_path: Path) -> None:
        photo = np.zeros((64, 64, 3), np.uint8)
        photo[:, 32:, 2] = 255  # blue on the right
        rule = PLAIN.model_copy(update={"layout": "NHWC", "channels": "BGR"})
        file = save_network(tmp_path / "m.onnx", shape=("n", "h", "w", 3), channel=0)
        got = Estimator(model(file, input=rule), "cpu").estimate(photo).depth
        assert got[:, 40:].min() == 1
        assert got[:, :24].max() == 0

    def test_half_precision(self, tmp_path: Path) -> None:
        file = save_network(tmp_path / "m.onnx", dtype=TensorProto.FLOAT16, keep_channel=True)
        got = Estimator(model(file), "cpu").estimate(RAMP).depth  # the registry says float32: the network knows better
        np.testing.assert_allclose(got[5], np.arange(64) / 63, atol=0.02)

    def test_constant_photo_is_flat_half(self, tmp_path: Path) -> None:
        got = Estimator(model(save_network(tmp_path / "m.onnx")), "cpu").estimate(np.full((40, 40, 3), 9, np.uint8))
        np.testing.assert_array_equal(got.depth, np.float32(0.5))

    def test_undefined_values_are_filled_or_refused(self, tmp_path: Path) -> None:
        file = save_network(tmp_path / "m.onnx", gain=1, shift=-128 / 255, reciprocal=True)  # 1/0 at red 128
        photo = RAMP.copy()
        photo[:8, :8] = 128
        assert np.isfinite(Estimator(model(file), "cpu").estimate(photo).depth).all()
        photo[:] = 128
        with pytest.raises(DepthError, match="not finite"):
            Estimator(model(file), "cpu").estimate(photo)

    def test_flip_averages(self, tmp_path: Path) -> None:
        e = Estimator(model(save_network(tmp_path / "m.onnx")), "cpu")
        np.testing.assert_allclose(e.estimate(RAMP, flip=True).depth, e.estimate(RAMP).depth, atol=1e-5)

    def test_size_is_the_users(self, tmp_path: Path) -> None:
        e = Estimator(model(save_network(tmp_path / "m.onnx")), "cpu")
        assert e.estimate(RAMP, size=128).depth.shape == (96, 128)
        with pytest.raises(UsageError, match="network size 7"):
            e.estimate(RAMP, size=7)


class TestSeveral:
    @staticmethod
    def counting(shape: tuple[Any, ...]) -> tuple[list[int], Any]:
        """A network that answers with red, and the batches that it was given."""
        batches: list[int] = []

        def answer(tensor: NDArray[Any]) -> NDArray[Any]:
            batches.append(len(tensor))
            return tensor[:, 0]

        return batches, lambda path, provider: FakeSession(answer, shape)

    def test_photos_of_one_shape_go_together(self, tmp_path: Path) -> None:
        batches, factory = self.counting(("n", 3, "h", "w"))
        e = Estimator(model(save_network(tmp_path / "m.onnx")), "cpu", open_session=factory)
        tall = np.ascontiguousarray(RAMP[:, :16])
        photos = [RAMP, tall, 255 - RAMP, *[RAMP] * 8]
        results = e.estimate_all(photos)
        assert sorted(batches) == [1, 2, 4, 4]
        for photo, result in zip(photos, results, strict=True):
            np.testing.assert_array_equal(result.depth, e.estimate(photo).depth)
        assert e.estimate_all([]) == []

    def test_a_mirrored_photo_goes_with_the_photo(self, tmp_path: Path) -> None:
        batches, factory = self.counting(("n", 3, "h", "w"))
        Estimator(model(save_network(tmp_path / "m.onnx")), "cpu", open_session=factory).estimate(RAMP, flip=True)
        assert batches == [2]

    def test_a_network_that_mirrors_by_itself_is_not_asked_to(self, tmp_path: Path) -> None:
        batches, factory = self.counting(("n", 3, "h", "w"))
        info = model(save_network(tmp_path / "m.onnx"), mirrored=True)
        Estimator(info, "cpu", open_session=factory).estimate(RAMP, flip=True)
        assert batches == [1]

    def test_a_network_for_one_photo_gets_one(self, tmp_path: Path) -> None:
        batches, factory = self.counting((1, 3, "h", "w"))
        Estimator(model(save_network(tmp_path / "m.onnx")), "cpu", open_session=factory).estimate_all([RAMP] * 3)
        assert batches == [1, 1, 1]

    def test_a_network_that_says_it_takes_several_and_does_not(self, tmp_path: Path) -> None:
        def first_only(tensor: NDArray[Any]) -> NDArray[Any]:
            return tensor[:1, 0]

        e = Estimator(
            model(save_network(tmp_path / "m.onnx")),
            "cpu",
            open_session=lambda path, provider: FakeSession(first_only, ("n", 3, "h", "w")),
        )
        one, two = e.estimate_all([RAMP, np.ascontiguousarray(RAMP[:, ::-1])])
        np.testing.assert_allclose(one.depth, two.depth[:, ::-1], atol=1e-6)

    def test_a_network_that_fails_with_several_gets_one(self, tmp_path: Path) -> None:
        def one_only(tensor: NDArray[Any]) -> NDArray[Any]:
            if len(tensor) > 1:
                raise RuntimeError("cannot reshape")
            return tensor[:, 0]

        e = Estimator(
            model(save_network(tmp_path / "m.onnx")),
            "cpu",
            open_session=lambda path, provider: FakeSession(one_only, ("n", 3, "h", "w")),
        )
        one, two = e.estimate_all([RAMP, RAMP])
        np.testing.assert_array_equal(one.depth, two.depth)
        assert one.notes == ()

    def test_the_real_runtime_gives_the_same_alone_and_together(self) -> None:
        rng = np.random.default_rng(2)
        photos = [rng.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(3)]
        e = Estimator("builtin", "cpu")
        for photo, result in zip(photos, e.estimate_all(photos, size=128), strict=True):
            np.testing.assert_allclose(result.depth, e.estimate(photo, size=128).depth, atol=2e-3)

    def test_percentile(self, tmp_path: Path) -> None:
        e = Estimator(model(save_network(tmp_path / "m.onnx")), "cpu")
        red = e.disparities([RAMP])[0]
        low, high = np.percentile(red, (10, 90))
        got = e.estimate(RAMP, percentile=10).depth
        np.testing.assert_allclose(got, np.clip((red - low) / (high - low), 0, 1), atol=1e-6)

    @pytest.mark.parametrize("wrong", [{"tiles": 0}, {"tiles": 9}, {"percentile": -1}, {"percentile": 21}])
    def test_out_of_range(self, tmp_path: Path, wrong: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match="out of range"):
            Estimator(model(save_network(tmp_path / "m.onnx")), "cpu").estimate(RAMP, **wrong)


class TestBareFiles:
    def test_fixed_size_is_read_from_the_file(self, tmp_path: Path) -> None:
        file = save_network(tmp_path / "m.onnx", shape=(1, 3, 24, 40), keep_channel=True)
        assert estimate(RAMP, model=str(file), provider="cpu").depth.shape == (24, 40)

    def test_layout_is_read_from_the_file(self, tmp_path: Path) -> None:
        file = save_network(tmp_path / "m.onnx", shape=(1, 32, 32, 3))
        got = estimate(RAMP, model=str(file), provider="cpu").depth
        np.testing.assert_allclose(got[5], np.arange(32) / 31, atol=0.02)

    @pytest.mark.parametrize(
        ("shape", "said"),
        [((1, 4, 32, 32), "4 channels"), ((1, 3, 32), "not one picture")],
    )
    def test_other_networks_are_refused(self, tmp_path: Path, shape: tuple[int, ...], said: str) -> None:
        file = save_network(tmp_path / "m.onnx", shape=shape)
        with pytest.raises(DepthError, match=said):
            estimate(RAMP, model=str(file), provider="cpu")

    def test_rubbish(self, tmp_path: Path) -> None:
        file = tmp_path / "m.onnx"
        file.write_bytes(b"this is no network")
        with pytest.raises(DepthError, match=r"m\.onnx: the network cannot be run on cpu") as caught:
            estimate(RAMP, model=str(file), provider="cpu")
        assert "\n" not in caught.value.message

    def test_wrong_tensor_names(self, tmp_path: Path) -> None:
        info = model(save_network(tmp_path / "m.onnx"), output=OutputRule(name="disparity"))
        with pytest.raises(DepthError, match="no output 'disparity'") as caught:
            Estimator(info, "cpu").warm()
        assert "outputs out" in caught.value.hint


class TestBuiltin:
    """The network may be trained again at any time: only what must always hold is asserted."""

    def test_properties(self) -> None:
        photo = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
        result = estimate(photo, provider="cpu")
        assert result.depth.min() >= 0
        assert result.depth.max() <= 1
        assert np.isfinite(result.depth).all()
        assert max(result.depth.shape) == find_model("builtin").input.size

    @pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (64, 512), (512, 64)])
    def test_any_shape(self, shape: tuple[int, int]) -> None:
        depth = estimate(np.full((*shape, 3), 90, np.uint8), provider="cpu").depth
        assert min(depth.shape) >= 32
        assert np.isfinite(depth).all()

    def test_a_mirrored_photo_has_the_mirrored_depth_where_flipping_is_asked_for(self) -> None:
        photo = np.random.default_rng(2).integers(0, 256, (96, 384, 3), dtype=np.uint8)
        turned = estimate(np.ascontiguousarray(photo[:, ::-1]), provider="cpu", flip=True).depth
        np.testing.assert_allclose(turned[:, ::-1], estimate(photo, provider="cpu", flip=True).depth, atol=1e-3)

    def test_repeats_itself(self) -> None:
        photo = np.random.default_rng(1).integers(0, 256, (60, 90, 3), dtype=np.uint8)
        np.testing.assert_array_equal(estimate(photo).depth, estimate(photo).depth)


@pytest.mark.parametrize("photo", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_photo(tmp_path: Path, photo: NDArray[Any]) -> None:
    with pytest.raises(UsageError, match="a photo is"):
        Estimator(model(save_network(tmp_path / "m.onnx")), "cpu").estimate(photo)


class TestProviders:
    def test_order_and_opt_in(self) -> None:
        everything = list(providers.ORT_NAMES)
        assert providers.candidates("auto", everything) == ["cuda", "rocm", "migraphx", "coreml", "directml", "cpu"]
        assert providers.candidates("auto", ["tensorrt", "cpu"]) == ["cpu"]
        assert providers.candidates("tensorrt", everything) == ["tensorrt", "cpu"]
        assert providers.candidates("cpu", everything) == ["cpu"]

    def test_asked_for_but_not_there(self) -> None:
        with pytest.raises(
            RuntimeMissingError, match="'cuda' is not in the installed ONNX Runtime; available: cpu"
        ) as c:
            providers.candidates("cuda", ["cpu"])
        assert "depthflow-studio[gpu]" in c.value.hint

    def test_unknown(self) -> None:
        with pytest.raises(UsageError, match="unknown provider 'cudda'"):
            Estimator("builtin", "cudda")

    def test_no_runtime(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(RuntimeMissingError, match="ONNX Runtime is not installed") as caught:
            Estimator("builtin")
        assert "pip install 'depthflow-studio[cpu]'" in caught.value.hint

    def test_threads(self) -> None:
        assert 1 <= providers.threads() <= 16

    def test_cpu_session_is_quiet(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        Estimator(model(save_network(tmp_path / "m.onnx")), "cpu").estimate(RAMP)
        assert capfd.readouterr() == ("", "")


class TestFallback:
    @pytest.fixture
    def gpus(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(providers, "available", lambda: ["cuda", "migraphx", "cpu"])

    @staticmethod
    def ramp(tensor: NDArray[Any]) -> NDArray[Any]:
        return tensor[:, 0]

    @pytest.mark.usefixtures("gpus")
    def test_at_creation(self, tmp_path: Path) -> None:
        tried = []

        def factory(path: Path, provider: str) -> FakeSession:
            tried.append(provider)
            if provider != "cpu":
                raise RuntimeError(f"no {provider} driver\nsecond line")
            return FakeSession(self.ramp)

        e = Estimator(model(save_network(tmp_path / "m.onnx")), "auto", open_session=factory)
        result = e.estimate(RAMP)
        assert tried == ["cuda", "migraphx", "cpu"]
        assert result.provider == "cpu"
        assert len(result.notes) == 1
        assert "cuda failed: no cuda driver second line; migraphx failed" in result.notes[0]
        assert "used cpu instead" in result.notes[0]
        e.estimate(RAMP)
        assert tried == ["cuda", "migraphx", "cpu"], "what failed is not tried again"

    @pytest.mark.usefixtures("gpus")
    def test_at_the_first_run(self, tmp_path: Path) -> None:
        def broken(tensor: NDArray[Any]) -> NDArray[Any]:
            raise RuntimeError("CUDA out of memory")

        e = Estimator(
            model(save_network(tmp_path / "m.onnx")),
            "cuda",
            open_session=lambda path, provider: FakeSession(self.ramp if provider == "cpu" else broken),
        )
        result = e.estimate(RAMP)
        assert result.provider == "cpu"
        assert result.notes == ("cuda failed: CUDA out of memory; used cpu instead",)
        np.testing.assert_allclose(result.depth[5], np.arange(64) / 63, atol=0.02)

    @pytest.mark.usefixtures("gpus")
    def test_many_threads_meet_one_failure(self, tmp_path: Path) -> None:
        meet = threading.Barrier(4, timeout=20)
        opened: list[str] = []

        def broken(tensor: NDArray[Any]) -> NDArray[Any]:
            meet.wait()
            raise RuntimeError("lost the device")

        def factory(path: Path, provider: str) -> FakeSession:
            opened.append(provider)
            return FakeSession(broken if provider == "cuda" else self.ramp)

        e = Estimator(model(save_network(tmp_path / "m.onnx")), open_session=factory)
        results: list[Any] = []
        threads = [threading.Thread(target=lambda: results.append(e.estimate(RAMP))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert opened == ["cuda", "migraphx"]
        assert [r.provider for r in results] == ["migraphx"] * 4

    def test_the_last_one_fails(self, tmp_path: Path) -> None:
        def factory(path: Path, provider: str) -> FakeSession:
            raise RuntimeError("bad graph")

        with pytest.raises(DepthError, match="cannot be run on cpu: bad graph"):
            Estimator(model(save_network(tmp_path / "m.onnx")), "cpu", open_session=factory).estimate(RAMP)

    def test_a_session_that_quietly_took_the_cpu_counts_as_failed(self, tmp_path: Path) -> None:
        import onnxruntime

        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("CUDA is there")
        file = save_network(tmp_path / "m.onnx")
        with pytest.warns(UserWarning, match="CUDA"), pytest.raises(RuntimeError, match="cuda could not be started"):
            providers.open_session(file, "cuda")


class TestWarm:
    def test_one_per_model_and_provider(self, tmp_path: Path) -> None:
        file = str(save_network(tmp_path / "m.onnx"))
        assert get_estimator(file, "cpu") is get_estimator(file, "cpu")
        assert get_estimator(file, "cpu") is not get_estimator(file, "auto")

    def test_the_oldest_goes(self, tmp_path: Path) -> None:
        files = [str(save_network(tmp_path / f"{i}.onnx")) for i in range(estimator.MAX_WARM + 1)]
        first = get_estimator(files[0], "cpu")
        for file in files[1:]:
            get_estimator(file, "cpu")
        assert get_estimator(files[0], "cpu") is not first

    def test_unknown_model_is_not_kept(self) -> None:
        for _ in range(2):
            with pytest.raises(UnknownNameError):
                get_estimator("nosuch")

    def test_loaded_once_by_many_threads(self, tmp_path: Path) -> None:
        opened: list[str] = []

        def factory(path: Path, provider: str) -> providers.Session:
            opened.append(provider)
            return providers.open_session(path, provider)

        e = Estimator(model(save_network(tmp_path / "m.onnx")), "cpu", open_session=factory)
        results: list[Any] = []
        threads = [threading.Thread(target=lambda: results.append(e.estimate(RAMP).depth)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert opened == ["cpu"]
        for depth in results:
            np.testing.assert_array_equal(depth, results[0])

    def test_close_and_again(self, tmp_path: Path) -> None:
        with Estimator(model(save_network(tmp_path / "m.onnx")), "cpu") as e:
            before = e.estimate(RAMP).depth
        np.testing.assert_array_equal(e.estimate(RAMP).depth, before)

    def test_unverified_models_say_so(self, tmp_path: Path) -> None:
        info = model(save_network(tmp_path / "m.onnx")).model_copy(update={"verified": False})
        assert Estimator(info, "cpu").estimate(RAMP).notes == ("model 'tiny' is not verified",)


def test_importing_the_package_is_cheap() -> None:
    heavy = "{'cv2', 'onnxruntime', 'OpenEXR', 'PIL', 'numpy', 'pydantic'}"
    code = f"import depthflow.depth, depthflow.cli.depth, sys; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_public_names_exist() -> None:
    import depthflow.depth as package

    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError):
        package.nosuch  # noqa: B018
