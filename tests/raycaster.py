"""The oracle: casts one ray a pixel at the layers of a photo, and meets them by looking at every depth on the way.

Slow and simple on purpose. It shares with the renderer the layers themselves and the definition of a camera, and
nothing of how they are drawn: no mesh, no triangles, no OpenGL.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from depthflow.scene.camera import matrix, unprojection_scale

CORE = 254.5 / 255
"""Opacity from which a layer hides what is behind it."""


@dataclass
class View:
    """What the rays met.

    Attributes:
        picture: (H, W, 3) float32, 0 to 255.
        layer: (H, W) number of the nearest opaque layer, 0 the farthest; -1 where there is none.
        place: (H, W, 2) column and row of the depth map where that one is met.
    """

    picture: np.ndarray
    layer: np.ndarray
    place: np.ndarray


def cast(layers, camera, *, extent, frame, size, steps=160):
    """The layers through a camera.

    Args:
        layers: of `depthflow.render.layers.peel`.
        extent, frame: half width and height of the photo and of what the frame shows at rest, halves of the photo's
            longer side.
        size: (width, height) of the picture.
        steps: depths that every ray is looked at; between them the depth maps are taken to be straight.
    """
    sheets = layers.sheets
    shape = size[1], size[0]
    picture, nearest = np.zeros((*shape, 3), np.float32), np.full(shape, -1.0, np.float32)
    number, place = np.full(shape, -1), np.zeros((*shape, 2), np.float32)
    for index, sheet in enumerate(sheets):
        core, fringe = _meet(sheet, camera, extent, frame, size, steps)
        # Opaque parts hide what is behind; then the soft ones are laid over what they stand before.
        before = core.depth > nearest
        picture[before], nearest[before] = core.colour[before, :3], core.depth[before]
        number[before], place[before] = index, core.place[before]
        over = fringe.depth > nearest
        share = fringe.colour[over, 3:] / 255
        picture[over] = fringe.colour[over, :3] + (1 - share) * picture[over]
    return View(picture, number, place)


@dataclass
class _Hits:
    """The nearest meeting of each ray: depth (-1 for none), colour and place."""

    depth: np.ndarray
    colour: np.ndarray
    place: np.ndarray

    @classmethod
    def none(cls, shape):
        zeros = (np.zeros((*shape, channels), np.float32) for channels in (4, 2))
        return cls(np.full(shape, -1.0, np.float32), *zeros)

    def keep(self, where, wanted, depth, colour, place):
        """Of the rays `where` (rows, columns) those that are wanted, unless they have met something before."""
        new = wanted & (self.depth[where] < 0)
        rays = where[0][new], where[1][new]
        self.depth[rays], self.colour[rays], self.place[rays] = depth[new], colour[new], place[new]


def _meet(sheet, camera, extent, frame, size, steps):
    """Opaque and soft meetings with one layer, from near to far."""
    core, fringe = _Hits.none((size[1], size[0])), _Hits.none((size[1], size[0]))
    before = None
    margin = 2 / steps
    for depth in np.linspace(1 + margin, -margin, steps, dtype=np.float32):
        place = _places(sheet.depth.shape, camera, depth, extent, frame, size)
        behind = cv2.remap(sheet.depth, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT) - depth
        if before is not None:
            # From outside or from inside: a mesh has no thickness.
            rays = np.nonzero((before[0] < 0) != (behind < 0))
            if len(rays[0]):
                part = before[0][rays] / (before[0][rays] - behind[rays])
                at = before[2] + part * (depth - before[2])
                where = before[1][rays] + part[:, None] * (place[rays] - before[1][rays])
                colour = _colour(sheet, where)
                opaque = colour[:, 3] >= CORE * 255
                soft = ~opaque & (colour[:, 3] > 0.5) & (core.depth[rays] < 0)
                core.keep(rays, opaque, at, colour, where)
                fringe.keep(rays, soft, at, colour, where)
        before = behind, place, depth
    return core, fringe


def _places(shape, camera, depth, extent, frame, size):
    """(H, W, 2) float32: column and row of the depth map where each pixel's ray has this depth."""
    to_clip, (c0, c1) = matrix(camera), unprojection_scale(camera)
    q = 1 + camera.relief * depth
    ray = camera.ray_scale * (c0 + c1 * q)
    # On a plane of one depth the camera is a homography from the photo to the frame.
    there = np.column_stack([to_clip[:, 0] * ray, to_clip[:, 1] * ray, to_clip[:, 2] + to_clip[:, 3] * q])[[0, 1, 3]]
    x = ((np.arange(size[0]) + 0.5) / size[0] * 2 - 1) * frame[0]
    y = (1 - (np.arange(size[1]) + 0.5) / size[1] * 2)[:, None] * frame[1]
    back = np.linalg.inv(there)
    seen_x, seen_y, scale = (
        (line[0] * x + line[2]).astype(np.float32) + (line[1] * y).astype(np.float32) for line in back
    )
    height, width = shape
    column = (seen_x / (scale * extent[0]) + 1) * (width / 2) - 0.5
    row = (1 - seen_y / (scale * extent[1])) * (height / 2) - 0.5
    return cv2.merge([column.astype(np.float32), row.astype(np.float32)])


def _colour(sheet, place):
    """(N, 4) float32 of the layer at N places of its depth map; nothing where it has no surface."""
    # OpenCV takes no picture of more than 32767 rows: the list is folded.
    folded = np.pad(place, ((0, -len(place) % 256), (0, 0))).reshape(-1, 256, 2).astype(np.float32)
    scale = np.array(sheet.colour.shape[1::-1], np.float32) / sheet.depth.shape[::-1]
    texel = ((folded + 0.5) * scale - 0.5).astype(np.float32)
    # Sixteen bits: OpenCV's remap of eight rounds the result.
    colour = (
        cv2.remap(sheet.colour.astype(np.uint16) * 256, texel, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        .reshape(-1, 4)[: len(place)]
        .astype(np.float32)
    )
    colour /= 256
    if sheet.shown is not None:
        shown = cv2.dilate(sheet.shown.astype(np.uint8), np.ones((3, 3)))
        there = cv2.remap(shown, folded, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT).ravel()
        colour[there[: len(place)] == 0] = 0
    return colour
