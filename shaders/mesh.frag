#version 330
// Colours the depth mesh with the photo.

uniform sampler2D photo;

in vec2 place;
out vec4 colour;

void main() {
    colour = vec4(texture(photo, place).rgb, 1.0);  // of what is opaque
}
