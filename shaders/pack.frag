#version 330
// Packs a YUV frame as planar 4:2:0: each pixel of the target is four bytes in a row of the Y plane, then U, then V.

uniform sampler2D frame;      // (Y, U, V, A), row 0 first
uniform vec2 size;            // of the frame in pixels: width a multiple of 8, height of 2

out vec4 bytes;

vec2 pair(int column, int row) {
    return texelFetch(frame, ivec2(column, row), 0).yz + texelFetch(frame, ivec2(column, row + 1), 0).yz;
}

// Chroma lies on the even columns, between two rows: 1 2 1 across.
vec2 chroma(int column, int row) {
    vec2 middle = pair(column, row);
    vec2 after = pair(column + 1, row);
    return column == 0 ? (middle + after) / 4.0 : (pair(column - 1, row) + 2.0 * middle + after) / 8.0;
}

void main() {
    ivec2 whole = ivec2(size);
    ivec2 place = ivec2(gl_FragCoord.xy);
    int column = place.x * 4;
    for (int i = 0; i < 4; ++i) {
        if (place.y < whole.y) {
            bytes[i] = texelFetch(frame, ivec2(column + i, place.y), 0).x;
        } else {
            int plane = whole.x / 2 * (whole.y / 2);
            int index = (place.y - whole.y) * whole.x + column + i;
            int within = index % plane;
            vec2 uv = chroma(within % (whole.x / 2) * 2, within / (whole.x / 2) * 2);
            bytes[i] = index < plane ? uv.x : uv.y;
        }
    }
}
