#version 330
// Colours the part of a layer whose opacity lies within a range; the rest leaves nothing, no depth either.

uniform sampler2D photo;      // colour premultiplied by alpha
uniform vec2 opacity;         // shown from this, to below this

in vec2 place;
out vec4 colour;

void main() {
    colour = texture(photo, place);
    if (colour.a < opacity.x || colour.a >= opacity.y)
        discard;
}
