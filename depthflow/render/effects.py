"""Draws the effects: from a view's picture and depth to the finished frame. Used on the render thread only.

One full-screen pass, put together from those pieces of shaders/lib that are on. Depth of field needs two or three
small pictures beforehand, particles one of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow import paths
from depthflow.render.stage import Target
from depthflow.render.yuv import Colour, matrix
from depthflow.scene import effects as numbers
from depthflow.scene.camera import Camera, clip_depth
from depthflow.scene.effects import Effects
from depthflow.scene.particles import KINDS, seen, swarm
from depthflow.scene.views import Rect

_BLUR_PIECES = ("lib/distance.glsl", "lib/blur.glsl", "lib/light.glsl")

_TILE = 512
_GRAIN_SIGMA = 42.0
_GRAINS = 540.0
"""Grains of size 1 from top to bottom of a frame."""

_SHRINK = ((2.0, 1), (8.0, 2), (32.0, 4), (128.0, 8), (512.0, 16), (math.inf, 32))
_SHARED = slice(2, 4)
"""Radii in pixels up to which a blur is made of a picture this much smaller. Where a clip needs a later one, these (or
the first of them) share the work with it, each for its radii.

A disc is added up of all its texels, so this bounds the work: to about 4 pi texels for each pixel of the frame.
"""
_FADE = 0.7, 0.95
"""Parts of a level's largest radius between which the next one takes over."""
_ROW = 256
"""Texels in a row of the table of a disc's texels; as in shaders/lib/discs.glsl."""


