#version 330
// Covers the viewport with one triangle.

in vec2 corner;

out vec2 place;               // 0 to 1 across and down the frame

void main() {
    gl_Position = vec4(corner, 0.0, 1.0);
    place = corner * 0.5 + 0.5;
}
