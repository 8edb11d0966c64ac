"""The timeline's keys, by names that stay, and what its help says of them. What they do is the editor's matter."""

from __future__ import annotations

from textual.binding import Binding

KEYS = (
    Binding("plus", "add_track", "Track", id="timeline.track.add"),
    Binding("a", "add_key", "Key", id="timeline.key.add"),
    Binding("enter", "edit_value", "Value", id="timeline.key.value"),
    Binding("e", "ease", "Ease", id="timeline.key.ease"),
    Binding("x,delete", "delete_key", "Delete", id="timeline.key.delete"),
    Binding("space", "play", "Play", id="timeline.play"),
    Binding("E", "ease_track", "Ease the track", id="timeline.track.ease", show=False),
    Binding("X", "remove_track", "Delete the track", id="timeline.track.delete", show=False),
    Binding("h", "hold", "Hold", id="timeline.key.hold", show=False),
    Binding("c", "copy_key", "Copy", id="timeline.key.copy", show=False),
    Binding("v", "paste_key", "Put in", id="timeline.key.paste", show=False),
    Binding("t", "next_form", "Seconds or per cent", id="timeline.key.form", show=False),
    Binding("m", "next_mode", "Set, add, multiply", id="timeline.track.mode", show=False),
    Binding("o", "next_after", "After the last key", id="timeline.track.after", show=False),
    Binding("l", "loop", "Loop", id="timeline.loop", show=False),
    Binding("f", "frames", "Frames or seconds", id="timeline.frames", show=False),
    Binding("left", "step(-1)", "Back", id="timeline.back", show=False),
    Binding("right", "step(1)", "Forwards", id="timeline.forwards", show=False),
    Binding("shift+left", "frame(-1)", "A frame back", id="timeline.frame.back", show=False),
    Binding("shift+right", "frame(1)", "A frame forwards", id="timeline.frame.forwards", show=False),
    Binding("home", "go_to(0)", "Beginning", id="timeline.beginning", show=False),
    Binding("end", "go_to(1)", "End", id="timeline.end", show=False),
    Binding("comma", "next_key(-1)", "Key before", id="timeline.key.before", show=False),
    Binding("full_stop", "next_key(1)", "Key after", id="timeline.key.after", show=False),
    Binding("up", "go_track(-1)", "Track above", id="timeline.track.above", show=False),
    Binding("down", "go_track(1)", "Track below", id="timeline.track.below", show=False),
    Binding("shift+up", "nudge(1)", "More", id="timeline.key.more", show=False),
    Binding("shift+down", "nudge(-1)", "Less", id="timeline.key.less", show=False),
    Binding("left_square_bracket", "move_key(-1)", "Key earlier", id="timeline.key.earlier", show=False),
    Binding("right_square_bracket", "move_key(1)", "Key later", id="timeline.key.later", show=False),
    Binding("left_curly_bracket", "move_key(-10)", "Key much earlier", id="timeline.key.earlier10", show=False),
    Binding("right_curly_bracket", "move_key(10)", "Key much later", id="timeline.key.later10", show=False),
    Binding("equals_sign", "zoom(1)", "Closer", id="timeline.closer", show=False),
    Binding("minus", "zoom(-1)", "Farther", id="timeline.farther", show=False),
    Binding("0", "zoom(0)", "Everything", id="timeline.everything", show=False),
)

HELP = """
# Timeline

One row a parameter: ◆ is a key, the line the value between keys.

| key | |
|---|---|
| `←` `→` | move the playhead; with `shift` by a frame; `home` `end` |
| `↑` `↓` | another track; with `shift` change the key's value |
| `,` `.` | to the key before or after |
| `a` | a key at the playhead |
| `x` `delete` | delete the key; `X` the track |
| `[` `]` | move the key by a frame; `{` `}` by ten |
| `enter` | the key's value, as a number |
| `e` `E` | easing of the key, of the track |
| `h` | how long the key holds |
| `c` `v` | copy the key, put it in at the playhead |
| `t` | write the key's time in seconds, per cent, after the key before, before the end |
| `+` | a track for another parameter |
| `m` | the track sets, adds or multiplies |
| `o` | after its last key the track holds, loops or mirrors |
| `l` | the whole timeline loops with each pass |
| `=` `-` `0` | closer, farther, everything; the wheel, too |
| `f` | the ruler in frames or seconds |
| `space` | play on, or stand still |
| `escape` | close the timeline; `tab` goes to the parameters and back |

Mouse: click a key to select it and drag it; drag on the ruler to scrub; a double click puts a key in.
"""