class EffectsPass:
    """The effects of one clip, for views of one size.

    Args:
        effects: which ones, and what they are without animation.
        size: (width, height) of a view in pixels.
        frame: half width and half height of what a view shows, halves of the photo's longer side.
        colour: what the finished frame is made of.
        transparent: the scene is drawn as colour times opacity, and as opacity; frames are RGBA, premultiplied. For all
            effects but depth of field.
    """

    def __init__(
        self,
        effects: Effects,
        size: tuple[int, int],
        frame: tuple[float, float],
        colour: Colour,
        *,
        transparent: bool = False,
    ) -> None:
        from vispy import gloo

        self._gloo = gloo
        self._effects, self._size, self._frame, self._colour = effects, size, frame, colour
        self._on = effects.active()
        self.blurs = "dof" in self._on
        """There is depth of field."""
        self.scene = Target(size, depth_texture=True)
        """Where the view is drawn before."""
        self.opacity = Target(size) if transparent else None
        """Where its opacity is drawn, as grey."""
        self._triangle = gloo.VertexBuffer(np.array([(-1, -1), (3, -1), (-1, 3)], np.float32))
        self._room = 1.0
        self._blur: _Blur | None = None
        self._most = -1.0, -1.0
        self._particles = _ParticlesPass(effects, size, frame) if "particles" in self._on else None
        self._textures = self._made_textures()
        self._program = self._made()
        self._set_up()

    def prepare(self, shots: Iterable[tuple[Camera, Mapping[str, float]]]) -> None:
        """Make what depends on a whole clip: how far out of focus it gets, how far its cameras see.

        Args:
            shots: camera and animated values of each frame.
        """
        clip = list(shots)
        self._room = max([1.0, *(1.0 / camera.zoom for camera, _ in clip)])
        if "dof" not in self._on:
            return
        far, near = numbers.most_blur(self._effects, clip, self._frame)
        if far <= self._most[0] and near <= self._most[1]:
            return
        self._blur_up_to(max(far, self._most[0]), max(near, self._most[1]))

    def prepare_like(self, other: EffectsPass) -> None:
        """Prepare for what another pass, of the same effects in another context, is prepared for."""
        self._room = other._room
        if other._blur is not None:
            self._blur_up_to(*other._most)

    def _blur_up_to(self, far: float, near: float) -> None:
        """Make the blur for radii up to these, behind and before the focus."""
        self._most = far, near
        if self._blur is not None:
            self._blur.free()
        self._blur = _Blur(self._effects, self._size, far, near, self._triangle)
        self._program.delete()
        self._program = self._made()
        self._set_up()

    def draw(self, target: Target, viewport: Rect, camera: Camera, animated: Mapping[str, float], phase: float) -> None:
        """Make the frame in a part of a target from what was drawn into `scene`."""
        values = self._effects.at(camera, animated, phase)
        shared = self._shared(camera, values)
        self._gloo.set_state(depth_test=False, depth_mask=False, blend=False)
        if self._blur is not None:
            self._blur.draw(self.scene, shared)
        if self._particles is not None:
            self._particles.draw(self.scene, camera, values, phase, self._room)
        self._set({**shared, **self._uniforms(values, phase)})
        with target:
            self._gloo.set_viewport(*viewport)
            self._program.draw("triangles")
        self._gloo.set_state(depth_mask=True)

    def free(self) -> None:
        if self._blur is not None:
            self._blur.free()
        if self._particles is not None:
            self._particles.free()
        for thing in (self._program, self._triangle, *self._textures.values()):
            thing.delete()
        self.scene.free()
        if self.opacity is not None:
            self.opacity.free()

    # -- made once ----------------------------------------------------------------------------------------

    def _made(self) -> Any:
        """The program of what is on."""
        on = self._on
        pieces = []
        distance = bool(on & {"fog", "dof"})
        names = {name.upper() for name in on}
        if distance:
            pieces.append("lib/distance.glsl")
            names.add("DISTANCE")
        if "fog" in on:
            pieces.append("lib/fog.glsl")
        if self._blur is not None:
            pieces += [*_BLUR_PIECES[1:], "lib/focus.glsl"]
            names |= {"NEAR_BLUR"} if self._blur.near else set()
            names.add(f"LEVELS {self._blur.levels}")
        else:
            names.discard("DOF")
        names |= {"LINEAR"} if self._effects.linear else set()
        if on & {"distortion", "aberration"}:
            pieces.append("lib/lens.glsl")
            names.add("LENS")
        pieces += [f"lib/{name}.glsl" for name in ("sweep", "vignette", "grain") if name in on]
        if self._colour != "rgb":
            names.add("YUV")
        if self.opacity is not None:
            names.add("ALPHA")
        return _program(self._gloo, "effects.frag", pieces, sorted(names))

    def _set_up(self) -> None:
        """What stays the same in all frames."""
        effects, (width, height) = self._effects, self._size
        diagonal = math.hypot(width, height)
        constant: dict[str, Any] = {
            "corner": self._triangle,
            "picture": self.scene.colour,
            "depth": self.scene.depth,
            "frame": (width, height),
            "diagonal": (width / diagonal, height / diagonal),
            "vignette_shape": (width / diagonal, height / diagonal),
            "aspect": width / height,
            "fade_colour": effects.fade,
            "sweep_colour": effects.sweep,
            "sweep_axis": numbers.sweep_axis(effects.sweep_angle, self._size),
        }
        if self._colour != "rgb":
            rows = matrix(self._colour)
            constant |= {"yuv": rows[:3, :3].T.astype(np.float32), "yuv_offset": rows[:3, 3]}
        if self.opacity is not None:
            constant["opacity"] = self.opacity.colour
        if self._particles is not None:
            constant["particles"] = self._particles.target.colour
        if self._blur is not None:
            constant |= self._blur.results()
        self._set({**constant, **self._textures})

    def _made_textures(self) -> dict[str, Any]:
        """What the program samples besides pictures of the scene, by its uniform."""

        def texture(pixels: NDArray[np.uint8], kind: str, wrapping: str) -> Any:
            return self._gloo.Texture2D(pixels, interpolation="linear", wrapping=wrapping, internalformat=kind)

        found = {name: texture(it.pixels, "rgba8", "clamp_to_edge") for name, it in self._effects.overlays.items()}
        if "grain" in self._on:
            found["grain_tile"] = texture(grain_tile(self._effects.seed)[..., None], "r8", "repeat")
        return found

    # -- each frame ---------------------------------------------------------------------------------------

    def _shared(self, camera: Camera, values: Mapping[str, float]) -> dict[str, Any]:
        """Uniforms of more than one program."""
        scale = numbers.blur_scale(camera, values["dof.aperture"], self._frame)
        return {
            "depth_row": clip_depth(camera),
            "fog_density": values["fog.density"],
            "fog_start": values["fog.start"],
            "fog_relief": max(camera.relief, 0.02),
            "fog_colour": self._effects.fog,
            "blur_scale": scale,
            "blur_range": scale * max(camera.relief, 0.02),
            "blur_focus": numbers.inverse_distance(camera, values["dof.focus"]),
        }

    def _uniforms(self, values: Mapping[str, float], phase: float) -> dict[str, Any]:
        grade = numbers.colour_matrix(values)
        bars = numbers.letterbox(values["letterbox.aspect"], values["letterbox.amount"], self._size)
        grains = _GRAINS / values["grain.size"] / _TILE
        found = {
            "grade": grade[:, :3].T.astype(np.float32),
            "grade_offset": grade[:, 3],
            "gamma": values["colour.gamma"],
            "distortion": values["lens.distortion"],
            "aberration": values["lens.aberration"],
            "sweep_strength": values["sweep.strength"],
            "sweep_position": values["sweep.position"],
            "sweep_width": values["sweep.width"],
            "vignette_strength": values["vignette.strength"],
            "vignette_start": values["vignette.start"],
            "grain_strength": values["grain.strength"],
            "grain_scale": (grains * self._size[0] / self._size[1], grains),
            "grain_offset": grain_offset(self._effects.seed, phase),
            "bars": bars,
            "fade_amount": values["fade.amount"],
        }
        for name, overlay in self._effects.overlays.items():
            found[f"{name}_at"] = overlay.rectangle(values[f"{name}.size"], self._size, bars)
            found[f"{name}_opacity"] = values[f"{name}.opacity"]
        return found

    def _set(self, uniforms: Mapping[str, Any]) -> None:
        _set(self._program, uniforms)


