#version 330
// Colours the depth mesh with the photo.

uniform sampler2D photo;

in vec2 place;
out vec4 colour;

void main() {
    colour = texture(photo, place);
}
