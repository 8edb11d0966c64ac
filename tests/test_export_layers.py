"""`depthflow layers`: the files by themselves give the photo back, and the 3D scene is sound and seen as the photo."""

import json
import math
import struct

import cv2
import numpy as np
import pytest
from PIL import Image
from running import depthflow, listing, refused

import depthflow as package
from depthflow.errors import OutputError

WIDTH, HEIGHT = 240, 160
FOV, RELIEF = 60.0, 0.9


@pytest.fixture
def scene(tmp_path):
    """A green board before a wall and a red square before its edge: photo.png and depth.npy."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 2)
    photo = (noise * 200).astype(np.uint8)
    depth = np.full((HEIGHT, WIDTH), 0.05, np.float32)
    for where, colour, far in ((np.s_[30:, 40:120], (40, 200, 60), 0.5), (np.s_[60:100, 95:150], (230, 20, 30), 0.95)):
        photo[where], depth[where] = colour, far
    Image.fromarray(photo).save(tmp_path / "photo.png")
    np.save(tmp_path / "depth.npy", depth)
    return photo, depth


def export(tmp_path, count=3, **more):
    return package.export_layers(
        tmp_path / "photo.png",
        tmp_path / "out",
        depth=tmp_path / "depth.npy",
        layers=count,
        motion="horizontal",
        strength=2.0,
        relief=RELIEF,
        fov=FOV,
        **more,
    )


def over(pictures):
    result = np.zeros((HEIGHT, WIDTH, 3))
    for rgba in pictures:
        share = rgba[..., 3:] / 255
        result = share * rgba[..., :3] + (1 - share) * result
    return result


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_pictures_over_each_other_are_the_photo(scene, tmp_path, count):
    photo, depth = scene
    names = {path.name for path in export(tmp_path, count)}
    numbers = range(1, count + 1)
    assert names == {"mask.png", "layers.npz", "layers.glb"} | {f"layer_{n}.png" for n in numbers} | {
        f"layer_{n}_depth.png" for n in numbers
    }
    pictures = [np.asarray(Image.open(tmp_path / "out" / f"layer_{n}.png")) for n in numbers]
    assert all(picture.shape == (HEIGHT, WIDTH, 4) for picture in pictures)
    assert np.abs(over(pictures) - photo).max() <= 2
    near = cv2.imread(str(tmp_path / "out" / f"layer_{count}_depth.png"), cv2.IMREAD_UNCHANGED)
    assert near.dtype == np.uint16
    core = np.s_[70:90, 105:140]
    np.testing.assert_allclose(near[core] / 65535, depth[core], atol=1e-4)


def test_the_arrays_are_the_pictures(scene, tmp_path):
    export(tmp_path)
    arrays = np.load(tmp_path / "out" / "layers.npz")
    assert arrays["rgba"].shape == (3, HEIGHT, WIDTH, 4)
    assert arrays["depth"].shape == arrays["shown"].shape == (3, HEIGHT, WIDTH)
    assert arrays["depth"].dtype == np.float32
    for number in (1, 2, 3):
        picture = np.asarray(Image.open(tmp_path / "out" / f"layer_{number}.png"))
        np.testing.assert_array_equal(picture, arrays["rgba"][number - 1])
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "mask.png")) > 127, arrays["mask"])
    assert (float(arrays["fov"]), float(arrays["relief"])) == (FOV, RELIEF)
    # What is invented lies behind the square and the board, and nowhere else.
    assert arrays["mask"][65:95, 100:105].all()
    assert not arrays["mask"][:25].any()
    assert arrays["shown"][-1][70:90, 105:140].all()


class Scene:
    """A .glb, taken apart by the specification."""

    TYPES = ((5126, np.float32), (5125, np.uint32))
    WIDTHS = (("SCALAR", 1), ("VEC2", 2), ("VEC3", 3))

    def __init__(self, data):
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert (kind, size % 4) == (b"JSON", 0)
        self.json = json.loads(data[20 : 20 + size])
        binary_size, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert (kind, binary_size % 4) == (b"BIN\0", 0)
        self.binary = data[28 + size :]
        assert len(self.binary) == binary_size == self.json["buffers"][0]["byteLength"]

    def view(self, index):
        view = self.json["bufferViews"][index]
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= len(self.binary)
        return self.binary[view["byteOffset"] :][: view["byteLength"]]

    def values(self, index):
        accessor = self.json["accessors"][index]
        values = np.frombuffer(self.view(accessor["bufferView"]), dict(self.TYPES)[accessor["componentType"]])
        values = values.reshape(accessor["count"], dict(self.WIDTHS)[accessor["type"]])
        if "min" in accessor:
            np.testing.assert_array_equal(values.min(0), np.float32(accessor["min"]))
            np.testing.assert_array_equal(values.max(0), np.float32(accessor["max"]))
        return values


def covered(triangles, point):
    """Whether a point lies in one of (M, 3, 2) triangles."""
    a, b, c = np.moveaxis(triangles.astype(float) - point, 1, 0)
    sides = [p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0] for p, q in ((a, b), (b, c), (c, a))]
    return bool(((np.min(sides, 0) >= -1e-9) | (np.max(sides, 0) <= 1e-9)).any())


def test_the_scene_is_sound_and_its_camera_sees_the_photo(scene, tmp_path):
    _, depth = scene
    export(tmp_path)
    found = Scene((tmp_path / "out" / "layers.glb").read_bytes())
    assert found.json["asset"]["version"] == "2.0"
    nodes = [found.json["nodes"][n] for n in found.json["scenes"][0]["nodes"]]
    assert [node["name"] for node in nodes] == ["layer 1", "layer 2", "layer 3", "camera"]
    lens = found.json["cameras"][nodes[-1]["camera"]]["perspective"]
    assert lens["aspectRatio"] == pytest.approx(WIDTH / HEIGHT)
    # The field of view is across the longer side.
    assert math.tan(lens["yfov"] / 2) * lens["aspectRatio"] == pytest.approx(math.tan(math.radians(FOV) / 2))
    modes = set()
    for node in nodes[:-1]:
        front = found.json["meshes"][node["mesh"]]
        for primitive in front["primitives"]:
            positions, places = (found.values(primitive["attributes"][name]) for name in ("POSITION", "TEXCOORD_0"))
            indices = found.values(primitive["indices"]).ravel()
            assert len(positions) == len(places)
            assert indices.max() < len(positions)
            assert len(indices) % 3 == 0
            # The camera in the origin sees each vertex where its picture has it.
            x, y, z = positions.T.astype(float)
            seen = np.column_stack([x / -z / lens["aspectRatio"], -y / -z]) / math.tan(lens["yfov"] / 2)
            np.testing.assert_allclose((seen + 1) / 2, places, atol=1e-5)
            material = found.json["materials"][primitive["material"]]
            modes.add(material["alphaMode"])
            assert "KHR_materials_unlit" in material["extensions"]
            texture = found.json["textures"][material["pbrMetallicRoughness"]["baseColorTexture"]["index"]]
            image = found.json["images"][texture["source"]]
            png = np.frombuffer(found.view(image["bufferView"]), np.uint8)
            picture = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)
            assert picture.shape == (HEIGHT, WIDTH, 4)
    assert modes == {"OPAQUE", "BLEND"}
    # The front covers all four corners of the photo, and stands as far away as the depth map says.
    triangles = np.concatenate([found.values(p["indices"]).reshape(-1, 3) for p in front["primitives"]])
    assert all(covered(places[triangles], corner) for corner in ((0, 0), (0, 1), (1, 0), (1, 1)))
    assert not covered(places[triangles], (1.5, 1.5))
    inside = (places >= 0).all(1) & (places <= 1).all(1)
    rows, cols = (np.clip((places[inside, n] * size).astype(int), 0, size - 1) for n, size in ((1, HEIGHT), (0, WIDTH)))
    square = np.ones((13, 13))
    calm = (cv2.dilate(depth, square) == cv2.erode(depth, square))[rows, cols]
    assert calm.sum() > 50
    np.testing.assert_allclose(-positions[inside, 2][calm], 1 / (1 + RELIEF * depth[rows, cols][calm]), atol=0.01)


def test_what_is_there_is_kept_and_replaced_only_when_asked(scene, tmp_path):
    export(tmp_path, 3)
    (tmp_path / "out" / "mine.txt").write_text("kept")
    with pytest.raises(OutputError, match="is there already"):
        export(tmp_path, 2)
    export(tmp_path, 2, overwrite=True)
    names = set(listing(tmp_path / "out"))
    assert "layer_3.png" not in names, "of the older export"
    assert {"layer_2.png", "mine.txt"} <= names
    assert not [name for name in names if name.endswith(".part")]


def test_the_command(scene, tmp_path):
    done = depthflow("layers", "photo.png", "--depth", "depth.npy", "--layers", "3", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["folder"] == "photo-layers"
    assert set(told["files"]) == set(listing(tmp_path / "photo-layers"))
    assert len(told["files"]) == 9


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--layers", "4"], 2, ["layers.count", "3"]),
        (["--fill", "clasic"], 2, ["did you mean 'classic'"]),
        (["--motion", "horizontl"], 2, ["horizontal"]),
        (["-o", "photo.png"], 4, ["is a file"]),
        (["--depth", "gone.npy"], 3, ["gone.npy"]),
    ],
)
def test_bad_requests_write_nothing(scene, tmp_path, options, code, words):
    before = listing(tmp_path)
    done = depthflow("layers", "photo.png", "--depth", "depth.npy", *options, cwd=tmp_path)
    refused(done, code, *words)
    assert listing(tmp_path) == before


def test_depth_never_wraps_round(scene, tmp_path):
    """What keeps away from before the farthest thing was a hair beyond it, and white in 16 bits."""
    rough = cv2.GaussianBlur(np.random.default_rng(4).random((HEIGHT, WIDTH)).astype(np.float32), (0, 0), 2)
    np.save(tmp_path / "depth.npy", np.clip((rough - 0.5) * 12, 0, 1).astype(np.float32))
    export(tmp_path)
    with np.load(tmp_path / "out" / "layers.npz") as arrays:
        assert len(arrays["depth"]) == 3
        assert arrays["depth"].min() == 0.0
        assert arrays["depth"].max() <= 1.0
        for number, depth in enumerate(arrays["depth"], start=1):
            grey = cv2.imread(str(tmp_path / "out" / f"layer_{number}_depth.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_allclose(grey / 65535, depth, atol=1e-5)


def test_a_transparent_photo_is_said_to_be_laid_on_white(scene, tmp_path):
    photo, _ = scene
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:20] = 0
    Image.fromarray(np.concatenate([photo, alpha], axis=2)).save(tmp_path / "photo.png")
    done = depthflow("layers", "photo.png", "--depth", "depth.npy", "-o", "out", cwd=tmp_path)
    assert "the transparent photo lies on #ffffff" in done.err