def grain_tile(seed: int) -> NDArray[np.uint8]:
    """(512, 512) uint8 of noise, normally distributed round the middle."""
    noise = np.random.default_rng((seed, _TILE)).normal(127.5, _GRAIN_SIGMA, (_TILE, _TILE))
    return np.asarray(np.clip(np.rint(noise), 0, 255), np.uint8)


def grain_offset(seed: int, phase: float) -> tuple[float, float]:
    """Where the tile lies in the frame at this time of the pass, tiles."""
    across, down = np.random.default_rng((seed, round(phase * (1 << 24)))).random(2)
    return float(across), float(down)


def _program(gloo: Any, main: str, pieces: Iterable[str], names: Iterable[str], *, vertex: str = "screen.vert") -> Any:
    """A program of pieces of shaders/, with these names defined."""
    folder = paths.data("shaders")
    defines = "".join(f"#define {name}\n" for name in names)
    parts = [(folder / piece).read_text() for piece in (*pieces, main)]
    text = "\n".join(["#version 330", defines, *parts])
    return gloo.Program((folder / vertex).read_text(), text)


def _set(program: Any, uniforms: Mapping[str, Any]) -> None:
    """Set those that the program has; what is off is not compiled in."""
    known = {name for _, _, name in program.variables}
    for name, value in uniforms.items():
        if name in known:
            program[name] = value


class _Blur:
    """Depth of field: the picture made small, what lies behind the focus blurred, and what lies before it.

    Wide blurs are made of smaller pictures than narrow ones, so there may be several levels, narrow ones first.

    Args:
        far, near: largest radius behind and before the plane of focus, frame heights.
    """

    def __init__(self, effects: Effects, size: tuple[int, int], far: float, near: float, triangle: Any) -> None:
        height = size[1]
        self._limit = max(far, near, 0.5 / height)
        enough = next(n for n, (radius, _) in enumerate(_SHRINK) if self._limit * height <= radius)
        kinds = [(radius / height, block) for radius, block in _SHRINK[:enough][_SHARED]]
        kinds.append((self._limit, _SHRINK[enough][1]))
        self._near = near
        self.near = near / (kinds[0][1] / height) > 0.5
        self._levels: list[_Level] = []
        before = None
        for number, (limit, block) in enumerate(kinds):
            is_last = number == len(kinds) - 1
            self._levels.append(
                _Level(effects, size, block, limit, before, is_last, near if self.near else 0.0, triangle)
            )
            before = limit

    @property
    def levels(self) -> int:
        return len(self._levels)

    def results(self) -> dict[str, Any]:
        """Uniforms of those who use the result."""
        found: dict[str, Any] = {"blur_limit": self._limit, "blur_near": self._near}
        for number, level in enumerate(self._levels):
            found |= {f"{name}_{number}": value for name, value in level.results().items()}
        return found

    def draw(self, scene: Target, shared: Mapping[str, Any]) -> None:
        for level in self._levels:
            level.draw(scene, shared)

    def free(self) -> None:
        for level in self._levels:
            level.free()


