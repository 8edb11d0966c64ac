#version 330
// Packs the U and V planes of a frame, one after the other behind the Y plane: each pixel of the target is four bytes.

uniform sampler2D frame;      // (Y, U, V, A), row 0 first
uniform vec2 size;            // of the frame in pixels: width a multiple of 8, height of 2

out vec4 bytes;

vec2 pair(int column, int row) {
    return texelFetch(frame, ivec2(column, row), 0).yz + texelFetch(frame, ivec2(column, row + 1), 0).yz;
}

void main() {
    ivec2 whole = ivec2(size);
    int across = whole.x / 2;
    int plane = across * (whole.y / 2);
    int index = (int(gl_FragCoord.y) - whole.y) * whole.x + int(gl_FragCoord.x) * 4;
    bool second = index >= plane;
    index -= second ? plane : 0;
    int row = index / across * 2;
    int column = index % across * 2;
    // Chroma lies on the even columns, between two rows: 1 2 1 across. The first column has nothing before it.
    vec2 before = pair(max(column - 1, 0), row);
    vec2 middle = pair(column, row);
    for (int i = 0; i < 4; ++i) {
        vec2 after = pair(column + 1, row);
        vec2 uv = column == 0 ? (middle + after) / 4.0 : (before + 2.0 * middle + after) / 8.0;
        bytes[i] = second ? uv.y : uv.x;
        column += 2;
        before = after;
        middle = pair(min(column, whole.x - 1), row);
    }
}
