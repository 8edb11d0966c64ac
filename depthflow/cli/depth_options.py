"""The options of how depth is found, which `depth`, `render` and `submit` have in common."""

from __future__ import annotations

from typing import Annotated

from depthflow.cli.panels import DEPTH, MACHINE, option

Model = Annotated[
    str | None, option(DEPTH, "--model", help="Depth network: a name, or an .onnx file.", metavar="NAME|FILE")
]
Fallback = Annotated[
    str | None,
    option(DEPTH, "--fallback", help="If that is not here: none (stop), or builtin (use it).", metavar="WHAT"),
]
Embedded = Annotated[
    bool | None,
    option(DEPTH, "--embedded-depth/--no-embedded-depth", help="Use the depth inside a portrait photo, if any."),
]
NetworkSize = Annotated[
    int | None,
    option(
        DEPTH,
        "--network-size",
        help="Pixels that the network sees, 32 to 8192; more is sharper, slower.",
        metavar="PIXELS",
    ),
]
Tiles = Annotated[int | None, option(DEPTH, "--tiles", help="Parts along the longer side, for finer depth; 1 to 8.")]
Flip = Annotated[
    bool | None,
    option(
        DEPTH,
        "--flip/--no-flip",
        help="Average with the mirrored photo's depth: a little steadier, twice the time.",
    ),
]
Far = Annotated[
    float | None, option(DEPTH, "--depth-far", help="Depth that becomes farthest, 0 to 1; what is behind too.")
]
Near = Annotated[
    float | None, option(DEPTH, "--depth-near", help="Depth that becomes nearest, 0 to 1; what is before too.")
]
Gamma = Annotated[float | None, option(DEPTH, "--depth-gamma", help="Above 1 moves the middle away; 0.1 to 10.")]
Percentile = Annotated[
    float | None,
    option(DEPTH, "--depth-percentile", help="Percent cut off at each end of the depth range; 0 to 20."),
]
Provider = Annotated[
    str | None,
    option(MACHINE, "--provider", help="ONNX Runtime: auto, cpu, cuda, coreml, directml, ...", metavar="NAME"),
]