class _Level:
    """Blurs of some radii, made of a picture of one size.

    Args:
        block: pixels of the frame that make one of this picture, each way.
        limit: largest radius here, frame heights.
        before: that of the level before, which fades over to this one.
        is_last: else the next level takes over.
        near: largest radius before the plane of focus of all levels, frame heights; 0: nothing is blurred there.
    """

    def __init__(
        self,
        effects: Effects,
        size: tuple[int, int],
        block: int,
        limit: float,
        before: float | None,
        is_last: bool,
        near: float,
        triangle: Any,
    ) -> None:
        from vispy import gloo

        self._gloo = gloo
        small = -(-size[0] // block), -(-size[1] // block)
        texel = block / size[1]
        reach = limit / texel
        self._level = texel, limit
        self._fade = None if before is None else (_FADE[0] * before, _FADE[1] * before)
        light = ["LINEAR"] if effects.linear else []
        fog = ["lib/fog.glsl"] if "fog" in effects.active() else []
        names = [*light, *(["FOG"] if fog else []), *(["NEAR_BLUR"] if near else [])]
        tile = max(1, math.ceil(min(near, limit) / texel + 0.5))
        spread = ["lib/light.glsl", "lib/discs.glsl"]
        shrink = _program(gloo, "blur_shrink.frag", [*_BLUR_PIECES, *fog], names)
        self._passes = {"small": (Target(small), shrink)}
        if near:
            tiles = -(-small[0] // tile), -(-small[1] // tile)
            self._passes["tiles"] = Target(tiles), _program(gloo, "blur_tiles.frag", spread, light)
            self._passes["near"] = Target(small), _program(gloo, "blur_near.frag", spread, names)
        self._passes["far"] = Target(small), _program(gloo, "blur_far.frag", spread, names)
        offsets = discs(reach, effects.bokeh, effects.squeeze)
        rows = -(-len(offsets) // _ROW)
        table = np.zeros((rows * _ROW, 4), np.float32)
        table[: len(offsets), :3] = offsets
        self._taps = gloo.Texture2D(table.reshape(rows, _ROW, 4), internalformat="rgba32f")
        fixed = {
            "corner": triangle,
            "block": block,
            "blur_limit": limit,
            "blur_near": near,
            "reach": reach,
            "taps": self._taps,
            "tap_count": len(offsets),
            "disc_area": disc_area(effects.bokeh, effects.squeeze),
            "tile": tile,
            "starts": (0.25, 1.0) if self._fade is None else tuple(radius / texel for radius in self._fade),
            "ends": (2.0 * reach, 3.0 * reach) if is_last else (_FADE[0] * reach, _FADE[1] * reach),
            "stops": 2.0 * reach if is_last else 0.97 * reach,
            **{name: target.colour for name, (target, _) in self._passes.items()},
        }
        for _, program in self._passes.values():
            _set(program, fixed)

    def results(self) -> dict[str, Any]:
        """Uniforms of lib/focus.glsl, without the level's number."""
        found = {name: target.colour for name, (target, _) in self._passes.items() if name != "tiles"}
        return {**found, "level": self._level, **({} if self._fade is None else {"fade": self._fade})}

    def draw(self, scene: Target, shared: Mapping[str, Any]) -> None:
        for target, program in self._passes.values():
            _set(program, {**shared, "picture": scene.colour, "depth": scene.depth})
            with target:
                self._gloo.set_viewport(0, 0, *target.size)
                program.draw("triangles")

    def free(self) -> None:
        for target, program in self._passes.values():
            target.free()
            program.delete()
        self._taps.delete()


def discs(reach: float, sides: int, squeeze: float) -> NDArray[np.float32]:
    """What a point of light becomes, up to a radius, in texels.

    Args:
        reach: the largest radius.
        sides: of the polygon, one corner to the right; 0 is a disc.
        squeeze: how much higher than wide it is.

    Returns:
        (n, 3): offset x, y, and the radius of the shape whose rim is there, of every texel that the largest one
        covers, in the order of that radius.
    """
    most = math.ceil(reach + 0.5)
    y, x = (n.ravel().astype(np.float64) for n in np.mgrid[-most : most + 1, -most : most + 1])
    rim = np.hypot(x * squeeze, y)
    if sides:
        normals = 2 * np.pi * (np.arange(sides)[:, None] + 0.5) / sides
        rim = np.max(np.cos(normals) * x * squeeze + np.sin(normals) * y, axis=0) / math.cos(math.pi / sides)
    order = np.argsort(rim, kind="stable")
    order = order[rim[order] < reach + 0.5]
    return np.column_stack([x[order], y[order], rim[order]]).astype(np.float32)


def disc_area(sides: int, squeeze: float) -> float:
    """Area of such a shape of radius 1."""
    return (sides * math.sin(2 * math.pi / sides) / 2 if sides else math.pi) / squeeze


_CORNERS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)
_QUAD = np.array([0, 1, 2, 0, 2, 3], np.uint32)


class _ParticlesPass:
    """Particles in a picture of their own, hidden where the scene is nearer."""

    def __init__(self, effects: Effects, size: tuple[int, int], frame: tuple[float, float]) -> None:
        from vispy import gloo

        self._gloo = gloo
        self._effects, self._frame = effects, frame
        kind = KINDS[effects.particles.kind]
        self._swarm = swarm(kind, effects.seed, effects.seconds, effects.particles.speed)
        self.target = Target(size)
        self._program = _program(gloo, "particles.frag", ["lib/distance.glsl"], [], vertex="particles.vert")
        _set(self._program, {"tint": kind.colour, "covers": kind.covers})
        kinds = [("centre", np.float32, 3), ("axis", np.float32, 2), ("corner", np.float32, 2), ("look", np.float32, 3)]
        self._kinds = np.dtype(kinds)
        self._vertices = gloo.VertexBuffer(np.zeros(4 * kind.most, self._kinds))
        first = 4 * np.arange(kind.most, dtype=np.uint32)
        self._quads = (first[:, None] + _QUAD).ravel()
        self._indices = gloo.IndexBuffer(self._quads)

    def draw(self, scene: Target, camera: Camera, values: Mapping[str, float], phase: float, room: float) -> None:
        blur = 0.0, 1.0
        if "dof" in self._effects.active():
            blur = (
                numbers.blur_scale(camera, values["dof.aperture"], self._frame),
                numbers.inverse_distance(camera, values["dof.focus"]),
            )
        they = seen(
            self._swarm,
            phase,
            camera,
            self._frame,
            height=scene.size[1],
            room=room,
            amount=values["particles.amount"],
            size=values["particles.size"],
            opacity=values["particles.opacity"],
            blur=blur,
        )
        with self.target:
            self.target.clear((0.0, 0.0, 0.0, 0.0))
            count = len(they.depth)
            if not count:
                return
            # The farthest first, so that the nearer ones lie over them.
            order = np.argsort(-they.depth, kind="stable")
            data = np.zeros((len(self._quads) // 6, 4), self._kinds)
            rows = data[:count]
            rows["centre"] = np.column_stack([they.centre, they.depth])[order, None]
            axes = they.along[order, None] * _CORNERS[:, :1] + they.across[order, None] * _CORNERS[:, 1:]
            rows["axis"] = axes
            rows["corner"] = _CORNERS
            aspect = np.array([scene.size[0] / scene.size[1], 1.0])
            lengths = np.hypot(*(they.along * aspect).T) / np.hypot(*(they.across * aspect).T)
            rows["look"] = np.column_stack([they.opacity, they.glow, lengths])[order, None]
            self._vertices.set_data(data.ravel())
            self._program.bind(self._vertices)
            _set(self._program, {"depth": scene.depth, "depth_row": clip_depth(camera)})
            self._gloo.set_state(depth_test=False, depth_mask=False, blend=True)
            self._gloo.set_state(blend_func=("one", "one_minus_src_alpha"))
            self._program.draw("triangles", self._indices)
            self._gloo.set_state(blend=False)

    def free(self) -> None:
        self.target.free()
        for thing in (self._program, self._vertices, self._indices):
            thing.delete()
