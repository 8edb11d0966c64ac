#version 330
// Packs the Y plane of a frame: each pixel of the target is four bytes in a row of it.

uniform sampler2D frame;      // (Y, U, V, A), row 0 first

out vec4 bytes;

float luma(ivec2 place) {
    return texelFetch(frame, place, 0).x;
}

void main() {
    ivec2 first = ivec2(gl_FragCoord.xy) * ivec2(4, 1);
    bytes = vec4(luma(first), luma(first + ivec2(1, 0)), luma(first + ivec2(2, 0)), luma(first + ivec2(3, 0)));
}
