#version 330
// Colours a layer by its depth; a soft edge becomes a hard one, because half a depth is the depth of nothing.

uniform sampler2D photo;      // its opacity alone
uniform vec3 far;             // colour of depth 0
uniform vec3 near;            // colour of depth 1

in vec2 place;
in float nearness;
out vec4 colour;

void main() {
    if (texture(photo, place).a < 0.5)
        discard;
    colour = vec4(mix(far, near, clamp(nearness, 0.0, 1.0)), 1.0);
}
